import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { RunPlan } from '../report/report.ts';
import type { StageName } from '../stages/stage.ts';
import { parseNode, parseNodeMap } from '../stores/redis/node-map.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { HOOK_VARIABLES } from './flags/hook-flags.ts';
import { ENV_PREFIX, envName, FLAGS, type Flag, flagsOf, isRecorded, SECRETS, type SecretName } from './flags.ts';
import { address, filled, HTTP, host, percent, seconds, whole } from './settings/checks.ts';
import { doctorShape } from './settings/doctor-settings.ts';
import { hookShape, recordedHook } from './settings/hook-settings.ts';
import { loadShape } from './settings/load-settings.ts';
import { logShape } from './settings/log-settings.ts';
import { metricsShape } from './settings/metrics-settings.ts';
import { notifyShape } from './settings/notify-settings.ts';
import { probeShape } from './settings/probe-settings.ts';
import { reportShape } from './settings/report-settings.ts';
import { settingsFileShape } from './settings/settings-file-settings.ts';
import { refuseHalfTunnel, tunnelShape } from './settings/tunnel-settings.ts';

/** Everything that can be set, checked. Secrets are in `secrets` alone. */
export type Settings = z.infer<typeof schema> & {
  readonly secrets: Secrets;
  /** What a run's record keeps, as it was given: no secret. */
  readonly recorded: Readonly<Record<string, Json>>;
  /** Through which all stores are reached, once it stands. */
  readonly tunnel?: Tunnel | undefined;
};

export type Secrets = Readonly<Partial<Record<SecretName, string>>>;

/** What yargs read: a value, or a list where a flag was given more than once. */
export type RawFlags = Readonly<Record<string, unknown>>;

/** A shorter passphrase could be guessed by whoever has the sealed values. */
const SHORTEST_ENCRYPTION_KEY = 16;

const STAGES = ['config', 'redis', 'qdrant', 'graph'] as const;

const schema = z.object({
  'redis-host': host,
  'redis-port': whole(1, 65_535),
  'redis-url': address(['redis:', 'rediss:'])
    .refine((text) => /^(\/\d*)?$/.test(pathOf(text)), 'must end in /<database number> or nothing')
    .optional(),
  'redis-db': z
    .string()
    .regex(/^\d{1,7}(,\d{1,7})*$/, 'is not a database number, nor several such as 0,1')
    .transform((text) => [...new Set(text.split(',').map(Number))].sort((a, b) => a - b))
    .refine((numbers) => numbers.every((number) => number <= 1_000_000), 'must be between 0 and 1000000'),
  'redis-tls': z.boolean(),
  'redis-ca': filled.optional(),
  'redis-cert': filled.optional(),
  'redis-key': filled.optional(),
  'redis-tls-servername': host.optional(),
  'redis-sentinel': z.string().refine(areNodes, 'is not host:port, nor several with commas between').optional(),
  'redis-sentinel-name': filled,
  'redis-node-map': z
    .array(z.string())
    .refine((entries) => parseNodeMap(entries) !== undefined, 'is not announced-host:port=reachable-host:port'),
  'redis-mode': z.enum(['auto', 'rename', 'copy']),
  'qdrant-url': address(HTTP),
  'memgraph-host': host,
  'memgraph-port': whole(1, 65_535),
  'graph-url': address(['bolt:', 'bolt+s:', 'bolt+ssc:', 'neo4j:', 'neo4j+s:', 'neo4j+ssc:']).optional(),
  'graph-database': filled.optional(),
  'api-url': address(HTTP),
  'api-path': z
    .string()
    .refine((text) => text.startsWith('/') && text.includes('{tenant}'), 'must start with / and hold {tenant}'),
  'api-method': z.enum(['PUT', 'POST', 'PATCH']),
  'connect-timeout': seconds,
  'request-timeout': seconds,
  'skip-config': z.boolean(),
  'skip-redis': z.boolean(),
  'skip-qdrant': z.boolean(),
  'skip-memgraph': z.boolean(),
  'skip-graph': z.boolean(),
  only: z.array(z.enum(STAGES, `must be one of ${STAGES.join(', ')}`)),
  profile: z.enum(['rag-api', 'generic']),
  'key-template': z.array(z.string()),
  'value-field': z.array(z.string()),
  'keep-values': z.boolean(),
  'qdrant-field': filled.optional(),
  'graph-label': z
    .string()
    .refine((text) => text.split('{tenant}').length === 2, 'must hold {tenant} once')
    .refine((text) => !/[\\\0]/.test(text), 'holds a backslash')
    .optional(),
  'graph-property': z.array(filled.refine((name) => !/[\\\0]/.test(name), 'holds a backslash')),
  'collection-template': z.array(z.string()),
  'collection-mode': z.enum(['copy', 'alias']),
  'qdrant-mode': z.enum(['auto', 'payload', 're-id']),
  'point-id': filled.optional(),
  'config-secrets': z.string().optional(),
  map: filled.optional(),
  'skip-missing': z.boolean(),
  'delete-source-config': z.boolean(),
  'dry-run': z.boolean(),
  yes: z.boolean(),
  merge: z.boolean(),
  'on-conflict': z.enum(['fail', 'skip', 'overwrite']),
  settle: seconds,
  'accept-differences': z.boolean(),
  'auto-rollback': z.boolean(),
  'max-errors': whole(0, Number.MAX_SAFE_INTEGER).optional(),
  'max-error-rate': percent,
  'max-slowdown': percent.optional(),
  timeout: seconds.optional(),
  'pause-file': filled.optional(),
  'force-unlock': z.boolean(),
  backup: z.boolean(),
  'from-backup': filled.optional(),
  'same-servers': z.boolean(),
  days: whole(0, 100_000),
  'fail-on-unclaimed': z.boolean(),
  'ambiguous-keys': z.enum(['refuse', 'claim', 'leave']),
  verify: z.enum(['counts', 'sample', 'full']),
  'sample-seed': whole(0, 4_294_967_295),
  'batch-size': whole(1, 100_000).optional(),
  'keep-days': whole(0, 36_500),
  'state-dir': filled,
  out: filled.optional(),
  'show-statements': z.boolean(),
  'detailed-exitcode': z.boolean(),
  'exact-plan': z.boolean(),
  json: z.boolean(),
  quiet: z.boolean(),
  verbose: z.boolean(),
  color: z.enum(['auto', 'always', 'never']),
  ...tunnelShape,
  ...loadShape,
  ...probeShape,
  ...hookShape,
  ...reportShape,
  ...logShape,
  ...metricsShape,
  ...notifyShape,
  ...settingsFileShape,
  ...doctorShape,
});

interface Sources {
  readonly command: string;
  readonly flags: RawFlags;
  readonly env: NodeJS.ProcessEnv;
  /** The settings of the run that is gone on with. */
  readonly recorded?: Readonly<Record<string, Json>> | undefined;
}

/** Flags > the run's record > environment > default, checked. Throws MigrateError `usage` that names the setting and says what to do. */
export async function readSettings({ command, flags, env, recorded = {} }: Sources): Promise<Settings> {
  refuseUnknownVariables(env);
  // Every value is in the process list, also one that a later one replaces.
  for (const { name, kind } of FLAGS)
    if (kind === 'text') for (const value of [flags[name]].flat()) refusePassword(name, value);
  const merged: Record<string, unknown> = {};
  const own = new Set(flagsOf(command));
  for (const flag of FLAGS) {
    // What is set for all commands alike concerns those that take it.
    const fromEnv = own.has(flag) ? setIn(env, envName(flag.name)) : undefined;
    const before = isReplaced(flag.name, flags) ? undefined : recordedSetting(recorded[flag.name], fromEnv);
    merged[flag.name] = settingOf(flag, flags[flag.name] ?? before, fromEnv);
  }
  // Where a later command names another host, it must not speak in clear.
  if (String(merged['redis-url']).startsWith('rediss:')) merged['redis-tls'] = true;
  refuseUrlSecrets(env);
  const parsed = schema.safeParse(merged);
  if (!parsed.success) throw invalid(parsed.error.issues, flags);
  refuseForeignFlags(command, flags);
  refuseHalfRedis(parsed.data);
  refuseHalfTunnel(merged);
  return { ...parsed.data, secrets: await readSecrets(env), recorded: recordOf(merged) };
}

/** Host and port on the command line are meant to replace the address that the record holds. */
function isReplaced(name: string, flags: RawFlags): boolean {
  const parts = {
    'redis-url': ['redis-host', 'redis-port', 'redis-sentinel'],
    'redis-sentinel': ['redis-host', 'redis-port', 'redis-url'],
    'graph-url': ['memgraph-host', 'memgraph-port'],
  }[name];
  return parts?.some((part) => flags[part] !== undefined) ?? false;
}

/** What the record holds; where the environment gives the same address with a login, that one. */
function recordedSetting(recorded: Json | undefined, fromEnv: string | undefined): unknown {
  if (typeof recorded !== 'string' || fromEnv === undefined) return recorded;
  return withoutLogin(fromEnv) === recorded ? fromEnv : recorded;
}

function recordOf(merged: Readonly<Record<string, unknown>>): Readonly<Record<string, Json>> {
  const kept = FLAGS.filter(
    (flag) => isRecorded(flag) && merged[flag.name] !== undefined && !holdsSecrets(flag.name, merged[flag.name]),
  );
  return Object.fromEntries(
    kept.map(({ name }) => {
      const value = merged[name] as Json;
      if (name === 'hook' && Array.isArray(value)) return [name, value.map((text) => recordedHook(String(text)))];
      if (typeof value !== 'string') return [name, value];
      return [name, PATHS.has(name) ? resolve(value) : withoutLogin(value)];
    }),
  );
}

/** Resumed from another folder, the run must find the same files. */
const PATHS: ReadonlySet<string> = new Set([
  'config-secrets',
  'pause-file',
  'redis-ca',
  'redis-cert',
  'redis-key',
  'ssh-identity',
  'ssh-config',
]);

/** In the environment the secrets' JSON may stand in place of the file's path: it is never written down. */
function holdsSecrets(name: string, value: unknown): boolean {
  return name === 'config-secrets' && typeof value === 'string' && value.trimStart().startsWith('{');
}

function withoutLogin(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username === '' && url.password === '') return text;
  url.username = '';
  url.password = '';
  return url.toString();
}

/** The stages that `--skip-…` and `--only` leave out, and with a stored plan those that it does not hold. */
export function skippedStages(settings: Settings, plan?: RunPlan): readonly StageName[] {
  const skipped = new Set<StageName>();
  if (settings['skip-config']) skipped.add('config');
  if (settings['skip-redis']) skipped.add('redis');
  if (settings['skip-qdrant']) skipped.add('qdrant');
  if (settings['skip-memgraph'] || settings['skip-graph']) skipped.add('graph');
  if (settings.only.length > 0) for (const stage of STAGES) if (!settings.only.includes(stage)) skipped.add(stage);
  const planned = plan?.stages.map(({ stage }) => stage) ?? STAGES;
  for (const stage of STAGES) if (!planned.includes(stage)) skipped.add(stage);
  if (skipped.size === STAGES.length) {
    const what =
      plan === undefined ? 'leave no stage to run' : `leave no stage of the plan, which holds ${planned.join(', ')}`;
    throw usage('--skip-… and --only', what, 'leave one of them out');
  }
  return STAGES.filter((stage) => skipped.has(stage));
}

function settingOf(flag: Flag, given: unknown, fromEnv: string | undefined): unknown {
  if (flag.kind === 'list') return listOf(flag, given, fromEnv);
  const value = lastOf(given) ?? fromEnv;
  if (flag.kind === 'switch') return asSwitch(flag.name, value);
  return value === undefined ? flag.fallback : String(value);
}

/**
 * The items of a list: in the environment and in `--only` between commas, else one in each flag. One that names nothing
 * is refused: an empty `--only "$STAGES"` must not mean all stages.
 */
function listOf(flag: Flag, given: unknown, fromEnv: string | undefined): readonly string[] {
  const texts = given === undefined ? (fromEnv === undefined ? [] : [fromEnv]) : [given].flat().map(String);
  const split = given === undefined || flag.name === 'only';
  const items = texts
    .flatMap((text) => (split ? text.split(',').map((item) => item.trim()) : [text]))
    .filter((item) => item !== '');
  if (texts.length > 0 && items.length === 0) {
    throw usage(
      given === undefined ? envName(flag.name) : `--${flag.name}`,
      'is empty',
      'name something, or leave it out',
    );
  }
  return items;
}

/** A variable's value. An empty one is unset: pipelines cannot always leave a variable out. */
function setIn(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name] === '' ? undefined : env[name];
}

/** A flag given twice: the last wins. */
function lastOf(given: unknown): unknown {
  return Array.isArray(given) ? given.at(-1) : given;
}

function asSwitch(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === undefined || value === '' || value === '0' || value === 'false') return false;
  if (value === '1' || value === 'true') return true;
  throw usage(envName(name), 'is neither true nor false', 'set it to true or false');
}

function pathOf(text: string): string {
  return URL.canParse(text) ? new URL(text).pathname : '';
}

function areNodes(text: string): boolean {
  return text.split(',').every((node) => parseNode(node.trim(), 1) !== undefined);
}

function refuseHalfRedis(settings: z.infer<typeof schema>): void {
  if (settings['redis-sentinel'] !== undefined && settings['redis-url'] !== undefined)
    throw usage('--redis-sentinel', 'takes the place of --redis-url', 'leave one of them out');
  const [cert, key] = [settings['redis-cert'], settings['redis-key']];
  if ((cert === undefined) !== (key === undefined))
    throw usage('--redis-cert and --redis-key', 'belong together', 'give the other one, too');
}

/** A password in a URL would show in the process list and the shell's history. */
function refusePassword(name: string, given: unknown): void {
  if (typeof given !== 'string' || !URL.canParse(given)) return;
  const { username, password } = new URL(given);
  if (username === '' && password === '') return;
  const prefix = name.startsWith('redis')
    ? 'REDIS'
    : name.startsWith('graph')
      ? 'GRAPH'
      : name.startsWith('push')
        ? 'PUSHGATEWAY'
        : undefined;
  const variables =
    prefix === undefined
      ? name.startsWith('qdrant')
        ? 'QDRANT_API_KEY'
        : name.startsWith('pagerduty')
          ? 'PAGERDUTY_ROUTING_KEY'
          : 'API_TOKEN'
      : `${prefix}_USERNAME and ${prefix}_PASSWORD`;
  throw usage(
    `--${name}`,
    'holds a user name or password, which others can read in the process list',
    `set ${variables} in the environment`,
  );
}

/** These two stores take their secret from a variable of its own: one in the address would be dropped in silence. */
function refuseUrlSecrets(env: NodeJS.ProcessEnv): void {
  for (const [name, instead] of [
    ['qdrant-url', 'QDRANT_API_KEY'],
    ['api-url', 'API_TOKEN'],
    ['pushgateway', 'PUSHGATEWAY_USERNAME and PUSHGATEWAY_PASSWORD'],
    ['pagerduty-url', 'PAGERDUTY_ROUTING_KEY'],
  ] as const) {
    const url = env[envName(name)];
    if (url === undefined || !URL.canParse(url)) continue;
    const { username, password } = new URL(url);
    if (username !== '' || password !== '')
      throw usage(envName(name), 'holds a user name or password', `set ${instead}`);
  }
}

function refuseUnknownVariables(env: NodeJS.ProcessEnv): void {
  const known = new Set([
    ...FLAGS.map(({ name }) => envName(name)),
    ...HOOK_VARIABLES,
    ...SECRETS.flatMap((name) => [`${ENV_PREFIX}${name}`, `${ENV_PREFIX}${name}_FILE`]),
  ]);
  for (const name of Object.keys(env)) {
    if (name.startsWith(ENV_PREFIX) && setIn(env, name) !== undefined && !known.has(name)) {
      throw usage(`the environment variable ${name}`, 'is not known', `did you mean ${closest(name, [...known])}?`);
    }
  }
}

function refuseForeignFlags(command: string, flags: RawFlags): void {
  const own = new Set(flagsOf(command).map(({ name }) => name));
  for (const { name } of FLAGS) {
    const value = lastOf(flags[name]);
    if (value !== undefined && value !== false && !own.has(name)) {
      throw usage(`--${name}`, `does not go with ${command}`, `see tenant-migrate ${command} --help`);
    }
  }
}

function invalid(issues: readonly z.core.$ZodIssue[], flags: RawFlags): MigrateError {
  const [issue] = issues;
  const name = String(issue?.path[0] ?? '');
  const flag = FLAGS.find((candidate) => candidate.name === name);
  const setting = flags[name] === undefined ? envName(name) : `--${name}`;
  const reason =
    flag?.choices === undefined ? (issue?.message ?? 'is not valid') : `must be one of ${flag.choices.join(', ')}`;
  return usage(setting, reason, `see tenant-migrate --help for --${name}`);
}

async function readSecrets(env: NodeJS.ProcessEnv): Promise<Secrets> {
  const secrets: Partial<Record<SecretName, string>> = {};
  for (const name of SECRETS) {
    const value = await readSecret(name, env);
    if (value !== undefined && value !== '') secrets[name] = value;
  }
  if (secrets.ENCRYPTION_KEY !== undefined && [...secrets.ENCRYPTION_KEY].length < SHORTEST_ENCRYPTION_KEY) {
    throw usage('ENCRYPTION_KEY', `has fewer than ${SHORTEST_ENCRYPTION_KEY} characters`, 'set a longer one');
  }
  return secrets;
}

/** The prefixed name wins over the bare one, the value over the file. */
async function readSecret(name: SecretName, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const variable of [`${ENV_PREFIX}${name}`, name]) {
    const value = setIn(env, variable);
    if (value !== undefined) return value;
    const file = setIn(env, `${variable}_FILE`);
    if (file === undefined) continue;
    try {
      return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
    } catch (error) {
      throw usage(
        `${variable}_FILE`,
        `names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`,
        'correct the path',
      );
    }
  }
  return undefined;
}

function usage(what: string, problem: string, next: string): MigrateError {
  return new MigrateError('usage', `${what} ${problem}`, { next });
}
