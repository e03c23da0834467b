import { setTimeout as sleep } from 'node:timers/promises';
import { between } from '../../../scripts/seed/random.ts';
import type { Fault, Site } from './fault.ts';
import { placeText, proxyOf, somewhereDown, somewhereUp } from './places.ts';
import type { ProxyName } from './slot.ts';

const STORES: readonly { readonly proxy: ProxyName; readonly where: Fault['where']; readonly look: string }[] = [
  {
    proxy: 'redis',
    where: 'Redis',
    look: 'the old connection is ended at the server, then both names of each key are looked at',
  },
  { proxy: 'qdrant', where: 'Qdrant', look: 'the request is sent again: its filter leaves out what is done' },
  { proxy: 'graph', where: 'graph', look: 'the statement is sent again: its guard leaves out what is done' },
  { proxy: 'api', where: 'config API', look: 'the record is read before anything is sent again' },
];

type Arm = (site: Site, proxy: ProxyName) => string;

/** What a network can do to one request, whatever the store. */
const KINDS: readonly { readonly kind: string; readonly caught: string; readonly sees: string; readonly arm: Arm }[] = [
  {
    kind: 'connection cut before a request',
    caught: 'retry after a lost connection',
    sees: 'a retry line with its reason; the run goes on',
    arm: (site, name) => {
      const place = somewhereUp(site, name);
      const proxy = proxyOf(site, name);
      proxy.arm(place, () => {
        site.met();
        proxy.cutAll();
      });
      return placeText(place);
    },
  },
  {
    kind: 'connection cut between a request and its reply',
    caught: 'unknown outcome is looked at, never assumed',
    sees: 'a retry line with its reason; the run goes on',
    arm: (site, name) => {
      const place = somewhereUp(site, name);
      const proxy = proxyOf(site, name);
      proxy.arm(place, () =>
        proxy.arm({ direction: 'down', bytes: 0 }, () => {
          site.met();
          proxy.cutAll();
        }),
      );
      return `the reply after that ${placeText(place)}`;
    },
  },
  {
    kind: 'half a reply',
    caught: 'a reply that breaks off counts as none',
    sees: 'a retry line with its reason; the run goes on',
    arm: (site, name) => {
      const place = somewhereDown(site, name);
      const proxy = proxyOf(site, name);
      proxy.arm(place, () => {
        site.met();
        proxy.cutAll();
      });
      return placeText(place);
    },
  },
  {
    kind: 'reply late or never',
    caught: '`--request-timeout`',
    sees: 'a pause, or a retry line; the run goes on',
    arm: (site, name) => {
      const place = site.random() < 0.5 ? somewhereUp(site, name) : somewhereDown(site, name);
      const ms = between(site.random, 50, 3_600);
      proxyOf(site, name).arm(place, async () => {
        site.met();
        await sleep(ms);
      });
      return `${ms} ms ${placeText(place)}`;
    },
  },
  {
    kind: 'several resets',
    caught: 'a bounded number of retries',
    sees: 'retry lines; the run goes on, or ends with exit 4 and the command to type',
    arm: (site, name) => {
      const places = Array.from({ length: between(site.random, 3, 8) }, () =>
        site.random() < 0.5 ? somewhereUp(site, name) : somewhereDown(site, name),
      );
      const proxy = proxyOf(site, name);
      for (const place of places) {
        proxy.arm(place, () => {
          site.met();
          proxy.cutAll();
        });
      }
      return places.map(placeText).join(', ');
    },
  },
  {
    kind: 'connections refused for a while',
    caught: 'retries with growing pauses',
    sees: 'retry lines; the run goes on, or ends with exit 4 and the command to type',
    arm: (site, name) => {
      const place = somewhereUp(site, name);
      const ms = between(site.random, 20, 3_000);
      const proxy = proxyOf(site, name);
      proxy.arm(place, async () => {
        site.met();
        await proxy.refuse(true);
        proxy.cutAll();
        site.later(ms, () => proxy.refuse(false));
      });
      return `${ms} ms ${placeText(place)}`;
    },
  },
];

export const networkFaults: readonly Fault[] = STORES.flatMap(({ proxy, where, look }) =>
  KINDS.map(
    ({ kind, caught, sees, arm }): Fault => ({
      kind: `${where}: ${kind}`,
      where,
      caughtBy: `${caught}; ${look}`,
      userSees: sees,
      drive: 'in-process',
      proxy,
      arm: (site) => arm(site, proxy),
    }),
  ),
);
