import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { between } from '../../../scripts/seed/random.ts';
import type { Fault, Site } from './fault.ts';
import { placeText, proxyOf, somewhereUp } from './places.ts';
import type { Slot } from './slot.ts';

/** Does something to the real server at some place of the run; every second time it ends by itself. */
function atServer(
  site: Site,
  change: (slot: Slot) => Promise<unknown>,
  back?: (slot: Slot) => Promise<unknown>,
): string {
  const place = somewhereUp(site, 'redis');
  const ms = site.random() < 0.5 ? between(site.random, 20, 1_500) : undefined;
  proxyOf(site, 'redis').arm(place, async () => {
    site.met();
    await change(site.slot);
    if (back !== undefined && ms !== undefined) site.later(ms, () => back(site.slot));
  });
  return `${placeText(place)}${ms === undefined || back === undefined ? '' : `, for ${ms} ms`}`;
}

/** Ends all connections; who connects anew meets a server that answers everything with this refusal. */
function answersOnly(site: Site, refusal: string, longest: number): string {
  const place = somewhereUp(site, 'redis');
  const ms = between(site.random, 20, longest);
  const proxy = proxyOf(site, 'redis');
  proxy.arm(place, () => {
    site.met();
    proxy.cutAll();
    // Each command of the protocol begins with its number of words.
    proxy.answer((piece) => `-${refusal}\r\n`.repeat(Math.max(1, piece.match(/^\*\d+\r$/gm)?.length ?? 1)));
    site.later(ms, () => {
      proxy.answer(undefined);
      proxy.cutAll();
    });
  });
  return `${ms} ms ${placeText(place)}`;
}

const base = { where: 'Redis', drive: 'in-process', proxy: 'redis' } as const;
const FAILED_KEYS = 'exit 4; each key that failed is named with the server’s words, and the command to type';

export const redisFaults: readonly Fault[] = [
  {
    ...base,
    kind: 'Redis: READONLY (it became a replica)',
    caughtBy: 'the server’s refusal of each write',
    userSees: FAILED_KEYS,
    // Of a cluster a master becomes no replica of a stranger.
    arm: (site) =>
      atServer(
        site,
        ({ admin, form }) => (form === 'cluster' ? Promise.resolve() : admin.call('REPLICAOF', '127.0.0.1', '1')),
        ({ admin, form }) => (form === 'cluster' ? Promise.resolve() : admin.call('REPLICAOF', 'NO', 'ONE')),
      ),
  },
  {
    ...base,
    kind: 'Redis: OOM (over its memory limit)',
    caughtBy: 'a rename needs no memory; a copy that finds none leaves its source',
    userSees: 'nothing; where keys are copied, exit 4 and the command to type',
    arm: (site) =>
      atServer(
        site,
        ({ admin }) => admin.call('CONFIG', 'SET', 'maxmemory', '1'),
        ({ admin }) => admin.call('CONFIG', 'SET', 'maxmemory', '0'),
      ),
  },
  {
    ...base,
    kind: 'Redis: MISCONF (it cannot save)',
    caughtBy: 'the server’s refusal of each write',
    userSees: FAILED_KEYS,
    arm: (site) =>
      atServer(
        site,
        (slot) => unableToSave(slot),
        ({ admin }) => admin.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
      ),
  },
  {
    ...base,
    kind: 'Redis: NOREPLICAS (too few replicas)',
    caughtBy: 'the server’s refusal of each write',
    userSees: FAILED_KEYS,
    arm: (site) =>
      atServer(
        site,
        ({ admin }) => admin.call('CONFIG', 'SET', 'min-replicas-to-write', '3'),
        ({ admin }) => admin.call('CONFIG', 'SET', 'min-replicas-to-write', '0'),
      ),
  },
  {
    ...base,
    kind: 'Redis: NOPERM (a right is taken away)',
    caughtBy: 'the server’s refusal of each write',
    userSees: FAILED_KEYS,
    arm: (site) => {
      const right = site.random() < 0.5 ? 'renamenx' : 'set';
      return `${right} ${atServer(
        site,
        ({ admin }) =>
          admin.call('ACL', 'SETUSER', 'default', `-${right}`, ...(site.loaded.copies ? ['-restore'] : [])),
        ({ admin }) => admin.call('ACL', 'SETUSER', 'default', '+@all'),
      )}`;
    },
  },
  {
    ...base,
    kind: 'Redis: LOADING (it comes back from a restart)',
    caughtBy: 'retries with growing pauses',
    userSees: 'retry lines; the run goes on, or ends with exit 4 and the command to type',
    arm: (site) => answersOnly(site, 'LOADING Redis is loading the dataset in memory', 2_500),
  },
  {
    ...base,
    kind: 'Redis: NOAUTH (a password is set)',
    caughtBy: 'the refusal of the login',
    userSees: 'exit 4; the message names REDIS_PASSWORD',
    arm: (site) => answersOnly(site, 'NOAUTH Authentication required.', 1_500),
  },
  {
    ...base,
    kind: 'Redis: restarted, its data kept',
    caughtBy: 'retries with growing pauses; both names of each key are looked at',
    userSees: 'retry lines; the run goes on, or ends with exit 4 and the command to type',
    arm: (site) => atServer(site, (slot) => restart(slot, true)),
  },
];

/** Not among those from which a run recovers: the data is gone. */
export const redisLoss: Fault = {
  ...base,
  kind: 'Redis: restarted, its data lost',
  loses: true,
  caughtBy: 'verify counts what stands at the target',
  userSees: 'exit 4 or 5: what is missing, and that the server was started anew',
  arm: (site) => atServer(site, (slot) => restart(slot, false)),
};

/** Its folder is gone, so that a snapshot fails. */
async function unableToSave({ admin }: Slot): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-gone-'));
  await admin.call('CONFIG', 'SET', 'dir', folder);
  await rm(folder, { recursive: true, force: true });
  await admin.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes', 'save', '3600 1000000');
  await admin.call('BGSAVE');
  while (/rdb_bgsave_in_progress:1/.test(await admin.info('persistence'))) await sleep(2);
}

/** The server executes itself anew, on the same port; resolves when it answers. */
async function restart({ admin, redis }: Slot, keep: boolean): Promise<void> {
  await rm(join(redis.dir, 'dump.rdb'), { force: true });
  await admin.call('CONFIG', 'SET', 'save', keep ? '3600 1' : '');
  const id = async () => /run_id:(\w+)/.exec(await admin.info('server'))?.[1];
  const before = await id();
  // On a connection of its own that ends with it: one that reconnects would say it again.
  const once = new Redis(redis.url, { protocol: 2, retryStrategy: () => null });
  once.on('error', () => undefined);
  await once.call('DEBUG', 'RESTART').catch(() => undefined);
  once.disconnect();
  while ((await id().catch(() => before)) === before) await sleep(5);
}
