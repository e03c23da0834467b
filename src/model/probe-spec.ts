import type { ThrottleLevel } from './throttle-level.ts';

/** One probe, as `--probe` names it: a measure or a state of a store, or what a file or a hook says. */
export type ProbeSpec =
  | MeasuredSpec
  | OptimizerSpec
  | { readonly kind: 'file' | 'panic-file'; readonly path: string }
  | { readonly kind: 'http'; readonly url: string };

/** A probe that measures a number, in ms, as a share of 1, or in updates. */
export interface MeasuredSpec {
  readonly kind: MeasuredKind;
  readonly levels: Levels<number>;
}

export interface OptimizerSpec {
  readonly kind: 'qdrant-optimizer';
  readonly levels: Levels<QdrantStatus>;
}

export type MeasuredKind = keyof typeof MEASURES;

/** From which value on the run is slowed, paused or ended: one of them at least. */
export type Levels<T> = Readonly<Partial<Record<Restraint, T>>>;

export type Restraint = Exclude<ThrottleLevel, 'go'>;

/** What Qdrant calls a collection's state. */
export type QdrantStatus = 'green' | 'grey' | 'yellow' | 'red';

interface Measure {
  /** The text of a threshold → its value; undefined where it is none. */
  parse(text: string): number | undefined;
  text(value: number): string;
  /** Where nothing is said. */
  readonly levels: Levels<number>;
}

const milliseconds = (levels: Levels<number>): Measure => ({ parse: parseMs, text: msText, levels });
const percent = (levels: Levels<number>): Measure => ({
  parse: parsePercent,
  text: (share) => `${round(share * 100)}%`,
  levels,
});
const amount = (levels: Levels<number>): Measure => ({ parse: parseWhole, text: (value) => String(value), levels });

/** What is measured as a number, in the unit of its thresholds: ms, a share of 1, updates. */
const MEASURES = {
  'redis-latency': milliseconds({ slow: 50, pause: 500 }),
  'redis-memory': percent({ pause: 0.95 }),
  'qdrant-queue': amount({ slow: 100, pause: 1_000 }),
  'graph-memory': percent({ slow: 0.85, pause: 0.95 }),
} as const;

const STATUSES: readonly QdrantStatus[] = ['green', 'grey', 'yellow', 'red'];
const STATUS_LEVELS: Levels<QdrantStatus> = { slow: 'yellow', pause: 'red' };

const RESTRAINTS: readonly Restraint[] = ['slow', 'pause', 'abort'];

/** What each probe is called, for messages. */
export const PROBE_NAMES = [...Object.keys(MEASURES), 'qdrant-optimizer', 'file:…', 'panic-file:…', 'http:…'];

/** `stores` stands for all probes of stores, each with what it has where nothing is said. */
const STORES = ['redis-latency', 'redis-memory', 'qdrant-optimizer', 'qdrant-queue', 'graph-memory'];

/** A number of a probe's unit, for people. */
export function measureText(kind: MeasuredKind, value: number): string {
  return MEASURES[kind].text(value);
}

/**
 * Reads probes: `redis-latency:slow=20ms,pause=100ms,abort=2s`, `redis-memory` with what it has where nothing is said,
 * `stores`, `file:/path`, `panic-file:/path`, `http://host/path` (also behind `http:`). In the environment commas stand
 * between probes too, so that a piece that begins with a level belongs to the probe before it. A text in place of the
 * probes says what is wrong.
 */
export function parseProbes(items: readonly string[]): readonly ProbeSpec[] | string {
  const specs: ProbeSpec[] = [];
  for (const text of joined(items)) {
    for (const one of text === 'stores' ? STORES : [text]) {
      const spec = parseProbe(one);
      if (typeof spec === 'string') return spec;
      if (specs.some((known) => nameOf(known) === nameOf(spec))) return `names ${nameOf(spec)} twice`;
      specs.push(spec);
    }
  }
  return specs;
}

/** The probe's name in messages: without a URL's query, which may hold what is nobody's business. */
export function nameOf(spec: ProbeSpec): string {
  if (spec.kind === 'file' || spec.kind === 'panic-file') return `${spec.kind} ${spec.path}`;
  if (spec.kind !== 'http') return spec.kind;
  const { origin, pathname } = new URL(spec.url);
  return `${origin}${pathname}`;
}

function joined(items: readonly string[]): readonly string[] {
  const probes: string[] = [];
  for (const item of items) {
    const last = probes.at(-1);
    if (last !== undefined && /^(slow|pause|abort)=/.test(item)) {
      probes[probes.length - 1] = last.includes(':') ? `${last},${item}` : `${last}:${item}`;
    } else probes.push(item);
  }
  return probes;
}

function parseProbe(text: string): ProbeSpec | string {
  if (/^https?:/.test(text)) return parseHttp(text);
  const colon = text.indexOf(':');
  const [name, rest] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  if (name === 'file' || name === 'panic-file') {
    // The run may be resumed from another folder.
    return rest.startsWith('/') ? { kind: name, path: rest } : `needs a whole path in '${text}': ${name}:/path`;
  }
  if (name === 'qdrant-optimizer') {
    const levels = parseLevels(text, rest, {
      parse: (word) => statusOf(word),
      rank: (status) => STATUSES.indexOf(status),
    });
    return typeof levels === 'string' ? levels : { kind: name, levels: isEmpty(levels) ? STATUS_LEVELS : levels };
  }
  if (!isMeasured(name)) return `names no probe in '${text}': there are ${PROBE_NAMES.join(', ')}`;
  const measure = MEASURES[name];
  const levels = parseLevels(text, rest, { parse: (word) => measure.parse(word), rank: (value) => value });
  return typeof levels === 'string' ? levels : { kind: name, levels: isEmpty(levels) ? measure.levels : levels };
}

function parseHttp(text: string): ProbeSpec | string {
  const url = text.replace(/^http:(?=https?:\/\/)/, '');
  if (!URL.canParse(url) || new URL(url).hostname === '') return `holds no address in '${text}'`;
  const { username, password } = new URL(url);
  if (username !== '' || password !== '')
    return 'holds a user name or password, which others can read in the process list';
  return { kind: 'http', url };
}

function parseLevels<T>(
  text: string,
  rest: string,
  { parse, rank }: { readonly parse: (word: string) => T | undefined; readonly rank: (value: T) => number },
): Levels<T> | string {
  const levels: Partial<Record<Restraint, T>> = {};
  if (rest === '') return text.endsWith(':') ? `says nothing behind '${text}'` : levels;
  for (const item of rest.split(',')) {
    const [word = '', value = ''] = item.split('=', 2);
    const level = RESTRAINTS.find((one) => one === word.trim());
    const limit = parse(value.trim());
    if (level === undefined || limit === undefined || levels[level] !== undefined) {
      return `cannot be read at '${item}' in '${text}': levels are slow=…, pause=…, abort=… once each, in ms or s, %, numbers, or Qdrant’s yellow and red`;
    }
    levels[level] = limit;
  }
  const given = RESTRAINTS.flatMap((level) => (levels[level] === undefined ? [] : [rank(levels[level])]));
  if (given.some((value, index) => index > 0 && value <= (given[index - 1] ?? 0))) {
    return `has levels in '${text}' that do not rise from slow over pause to abort`;
  }
  return levels;
}

function isMeasured(name: string): name is MeasuredKind {
  return Object.hasOwn(MEASURES, name);
}

function isEmpty(levels: Levels<unknown>): boolean {
  return Object.keys(levels).length === 0;
}

function statusOf(word: string): QdrantStatus | undefined {
  return STATUSES.find((status) => status === word && status !== 'green');
}

function parseMs(text: string): number | undefined {
  const [, value = '', unit = ''] = /^(\d{1,7}(?:\.\d{1,3})?)(ms|s)$/.exec(text) ?? [];
  if (value === '') return undefined;
  return atLeast(Number(value) * (unit === 's' ? 1_000 : 1), 0.1);
}

function parsePercent(text: string): number | undefined {
  const [, value = ''] = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text) ?? [];
  return value === '' ? undefined : atLeast(Number(value) / 100, 0.001);
}

function parseWhole(text: string): number | undefined {
  return /^\d{1,12}$/.test(text) ? atLeast(Number(text), 1) : undefined;
}

function atLeast(value: number, least: number): number | undefined {
  return value < least ? undefined : value;
}

function msText(ms: number): string {
  return ms < 1_000 ? `${round(ms)} ms` : `${round(ms / 1_000)} s`;
}

function round(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 1, useGrouping: false });
}
