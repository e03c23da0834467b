import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { ConfigApiStandIn } from '../config-api-stand-in.ts';
import { movedWorld, readWorld, type World, worldDifferences } from '../world.ts';
import type { SmallWorld } from './small-world.ts';

/** A world in a slot, as it stood at the start, and what may come of it. */
export interface Loaded {
  readonly world: SmallWorld;
  /** An empty folder for the runs of this schedule. */
  readonly stateDir: string;
  readonly start: World;
  readonly hasGraph: boolean;
  /** Flags that lead to the slot's proxies. */
  readonly flags: readonly string[];
  /** Flags of the move alone. */
  readonly moveFlags: readonly string[];
  /** Whether keys of Redis are copied, most or all. */
  readonly copies: boolean;
  /** Keys of the source that a move takes along. */
  readonly ownKeys: number;
  readonly env: Readonly<Record<string, string>>;
  /** Differences from the start; none where nothing was written or all was taken back. */
  fromStart(): Promise<readonly string[]>;
  /** Differences from the whole move. */
  fromMoved(): Promise<readonly string[]>;
  /** Takes away the locks of a run in this process that could not: with a process of its own they were nobody's now. */
  forgetLocks(): Promise<void>;
  dispose(): Promise<void>;
}

/** Reads what was filled in as the start. */
export async function loaded({
  world,
  urls,
  api,
  admins,
  flags,
  moveFlags,
  copies,
  dispose,
}: {
  world: SmallWorld;
  urls: Parameters<typeof readWorld>[0];
  api: ConfigApiStandIn;
  admins: readonly Redis[];
  flags: readonly string[];
  moveFlags: readonly string[];
  copies: boolean;
  dispose: (() => Promise<void>) | undefined;
}): Promise<Loaded> {
  const { source, target } = world;
  const stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-chaos-'));
  const start = await readWorld(urls);
  const moved = movedWorld(start, source, target);
  const sections = JSON.stringify(api.stored(source)?.sections);
  const fromStart = async () => {
    const differences = worldDifferences(start, await readWithoutLeases(urls));
    const secrets = JSON.stringify(api.stored(source)?.sections) === sections ? [] : ['changed: secrets of the source'];
    return [...differences, ...secrets];
  };
  return {
    world,
    stateDir,
    start,
    hasGraph: urls.graphUrl !== undefined,
    flags,
    moveFlags,
    copies,
    ownKeys: [...start.keys()].filter((name) => name.startsWith('redis ') && !moved.has(name)).length,
    forgetLocks: async () => {
      const own = (text: string | null) => text?.includes(`"pid":${process.pid},`) === true;
      for (const admin of admins)
        for (const key of await admin.keys(LOCKS)) if (own(await admin.get(key))) await admin.del(key);
      const folder = join(stateDir, 'locks');
      if (!existsSync(folder)) return;
      for (const name of readdirSync(folder)) {
        if (own(readFileSync(join(folder, name), 'utf8'))) rmSync(join(folder, name));
      }
    },
    env: {
      TENANT_MIGRATE_CONFIG_SECRETS: world.secrets,
      TENANT_MIGRATE_STATE_DIR: stateDir,
      TENANT_MIGRATE_RETRY_DELAY: '150ms',
    },
    fromStart,
    fromMoved: async () => {
      const after = await readWithoutLeases(urls);
      const expected = new Map(moved);
      // The API dates what it creates; what it keeps is compared unmasked.
      const [record, now] = [`config ${target}`, after.get(`config ${target}`) ?? ''];
      if (sections !== undefined) expected.set(record, now.startsWith('200 ') ? now : '200 …');
      const key = `redis tenant:config:${target}`;
      const written = after.get(key);
      if (world.kept && sections !== undefined) expected.set(key, written ?? 'the record of the target');
      const kept = world.kept ? sectionsIn(written) : JSON.stringify(api.stored(target)?.sections);
      const secrets =
        kept === sections ? [] : [`changed: the config of the target is ${kept === undefined ? 'missing' : 'another'}`];
      return [...worldDifferences(expected, after), ...secrets];
    },
    dispose: async () => {
      rmSync(stateDir, { recursive: true, force: true });
      await dispose?.();
    },
  };
}

/** What the application's own record of a config holds beside its name and its dates. */
function sectionsIn(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const { content } = JSON.parse(text) as { content: readonly [string] };
  const { tenant_id, created_at, updated_at, ...sections } = JSON.parse(Buffer.from(content[0], 'latin1').toString());
  return JSON.stringify(sections);
}

/** In a cluster with a tag. */
const LOCKS = '?tenant-migrate?lock?*';
/** How the keys of locks begin. One that could not be removed ends by itself, and is nobody's data. */
const LOCK_KEYS = '\\tenant-migrate\\lock\\';

async function readWithoutLeases(urls: Parameters<typeof readWorld>[0]): Promise<World> {
  const isLease = ([name, text]: readonly [string, string]) =>
    name.startsWith(`redis ${LOCK_KEYS}`) && !text.includes('"expiresAt":-1');
  return new Map([...(await readWorld(urls))].filter((entry) => !isLease(entry)));
}
