import { between } from '../../../scripts/seed/random.ts';
import type { Fault, Site } from './fault.ts';
import { placeText, proxyOf, somewhereUp } from './places.ts';
import type { ProxyName } from './slot.ts';

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

export const processFaults: readonly Fault[] = [
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

export const clockFaults: readonly Fault[] = [
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
