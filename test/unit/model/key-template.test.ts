import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ByteString, fromText } from '../../../src/model/byte-string.ts';
import {
  bySpecificity,
  crossingProblem,
  KeyClaims,
  type KeyTemplate,
  parseKeyTemplate,
  renameKey,
  templateProblem,
} from '../../../src/model/key-template.ts';
import { ragApi } from '../../../src/profiles/rag-api.ts';

const RAG_API = [...ragApi.keyTemplates, ...ragApi.configKeyTemplates];
const RUNS = { numRuns: 600 };

describe('a template', () => {
  test.each(['cache:*', '{tenant}*', 'cache:{tenant}*', 'a{tenant}b{tenant}', '*{tenant}:*', '{tenant}:*:x', ''])(
    'is refused that claims nothing, or more than one tenant: %j',
    (text) => expect(() => parseKeyTemplate(text)).toThrow(expect.objectContaining({ code: 'usage' })),
  );

  test.each(['{tenant}', '{tenant}:*', 'cache:{tenant}', 'é:{tenant}:ü*', '[{tenant}]?'])('is accepted: %j', (text) =>
    expect(parseKeyTemplate(text).text).toBe(text),
  );
});

describe('the tenant', () => {
  const siraya = claims(RAG_API, 'siraya', 'tenant_7');

  test.each([
    'siraya_text_chunks:1',
    'siraya_doc_status__sched:status:done',
    'siraya:session:1',
    'siraya::',
    'task:siraya:1',
    'batch:siraya:siraya_eu:1',
    'tenant:config:siraya',
  ])('has %s', (key) => expect(siraya(key)).toBe('siraya'));

  test.each([
    'siraya',
    'Siraya:1',
    'SIRAYA_text_chunks:1',
    'siraya_eu_text_chunks:1',
    'siraya_eu:1',
    'my_siraya:1',
    'my_siraya_text_chunks:1',
    'sirayax:1',
    'task:siraya_eu:1',
    'task:siraya',
    'task:other:siraya:1',
    'tenant:config:siraya:x',
    'tenant:config:siraya_eu',
    'siraya_text_chunks_2:1',
    'cache:siraya:1',
  ])('has not %s', (key) => expect(siraya(key)).toBeUndefined());

  test.each([
    ['behind the profile', [...RAG_API, '{tenant}_*']],
    ['before the profile', ['{tenant}_*', ...RAG_API]],
  ])('has no key of siraya_eu, with a loose template %s', (_, templates) => {
    const claim = claims(templates, 'siraya', 'tenant_7');
    expect(claim('siraya_notes')).toBe('siraya');
    for (const template of RAG_API) {
      expect(claim(template.replace('{tenant}', 'siraya_eu').replace('*', 'x'))).toBeUndefined();
    }
  });

  test('has no key of a longer id that the same run moves', () => {
    const claim = claims(['{tenant}_*'], 'siraya', 'siraya_eu');
    expect(claim('siraya_eu_1')).toBe('siraya_eu');
    expect(claim('siraya_1')).toBe('siraya');
  });

  test('is compared byte for byte', () => {
    const claim = claims(['{tenant}:*'], 'café', 'x');
    expect(claim('café:1')).toBe(fromText('café'));
    expect(claim('cafe\u0301:1')).toBeUndefined();
    // Latin-1 bytes are not the UTF-8 of the same letters.
    expect(new KeyClaims([parseKeyTemplate('{tenant}:*')], [fromText('café')]).of('café:1')).toBeUndefined();
  });
});

describe('a move is refused', () => {
  test.each([
    ['siraya', 'siraya_v2', [...RAG_API, '{tenant}_*']],
    ['siraya_v2', 'siraya', [...RAG_API, '{tenant}_*']],
    ['siraya', 'siraya:x', ['{tenant}:*']],
    ['a', 'b:a', ['{tenant}:*', 'b:{tenant}:*']],
    ['siraya', 'siraya', ['{tenant}:*']],
  ])('whose result it would claim again: %s → %s', (source, target, templates) =>
    expect(problem(templates, source, target)).toMatch(/would be claimed/),
  );

  test.each([
    ['task', RAG_API],
    ['batch', RAG_API],
    ['tenant', RAG_API],
    ['x_text_chunks', RAG_API],
    ['x_doc_status__sched', RAG_API],
    ['a_b', ['{tenant}:*', '{tenant}_b:c:*']],
    ['a_text', ['{tenant}_*', '{tenant}_text_chunks:*']],
  ])('where the id %s reads as two', (id, templates) => {
    expect(problem(templates, id, 'fine')).toBeDefined();
    expect(problem(templates, 'fine', id)).toBeDefined();
  });

  test('whose ids claim the same key as another move of the run', () => {
    const templates = ['{tenant}_*'].map(parseKeyTemplate);
    const to = (...moves: [string, string][]) =>
      crossingProblem(
        templates,
        moves.map(([source, target]) => ({ source, target })),
      );
    expect(to(['siraya', 'x'], ['siraya_eu', 'y'])).toMatch(/siraya_eu_/);
    expect(to(['siraya', 'x'], ['other', 'siraya_v2'])).toMatch(/siraya_v2_/);
    expect(to(['siraya', 'x'], ['other', 'y'])).toBeUndefined();
    expect(
      crossingProblem(RAG_API.map(parseKeyTemplate), [
        { source: 'siraya', target: 'siraya_v2' },
        { source: 'siraya_eu', target: 'eu' },
      ]),
    ).toBeUndefined();
  });

  test.each([
    ['siraya', 'siraya_v2'],
    ['siraya', 'tenant_76920508'],
    ['siraya', 'my_siraya'],
    ['007', '7'],
    ['a-b.c', 'a*b'],
    ['テナント', 'locataire é'],
    ['x_text', 'text_chunks'],
  ])('only for a reason: not %s → %s', (source, target) => expect(problem(RAG_API, source, target)).toBeUndefined());
});

describe.each([
  ['of rag-api', fc.constant(RAG_API), fc.stringMatching(/^[a-z0-9_é-]{1,8}$/)],
  ['of rag-api with a loose one', fc.constant([...RAG_API, '{tenant}_*']), fc.stringMatching(/^[ab_]{1,5}$/)],
  ['at random', randomTemplates(), fc.stringMatching(/^[ab_:é]{1,4}$/)],
])('under templates %s', (_, templateTexts, id) => {
  const world = fc
    .record({ texts: templateTexts, source: id, target: id, noise: fc.array(id, { maxLength: 3 }) })
    .chain(({ texts, source, target, noise }) => {
      const templates = texts.map(parseKeyTemplate);
      return fc.record({
        templates: fc.constant(templates),
        source: fc.constant(source),
        target: fc.constant(target),
        keys: fc.array(keyNear(templates, [source, target, ...noise]), { minLength: 1, maxLength: 12 }),
      });
    });

  test('a key is claimed exactly where the most specific template says so', () => {
    fc.assert(
      fc.property(world, ({ templates, source, target, keys }) => {
        if (templateProblem(templates, { source, target }) !== undefined) return;
        const known = [fromText(source), fromText(target)];
        const of = new KeyClaims(templates, known);
        for (const key of keys) {
          const claim = of.of(key);
          expect([key, claim?.tenant, claim?.template.text]).toEqual([key, ...bySpecification(templates, known, key)]);
        }
      }),
      RUNS,
    );
  });

  test('renaming touches only the id, has an inverse, and its result is the target’s alone', () => {
    let moved = 0;
    fc.assert(
      fc.property(world, ({ templates, source, target, keys }) => {
        if (templateProblem(templates, { source, target }) !== undefined) return;
        const [from, to] = [fromText(source), fromText(target)];
        const forwards = new KeyClaims(templates, [from, to]);
        const names = new Map<ByteString, ByteString>();
        for (const key of new Set(keys)) {
          const claim = forwards.of(key);
          if (claim?.tenant !== from) continue;
          moved += 1;
          const renamed = renameKey(key, claim.template, from, to);
          const { prefix } = claim.template;
          expect(renamed).toBe(prefix + to + key.slice(prefix.length + from.length));
          expect(forwards.of(renamed)).toEqual({ template: claim.template, tenant: to });
          expect(renameKey(renamed, claim.template, to, from)).toBe(key);
          expect(names.get(renamed)).toBeUndefined();
          names.set(renamed, key);
        }
      }),
      RUNS,
    );
    expect(moved).toBeGreaterThan(100);
  });
});

function claims(templates: readonly string[], ...tenants: string[]): (key: string) => ByteString | undefined {
  const known = new KeyClaims(templates.map(parseKeyTemplate), tenants.map(fromText));
  return (key) => known.of(fromText(key))?.tenant;
}

function problem(templates: readonly string[], source: string, target: string): string | undefined {
  return templateProblem(templates.map(parseKeyTemplate), { source, target });
}

function randomTemplates(): fc.Arbitrary<readonly string[]> {
  const part = fc.stringMatching(/^[ab_:é]{0,3}$/);
  const template = fc
    .record({ prefix: part, suffix: part, open: fc.boolean() })
    .map(({ prefix, suffix, open }) => `${prefix}{tenant}${suffix}${open && suffix !== '' ? '*' : ''}`);
  return fc.uniqueArray(template, { minLength: 1, maxLength: 4 });
}

/** Keys that templates give to ids, with rests and heads that look like templates again, and noise. */
function keyNear(templates: readonly KeyTemplate[], ids: readonly string[]): fc.Arbitrary<ByteString> {
  const piece = fc.constantFrom(
    ...ids.map(fromText),
    ...templates.flatMap(({ prefix, suffix }) => [prefix, suffix]),
    '_',
    ':',
    'a',
    '\xff',
  );
  const noise = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
  const claimed = fc
    .record({ template: fc.constantFrom(...templates), id: fc.constantFrom(...ids), rest: noise })
    .map(({ template, id, rest }) => template.prefix + fromText(id) + template.suffix + (template.open ? rest : ''));
  return fc.oneof({ weight: 4, arbitrary: claimed }, { weight: 1, arbitrary: noise });
}

/** The rule itself, slowly: every reading of every template is tried. */
function bySpecification(
  templates: readonly KeyTemplate[],
  known: readonly ByteString[],
  key: ByteString,
): [ByteString | undefined, string | undefined] {
  const ordered = bySpecificity(templates);
  for (const [index, template] of ordered.entries()) {
    const own = readings(template, key).filter((id) => known.includes(id));
    const tenant = own.sort((a, b) => b.length - a.length)[0];
    if (tenant === undefined) continue;
    const start = template.prefix.length;
    const end = start + tenant.length;
    const foreign = ordered.slice(0, index).some((stricter) =>
      readings(stricter, key).some((id) => {
        const at = stricter.prefix.length;
        const letters = [...id].filter((_, offset) => at + offset < start || at + offset >= end);
        return !letters.includes(':');
      }),
    );
    return foreign ? [undefined, undefined] : [tenant, template.text];
  }
  return [undefined, undefined];
}

function readings({ prefix, suffix, open }: KeyTemplate, key: ByteString): ByteString[] {
  if (!key.startsWith(prefix)) return [];
  const ends = Array.from({ length: key.length + 1 }, (_, end) => end).filter((end) => end > prefix.length);
  return ends
    .filter((end) => key.startsWith(suffix, end) && (open || end + suffix.length === key.length))
    .map((end) => key.slice(prefix.length, end));
}
