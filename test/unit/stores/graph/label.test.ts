import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeLabel } from '../../../../src/stores/graph/label.ts';

describe('an escaped label', () => {
  it.each([
    ['siraya', '`siraya`'],
    ['a b', '`a b`'],
    ['a`b', '`a``b`'],
    ['`', '````'],
    ['o\'brien "x"', '`o\'brien "x"`'],
    ['a) DETACH DELETE n //', '`a) DETACH DELETE n //`'],
  ])('of %j is %s', (label, text) => {
    expect(escapeLabel(label)).toBe(text);
  });

  it.each(['', 'a\\b', '\\u0060', 'a\0b'])('does not exist for %j', (label) => {
    expect(() => escapeLabel(label)).toThrow(/cannot be a graph label/);
  });

  it('ends at its last backtick and nowhere before, and gives the name back', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('`', 'a', ' ', ')', "'", 'é', '😀'), minLength: 1 }), (label) => {
        const inner = escapeLabel(label).slice(1, -1);
        expect(inner.replaceAll('``', '')).not.toContain('`');
        expect(inner.replaceAll('``', '`')).toBe(label);
      }),
    );
  });
});
