import { stringify } from 'yaml';
import type { Look } from '../../wire/look.ts';
import { ENV_PREFIX, FLAGS, SECRETS, type SecretName } from '../flags.ts';
import { setIn } from '../setting-layers.ts';
import { secretKey } from '../settings-file/keys.ts';

/** What a new settings file is written from. */
export interface Known {
  readonly looks: readonly Look[];
  /** Settings that were given, or found in a file: by flag. */
  readonly chosen: ReadonlyMap<string, string | boolean | readonly string[]>;
  /** Where a setting was found; absent for one that was given. */
  readonly from: ReadonlyMap<string, string>;
  readonly env: NodeJS.ProcessEnv;
  /** The schema that editors shall use, as a path beside the file. */
  readonly schema: string;
}

const STORES = [
  { stage: 'config', title: 'Config API', prefix: ['api-', 'config-secrets'], address: ['api-url'] },
  { stage: 'redis', title: 'Redis or Dragonfly', prefix: ['redis-'], address: ['redis-host', 'redis-port'] },
  { stage: 'qdrant', title: 'Qdrant', prefix: ['qdrant-'], address: ['qdrant-url'] },
  {
    stage: 'graph',
    title: 'Memgraph or Neo4j',
    prefix: ['graph-', 'memgraph-'],
    address: ['memgraph-host', 'memgraph-port'],
  },
] as const;

/** A commented settings file. It holds no secret, only the names of the variables that do. */
export function settingsText(known: Known): string {
  const told = new Set<string>();
  const stores = STORES.map((store) => storeText(store, known, told));
  const rest = [...known.chosen.keys()].filter((name) => !told.has(name)).map((name) => settingLine(name, known));
  return [
    `# yaml-language-server: $schema=${known.schema}`,
    '#',
    '# Settings of tenant-migrate. Each flag is a setting: --redis-host is redis-host. A flag counts before its',
    '# variable (TENANT_MIGRATE_REDIS_HOST), and that before this file. Secrets do not belong in here: write',
    `# \${NAME} for the variable that holds one, or name its file (redis-password-file: /run/secrets/redis).`,
    '# tenant-migrate schema prints all that can be set; MIGRATION.md explains it.',
    ...stores,
    ...(rest.length === 0 ? [] : ['', '# What moves, and how', ...rest]),
    '',
    '# What differs between environments stands below their names, and counts before what stands above. One is chosen',
    '# with --env prod or TENANT_MIGRATE_ENV; `env: dev` at the top names the usual one.',
    '# environments:',
    '#   dev:',
    '#     redis-host: 127.0.0.1',
    '#   prod:',
    '#     redis-host: redis.internal',
    '#     redis-password-file: /run/secrets/redis',
    '',
  ].join('\n');
}

function storeText(store: (typeof STORES)[number], known: Known, told: Set<string>): string {
  const { looks, chosen, env } = known;
  const look = looks.find(({ stage }) => stage === store.stage);
  const given = [...chosen.keys()].filter((name) => store.prefix.some((prefix) => name.startsWith(prefix)));
  for (const name of given) told.add(name);
  const standard = store.address.filter((name) => !chosen.has(name) && !isReplaced(name, chosen));
  const says =
    look === undefined
      ? 'left out'
      : `${look.answers ? 'answered' : 'did not answer'} at ${oneLine(look.address)}: ${oneLine(look.says)}`;
  return [
    '',
    `# ${store.title}: ${says}`,
    ...given.map((name) => settingLine(name, known)),
    // Where nobody answers the default is no finding.
    ...standard.map((name) => `${look?.answers === true ? '' : '# '}${name}: ${defaultOf(name)}`),
    ...SECRETS.filter((name) => store.prefix.some((prefix) => secretKey(name).startsWith(prefix))).map((name) =>
      secretLine(name, env),
    ),
  ].join('\n');
}

function settingLine(name: string, { chosen, from }: Known): string {
  const where = from.get(name);
  return `${name}: ${yamlText(chosen.get(name))}${where === undefined ? '' : ` # from ${where}`}`;
}

/** `${` in a value would be read as a variable. */
function yamlText(value: string | boolean | readonly string[] | undefined): string {
  const plain = (text: string) => text.replaceAll('${', '$${');
  const escaped = typeof value === 'string' ? plain(value) : Array.isArray(value) ? value.map(plain) : value;
  return stringify(escaped, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trim();
}

function secretLine(name: SecretName, env: NodeJS.ProcessEnv): string {
  const set = [`${ENV_PREFIX}${name}`, name].find((variable) => setIn(env, variable) !== undefined);
  if (set !== undefined) return `${secretKey(name)}: \${${set}}`;
  const file = [`${ENV_PREFIX}${name}_FILE`, `${name}_FILE`].find((variable) => setIn(env, variable) !== undefined);
  if (file !== undefined) return `${secretKey(name)}-file: \${${file}}`;
  return `# ${secretKey(name)}: \${${name}}`;
}

function isReplaced(name: string, chosen: Known['chosen']): boolean {
  if (name.startsWith('redis-')) return chosen.has('redis-url') || chosen.has('redis-sentinel');
  return name.startsWith('memgraph-') && chosen.has('graph-url');
}

function defaultOf(name: string): string {
  return FLAGS.find((flag) => flag.name === name)?.fallback ?? '';
}

/** What a server says stands in a comment, which must not end. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
}
