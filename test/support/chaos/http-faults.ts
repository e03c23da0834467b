import { between } from '../../../scripts/seed/random.ts';
import type { FaultKind } from '../qdrant-stand-in.ts';
import type { Fault, Site } from './fault.ts';

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

export const qdrantFaults: readonly Fault[] = qdrantKinds.map(
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
        ...(writes ? { on: '/points(/payload|/delete)?\\?wait' } : {}),
      });
      site.met();
      return `rate ${rate}, at most ${inARow} in a row, ${ms} ms${writes ? ', writes only' : ''}`;
    },
  }),
);

function apiRule(site: Site, rule: Omit<Parameters<Site['slot']['api']['fail']>[0], 'path'>): string {
  const [skip, times] = [between(site.random, 0, 4), between(site.random, 1, 4)];
  site.slot.api.fail({ path: /config/, skip: rule.method === undefined ? skip : 0, times, ...rule });
  site.met();
  return `${times} times${rule.method === undefined ? ` after ${skip} requests` : ''}`;
}

const api = { where: 'config API', drive: 'in-process' } as const;

export const apiFaults: readonly Fault[] = [
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
