import { describe, expect, it } from 'vitest';
import { canonicalPath, pathText, payloadPath, valueAt } from '../../../src/model/payload-path.ts';

describe('a payload path', () => {
  it.each([
    ['workspace_id', ['workspace_id']],
    ['metadata.workspace', ['metadata', 'workspace']],
    ['"metadata.workspace"', ['metadata.workspace']],
    ['a-b."c d".é1', ['a-b', 'c d', 'é1']],
  ])('%s is read as Qdrant reads it, and written back alike', (text, names) => {
    expect(payloadPath(text)).toEqual(names);
    expect(pathText(names)).toBe(text);
  });

  it.each(['', '.a', 'a.', 'a..b', 'a b', 'a[]', 'a[0].b', '"a', 'a"b"', '"a"b', '"a\\"b"'])('%s is none', (text) => {
    expect(payloadPath(text)).toBeUndefined();
  });

  it('has one way of writing', () => {
    expect(canonicalPath('"a"."b c"')).toBe('a."b c"');
    expect(canonicalPath('a b')).toBe('a b');
  });

  it('leads through objects only', () => {
    expect(valueAt({ a: { b: 1 } }, ['a', 'b'])).toBe(1);
    expect(valueAt({ a: [{ b: 1 }] }, ['a', 'b'])).toBeUndefined();
    expect(valueAt({ 'a.b': 1 }, ['a.b'])).toBe(1);
    expect(valueAt({}, ['toString'])).toBeUndefined();
  });
});
