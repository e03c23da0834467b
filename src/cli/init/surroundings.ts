import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setIn } from '../setting-layers.ts';

/** Addresses that files of a folder name, by the names of their flags, and which file each is from. */
export type Surroundings = ReadonlyMap<string, { readonly value: string; readonly from: string }>;

const COMPOSE_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];

/** Images by the last part of their name, the port that is a store's in each, and the setting that its published port is. */
const IMAGES: readonly {
  readonly image: RegExp;
  readonly port: number;
  readonly as: (port: string) => [string, string];
}[] = [
  { image: /^(redis|redis-stack.*|valkey|dragonfly|keydb)$/, port: 6379, as: (port) => ['redis-port', port] },
  { image: /^qdrant$/, port: 6333, as: (port) => ['qdrant-url', `http://127.0.0.1:${port}`] },
  { image: /^(neo4j|memgraph.*)$/, port: 7687, as: (port) => ['memgraph-port', port] },
];

/** Variables as applications name them in `.env`. No secret is among them. */
const VARIABLES: Readonly<Record<string, string>> = {
  REDIS_HOST: 'redis-host',
  REDIS_PORT: 'redis-port',
  QDRANT_URL: 'qdrant-url',
  MEMGRAPH_HOST: 'memgraph-host',
  MEMGRAPH_PORT: 'memgraph-port',
  NEO4J_URI: 'graph-url',
  MEMGRAPH_URI: 'graph-url',
  API_URL: 'api-url',
};

/** What compose files and `.env` in the folder say about the stores. What cannot be read says nothing. */
export async function surroundings(folder: string): Promise<Surroundings> {
  const found = new Map<string, { value: string; from: string }>();
  for (const name of COMPOSE_FILES) {
    const text = await textOf(join(folder, name));
    if (text === undefined) continue;
    for (const [setting, value] of await fromCompose(text)) found.set(setting, { value, from: name });
    break;
  }
  const env = await textOf(join(folder, '.env'));
  for (const [setting, value] of fromEnvFile(env ?? '')) found.set(setting, { value, from: '.env' });
  return found;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

async function fromCompose(text: string): Promise<readonly [string, string][]> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { schema: 'core' });
  if (document.errors.length > 0) return [];
  const { services } = (document.toJS({ maxAliasCount: 100 }) ?? {}) as { services?: Record<string, unknown> };
  return Object.values(services ?? {}).flatMap((service) => {
    const { image, ports } = (service ?? {}) as { image?: unknown; ports?: unknown };
    const name = /([^/:@]+)(?:[:@][^/]*)?$/.exec(String(image ?? ''))?.[1] ?? '';
    const known = IMAGES.find((one) => one.image.test(name));
    const published = known === undefined ? undefined : publishedPort(ports, known.port);
    return known === undefined || published === undefined ? [] : [known.as(published)];
  });
}

/** The host's port of `"6380:6379"`, `127.0.0.1:6380:6379`, or `{published: 6380, target: 6379}`. */
function publishedPort(ports: unknown, inside: number): string | undefined {
  for (const port of Array.isArray(ports) ? ports : []) {
    const { published, target } = (typeof port === 'object' ? (port ?? {}) : {}) as Record<string, unknown>;
    if (Number(target) === inside && published !== undefined) return String(published);
    const match = /^(?:[\d.]+:)?(\d+):(\d+)(?:\/tcp)?$/.exec(String(port));
    if (match !== null && Number(match[2]) === inside) return match[1];
  }
  return undefined;
}

function fromEnvFile(text: string): readonly [string, string][] {
  const values: NodeJS.ProcessEnv = {};
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Z0-9_]+)\s*=\s*(?:"([^"$]*)"|'([^']*)'|([^\s"'#$]*))\s*(?:#.*)?$/.exec(line);
    if (match?.[1] !== undefined) values[match[1]] = match[2] ?? match[3] ?? match[4] ?? '';
  }
  return Object.entries(VARIABLES).flatMap(([name, setting]): [string, string][] => {
    const value = setIn(values, name);
    return value === undefined ? [] : [[setting, value]];
  });
}
