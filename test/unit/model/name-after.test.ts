import { expect, it } from 'vitest';
import { nameAfter } from '../../../src/model/name-after.ts';

it.each([
  ['entity_id_fulltext_idx_siraya', 'siraya', 'acme', 'entity_id_fulltext_idx_acme'],
  ['entity_id_fulltext_idx_a_b', 'a-b', 'c.d', 'entity_id_fulltext_idx_c_d'],
  ['entity_id_fulltext_idx_siraya', 'siraya', 'tenant-7', 'entity_id_fulltext_idx_tenant_7'],
  ['siraya-entities', 'siraya', 'tenant-7', 'tenant-7-entities'],
  ['idx a-b', 'a-b', 'c.d', 'idx c.d'],
  ['siraya', 'siraya', 'acme', 'acme'],
  ['a_siraya_b', 'siraya', 'acme', 'a_acme_b'],
  // The id is a word of the name too: its place is the end.
  ['entity_id_fulltext_idx_id', 'id', 'acme', 'entity_id_fulltext_idx_acme'],
  ['idx_entity_idx', 'idx', 'acme', 'idx_entity_acme'],
  ['x_a_b_a_c', 'a', 'z', 'x_a_b_z_c'],
  ['idx_ümit', 'ümit', 'acme', 'idx_acme'],
  ['idx__mit', 'ümit', 'acme', 'idx_acme'],
] as const)('%s of %s becomes, for %s, %s', (name, source, target, after) => {
  expect(nameAfter(name, { source, target })).toBe(after);
});

it.each([
  ['siraya2_idx', 'siraya'],
  ['mysiraya', 'siraya'],
  ['éa_idx', 'a'],
  ['my_index', 'siraya'],
  ['SIRAYA_idx', 'siraya'],
] as const)('%s does not hold %s: a part of a longer word is another word', (name, source) => {
  expect(nameAfter(name, { source, target: 'acme' })).toBeUndefined();
});
