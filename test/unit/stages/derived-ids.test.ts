import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { ragApi } from '../../../src/profiles/rag-api.ts';
import { derivedId, derivingScheme } from '../../../src/stages/qdrant/derived-ids.ts';

interface Fixture {
  readonly qdrant: Readonly<Record<string, { readonly points: readonly { id: string; payload: { id: string } }[] }>>;
}

const fixture = JSON.parse(await readFile('test/fixtures/lightrag-workspace.json', 'utf8')) as Fixture;
const written = Object.values(fixture.qdrant).flatMap(({ points }) => points);
const contents = written.map(({ id, payload }) => ({
  id: JSON.stringify(id),
  payload: new Map([['id', JSON.stringify(payload.id)]]),
  vectors: undefined,
}));

it('the ids are those that LightRAG wrote', () => {
  expect(written).toHaveLength(12);
  for (const { id, payload } of written) expect(derivedId('acme', payload.id)).toBe(`"${id}"`);
});

it('the scheme is recognised for its own tenant and for no other', () => {
  expect(derivingScheme(ragApi.pointIdSchemes, contents, 'acme')).toEqual({
    scheme: ragApi.pointIdSchemes[0],
    count: 12,
  });
  expect(derivingScheme(ragApi.pointIdSchemes, contents, 'acme2')).toBeUndefined();
});

it('points without the record id fit no scheme', () => {
  const bare = contents.map((point) => ({ ...point, payload: new Map([['id', '7']]) }));
  expect(derivingScheme(ragApi.pointIdSchemes, bare, 'acme')).toBeUndefined();
});
