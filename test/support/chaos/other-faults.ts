import { between } from '../../../scripts/seed/random.ts';
import type { FaultKind } from '../qdrant-stand-in.ts';
import { breakDisk, systemError } from './broken-disk.ts';
import type { Fault, Site } from './fault.ts';
import { placeText, proxyOf, somewhereUp } from './places.ts';
import type { ProxyName } from './slot.ts';

const qdrantKinds: readonly (Pick<Fault, 'kind' | 'caughtBy' | 'userSees'> & { readonly script: FaultKind })[] = [
  {
    kind: 'Qdrant: an update is taken, but done later (wait_timeout, 408)',
    script: 'late',
    caughtBy: 'only `completed` counts as done; else it looks until the points have moved',
    userSees: 'a pause, or a retry line; the run goes on',
  },
  {
    kind: 'Qdrant: one of two shards has done an update',
    script: 'half',
    caughtBy: 'the request is sent again: its filter leaves out what is done',
    userSees: 'a retry line; the run goes on, or ends with exit 4 and the command to type',
  },
  ...(['408', '429', '500', '503'] as const).map((script) => ({
    kind: `Qdrant: ${script}`,
    script,
    caughtBy: script === '429' ? 'it waits as long as the server asks' : 'retries with growing pauses',
    userSees: 'retry lines; the run goes on, or ends with exit 4 and the command to type',
  })),
  {
    kind: 'Qdrant: disk full',
    script: 'disk-full',
    caughtBy: 'retries, then the server’s words',
    userSees: 'retry lines; the run goes on, or ends with exit 4 and the command to type',
  },
  {
    kind: 'Qdrant: locked against writing',
    script: 'locked',
    caughtBy: 'the server’s refusal',
    userSees: 'exit 4; the message names the right that is missing',
  },
];

const qdrantFaults: readonly Fault[] = qdrantKinds.map(
  ({ script, ...texts }): Fault => ({
    ...texts,
    where: 'Qdrant',
    drive: 'in-process',
    arm: (site) => {
      const rate = between(site.random, 5, 40) / 100;
      const writes = site.random() < 0.6;
      const inARow = between(site.random, 1, 4);
      const ms = between(site.random, 1, 300);
      site.slot.qdrant.setFaults({
        seed: between(site.random, 0, 1e9),
        rate,
        kinds: [script],
        inARow,
        ms,
        // Rounded up to whole seconds by what it simulates: more would only make the tests slow.
        retryAfter: 0,
        ...(writes ? { on: '/points/payload' } : {}),
      });
      site.met();
      return `rate ${rate}, at most ${inARow} in a row, ${ms} ms${writes ? ', writes only' : ''}`;
    },
  }),
);

function apiRule(site: Site, rule: Omit<Parameters<Site['slot']['api']['fail']>[0], 'path'>): string {
  const [skip, times] = [between(site.random, 0, 3), between(site.random, 1, 4)];
  site.slot.api.fail({ path: /config/, skip: rule.method === undefined ? skip : 0, times, ...rule });
  site.met();
  return `${times} times${rule.method === undefined ? ` after ${skip} requests` : ''}`;
}

const api = { where: 'config API', drive: 'in-process' } as const;

const apiFaults: readonly Fault[] = [
  {
    ...api,
    kind: 'config API: 500 after it has written',
    caughtBy: 'the record is read before anything is sent again',
    userSees: 'a retry line; the run goes on',
    arm: (site) =>
      apiRule(site, { kind: 'status-after', method: 'PUT', status: 500, body: '{"detail":"after the write"}' }),
  },
  {
    ...api,
    kind: 'config API: 500 in place of an answer',
    caughtBy: 'one retry, then the server’s words',
    userSees: 'a retry line; the run goes on, or ends with exit 4 or 5',
    arm: (site) => apiRule(site, { kind: 'status', status: 500, body: '{"detail":"broken"}' }),
  },
  {
    ...api,
    kind: 'config API: a proxy’s error page (502)',
    caughtBy: 'retries; a page that is not JSON is no answer',
    userSees: 'retry lines; the run goes on, or ends with exit 4 or 5',
    arm: (site) => apiRule(site, { kind: 'status', status: 502, body: '<html>Bad Gateway</html>' }),
  },
];

function atFileOperation(site: Site, least: number, most: number, fail: (place: number) => void): string {
  const at = between(site.random, least, most);
  fail(at);
  return `at file operation ${at}`;
}

const disk = { where: 'run folder', drive: 'in-process' } as const;
const DISK_SEES = 'exit 4 or 78 with the system’s words; nothing is sent to a store that is not on record';

const diskFaults: readonly Fault[] = [
  {
    ...disk,
    kind: 'run folder: disk full',
    caughtBy: 'the write that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) => {
      let left = between(site.random, 0, 30_000);
      const text = `after ${left} bytes`;
      breakDisk(site.loaded.stateDir, ({ kind, length = 0, part }) => {
        if (kind !== 'write') return;
        left -= length;
        if (left >= 0) return;
        site.met();
        part?.(Math.max(0, left + length));
        left = 0;
        throw systemError('ENOSPC', 'no space left on device, write');
      });
      return text;
    },
  },
  {
    ...disk,
    kind: 'run folder: a sync fails',
    caughtBy: 'the sync that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) =>
      atFileOperation(site, 1, 30, (at) => {
        let seen = 0;
        breakDisk(site.loaded.stateDir, ({ kind }) => {
          if (kind !== 'sync') return;
          seen += 1;
          if (seen !== at) return;
          site.met();
          throw systemError('EIO', 'i/o error, fdatasync');
        });
      }),
  },
  {
    ...disk,
    kind: 'run folder: becomes read-only',
    caughtBy: 'the write that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) =>
      atFileOperation(site, 1, 60, (at) => {
        let seen = 0;
        breakDisk(site.loaded.stateDir, ({ kind }) => {
          seen += 1;
          // A lock that cannot be removed is nobody's once its process is gone; this one's process stays.
          if (seen < at || kind === 'rm') return;
          site.met();
          throw systemError('EROFS', 'read-only file system');
        });
      }),
  },
  {
    ...disk,
    drive: 'process',
    kind: 'run folder: the system limits the size of its files',
    caughtBy: 'the write that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) => {
      const blocks = between(site.random, 0, 40);
      site.process.fileBlocks = blocks;
      site.met();
      return `${blocks * 512} bytes a file`;
    },
  },
];

function atRequest(site: Site, stores: readonly ProxyName[], act: () => void): string {
  const store = stores[between(site.random, 0, stores.length)] ?? 'redis';
  const place = somewhereUp(site, store);
  proxyOf(site, store).arm(place, () => {
    site.met();
    act();
  });
  return `${store} ${placeText(place)}`;
}

const process = { where: 'process', drive: 'process' } as const;
const storesOf = ({ loaded }: Site): readonly ProxyName[] => [
  'redis',
  'qdrant',
  'api',
  ...(loaded.hasGraph ? (['graph'] as const) : []),
];

const processFaults: readonly Fault[] = [
  {
    ...process,
    kind: 'process: killed while it writes its record',
    caughtBy: 'a torn last line is dropped: what it names was not sent',
    userSees: 'the next command continues the run or takes it back',
    arm: (site) => {
      const at = between(site.random, 1, 90);
      const how = (['before', 'torn', 'after', 'later'] as const)[between(site.random, 0, 4)] ?? 'before';
      const delayUs = Math.floor(10 ** (1 + 4 * site.random()));
      site.process.kill = { at, how, share: site.random(), delayUs };
      site.met();
      return `${how} file operation ${at}${how === 'later' ? ` by ${delayUs} µs` : ''}`;
    },
  },
  {
    ...process,
    kind: 'process: killed at a request',
    caughtBy: 'intents on record before each request; the stores are looked at',
    userSees: 'the next command continues the run or takes it back',
    arm: (site) => atRequest(site, storesOf(site), () => site.kill()),
  },
  {
    where: 'process',
    drive: 'in-process',
    kind: 'process: Ctrl-C at a request',
    caughtBy: 'the permit before each batch',
    userSees: 'exit 130 after the batch; the next command continues the run or takes it back',
    arm: (site) => atRequest(site, storesOf(site), () => site.interrupt()),
  },
];

const clockFaults: readonly Fault[] = [
  {
    where: 'clock',
    drive: 'in-process',
    kind: 'clock: jumps while the run goes on',
    caughtBy: 'expiry is compared in the server’s time; durations are measured, not subtracted',
    userSees: 'odd times in the report, nothing else',
    arm: (site) => {
      const ms = Math.floor((site.random() - 0.5) * 2 * 400 * 86_400_000);
      const early = site.random() < 0.3;
      if (!early) return `${ms} ms, ${atRequest(site, storesOf(site), () => site.jump(ms))}`;
      site.met();
      site.jump(ms);
      return `${ms} ms before the start`;
    },
  },
];

export const otherFaults: readonly Fault[] = [
  ...qdrantFaults,
  ...apiFaults,
  ...diskFaults,
  ...processFaults,
  ...clockFaults,
];
