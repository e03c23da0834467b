import { closest } from 'fastest-levenshtein';
import { ENV_PREFIX, envName, FLAGS, SECRETS } from '../cli/flags.ts';
import type { Invocation } from '../cli/invocation.ts';
import { MigrateError } from '../model/errors.ts';
import type { RunCommand } from '../report/report.ts';
import type { CommonOptions } from './options.ts';

/** What the command is told, and the only variables that it sees. */
export interface Told {
  readonly invocation: Invocation;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command line that says the same, for people; no secret. */
  readonly argv: readonly string[];
}

/** Options that are no flag. */
const OWN = new Set([
  'source',
  'target',
  'run',
  'plan',
  'secrets',
  'configSecrets',
  'signal',
  'env',
  'flags',
  'skip',
  'confirm',
]);
/** Addresses that may hold a login. On the command line that is refused, since others can read it; here nobody can. */
const WITH_LOGIN: ReadonlySet<string> = new Set(['redis-url', 'graph-url']);

type Value = string | number | boolean | readonly (string | number)[];

/** The options as flags and variables. Throws MigrateError `usage` for a name that there is not. */
export function invocationOf(command: RunCommand, options: CommonOptions): Told {
  const flags: Record<string, unknown> = {};
  const env: Record<string, string | undefined> = { ...options.env };
  for (const [name, value] of givenFlags(options)) {
    if (WITH_LOGIN.has(name) && hasLogin(String(value))) env[envName(name)] = String(value);
    else flags[name] = flagValue(name, value);
  }
  for (const [name, value] of Object.entries(options.secrets ?? {})) {
    if (value !== undefined) env[ENV_PREFIX + secretName(name)] = String(value);
  }
  if (options.configSecrets !== undefined) env[envName('config-secrets')] = JSON.stringify(options.configSecrets);
  const positionals = positionalsOf(options);
  return {
    invocation: { command, positionals, flags },
    env,
    argv: [command, ...Object.values(positionals), ...words(flags)],
  };
}

function givenFlags(options: CommonOptions): readonly (readonly [string, Value])[] {
  const own = Object.entries(options as unknown as Readonly<Record<string, Value | undefined>>)
    .filter(([key, value]) => !OWN.has(key) && value !== undefined)
    .map(([key, value]) => [known(key, dashed(key)), value as Value] as const);
  const skipped = (options.skip ?? []).map((stage) => [known(`skip: ${stage}`, `skip-${stage}`), true] as const);
  const further = Object.entries(options.flags ?? {}).map(([name, value]) => [known(name, name), value] as const);
  return [...own, ...skipped, ...further];
}

function known(given: string, name: string): string {
  if (FLAGS.some((flag) => flag.name === name)) return name;
  const near = closest(
    name,
    FLAGS.map((flag) => flag.name),
  );
  throw new MigrateError('usage', `there is no option '${given}'`, { next: `did you mean ${camel(near)}?` });
}

function secretName(given: string): string {
  const name = dashed(given).toUpperCase().replaceAll('-', '_');
  if (SECRETS.some((secret) => secret === name)) return name;
  throw new MigrateError('usage', `there is no secret '${given}'`, {
    next: `did you mean ${camel(
      closest(name, [...SECRETS])
        .toLowerCase()
        .replaceAll('_', '-'),
    )}?`,
  });
}

/** As the parser of the command line gives it: text, true or false, or a list. */
function flagValue(name: string, value: Value): unknown {
  if (typeof value === 'boolean') return value;
  if (!Array.isArray(value)) return String(value);
  const isList = FLAGS.find((flag) => flag.name === name)?.kind === 'list';
  return isList ? value.map(String) : value.join(',');
}

function positionalsOf(options: CommonOptions): Readonly<Record<string, string>> {
  const { source, target, run, plan } = options as Readonly<Record<string, unknown>>;
  const named = { source, target, run, plan: typeof plan === 'string' ? plan : undefined };
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

function words(flags: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return value ? [`--${name}`] : [];
    return [value].flat().flatMap((one) => [`--${name}`, String(one)]);
  });
}

function hasLogin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username !== '' || password !== '';
}

/** `redisUrl` → `redis-url`. */
function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
