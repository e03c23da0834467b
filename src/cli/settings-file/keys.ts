import { closest, distance } from 'fastest-levenshtein';
import { FLAGS, type Flag, SECRETS, type SecretName } from '../flags.ts';

/** What a key of a settings file names. */
export type Key =
  | { readonly kind: 'flag'; readonly flag: Flag }
  | { readonly kind: 'secret'; readonly secret: SecretName }
  /** Its value is the name of the file that holds the secret. */
  | { readonly kind: 'secret-file'; readonly secret: SecretName };

/** What is said for one command alone: in a file it would hold for all that come. */
const ONCE: ReadonlySet<string> = new Set([
  'config',
  'force-unlock',
  'same-servers',
  'accept-differences',
  'from-backup',
]);

/** `REDIS_PASSWORD` → `redis-password`. */
export function secretKey(secret: SecretName): string {
  return secret.toLowerCase().replaceAll('_', '-');
}

/** All keys that may stand in a settings file, in the order of help. */
export const KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  ...FLAGS.filter(({ name }) => !ONCE.has(name)).map((flag) => [flag.name, { kind: 'flag', flag } as const] as const),
  ...SECRETS.flatMap((secret) => [
    [secretKey(secret), { kind: 'secret', secret }] as const,
    [`${secretKey(secret)}-file`, { kind: 'secret-file', secret }] as const,
  ]),
]);

/** Keys that stand at the top only. */
export const TOP_ONLY: ReadonlySet<string> = new Set(['env', 'environments']);

/** Why there is no such key, with the one that was meant. */
export function unknownKey(name: string, isMapping: boolean): string {
  if (ONCE.has(name)) return 'is said for one command, on its command line';
  // Written as the variable is, or with the store above.
  const plain = name
    .replace(/^TENANT_MIGRATE_/i, '')
    .toLowerCase()
    .replaceAll('_', '-');
  const names = [...KEYS.keys(), ...TOP_ONLY];
  if (names.includes(plain)) return `there is no such setting (did you mean ${plain}?)`;
  const below = names.filter((known) => known.startsWith(`${plain}-`));
  if (isMapping && below.length > 0) {
    return `there is no such setting (settings are written flat: ${below.slice(0, 3).join(', ')} …)`;
  }
  const near = closest(plain, names);
  const isNear = distance(plain, near) <= Math.max(2, Math.floor(near.length / 2));
  return `there is no such setting${isNear ? ` (did you mean ${near}?)` : ''}`;
}
