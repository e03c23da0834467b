import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LOOK_EVERY_MS } from '../../src/orchestrator/pause.ts';
import { type CliResult, runCli, runHere } from './cli.ts';
import { freshRedis } from './redis-server.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import { movedWorld, readWorld, worldDifferences } from './world.ts';

export type RedisRun = Awaited<ReturnType<typeof startRedisRun>>;

/** A move that is under way in a process of its own. */
export interface UnderWay {
  readonly ended: Promise<CliResult>;
  kill(signal: NodeJS.Signals): void;
  /** What it has said so far. */
  stderr(): string;
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** An own Redis behind a proxy, with a tenant `acme` to be moved to `tenant_7`, and a neighbour. */
export async function startRedisRun(options: { readonly redis?: readonly string[]; readonly keys?: number } = {}) {
  const { keys = 200, redis: args = [] } = options;
  const server = await freshRedis(args);
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
  const password = args[args.indexOf('--requirepass') + 1];
  const directUrl =
    password === undefined || args.length === 0 ? server.url : server.url.replace('//', `//:${password}@`);
  const redis = new Redis(directUrl, { protocol: 2 });
  const [source, target, neighbour] = ['acme', 'tenant_7', 'acme_eu'];
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-run-'));
  await seed(redis, source, keys);
  await seed(redis, neighbour, 10);
  /** All there is but the locks of runs. */
  const world = async () => {
    const all = await readWorld({ redisUrl: directUrl });
    return new Map([...all].filter(([name]) => !name.startsWith('redis \\tenant-migrate\\lock\\')));
  };
  const before = await world();
  const flags = ['--only', 'redis', '--redis-url', `redis://127.0.0.1:${proxy.port}`];
  const run = (words: readonly string[], { cwd: at = cwd, env = {} }: RunOptions = {}) =>
    runHere(words, { cwd: at, env });
  const count = async (tenant: string) => (await redis.keys(`${tenant}_text_chunks:*`)).length;

  const started = (words: readonly string[], { cwd: at = cwd, env = {} }: RunOptions = {}): UnderWay => {
    let [said, send] = ['', (_signal: NodeJS.Signals): void => undefined];
    const ended = runCli(words, {
      cwd: at,
      env,
      onStart: async (kill) => {
        send = kill;
      },
      onStderr: (text) => {
        said = text;
      },
    });
    return { ended, kill: (signal) => send(signal), stderr: () => said };
  };
  const slowly = ['--batch-size', '2', '--concurrency', '12'];
  const moveWords = (more: readonly string[] = []) => [source, target, ...flags, ...slowly, ...more];
  const hold = async (words: readonly string[], how: RunOptions = {}): Promise<UnderWay> => {
    proxy.setLatency(5);
    const process = started(words, how);
    await until(async () => (await count(target)) > 20, process);
    proxy.hang(true);
    proxy.setLatency(0);
    if ((await count(source)) < 20) throw new Error('the move was too fast to be held in its middle');
    return process;
  };
  const killedOf = async (words: readonly string[], how: RunOptions = {}): Promise<string> => {
    const stateDir = join(how.cwd ?? cwd, '.tenant-migrate');
    const before = runIds(stateDir);
    const process = await hold(words, how);
    process.kill('SIGKILL');
    await process.ended;
    proxy.hang(false);
    return runIds(stateDir).find((id) => !before.includes(id)) ?? '';
  };
  return {
    server,
    proxy,
    redis,
    cwd,
    before,
    flags,
    stateDir: join(cwd, '.tenant-migrate'),
    world,
    count,
    run,
    start: started,
    /** A move in many small batches. */
    moveWords,
    /** Starts the command and holds its connections once some keys, and not all, have moved. */
    hold,
    /** Starts a command that takes back, and holds its connections as its first key goes back. */
    holdBack: async (words: readonly string[]): Promise<UnderWay> => {
      proxy.setLatency(5);
      const process = started(words);
      await until(async () => (await count(source)) > 0, process);
      proxy.hang(true);
      proxy.setLatency(0);
      return process;
    },
    /** Starts the command and kills it in its middle; returns the run's id. */
    killedOf,
    /** A move that was killed in its middle; returns its id. */
    killed: (more: readonly string[] = []) => killedOf(moveWords(more)),
    /** How the stores differ from a finished move of what stood at the start. */
    missing: async () => worldDifferences(movedWorld(before, source, target), await world()),
    /** How the stores differ from the start. */
    changed: async () => worldDifferences(before, await world()),
    stop: async (): Promise<void> => {
      redis.disconnect();
      await proxy.close();
      await server.stop();
    },
  };
}

async function seed(redis: Redis, tenant: string, keys: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (let n = 0; n < keys; n += 1) {
    if (n % 3 === 0) pipeline.set(`${tenant}_text_chunks:${n}`, `chunk ${n} of ${tenant}`, 'EX', 86_400 + n);
    else if (n % 3 === 1) pipeline.hset(`${tenant}_text_chunks:${n}`, { n: String(n), of: tenant });
    else pipeline.rpush(`${tenant}_text_chunks:${n}`, 'a', String(n));
  }
  await pipeline.exec();
}

/** Waits for something that the process brings about; fails with what it said where it ends before. */
export async function until(holds: () => Promise<boolean> | boolean, process?: UnderWay, ms = 20_000): Promise<void> {
  let ended: CliResult | undefined;
  void process?.ended.then((result) => {
    ended = result;
  });
  for (const end = Date.now() + ms; Date.now() < end; await sleep(5)) {
    if (await holds()) return;
    if (ended !== undefined) throw new Error(`it ended with ${ended.code}: ${ended.stderr}${ended.stdout}`);
  }
  throw new Error(`not within ${ms} ms; it said: ${process?.stderr() ?? ''}`);
}

/** The ids of the runs in a state folder, in no order: those of one second are random. */
export function runIds(stateDir: string): readonly string[] {
  const runs = join(stateDir, 'runs');
  return existsSync(runs) ? readdirSync(runs) : [];
}

/** A copy of a state folder, without its locks and without the sockets of processes that were killed, to be damaged. */
export function copyOf(stateDir: string): string {
  const copy = join(mkdtempSync(join(tmpdir(), 'tenant-migrate-copy-')), 'state');
  cpSync(stateDir, copy, { recursive: true, filter: (path) => !path.endsWith('control.sock') });
  return copy;
}

/** Every file below a folder with its content. */
export function filesIn(folder: string): readonly { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ path, bytes: readFileSync(path) }));
}

/** Replaces a file's text. */
export function edit(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'latin1')), 'latin1');
}

/** A run does not look at its pause file at every batch: waits until its last look is too old. */
export function untilLookedAt(): Promise<void> {
  return sleep(LOOK_EVERY_MS + 50);
}
