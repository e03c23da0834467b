import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clean } from '../report/format.ts';
import { COMMANDS, FAMILIES, type Names } from './commands.ts';
import { envName, FLAGS, type Flag, flagsOf } from './flags.ts';
import type { CommandContext } from './invocation.ts';
import { setIn } from './setting-layers.ts';
import { type Typed, typedWords } from './typed-words.ts';

/** A shell puts a word into the line as it is: from a folder's name a command could come. None of ours has more. */
const HARMLESS = /^[\w.,:=@%+/-]+$/;

/** A word that fits, and what it is. */
interface Candidate {
  readonly value: string;
  readonly help: string;
}

/** What may stand at the cursor. `files`: the shell completes names of files or folders itself. */
interface Offer {
  readonly candidates: readonly Candidate[];
  readonly files?: 'file' | 'folder' | undefined;
}

const NOTHING: Offer = { candidates: [] };
/** More ids than this nobody reads. */
const MOST_IDS = 40;

/**
 * `__complete <word>…`, which a shell calls while somebody types: the last word is the one under the cursor. A line for
 * each word that fits, with what it is behind a tab; `:file` or `:folder` where the shell completes names itself. Loads
 * no driver and no parser, and what it cannot read it leaves out.
 */
export async function completeCommand({ terminal, argv }: CommandContext): Promise<number> {
  const words = argv.slice(1);
  const current = words.at(-1) ?? '';
  const typed = typedWords(words.slice(0, -1));
  const { candidates, files } = await offer(typed, current, terminal.env);
  const fitting = candidates.filter(({ value }) => value.startsWith(current) && HARMLESS.test(value));
  const lines = fitting.map(({ value, help }) => `${value}\t${clean(help)}`);
  terminal.stdout.write([...lines, ...(files === undefined ? [] : [`:${files}`])].map((line) => `${line}\n`).join(''));
  return 0;
}

async function offer(typed: Typed, current: string, env: NodeJS.ProcessEnv): Promise<Offer> {
  if (typed.pending !== undefined) return valuesOf(typed.pending, { typed, env, prefix: '' });
  if (typed.ended || !current.startsWith('-')) return wordsAt(typed, env);
  const at = current.indexOf('=');
  if (at === -1) return { candidates: flagsFor(typed) };
  const flag = FLAGS.find(({ name }) => `--${name}` === current.slice(0, at));
  return flag === undefined ? NOTHING : valuesOf(flag, { typed, env, prefix: current.slice(0, at + 1) });
}

/** Flags of the command; one that takes one value and has it is not offered again. */
function flagsFor({ command, family, given }: Typed): readonly Candidate[] {
  if (family !== undefined) return [{ value: '--help', help: 'its commands' }];
  const flags = flagsOf(command?.name ?? 'move').filter(
    ({ name, hidden, kind }) => hidden !== true && (kind === 'list' || !given.has(name)),
  );
  return [
    ...flags.map(({ name, help }) => ({ value: `--${name}`, help })),
    { value: '--help', help: 'help of this command' },
    ...(command === undefined ? [{ value: '--version', help: 'the version' }] : []),
  ];
}

/** What is known of a line: its words, its environment, and what stands before the value in the same word. */
interface Place {
  readonly typed: Typed;
  readonly env: NodeJS.ProcessEnv;
  readonly prefix: string;
}

const STAGES = ['config', 'redis', 'qdrant', 'graph'];

async function valuesOf(flag: Flag, place: Place): Promise<Offer> {
  const named = async (): Promise<readonly Candidate[]> => {
    if (flag.kind === 'switch') return plain(['true', 'false']);
    if (flag.choices !== undefined) return plain(flag.choices);
    if (flag.name === 'only') return plain(STAGES);
    if (flag.name === 'env') return environments(place);
    if (flag.name === 'from-backup') return backups(place);
    return [];
  };
  const candidates = (await named()).map(({ value, help }) => ({ value: place.prefix + value, help }));
  return { candidates, files: flag.path };
}

async function wordsAt(typed: Typed, env: NodeJS.ProcessEnv): Promise<Offer> {
  const { command, family, words } = typed;
  if (command === undefined && family === undefined) return { candidates: words.length === 0 ? firstWords() : [] };
  const verbs = words.length <= (family === undefined ? 0 : 1) ? verbsBelow(family ?? command?.name ?? '') : [];
  const { names } = command?.positionals[words.length] ?? {};
  if (names === 'file') return { candidates: verbs, files: 'file' };
  return { candidates: [...verbs, ...(await named(names, { typed, env, prefix: '' }))] };
}

function firstWords(): readonly Candidate[] {
  const commands = COMMANDS.filter(({ name }) => !name.includes(' ')).map(({ name, help }) => ({ value: name, help }));
  return [...commands, ...Object.entries(FAMILIES).map(([value, help]) => ({ value, help }))];
}

function verbsBelow(first: string): readonly Candidate[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${first} `)).map(({ name, help }) => ({
    value: name.slice(first.length + 1),
    help,
  }));
}

async function named(names: Names | undefined, place: Place): Promise<readonly Candidate[]> {
  if (names === undefined || names === 'file') return [];
  if (names === 'backup') return backups(place);
  return names === 'run' || names === 'unfinished run' ? runs(place, names === 'unfinished run') : plain(names);
}

/** Runs and lists of the state folder, the newest first; one that is a wave is its list's. */
async function runs(place: Place, unfinished: boolean): Promise<readonly Candidate[]> {
  const found = [...(await documents(place, 'runs', 'run.json')), ...(await documents(place, 'maps', 'map.json'))];
  return found
    .filter(({ record }) => record.map === undefined && !(unfinished && FINISHED.has(String(record.state))))
    .map(({ id, record }) => ({ value: id, help: [record.state ?? 'list', movesOf(record.moves)].join(' ') }));
}

const FINISHED: ReadonlySet<string> = new Set(['done', 'refused', 'rolled-back']);

function movesOf(moves: unknown): string {
  if (!Array.isArray(moves)) return '';
  const [first] = moves as readonly { readonly source?: unknown; readonly target?: unknown }[];
  return `${first?.source} → ${first?.target}${moves.length > 1 ? ` and ${moves.length - 1} more` : ''}`;
}

async function backups(place: Place): Promise<readonly Candidate[]> {
  const found = await documents(place, 'backups', 'manifest.json');
  return found.map(({ id, record }) => ({ value: id, help: `backup of ${record.tenant}` }));
}

/** The newest folders below a folder of the state folder, with what they say of themselves. Ids begin with the time. */
async function documents({ typed, env }: Place, folder: string, file: string) {
  const stateDir = typed.given.get('state-dir') ?? setIn(env, envName('state-dir')) ?? '.tenant-migrate';
  const path = join(stateDir, folder);
  const names = await orElse([], () => readdir(path));
  const newest = names.sort().reverse().slice(0, MOST_IDS);
  const read = (id: string) =>
    orElse(undefined, async () => ({
      id,
      record: JSON.parse(await readFile(join(path, id, file), 'utf8')) as Record<string, unknown>,
    }));
  return (await Promise.all(newest.map(read))).filter((one) => one !== undefined);
}

/** The names of the settings file's environments. */
async function environments({ typed, env }: Place): Promise<readonly Candidate[]> {
  return orElse([], async () => {
    const { findSettingsFile } = await import('./settings-file/find-settings-file.ts');
    const found = await findSettingsFile(typed.given.get('config') ?? setIn(env, envName('config')));
    if (found === undefined) return [];
    const { parseSettings } = await import('./settings-file/parse-settings.ts');
    return [...parseSettings(found.text).environments.keys()].map((value) => ({ value, help: `of ${found.name}` }));
  });
}

function plain(values: readonly string[]): readonly Candidate[] {
  return values.map((value) => ({ value, help: '' }));
}

/** Whoever types wants no error between the words: what cannot be read is not offered. */
async function orElse<T>(instead: T, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Error) return instead;
    throw error;
  }
}
