import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { MigrateError } from './errors.ts';

/**
 * The sealed form is `tm1.<salt>.<nonce>.<tag>.<ciphertext>`, each part base64url without padding; `tm1` stands for
 * AES-256-GCM under a key that scrypt (RFC 7914) makes from the passphrase and the salt, with the numbers below.
 */
const VERSION = 'tm1';
const CIPHER = 'aes-256-gcm';
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 32 MB and some 60 ms for each guess at the passphrase. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 } as const;
const KEY_BYTES = 32;

/** The text so that only who has the passphrase can read it or change it unseen. Equal texts never look alike, but length shows. */
export function seal(plain: string, passphrase: string): string {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(passphrase, salt), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(VERSION));
  const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return [VERSION, ...[salt, nonce, cipher.getAuthTag(), text].map((part) => part.toString('base64url'))].join('.');
}

/** What was sealed. Throws MigrateError('settings') where it is damaged, or sealed with another passphrase. */
export function unseal(sealed: string, passphrase: string): string {
  const [salt, nonce, tag, text] = partsOf(sealed);
  const decipher = createDecipheriv(CIPHER, keyOf(passphrase, salt), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(VERSION));
  decipher.setAuthTag(tag);
  const opened = decipher.update(text);
  try {
    return Buffer.concat([opened, decipher.final()]).toString('utf8');
  } catch {
    // The cipher cannot tell a wrong key from changed bytes, and its own error says less.
    throw failure('a sealed value does not open: it is damaged, or was sealed with another ENCRYPTION_KEY');
  }
}

type Parts = readonly [salt: Buffer, nonce: Buffer, tag: Buffer, text: Buffer];

function partsOf(sealed: string): Parts {
  const [version, ...texts] = sealed.split('.');
  if (version !== VERSION && /^tm\d+$/.test(version ?? '')) {
    throw failure('a sealed value was written by another version of this program', 'use the version that sealed it');
  }
  const [salt, nonce, tag, text, ...more] = texts.map((part) => Buffer.from(part, 'base64url'));
  const whole =
    version === VERSION &&
    texts.every((part) => /^[\w-]*$/.test(part)) &&
    salt?.length === SALT_BYTES &&
    nonce?.length === NONCE_BYTES &&
    tag?.length === TAG_BYTES;
  if (!whole || text === undefined || more.length > 0) throw failure('a sealed value is damaged');
  return [salt, nonce, tag, text];
}

function keyOf(passphrase: string, salt: Buffer): Buffer {
  return scryptSync(passphrase, salt, KEY_BYTES, SCRYPT);
}

function failure(message: string, next = 'set ENCRYPTION_KEY to the value of the run that sealed it'): MigrateError {
  return new MigrateError('settings', message, { next });
}
