import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ByteString, fromText } from '../../../src/model/byte-string.ts';
import { KeyRivals } from '../../../src/model/key-rivals.ts';
import {
  bySpecificity,
  KeyClaims,
  type KeyTemplate,
  parseKeyTemplate,
  templateProblem,
} from '../../../src/model/key-template.ts';
import { ragApi } from '../../../src/profiles/rag-api.ts';

const RAG_API = [...ragApi.keyTemplates, ...ragApi.configKeyTemplates];
const NAMESPACE =
  /_(?:full_docs|text_chunks|llm_response_cache|full_entities|full_relations|entity_chunks|relation_chunks|doc_status)(?:__sched(?:_rebuild)?)?$/;
const RUNS = { numRuns: 600 };

describe('a key of siraya', () => {
  const { others, knownBy } = rivals(RAG_API, 'siraya', 'acme');

  test.each([
    ['siraya_text_chunks:1', ['siraya_text_chunks']],
    ['siraya_doc_status__sched:status:done', ['siraya_doc_status__sched']],
    ['siraya:1', []],
    ['task:siraya:1', []],
    ['batch:siraya:siraya_text_chunks:1', []],
  ])('%s could be had by %j', (key, ids) => expect(others(key)).toEqual(ids));

  test.each([
    ['task:siraya_text_chunks:1', 'siraya_text_chunks'],
    ['tenant:config:acme_doc_status', 'acme_doc_status'],
    ['siraya_text_chunks_full_docs:1', 'siraya_text_chunks'],
  ])('has a neighbour that is known by %s', (key, id) => expect(knownBy(key)).toBe(id));

  test.each(['task:queue', 'task_text_chunks:1', 'other:1', 'siraya_text_chunks', 'siraya_eu:1'])(
    'has none by %s that could want it',
    (key) => expect([undefined, 'siraya_eu']).toContain(knownBy(key)),
  );
});

describe('with a template that claims the rest', () => {
  const templates = [...RAG_API, '{tenant}_*'];

  test('every longer id could have a key, and every shorter one what has no better reading', () => {
    expect(rivals(templates, 'siraya', 'acme').others('siraya_eu_notes')).toEqual(['siraya_eu']);
    expect(rivals(templates, 'siraya_eu', 'acme').others('siraya_eu_notes')).toEqual(['siraya']);
  });

  test('what a better template claims is no shorter id’s', () => {
    expect(rivals(templates, 'siraya_eu', 'acme').others('siraya_eu_text_chunks:1')).toEqual([
      'siraya_eu_text_chunks',
      'siraya_eu_text',
    ]);
  });
});

test('under rag-api only ids that end in a namespace can be taken for each other', () => {
  const id = fc.oneof(
    fc.stringMatching(/^[a-z0-9_é-]{1,8}$/),
    fc.constantFrom('text_chunks', 'doc_status', 'siraya_eu', 'x_full', '__sched', '007', '.*', '[a]'),
  );
  const made = fc.record({ source: id, target: id, template: fc.constantFrom(...RAG_API), rest: fc.string() });
  fc.assert(
    fc.property(made, ({ source, target, template, rest }) => {
      const move = { source, target };
      if (templateProblem(RAG_API.map(parseKeyTemplate), move) !== undefined) return;
      const key = template.replace('{tenant}', () => source).replace('*', () => rest);
      for (const other of rivals(RAG_API, source, target).others(key)) expect(other).toMatch(NAMESPACE);
    }),
    RUNS,
  );
});

describe.each([
  ['of rag-api', fc.constant(RAG_API), fc.stringMatching(/^[ab]{1,2}(_text_chunks|_doc_status__sched)?$/)],
  ['of rag-api with a loose one', fc.constant([...RAG_API, '{tenant}_*']), fc.stringMatching(/^[ab_]{1,5}$/)],
  ['at random', randomTemplates(), fc.stringMatching(/^[ab_:]{1,4}$/)],
])('under templates %s', (_, texts, id) => {
  test('a key is another’s too exactly where a template reads that id, but for a looser one within our own', () => {
    let ambiguous = 0;
    const world = fc
      .record({ texts, source: id, target: id })
      .chain((given) =>
        fc.record({ given: fc.constant(given), keys: fc.array(keyNear(given), { minLength: 1, maxLength: 8 }) }),
      );
    fc.assert(
      fc.property(world, ({ given: { texts: all, source, target }, keys }) => {
        const templates = all.map(parseKeyTemplate);
        if (templateProblem(templates, { source, target }) !== undefined) return;
        const own = [source, target].map(fromText);
        const [claims, rivals] = [new KeyClaims(templates, own), new KeyRivals(templates, own)];
        for (const key of keys) {
          const claim = claims.of(key);
          const heard = rivals.knownBy(key);
          if (claim === undefined) {
            if (heard !== undefined) expect(soleReading(templates, key)).toBe(heard);
            continue;
          }
          const found = new Set(rivals.of(key, claim).map(({ tenant }) => tenant));
          const expected = bySpecification(templates, key, { ...claim, own });
          expect([key, [...found].sort()]).toEqual([key, [...expected].sort()]);
          ambiguous += found.size;
          // Whoever could want the key is noticed by a key of its own alone.
          for (const other of found) {
            for (const { prefix, suffix, open } of templates) {
              const theirs = `${prefix}${other}${suffix}${open ? 'x' : ''}`;
              if (claims.of(theirs) === undefined && soleReading(templates, theirs) === other)
                expect([theirs, rivals.knownBy(theirs)]).toEqual([theirs, other]);
            }
          }
        }
      }),
      RUNS,
    );
    expect(ambiguous).toBeGreaterThan(20);
  });
});

function rivals(texts: readonly string[], ...ids: string[]) {
  const templates = texts.map(parseKeyTemplate);
  const own = ids.map(fromText);
  const [claims, found] = [new KeyClaims(templates, own), new KeyRivals(templates, own)];
  return {
    others: (text: string) => {
      const key = fromText(text);
      const claim = claims.of(key);
      return claim === undefined ? [] : found.of(key, claim).map(({ tenant }) => tenant);
    },
    knownBy: (text: string) => found.knownBy(fromText(text)),
  };
}

function randomTemplates(): fc.Arbitrary<readonly string[]> {
  const part = fc.stringMatching(/^[ab_:]{0,3}$/);
  const template = fc
    .record({ prefix: part, suffix: part, open: fc.boolean() })
    .map(({ prefix, suffix, open }) => `${prefix}{tenant}${suffix}${open && suffix !== '' ? '*' : ''}`);
  return fc.uniqueArray(template, { minLength: 1, maxLength: 4 });
}

function keyNear({ texts, source, target }: { texts: readonly string[]; source: string; target: string }) {
  const rest = fc.array(fc.constantFrom('a', '_', ':', '_text_chunks:', 'b'), { maxLength: 4 });
  return fc
    .record({ text: fc.constantFrom(...texts), id: fc.constantFrom(source, target, `${source}_a`, 'b'), rest })
    .map(({ text, id, rest: pieces }) => text.replace('{tenant}', id).replace('*', pieces.join('')));
}

/** Every id without `:` at every place, slowly. */
function allReadings({ prefix, suffix, open }: KeyTemplate, key: ByteString): ByteString[] {
  if (!key.startsWith(prefix)) return [];
  const ends = Array.from({ length: key.length + 1 }, (_, end) => end).filter((end) => end > prefix.length);
  return ends
    .filter((end) => key.startsWith(suffix, end) && (open || end + suffix.length === key.length))
    .map((end) => key.slice(prefix.length, end))
    .filter((id) => !id.includes(':'));
}

/** Ids with which keys under one template begin as keys under another do. */
function reserved(templates: readonly KeyTemplate[]): readonly ByteString[] {
  return templates.flatMap(({ prefix }) =>
    templates.flatMap((one) => (one.suffix === '' ? [] : allReadings({ ...one, open: true }, prefix))),
  );
}

function bySpecification(
  templates: readonly KeyTemplate[],
  key: ByteString,
  { template, tenant, own }: { template: KeyTemplate; tenant: ByteString; own: readonly ByteString[] },
): ReadonlySet<ByteString> {
  const ordered = bySpecificity(templates);
  const [start, end] = [template.prefix.length, template.prefix.length + tenant.length];
  const others = ordered.flatMap((other, index) =>
    allReadings(other, key).filter((id) => {
      const at = other.prefix.length;
      return !(index > ordered.indexOf(template) && at >= start && at + id.length <= end);
    }),
  );
  return new Set(others.filter((id) => !own.includes(id) && !reserved(templates).includes(id)));
}

/** The one id that the most specific template reads which reads any. */
function soleReading(templates: readonly KeyTemplate[], key: ByteString): ByteString | undefined {
  for (const template of bySpecificity(templates)) {
    const ids = allReadings(template, key);
    if (ids.length > 0) return ids.length === 1 ? ids[0] : undefined;
  }
  return undefined;
}
