import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { derivedId, fieldsOf, parsePointIdScheme } from '../../../src/model/point-id.ts';
import { ragApi } from '../../../src/profiles/rag-api.ts';

interface Fixture {
  readonly qdrant: Readonly<Record<string, { readonly points: readonly { id: string; payload: { id: string } }[] }>>;
}

const fixture = JSON.parse(await readFile('test/fixtures/lightrag-workspace.json', 'utf8')) as Fixture;
const written = Object.values(fixture.qdrant).flatMap(({ points }) => points);
const lightRag = ragApi.pointIdSchemes[0]!;

it('the ids are those that LightRAG wrote', () => {
  expect(written).toHaveLength(12);
  for (const { id, payload } of written) expect(derivedId(lightRag, 'acme', JSON.stringify(payload))).toBe(`"${id}"`);
});

// Made by Python's uuid and hashlib.
it.each([
  ['uuid5(dns, {tenant}:{payload.id})', '{"id":"doc-1"}', 'a26b286a-4946-541c-aabd-be424a8c9c0b'],
  [
    'uuid5(6BA7B810-9DAD-11D1-80B4-00C04FD430C8, {tenant}:{payload.id}:x)',
    '{"id":9007199254740993}',
    '55c3bb3a-7a9f-5cfa-b110-6553493bcc94',
  ],
  ['uuid3(url, {tenant}/{payload.meta.no})', '{"meta":{"no":7}}', '4f51c2a2-0484-34c9-9f53-352636ac6a5a'],
  ['md5({tenant}_{payload.id})', '{"id":"x"}', 'c0c15d69-584c-d6bb-7cd6-ffb1b4150041'],
  ['md5-uuid4({tenant}_{payload.id})', '{"id":"x"}', 'c0c15d69-584c-46bb-bcd6-ffb1b4150041'],
  ['sha256-uuid4({tenant}{payload.id})', '{"id":"ent-10"}', '14cdfd3c-bfeb-4657-9c58-ef2bed240105'],
])('%s gives the id that Python gives', (form, payload, id) => {
  expect(derivedId(parsePointIdScheme(form), 'acme', payload)).toBe(`"${id}"`);
});

it('text beyond ASCII is hashed as UTF-8', () => {
  const scheme = parsePointIdScheme('sha256({tenant}:{payload.id})');
  expect(derivedId(scheme, 'acmé', '{"id":"ent-1"}')).toBe('"cc0c46a0-1f70-7aae-b7a4-07e003b2af6c"');
});

it('a payload without the field, or with a value that no id is made of, derives nothing', () => {
  const scheme = parsePointIdScheme('md5({tenant}{payload.meta.id})');
  expect(fieldsOf(scheme)).toEqual(['meta.id']);
  for (const payload of ['{}', '{"meta":7}', '{"meta":{"id":1.5}}', '{"meta":{"id":null}}', '{"meta":{"id":["x"]}}'])
    expect(derivedId(scheme, 'acme', payload)).toBeUndefined();
});

it.each([
  ['uuid5({tenant}:{payload.id})', /namespace "\{tenant\}:\{payload.id\}"|namespace/],
  ['uuid5(nowhere, {tenant}:{payload.id})', /"nowhere", which is no UUID/],
  ['crc32({tenant}{payload.id})', /none of the known forms/],
  ['md5({tenant})', /names no \{payload/],
  ['md5({payload.id})', /does not name \{tenant\}/],
  ['md5({tenant}{id})', /names \{id\}/],
  ['md5({tenant}{payload.id)', /brace/],
  ['', /none of the known forms/],
])('"%s" is refused with the reason and the forms', (form, reason) => {
  expect(() => parsePointIdScheme(form)).toThrow(reason);
  expect(() => parsePointIdScheme(form)).toThrow(expect.objectContaining({ next: expect.stringContaining('uuid5(') }));
});
