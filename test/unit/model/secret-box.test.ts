import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MigrateError } from '../../../src/model/errors.ts';
import { seal, unseal } from '../../../src/model/secret-box.ts';

const KEY = 'a passphrase of some length';

const failureOf = (work: () => unknown): MigrateError => {
  try {
    work();
  } catch (error) {
    return error as MigrateError;
  }
  return expect.unreachable();
};

describe('a sealed text', () => {
  it.each(['', 'sk-live-0123456789abcdef', '繁體中文 🦊\0\n', 'x'.repeat(100_000)])(
    'opens to what it was (%#)',
    (plain) => {
      expect(unseal(seal(plain, KEY), KEY)).toBe(plain);
    },
  );

  it('is one word that can stand in JSON, shows nothing of the text and is never the same twice', () => {
    const [one, other] = [seal('sk-live-secret', KEY), seal('sk-live-secret', KEY)];
    expect(one).toMatch(/^tm1(\.[\w-]+){4}$/);
    expect(one).not.toContain(Buffer.from('sk-live-secret').toString('base64url').slice(0, 8));
    const parts = (text: string) => text.split('.').slice(1);
    for (const [index, part] of parts(one).entries()) expect(part).not.toBe(parts(other)[index]);
  });

  it('opens with no other key, and the refusal shows neither key nor text', () => {
    const failure = failureOf(() => unseal(seal('sk-live-secret', KEY), 'another passphrase'));
    expect(failure).toBeInstanceOf(MigrateError);
    expect(failure).toMatchObject({ code: 'settings', next: expect.stringContaining('ENCRYPTION_KEY') });
    expect(inspect(failure, { depth: null })).not.toMatch(/passphrase|sk-live/);
  });

  it('is refused where any one character was changed, dropped or added', () => {
    const sealed = seal('ab', KEY);
    const [version, ...parts] = sealed.split('.');
    for (const index of parts.keys()) {
      const first = parts[index]?.[0] === 'A' ? 'B' : 'A';
      const changed = parts.with(index, `${first}${parts[index]?.slice(1)}`);
      const shorter = parts.with(index, parts[index]?.slice(4) ?? '');
      for (const damaged of [changed, shorter, parts.toSpliced(index, 1), [...parts, 'AAAA'], parts.with(index, '!')]) {
        expect(failureOf(() => unseal([version, ...damaged].join('.'), KEY)).code).toBe('settings');
      }
    }
  });

  it.each(['', 'tm1', 'sk-live-plain-text', 'tm1....', 'tm1.AAAA.AAAA.AAAA.AAAA'])('is not %j', (text) => {
    expect(failureOf(() => unseal(text, KEY))).toMatchObject({
      code: 'settings',
      message: expect.stringMatching(/damaged/),
    });
  });

  it('of another version says so', () => {
    const failure = failureOf(() => unseal(seal('x', KEY).replace('tm1', 'tm2'), KEY));
    expect(failure).toMatchObject({ code: 'settings', message: expect.stringContaining('another version') });
  });
});
