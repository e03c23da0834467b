import type { Json } from '../model/json.ts';
import { envName, type Flag } from './flags.ts';
import type { SettingsFile } from './settings-file/settings-file.ts';

/** Where a setting's value comes from. */
export type Origin =
  | { readonly kind: 'flag' | 'record' | 'environment' | 'default' }
  /** The environment's settings in the file, or those at its top. */
  | { readonly kind: 'file'; readonly layer: number };

/** A value as it was given, and where; undefined where the default holds. */
export interface Chosen {
  readonly value: unknown;
  readonly origin: Origin;
}

interface Layer {
  readonly origin: Origin;
  get(name: string): unknown;
}

interface Given {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly recorded: Readonly<Record<string, Json>>;
  readonly env: NodeJS.ProcessEnv;
  readonly file: SettingsFile | undefined;
}

/** An address in one piece, and what says the same in others: whoever gives one of those means to replace it. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  'redis-url': ['redis-host', 'redis-port', 'redis-sentinel'],
  'redis-sentinel': ['redis-host', 'redis-port', 'redis-url'],
  'graph-url': ['memgraph-host', 'memgraph-port'],
};

/**
 * What counts of a setting: the flag, else the run's record, the environment, the file. Of an address that could be
 * given in one piece or in parts, that which is given higher up. `takes`: the command has the flag; what is set for all
 * commands alike concerns only those.
 */
export function chooseSetting(flag: Flag, given: Given, takes: boolean): Chosen {
  for (const layer of layersOf(given, takes)) {
    const value = layer.get(flag.name);
    if (value !== undefined) return { value, origin: layer.origin };
    if (PARTS[flag.name]?.some((part) => layer.get(part) !== undefined)) break;
  }
  return { value: undefined, origin: { kind: 'default' } };
}

function layersOf({ flags, recorded, env, file }: Given, takes: boolean): readonly Layer[] {
  const inEnv = (name: string) => (takes ? setIn(env, envName(name)) : undefined);
  const inFile = [...Array(takes ? (file?.layers ?? 0) : 0).keys()].map((layer) => ({
    origin: { kind: 'file' as const, layer },
    get: (name: string) => file?.value(layer, name),
  }));
  return [
    { origin: { kind: 'flag' }, get: (name) => flags[name] },
    {
      origin: { kind: 'record' },
      get: (name) => recordedSetting(recorded[name], () => [inEnv(name), ...inFile.map(({ get }) => get(name))]),
    },
    { origin: { kind: 'environment' }, get: inEnv },
    ...inFile,
  ];
}

/** What the record holds; where the environment or the file gives the same address with a login, that one. */
function recordedSetting(recorded: Json | undefined, given: () => readonly unknown[]): unknown {
  if (typeof recorded !== 'string' || !URL.canParse(recorded)) return recorded;
  return given().find((text) => typeof text === 'string' && withoutLogin(text) === recorded) ?? recorded;
}

/** A variable's value. An empty one is unset: pipelines cannot always leave a variable out. */
export function setIn(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name] === '' ? undefined : env[name];
}

/** An address without user name and password; other text as it is. */
export function withoutLogin(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username === '' && url.password === '') return text;
  url.username = '';
  url.password = '';
  return url.toString();
}
