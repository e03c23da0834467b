import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fieldName, fitsMask, isMask, maskOf, replaceSecrets, secretFields } from '../../src/model/secret-mask.ts';
import {
  checkSecrets,
  fillSecrets,
  givenFields,
  parseConfigSecrets,
  strayNames,
} from '../../src/stages/config/config-secrets.ts';

const MASKED_MEMBERS = ['api_key', 'api_token'];
const SECTIONS = ['llm_config', 'embedding_config'];

function namesOf(sections: Parameters<typeof secretFields>[0], masked = true): readonly string[] {
  return secretFields(sections, MASKED_MEMBERS)
    .filter((field) => field.masked === masked)
    .map((field) => fieldName(field.path));
}

describe('a mask', () => {
  test.each(['***', 'sk-***cdef', '秘密の***です。。', '******', 'sk-****cdef', '***cdef', 'sk-***', '**********'])(
    'is recognised: %s',
    (text) => expect(isMask(text)).toBe(true),
  );

  test.each(['', '**', 'sk-abcdef', 'a ** b', 'Answer between *** and *** only.', 'Put *** first', 'long-prefix-***x'])(
    'is not any text with asterisks: %j',
    (text) => expect(isMask(text)).toBe(false),
  );

  test('fits the secret it was made of, whatever that is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (secret) => {
        fc.pre(!isMask(secret));
        expect(isMask(maskOf(secret))).toBe(true);
        expect(fitsMask(secret, maskOf(secret))).toBe(true);
      }),
    );
  });

  test('fits no secret that it cannot come from', () => {
    expect(fitsMask('sk-0123456789cdef', 'sk-***cdef')).toBe(true);
    expect(fitsMask('sk-0123456789cdeX', 'sk-***cdef')).toBe(false);
    expect(fitsMask('pk-0123456789cdef', 'sk-***cdef')).toBe(false);
    // Eight characters or fewer are masked whole.
    expect(fitsMask('sk-xcdef', 'sk-***cdef')).toBe(false);
    expect(fitsMask('sk-xycdef', 'sk-***cdef')).toBe(true);
  });

  test('is no secret itself', () => {
    expect(fitsMask('sk-***cdef', 'sk-***cdef')).toBe(false);
    expect(fitsMask('***', '***')).toBe(false);
    expect(fitsMask('', '***')).toBe(false);
  });

  test('of asterisks alone fits every secret', () => expect(fitsMask('anything', '***')).toBe(true));
});

describe('masked fields', () => {
  test('are found at the top of a section, in depth, in lists and under names in camel case', () => {
    const found = namesOf({
      llm_config: {
        api_key: 'sk-***cdef',
        model: '***',
        fallback: { accessToken: '***', pool: [{ password: '***' }, 'sk-***cdef'] },
        api_keys: ['***', 'open'],
        'odd name': { client_secret: '***' },
      },
    });
    expect(found).toEqual([
      'llm_config.api_key',
      'llm_config.fallback.accessToken',
      'llm_config.fallback.pool[0].password',
      'llm_config.api_keys[0]',
      'llm_config["odd name"].client_secret',
    ]);
  });

  test('are those that the profile names, too', () => {
    expect(secretFields({ llm_config: { auth: '***', deep: { auth: '***' } } }, ['auth'])).toHaveLength(1);
  });

  test('are never prompts, numbers or names that merely begin like a secret', () => {
    const sections = {
      custom_prompts: { entity: 'Use *** between', keywords_extraction: '***', tuple_delimiter: '***' },
      llm_config: { max_tokens: 4096, tokenizer: '***', monkeys: null, api_key: '' },
    };
    expect(namesOf(sections)).toEqual([]);
    expect(namesOf(sections, false)).toEqual([]);
  });

  test('have names that tell different paths apart', () => {
    expect(fieldName(['a', 'b.c'])).not.toBe(fieldName(['a', 'b', 'c']));
    expect(fieldName(['a', 0])).not.toBe(fieldName(['a', '0']));
  });

  test('are replaced without touching anything else, __proto__ included', () => {
    const sections = JSON.parse('{"llm_config":{"__proto__":{"api_key":"***"},"api_key":"***","n":1}}');
    const replaced = replaceSecrets(sections, MASKED_MEMBERS, () => 'real');
    expect(JSON.stringify(replaced)).toBe('{"llm_config":{"__proto__":{"api_key":"real"},"api_key":"real","n":1}}');
  });
});

describe('given secrets', () => {
  const found = { llm_config: { api_key: 'sk-***cdef', model: 'm', pool: [{ token: '***' }] } };
  const siraya = { source: 'siraya', target: 'tenant_x' };
  const other = { source: 'other', target: 'tenant_y' };
  const single = { moves: [siraya], sections: SECTIONS };
  const both = { moves: [siraya, other], sections: SECTIONS };

  test('fill the masks they fit', () => {
    const text = '{"llm_config":{"api_key":"sk-0123456789cdef","pool":[{"token":"t"}]}}';
    const given = givenFields(parseConfigSecrets(text), siraya, single).source;
    expect(checkSecrets(found, MASKED_MEMBERS, given)).toEqual({ missing: [], mismatched: [], unknown: [] });
    expect(fillSecrets(found, MASKED_MEMBERS, given)).toEqual({
      sections: { llm_config: { api_key: 'sk-0123456789cdef', model: 'm', pool: [{ token: 't' }] } },
      secrets: ['sk-0123456789cdef', 't'],
    });
  });

  test('that are missing or do not fit are named, never shown, and no mask is sent', () => {
    const given = givenFields(
      parseConfigSecrets('{"llm_config":{"api_key":"sk-wrong-value","modell":"x"}}'),
      siraya,
      single,
    ).source;
    expect(checkSecrets(found, MASKED_MEMBERS, given)).toEqual({
      missing: ['llm_config.pool[0].token'],
      mismatched: ['llm_config.api_key'],
      unknown: ['llm_config.modell'],
    });
    expect(() => fillSecrets(found, MASKED_MEMBERS, given)).toThrow(
      /^the config API masks llm_config\.api_key, llm_config\.pool\[0\]\.token and/,
    );
  });

  test('of several moves are taken by tenant alone', () => {
    const several = parseConfigSecrets(
      '{"siraya":{"llm_config":{"api_key":"a"}},"other":{"llm_config":{"api_key":"b"}}}',
    );
    expect([...givenFields(several, siraya, both).source]).toEqual([['llm_config.api_key', 'a']]);
    expect([...givenFields(several, siraya, single).source]).toEqual([['llm_config.api_key', 'a']]);
    const flat = parseConfigSecrets('{"llm_config":{"api_key":"a"}}');
    expect(givenFields(flat, siraya, both).source.size).toBe(0);
    expect(strayNames(flat, both)).toEqual(['llm_config']);
    expect(strayNames(several, both)).toEqual([]);
  });

  test('of the target are taken under its id alone', () => {
    const text = '{"siraya":{"llm_config":{"api_key":"a"}},"tenant_x":{"llm_config":{"api_key":"b"}}}';
    const named = givenFields(parseConfigSecrets(text), siraya, single);
    expect([[...named.source], [...named.target]]).toEqual([
      [['llm_config.api_key', 'a']],
      [['llm_config.api_key', 'b']],
    ]);
    const onlyTarget = givenFields({ tenant_x: { llm_config: { api_key: 'b' } } }, siraya, single);
    expect([[...onlyTarget.source], [...onlyTarget.target]]).toEqual([[], [['llm_config.api_key', 'b']]]);
    expect(givenFields({ llm_config: { api_key: 'a' } }, siraya, single).target.size).toBe(0);
  });

  test('under a name that is no section are noticed', () => {
    const typo = parseConfigSecrets('{"llm_confg":{"api_key":"a"}}');
    expect(strayNames(typo, single)).toEqual(['llm_confg']);
  });

  test.each([
    'sk-not-json',
    '["sk-not-json"]',
    '{"llm_config":"sk-not-json"}',
    '{"a":{"b":5},"c":{"d":"sk-not-json"}}',
  ])('in a malformed file are not quoted: %s', (text) => {
    let thrown: unknown;
    try {
      parseConfigSecrets(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ name: 'MigrateError', code: 'settings' });
    expect(inspect(thrown)).not.toContain('sk-not-json');
  });
});
