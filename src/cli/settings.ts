import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import { switchValue } from '../model/switch-value.ts';
import type { RunPlan } from '../report/report.ts';
import type { StageName } from '../stages/stage.ts';
import { parseNode, parseNodeMap } from '../stores/redis/node-map.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { HOOK_VARIABLES } from './flags/hook-flags.ts';
import { ENV_PREFIX, envName, FLAGS, type Flag, flagsOf, isRecorded, SECRETS, type SecretName } from './flags.ts';
import { nearWord } from './near-word.ts';
import { type Chosen, chooseSetting, type Origin, setIn, withoutLogin } from './setting-layers.ts';
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
import type { SettingsFile } from './settings-file/settings-file.ts';

/** Everything that can be set, checked. Secrets are in `secrets` alone. */
export type Settings = z.infer<typeof schema> & {
  readonly secrets: Secrets;
  /** What a run's record keeps, as it was given: no secret. */
  readonly recorded: Readonly<Record<string, Json>>;
  /** Through which all stores are reached, once it stands. */
  readonly tunnel?: Tunnel | undefined;
  /** The settings file that was read, and which of its environments. */
  readonly file: Pick<SettingsFile, 'name' | 'environment'> | undefined;
  /** The flags by which it was named: a command that goes on with this one needs them for its secrets. */
  readonly fileWords: readonly string[];
};

export type Secrets = Readonly<Partial<Record<SecretName, string>>>;

/** What yargs read: a value, or a list where a flag was given more than once. */
export type RawFlags = Readonly<Record<string, unknown>>;

/** A shorter passphrase could be guessed by whoever has the sealed values. */
const SHORTEST_ENCRYPTION_KEY = 16;

const STAGES = ['config', 'redis', 'qdrant', 'graph'] as const;

/** What every setting must be, as the text (a list's texts, a switch's boolean) that was given. */
export const schema = z.object({
  'redis-host': host,
  'redis-port': whole(1, 65_535),
  'redis-url': address(['redis:', 'rediss:'])
    .refine((text) => /^(\/\d*)?$/.test(pathOf(text)), 'must end in /<database number> or nothing')
    .optional(),
  'redis-db': z
    .string()
    .regex(/^\d{1,7}(,\d{1,7})*$/, 'is not a database number, nor several such as 0,1')
    .transform((text) => [...new Set(text.split(',').map(Number))].sort((a, b) => a - b))
    .refine((numbers) => numbers.every((number) => number <= 1_000_000), 'must be between 0 and 1000000')
    .meta({ number: { type: 'integer', minimum: 0, maximum: 1_000_000 } }),
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

/**
 * Flags > the run's record > environment > settings file > default, checked. Throws MigrateError `usage` that names the
 * setting and says what to do, and `settings` for what is wrong in the file, with its place.
 */
export async function readSettings({ command, flags, env, recorded = {} }: Sources): Promise<Settings> {
  refuseUnknownVariables(env);
  // Every value is in the process list, also one that a later one replaces.
  for (const { name, kind } of FLAGS)
    if (kind === 'text') for (const value of [flags[name]].flat()) refusePassword(name, value);
  const file = await openFile({ command, flags, env });
  const merged: Record<string, unknown> = {};
  const origins = new Map<string, Origin>();
  const own = new Set(flagsOf(command));
  for (const flag of FLAGS) {
    const chosen = chooseSetting(flag, { flags, recorded, env, file }, own.has(flag));
    merged[flag.name] = settingOf(flag, chosen);
    origins.set(flag.name, chosen.origin);
  }
  file?.check();
  // Where a later command names another host, it must not speak in clear.
  if (String(merged['redis-url']).startsWith('rediss:')) merged['redis-tls'] = true;
  refuseUrlSecrets(env);
  const parsed = schema.safeParse(merged);
  if (!parsed.success) throw invalid(parsed.error.issues, origins, file);
  refuseForeignFlags(command, flags);
  refuseHalfRedis(parsed.data);
  refuseHalfTunnel(merged);
  const secrets = await readSecrets(env, file, connects(command) ? leftOut(parsed.data) : undefined);
  return { ...parsed.data, secrets, recorded: recordOf(merged), file, fileWords: fileWords(flags) };
}

/** The settings file, if there is one. Its reader is loaded only then. */
async function openFile({ command, flags, env }: Sources): Promise<SettingsFile | undefined> {
  const { findSettingsFile } = await import('./settings-file/find-settings-file.ts');
  const given = (name: string) => {
    const value = lastOf(flags[name]) ?? setIn(env, envName(name));
    return value === undefined ? undefined : String(value);
  };
  const found = await findSettingsFile(given('config'));
  const environment = given('env');
  if (found === undefined && environment !== undefined) {
    throw usage(
      `--env ${environment}`,
      'needs a settings file, and there is none',
      'name it with --config, or write one: tenant-migrate init',
    );
  }
  if (found === undefined) return undefined;
  const { openSettingsFile } = await import('./settings-file/settings-file.ts');
  // A run that is gone on with has its servers in its record.
  const mustChoose = connects(command) && !['resume', 'rollback', 'init'].includes(command);
  return openSettingsFile(found, { environment, env, mustChoose, problem: valueProblem });
}

function fileWords(flags: RawFlags): readonly string[] {
  return ['config', 'env'].flatMap((name) => {
    const value = lastOf(flags[name]);
    return value === undefined ? [] : [`--${name}`, String(value)];
  });
}

function connects(command: string): boolean {
  return flagsOf(command).some(({ name }) => name === 'redis-host');
}

/** What is wrong with a value as it stands in a settings file. */
function valueProblem(name: string, value: string | readonly string[]): string | undefined {
  const flag = FLAGS.find((candidate) => candidate.name === name);
  const check = schema.shape[name as keyof typeof schema.shape];
  if (flag === undefined || check === undefined) return undefined;
  try {
    const parsed = check.safeParse(settingOf(flag, { value, origin: { kind: 'file', layer: 0 } }));
    return parsed.success ? urlSecretProblem(name, value) : reasonOf(flag, parsed.error.issues[0]);
  } catch (error) {
    if (error instanceof MigrateError) return error.message;
    throw error;
  }
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
const PATHS: ReadonlySet<string> = new Set(FLAGS.flatMap(({ name, path }) => (path === undefined ? [] : [name])));

/** In the environment the secrets' JSON may stand in place of the file's path: it is never written down. */
function holdsSecrets(name: string, value: unknown): boolean {
  return name === 'config-secrets' && typeof value === 'string' && value.trimStart().startsWith('{');
}

/** The stages that `--skip-…` and `--only` leave out, and with a stored plan those that it does not hold. */
export function skippedStages(settings: Settings, plan?: RunPlan): readonly StageName[] {
  const skipped = leftOut(settings);
  const planned = plan?.stages.map(({ stage }) => stage) ?? STAGES;
  for (const stage of STAGES) if (!planned.includes(stage)) skipped.add(stage);
  if (skipped.size === STAGES.length) {
    const what =
      plan === undefined ? 'leave no stage to run' : `leave no stage of the plan, which holds ${planned.join(', ')}`;
    throw usage('--skip-… and --only', what, 'leave one of them out');
  }
  return STAGES.filter((stage) => skipped.has(stage));
}

function leftOut(settings: z.infer<typeof schema>): Set<StageName> {
  const skipped = new Set<StageName>();
  if (settings['skip-config']) skipped.add('config');
  if (settings['skip-redis']) skipped.add('redis');
  if (settings['skip-qdrant']) skipped.add('qdrant');
  if (settings['skip-memgraph'] || settings['skip-graph']) skipped.add('graph');
  if (settings.only.length > 0) for (const stage of STAGES) if (!settings.only.includes(stage)) skipped.add(stage);
  return skipped;
}

function settingOf(flag: Flag, chosen: Chosen): unknown {
  if (flag.kind === 'list') return listOf(flag, chosen);
  const value = lastOf(chosen.value);
  if (flag.kind === 'switch') return asSwitch(nameOf(flag.name, chosen.origin), value);
  return value === undefined ? flag.fallback : String(value);
}

/** A setting as whoever gave it knows it; in a file its place is said beside it. */
function nameOf(name: string, origin: Origin): string {
  if (origin.kind === 'file') return '';
  return origin.kind === 'flag' ? `--${name}` : envName(name);
}

/**
 * The items of a list: in the environment, in one text of a file and in `--only` between commas, else one in each flag.
 * One that names nothing is refused: an empty `--only "$STAGES"` must not mean all stages.
 */
function listOf(flag: Flag, { value, origin }: Chosen): readonly string[] {
  const texts = value === undefined ? [] : [value].flat().map(String);
  const isOneText = origin.kind === 'environment' || (origin.kind === 'file' && typeof value === 'string');
  const split = isOneText || flag.name === 'only';
  const items = texts
    .flatMap((text) => (split ? text.split(',').map((item) => item.trim()) : [text]))
    .filter((item) => item !== '');
  if (texts.length > 0 && items.length === 0) {
    throw usage(nameOf(flag.name, origin), 'is empty', 'name something, or leave it out');
  }
  return items;
}

/** A flag given twice: the last wins. */
function lastOf(given: unknown): unknown {
  return Array.isArray(given) ? given.at(-1) : given;
}

function asSwitch(where: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === undefined) return false;
  const said = typeof value === 'string' ? switchValue(value) : undefined;
  if (said === undefined) throw usage(where, 'is neither yes nor no', 'set it to yes or no (true/false, 1/0, on/off)');
  return said;
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

/** These two stores take their secret from a setting of its own: one in the address would be dropped in silence. */
const URL_SECRETS: Readonly<Record<string, string>> = {
  'qdrant-url': 'QDRANT_API_KEY',
  'api-url': 'API_TOKEN',
  pushgateway: 'PUSHGATEWAY_USERNAME and PUSHGATEWAY_PASSWORD',
  'pagerduty-url': 'PAGERDUTY_ROUTING_KEY',
};

function urlSecretProblem(name: string, url: unknown): string | undefined {
  const instead = URL_SECRETS[name];
  if (instead === undefined || typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const { username, password } = new URL(url);
  return username === '' && password === '' ? undefined : `holds a user name or password: set ${instead}`;
}

function refuseUrlSecrets(env: NodeJS.ProcessEnv): void {
  for (const [name, instead] of Object.entries(URL_SECRETS)) {
    if (urlSecretProblem(name, env[envName(name)]) !== undefined)
      throw usage(envName(name), 'holds a user name or password', `set ${instead}`);
  }
}

/** The part of a variable's name that tells it from the others. */
const plain = (name: string): string => name.slice(ENV_PREFIX.length).toLowerCase();

function refuseUnknownVariables(env: NodeJS.ProcessEnv): void {
  const known = new Set([
    ...FLAGS.map(({ name }) => envName(name)),
    ...HOOK_VARIABLES,
    ...SECRETS.flatMap((name) => [`${ENV_PREFIX}${name}`, `${ENV_PREFIX}${name}_FILE`]),
  ]);
  for (const name of Object.keys(env)) {
    if (name.startsWith(ENV_PREFIX) && setIn(env, name) !== undefined && !known.has(name)) {
      const near = nearWord(plain(name), [...known].map(plain));
      const meant = [...known].find((one) => plain(one) === near);
      const next = meant === undefined ? 'see tenant-migrate --help' : `did you mean ${meant}?`;
      throw usage(`the environment variable ${name}`, 'is not known', next);
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

/** Of what is wrong in the file all, with its place; else the first. */
function invalid(
  issues: readonly z.core.$ZodIssue[],
  origins: ReadonlyMap<string, Origin>,
  file: SettingsFile | undefined,
): MigrateError | undefined {
  for (const issue of issues) {
    const name = String(issue.path[0] ?? '');
    const origin = origins.get(name) ?? { kind: 'default' };
    const reason = reasonOf(
      FLAGS.find((candidate) => candidate.name === name),
      issue,
    );
    if (origin.kind !== 'file') return usage(nameOf(name, origin), reason, `see tenant-migrate --help for --${name}`);
    file?.blame(origin.layer, name, reason);
  }
  file?.check();
  return undefined;
}

function reasonOf(flag: Flag | undefined, issue: z.core.$ZodIssue | undefined): string {
  return flag?.choices === undefined ? (issue?.message ?? 'is not valid') : `must be one of ${flag.choices.join(', ')}`;
}

/** `left out`: stages whose secrets nobody needs; undefined where the command connects to no store. */
async function readSecrets(
  env: NodeJS.ProcessEnv,
  file: SettingsFile | undefined,
  skipped: ReadonlySet<StageName> | undefined,
): Promise<Secrets> {
  const secrets: Partial<Record<SecretName, string>> = {};
  for (const name of SECRETS) {
    const stage = STAGE_OF[name.split('_')[0] ?? ''];
    const needed = skipped !== undefined && (stage === undefined || !skipped.has(stage));
    const value =
      (await readSecret(name, env)) ?? (needed && file !== undefined ? await secretIn(file, name) : undefined);
    if (value !== undefined && value !== '') secrets[name] = value;
  }
  file?.check();
  if (secrets.ENCRYPTION_KEY !== undefined && [...secrets.ENCRYPTION_KEY].length < SHORTEST_ENCRYPTION_KEY) {
    throw usage('ENCRYPTION_KEY', `has fewer than ${SHORTEST_ENCRYPTION_KEY} characters`, 'set a longer one');
  }
  return secrets;
}

/** By the first word of a secret's name; the others are nobody's alone. Redis holds configs' secrets, too. */
const STAGE_OF: Readonly<Record<string, StageName>> = {
  REDIS: 'redis',
  QDRANT: 'qdrant',
  GRAPH: 'graph',
  API: 'config',
};

async function secretIn(file: SettingsFile, name: SecretName): Promise<string | undefined> {
  for (let layer = 0; layer < file.layers; layer += 1) {
    const found = file.secret(layer, name);
    if (found === undefined) continue;
    if ('value' in found) return found.value;
    try {
      return withoutLineEnd(await readFile(found.path, 'utf8'));
    } catch (error) {
      file.blame(layer, found.key, `names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return undefined;
}

/** The prefixed name wins over the bare one, the value over the file. */
async function readSecret(name: SecretName, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const variable of [`${ENV_PREFIX}${name}`, name]) {
    const value = setIn(env, variable);
    if (value !== undefined) return value;
    const file = setIn(env, `${variable}_FILE`);
    if (file === undefined) continue;
    try {
      return withoutLineEnd(await readFile(file, 'utf8'));
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

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

function usage(what: string, problem: string, next: string): MigrateError {
  return new MigrateError('usage', `${what} ${problem}`.trimStart(), { next });
}
