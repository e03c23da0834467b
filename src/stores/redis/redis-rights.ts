import { randomBytes } from 'node:crypto';
import { aclUser } from './acl-user.ts';
import { probeKey } from './lock-key.ts';
import { type Command, type Reply, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';

/** Which commands this user may run at all, whatever the keys. */
export interface CommandRights {
  /** Undefined where the server does not tell who we are. */
  readonly user: string | undefined;
  /** Whether the server told of every command (ACL DRYRUN); else only reading ones were tried. */
  readonly told: boolean;
  /** Without these a move does not work. */
  readonly missing: readonly string[];
  /** Without these it is slower, or without a lock that other machines see. */
  readonly missed: readonly string[];
}

const READ: readonly string[][] = [
  ['SCAN', '0'],
  ['EXISTS', 'key'],
  ['TYPE', 'key'],
  ['STRLEN', 'key'],
  ['GET', 'key'],
  ['LRANGE', 'key', '0', '0'],
  ['HGETALL', 'key'],
  ['SMEMBERS', 'key'],
  ['ZRANGE', 'key', '0', '0'],
  ['XRANGE', 'key', '-', '+'],
];
const READ_IF_ALLOWED: readonly string[][] = [
  ['DUMP', 'key'],
  ['MEMORY', 'USAGE', 'key'],
];
const WRITE: readonly string[][] = [['RENAMENX', 'key', 'key']];
const WRITE_IF_ALLOWED: readonly string[][] = [
  ['SET', 'key', 'value'],
  ['PEXPIRE', 'key', '1'],
  ['DEL', 'key'],
  ['UNLINK', 'key'],
  ['WATCH', 'key'],
  ['MULTI'],
  ['EXEC'],
  ['CLIENT', 'LIST'],
];

/**
 * Asks for each command with a key that does not exist. What writes is asked of the server and never sent. A refusal of
 * the key alone is none of the command: the keys are judged by the preflight.
 */
export async function commandRights(link: RedisLink): Promise<CommandRights> {
  const key = probeKey(randomBytes(6).toString('hex'));
  const as = (words: readonly string[]): Command => {
    const [command = '', ...rest] = words.map((word) => (word === 'key' ? key : word));
    return [command, ...rest];
  };
  const user = await aclUser(link);
  const dry = (words: readonly string[]): Command => user?.dryRun(as(words)) ?? as(words);
  const [first] = user === undefined ? [] : await send(link, [dry(['EXISTS', 'key'])]);
  const told = first !== undefined && 'value' in first;
  const refusedOf = async (groups: readonly string[][]) => {
    const replies = await send(link, told ? groups.map(dry) : groups.map(as));
    return groups.filter((_, index) => isCommandRefused(replies[index], told)).map(nameOf);
  };
  return {
    user: user?.name,
    told,
    missing: await refusedOf(told ? [...READ, ...WRITE] : READ),
    missed: await refusedOf(told ? [...READ_IF_ALLOWED, ...WRITE_IF_ALLOWED] : READ_IF_ALLOWED),
  };
}

/** `memory usage`: two words where the first alone says nothing. */
function nameOf([command = '', second = '']: readonly string[]): string {
  return (command === 'MEMORY' || command === 'CLIENT' ? `${command} ${second}` : command).toLowerCase();
}

/** DRYRUN answers with a text, a command that was sent with an error. A refusal that speaks of keys is one of the key. */
function isCommandRefused(reply: Reply | undefined, told: boolean): boolean {
  if (reply === undefined) return false;
  const text = told && 'value' in reply ? String(reply.value) : replyError(reply);
  const refused = told ? text !== 'OK' : text.startsWith('NOPERM');
  return refused && !/\b(keys?|channel)\b/i.test(text.replace(/'[^']*'/g, ''));
}

function send(link: RedisLink, commands: readonly Command[]): Promise<readonly Reply[]> {
  return link.readOnce((pipeline) => {
    for (const [command, ...rest] of commands) pipeline.call(command, ...rest);
  });
}
