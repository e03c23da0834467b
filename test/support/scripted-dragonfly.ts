import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** What the scripted server tells and does; changed at any time. */
export interface DragonflyScript {
  usedMemory: number;
  maxMemory: number;
  /** What tells one start of the server from another; undefined where INFO leaves it out. */
  replid: string | undefined;
  mode: 'standalone' | 'cluster';
  /** The reply to CLUSTER SLOTS as RESP, or the server's refusal. */
  slots: string;
  loading: boolean;
  /** Seconds since the epoch; 0: no save has failed. */
  failedSave: number;
  /** Whose user is asked for by ACL WHOAMI, and which commands ACL DRYRUN refuses it. */
  user: string;
  denied: readonly string[];
  /** How many more writes find memory; unbounded where undefined. */
  writesLeft: number | undefined;
}

/** A Dragonfly that is not one: see {@link startScriptedDragonfly}. */
export interface ScriptedDragonfly {
  readonly port: number;
  readonly script: DragonflyScript;
  /** The commands that clients have sent, without their arguments. */
  readonly sent: string[];
  /** Called with each command that a client sends, before it is answered. */
  onCommand: ((command: readonly Buffer[]) => void | Promise<void>) | undefined;
  /** Breaks all connections, as a server that is started anew does; it is the next start. */
  restart(): void;
  close(): Promise<void>;
}

/** CLUSTER SLOTS of one node that holds all slots: what an emulated cluster answers. */
export const ONE_NODE_SLOTS = '*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:6379\r\n$4\r\nself\r\n';
/** Of a real cluster of two. */
export const TWO_NODE_SLOTS =
  '*2\r\n*3\r\n:0\r\n:8191\r\n*3\r\n$9\r\n127.0.0.1\r\n:6379\r\n$4\r\nself\r\n' +
  '*3\r\n:8192\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:6380\r\n$5\r\nother\r\n';
export const NOT_CONFIGURED = '-ERR Cluster is not yet configured\r\n';

const OUT_OF_MEMORY = '-ERR Out of memory\r\n';

/**
 * Answers as Dragonfly 1.39.0's sources write, with a real redis-server behind it as the keyspace. What it scripts:
 * INFO without `run_id`, whose persistence section comes only where it is asked for (`server_family.cc`); CLUSTER SLOTS
 * (`cluster_family.cc`); ACL WHOAMI, and DRYRUN with a user and a command only (`acl_family.cc`); and out of memory:
 * RENAME and RENAMENX take the source away first and then answer `-ERR Out of memory` (`generic_family.cc`: OpRen,
 * FinalizeRename), what is denied beforehand (SET, RESTORE, COPY, also in a script) changes nothing.
 */
export async function startScriptedDragonfly(keyspace: number): Promise<ScriptedDragonfly> {
  const sockets = new Set<Socket>();
  const sent: string[] = [];
  const GIB = 2 ** 30;
  let starts = 1;
  const script: DragonflyScript = {
    usedMemory: 0.1 * GIB,
    maxMemory: GIB,
    replid: replidOf(starts),
    mode: 'standalone',
    slots: NOT_CONFIGURED,
    loading: false,
    failedSave: 0,
    user: 'default',
    denied: [],
    writesLeft: undefined,
  };
  const dragonfly: Omit<ScriptedDragonfly, 'port'> = {
    script,
    sent,
    onCommand: undefined,
    restart: () => {
      starts += 1;
      if (script.replid !== undefined) script.replid = replidOf(starts);
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };

  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: keyspace, host: '127.0.0.1', noDelay: true });
    const replies = new Replies(upstream);
    let unread = Buffer.alloc(0);
    let turn = Promise.resolve();
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      for (let end = endOf(unread, 0); end !== undefined; end = endOf(unread, 0)) {
        const whole = unread.subarray(0, end);
        unread = unread.subarray(end);
        turn = turn.then(async () => {
          const reply = await answer(whole, (command) => replies.to(command));
          if (client.writable) client.write(reply);
        });
        // Where the connection ends in between nobody waits for the reply.
        turn.catch(() => undefined);
      }
    });
  });

  type Ask = (command: Buffer) => Promise<Buffer>;

  async function answer(whole: Buffer, ask: Ask): Promise<Buffer | string> {
    const command = wordsOf(whole);
    const [name = '', ...args] = command.map((word) => word.toString('latin1'));
    sent.push(name.toUpperCase());
    await dragonfly.onCommand?.(command);
    switch (name.toUpperCase()) {
      case 'INFO':
        return bulk(info(args[0]?.toUpperCase() ?? '', String(await ask(whole))));
      case 'CLUSTER':
        return script.mode === 'standalone'
          ? '-ERR Cluster is disabled. Use --cluster_mode=yes to enable.\r\n'
          : script.slots;
      case 'ACL':
        return acl(args);
      case 'RENAME':
      case 'RENAMENX':
        return rename(command, ask);
      case 'SET':
      case 'RESTORE':
      case 'COPY':
        return hasMemory() ? ask(whole) : OUT_OF_MEMORY;
      case 'EVAL':
      case 'EVALSHA':
        return evaluate(whole, args, ask);
      default:
        return ask(whole);
    }
  }

  /** Takes the memory of one write; false where there is none. */
  function hasMemory(): boolean {
    if (script.writesLeft === undefined) return true;
    if (script.writesLeft === 0) return false;
    script.writesLeft -= 1;
    return true;
  }

  async function rename(command: readonly Buffer[], ask: Ask): Promise<Buffer | string> {
    const [name = Buffer.alloc(0), from = Buffer.alloc(0), to = Buffer.alloc(0)] = command;
    const is = async (word: string, key: Buffer) => String(await ask(request([Buffer.from(word), key])));
    const free = /nx$/i.test(name.toString()) ? (await is('EXISTS', to)) === ':0\r\n' : true;
    if (!free || (await is('EXISTS', from)) === ':0\r\n' || hasMemory()) return ask(request(command));
    await is('DEL', from);
    return OUT_OF_MEMORY;
  }

  /** A script that sets a value is refused as a whole; its own words come first (`main_service.cc`). */
  function evaluate(whole: Buffer, args: readonly string[], ask: Ask): Promise<Buffer | string> | string {
    const [text = ''] = args;
    const sha = /^[0-9a-f]{40}$/.test(text) ? text : createHash('sha1').update(text).digest('hex');
    if (text.startsWith('#!lua flags=allow-oom')) return '-ERR Invalid flag: allow-oom\r\n';
    if (text !== sha) setting.set(sha, /'SET'/.test(text));
    if (setting.get(sha) !== true || hasMemory()) return ask(whole);
    return `-ERR Error running script (call to ${sha}): @user_script: 5: Out of memory\r\n`;
  }
  const setting = new Map<string, boolean>();

  function acl([sub = '', ...rest]: readonly string[]): string {
    if (sub.toUpperCase() === 'WHOAMI') return `+User is ${script.user}\r\n`;
    if (sub.toUpperCase() !== 'DRYRUN')
      return `-ERR Unknown subcommand or wrong number of arguments for '${sub}'. Try ACL HELP.\r\n`;
    if (rest.length !== 2) return "-ERR wrong number of arguments for 'acl dryrun' command\r\n";
    const [user, command = ''] = rest;
    if (user !== script.user) return `-ERR User '${user}' not found\r\n`;
    const upper = command.toUpperCase();
    return script.denied.includes(upper)
      ? bulk(`This user has no permissions to run the '${upper}' command`)
      : '+OK\r\n';
  }

  function info(section: string, real: string): string {
    const counter = (field: string) => new RegExp(`^${field}:(\\d+)`, 'm').exec(real)?.[1] ?? '0';
    const sections: Record<string, readonly string[]> = {
      SERVER: [
        'redis_version:7.4.0',
        'dragonfly_version:df-v1.39.0',
        `redis_mode:${script.mode}`,
        'uptime_in_seconds:7',
      ],
      MEMORY: [
        `used_memory:${script.usedMemory}`,
        `maxmemory:${script.maxMemory}`,
        'cache_mode:store',
        'maxmemory_policy:noeviction',
      ],
      STATS: [`expired_keys:${counter('expired_keys')}`, 'evicted_keys:0'],
      REPLICATION: [
        'role:master',
        'connected_slaves:0',
        ...(script.replid === undefined ? [] : [`master_replid:${script.replid}`]),
      ],
      PERSISTENCE: [
        'current_snapshot_perc:0',
        'last_success_save:1790000000',
        `loading:${script.loading ? 1 : 0}`,
        'saving:0',
        `last_failed_save:${script.failedSave}`,
        `last_error:${script.failedSave === 0 ? '' : 'No space left on device'}`,
      ],
    };
    return Object.entries(sections)
      .filter(([name]) => section === name || section === 'ALL' || (section === '' && name !== 'PERSISTENCE'))
      .map(([name, lines]) => `# ${name.charAt(0)}${name.slice(1).toLowerCase()}\r\n${lines.join('\r\n')}\r\n`)
      .join('\r\n');
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return Object.assign(dragonfly, { port: typeof address === 'object' && address !== null ? address.port : 0 });
}

/** The keyspace's replies, in the order of what it was asked. */
class Replies {
  readonly #upstream: Socket;
  readonly #waiting: ((reply: Buffer) => void)[] = [];
  #unread = Buffer.alloc(0);

  constructor(upstream: Socket) {
    this.#upstream = upstream;
    upstream.on('data', (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      for (let end = endOf(this.#unread, 0); end !== undefined; end = endOf(this.#unread, 0)) {
        this.#waiting.shift()?.(this.#unread.subarray(0, end));
        this.#unread = this.#unread.subarray(end);
      }
    });
  }

  to(command: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#upstream.write(command);
    });
  }
}

/** Where the RESP2 value that begins at `at` ends; undefined where it has not come as a whole. */
function endOf(bytes: Buffer, at: number): number | undefined {
  const line = bytes.indexOf('\r\n', at);
  if (line < 0) return undefined;
  const type = String.fromCharCode(bytes[at] ?? 0);
  const size = Number(bytes.subarray(at + 1, line).toString());
  const behind = line + 2;
  if (type === '$') {
    const end = size < 0 ? behind : behind + size + 2;
    return end <= bytes.length ? end : undefined;
  }
  let end: number | undefined = behind;
  for (let left = type === '*' ? size : 0; left > 0 && end !== undefined; left -= 1) end = endOf(bytes, end);
  return end;
}

/** A request's words: an array of bulk strings. */
function wordsOf(whole: Buffer): readonly Buffer[] {
  const words: Buffer[] = [];
  for (let at = whole.indexOf('\r\n') + 2; at < whole.length; ) {
    const line = whole.indexOf('\r\n', at);
    const size = Number(whole.subarray(at + 1, line).toString());
    words.push(whole.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return words;
}

function request(words: readonly Buffer[]): Buffer {
  const parts = words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

function replidOf(start: number): string {
  return createHash('sha1').update(`start ${start}`).digest('hex');
}
