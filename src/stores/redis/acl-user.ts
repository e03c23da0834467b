import { type Command, type Reply, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';

/** Who a connection is logged in as, and how it is asked what that user may do (ACL DRYRUN). */
export interface AclUser {
  readonly name: string;
  /** Asks for these words; a Dragonfly takes a user and a command, nothing more, and so judges no key. */
  dryRun(words: Command): Command;
}

/** Undefined where the server does not tell. */
export async function aclUser(link: RedisLink): Promise<AclUser | undefined> {
  const [who] = await link.readOnce((pipeline) => {
    pipeline.call('ACL', 'WHOAMI');
  });
  if (who === undefined || 'error' in who) return undefined;
  // Dragonfly's words, `acl_family.cc`; no user's name holds a space.
  const [, told] = /^User is (.*)$/.exec(String(who.value)) ?? [];
  const name = told ?? String(who.value);
  return { name, dryRun: (words) => ['ACL', 'DRYRUN', name, ...(told === undefined ? words : [words[0]])] };
}

/** The refusal that DRYRUN answers, as a value; undefined where the command is allowed, or the question was not. */
export function dryRunRefusal(reply: Reply | undefined): string | undefined {
  if (reply === undefined || replyError(reply) !== '') return undefined;
  return 'value' in reply && String(reply.value) !== 'OK' ? String(reply.value) : undefined;
}
