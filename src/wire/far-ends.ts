import type { Settings } from '../cli/settings.ts';
import { MigrateError } from '../model/errors.ts';
import type { StageName } from '../stages/stage.ts';
import type { FarEnd } from '../tunnel/far-end.ts';
import type { Proof } from '../tunnel/tunnel.ts';
import { redisDatabases } from './redis-settings.ts';

/** A store's address as a run's record names it: behind a tunnel only together with the server from which it is seen. */
export function addressThrough({ tunnel }: Settings, address: string): string {
  return tunnel === undefined ? address : `via ${tunnel.name}: ${address}`;
}

/** Where an HTTP store is connected to, undefined without a tunnel. With https the tunnel's end speaks TLS. */
export function httpThrough({ tunnel }: Settings, url: string): string | undefined {
  return tunnel && `http://${tunnel.localTo(httpEnd(url))}`;
}

/** The same for the graph. */
export function graphThrough({ tunnel }: Settings, url: string): string | undefined {
  // Where any certificate is taken, the driver may speak TLS with a port of another name.
  return tunnel && `${url.startsWith('bolt+ssc:') ? 'bolt+ssc' : 'bolt'}://${tunnel.localTo(graphEnd(url))}`;
}

/** The ends that the stages need, each with its proof. Throws MigrateError where one cannot be reached through a tunnel. */
export function farEnds(
  settings: Settings,
  { graphUrl, skipped }: { readonly graphUrl: string; readonly skipped: readonly StageName[] },
): readonly { readonly far: FarEnd; readonly proof: Proof }[] {
  const ends: { stage: StageName; far: () => FarEnd | undefined; proof: Proof }[] = [
    {
      stage: 'config',
      far: () => httpEnd(settings['api-url']),
      proof: { hello: 'http', what: 'the config API', next: advice('--api-url', 'config') },
    },
    {
      stage: 'redis',
      far: () => redisEnd(settings),
      proof: { hello: 'redis', what: 'Redis', next: advice('--redis-host and --redis-port (or --redis-url)', 'redis') },
    },
    {
      stage: 'qdrant',
      far: () => httpEnd(settings['qdrant-url']),
      proof: { hello: 'http', what: 'Qdrant', next: advice('--qdrant-url', 'qdrant') },
    },
    {
      stage: 'graph',
      far: () => graphEnd(graphUrl),
      proof: {
        hello: 'bolt',
        what: 'the graph store',
        next: advice('--memgraph-host and --memgraph-port (or --graph-url)', 'graph'),
      },
    },
  ];
  return ends
    .filter(({ stage }) => !skipped.includes(stage))
    .flatMap(({ far, proof }) => {
      const end = far();
      return end === undefined ? [] : [{ far: end, proof }];
    });
}

function advice(flags: string, stage: StageName): string {
  return `correct ${flags}, an address as the ssh server sees it, or leave it out with --skip-${stage}`;
}

function httpEnd(url: string): FarEnd {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === 'https:';
  const host = withoutBrackets(hostname);
  return { host, port: Number(port || (isTls ? 443 : 80)), ...(isTls ? { tlsName: host } : {}) };
}

const BOLT_PORT = 7687;

/** A routing driver would connect to whatever addresses the servers name, past the tunnel. */
function graphEnd(url: string): FarEnd {
  const { protocol, hostname, port } = new URL(url);
  if (protocol.startsWith('neo4j')) {
    throw new MigrateError('usage', `--graph-url ${protocol}// does not go through --ssh: its servers name others`, {
      stage: 'graph',
      next: `name the leader itself: ${protocol.replace('neo4j', 'bolt')}//${hostname}:${port || BOLT_PORT}`,
    });
  }
  const host = withoutBrackets(hostname);
  return { host, port: Number(port || BOLT_PORT), ...(protocol === 'bolt+s:' ? { tlsName: host } : {}) };
}

/** Undefined with sentinels: which server it is they tell later, and not all of them need answer. */
function redisEnd(settings: Settings): FarEnd | undefined {
  const [first] = redisDatabases(settings, { clientName: '' });
  if (first === undefined || first.sentinel !== undefined) return undefined;
  return { host: first.host, port: first.port };
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
