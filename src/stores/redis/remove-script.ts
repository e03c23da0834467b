import { createHash } from 'node:crypto';
import { toArgument } from '../../model/byte-string.ts';
import type { Command } from './redis-connection.ts';
import type { SeenKey } from './redis-store.ts';

/** Removes a key whose DUMP and expiry are those that were seen: one key, so that a cluster runs it too. */
const SCRIPT = `local dump = redis.call('DUMP', KEYS[1])
if not dump then return 0 end
local expiry = string.format('%.0f', redis.call('PEXPIRETIME', KEYS[1]))
if redis.sha1hex(dump) ~= ARGV[1] or expiry ~= ARGV[2] then return -1 end
return redis.call('UNLINK', KEYS[1])`;

/** The command that runs the script, in one round trip with others. */
export function removingScript({ key, seen }: SeenKey): Command {
  const sha1 = createHash('sha1').update(seen.payload).digest('hex');
  return ['EVAL', SCRIPT, '1', toArgument(key), sha1, String(seen.expiresAt)];
}

/** What its reply says: false where the key is another one by now. */
export function removedByScript(reply: unknown): boolean {
  return reply !== -1;
}
