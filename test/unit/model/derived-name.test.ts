import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedName, isDerivedName } from '../../../src/model/derived-name.ts';
import { ragApi } from '../../../src/profiles/rag-api.ts';

/** What LightRAG 1.5.7's own function makes of these labels (`lightrag/kg/neo4j_impl.py`, `_get_fulltext_index_name`). */
const NAMES = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/lightrag-index-names.json'), 'utf8'),
) as [label: string, name: string][];

const [rule] = ragApi.graphIndexNames ?? [];
if (rule === undefined) throw new Error('the profile has no rule');

describe('the name of LightRAG’s full-text index', () => {
  it.each(NAMES)('of %j is %s', (label, name) => {
    expect(derivedName(rule, label)).toBe(name);
    expect(isDerivedName(rule, { name, tenant: label })).toBe(true);
  });

  it('is an identifier, whatever the label', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (label) => {
        expect(derivedName(rule, label)).toMatch(/^entity_id_fulltext_idx_[A-Za-z_][A-Za-z0-9_]*$/);
      }),
    );
  });

  it('is known as the tenant’s in the form of earlier versions, too, and no other tenant’s is', () => {
    expect(isDerivedName(rule, { name: 'entity_id_fulltext_idx_007', tenant: '007' })).toBe(true);
    expect(isDerivedName(rule, { name: 'entity_id_fulltext_idx_a__b', tenant: 'a--b' })).toBe(true);
    expect(isDerivedName(rule, { name: 'entity_id_fulltext_idx_ws_007', tenant: '07' })).toBe(false);
    expect(isDerivedName(rule, { name: 'summaries_007', tenant: '007' })).toBe(false);
  });
});

it('steps do what they say', () => {
  const make = (...steps: Parameters<typeof derivedName>[0]['steps']) =>
    derivedName({ template: 'x{name}', steps }, 'Ä-b$&');
  expect(make({ replace: 'a-z', by: '.' })).toBe('x.b.');
  expect(make({ replace: 'a-z', by: '.', each: true })).toBe('x..b..');
  expect(make({ lower: true })).toBe('xä-b$&');
});
