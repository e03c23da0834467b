import { access, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import { clean } from '../report/format.ts';
import { type Look, lookAtStores } from '../wire/look.ts';
import { envName, FLAGS, flagsOf } from './flags.ts';
import { settingsText } from './init/settings-text.ts';
import { type Surroundings, surroundings } from './init/surroundings.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { shellWord } from './repeat-command.ts';
import { setIn } from './setting-layers.ts';
import { type RawFlags, readSettings, type Settings } from './settings.ts';
import { STANDARD_NAMES } from './settings-file/find-settings-file.ts';

/** `init`: writes a commented settings file from flags, environment, compose files, and what answers. Returns the exit code. */
export async function initCommand({ flags }: Invocation, ctx: CommandContext): Promise<number> {
  const { stdout, env } = ctx.terminal;
  // A file that is here already is about to be refused, not read.
  const given: RawFlags = { config: 'none', ...withoutUndefined(flags) };
  const first = await readSettings({ command: 'init', flags: given, env });
  const out = first.out ?? STANDARD_NAMES[0];
  await refuseExisting(out);
  const found = await known(await surroundings(dirname(resolve(out))), given, env);
  const settings = await readSettings({ command: 'init', flags: { ...valuesOf(found), ...given }, env });
  const looks = (await lookAtStores(settings)).filter(({ stage }) => !isLeftOut(stage, settings));
  const schema = await schemaPath(out);
  const text = settingsText({
    looks,
    chosen: chosenOf(settings, [...Object.keys(given), ...found.keys(), ...variablesOf(env)]),
    from: new Map([...found].map(([name, { from }]) => [name, from])),
    env,
    schema: schema ?? OWN_SCHEMA,
  });
  await write(out, text);
  if (settings.json) {
    stdout.write(
      `${JSON.stringify({ schema: 'tenant-migrate/init@1', file: resolve(out), stores: looks }, undefined, 2)}\n`,
    );
  } else stdout.write(`${[...looks.map(lookLine), '', `wrote ${clean(out)}`, ...nextLines(out, schema)].join('\n')}\n`);
  return 0;
}

const OWN_SCHEMA = './tenant-migrate.schema.json';

/** What files say, where neither a flag nor a variable does, and as far as it can be used. */
async function known(found: Surroundings, flags: RawFlags, env: NodeJS.ProcessEnv): Promise<Surroundings> {
  const usable = new Map<string, { value: string; from: string }>();
  const store = (name: string) =>
    name.startsWith('redis')
      ? 'redis'
      : name.startsWith('qdrant')
        ? 'qdrant'
        : name.startsWith('api')
          ? 'api'
          : 'graph';
  const isGiven = (name: string) => flags[name] !== undefined || setIn(env, envName(name)) !== undefined;
  const stores = new Set(
    flagsOf('init')
      .filter(({ name, group }) => group === 'Stores' && isGiven(name))
      .map(({ name }) => store(name)),
  );
  for (const [name, one] of found) {
    if (stores.has(store(name))) continue;
    try {
      await readSettings({ command: 'init', flags: { config: 'none', [name]: one.value }, env: {} });
      usable.set(name, one);
    } catch (error) {
      // An address of another kind, or with a password in it: the default is tried instead.
      if (!(error instanceof MigrateError)) throw error;
    }
  }
  return usable;
}

function valuesOf(found: Surroundings): RawFlags {
  return Object.fromEntries([...found].map(([name, { value }]) => [name, value]));
}

function withoutUndefined(flags: RawFlags): RawFlags {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

function variablesOf(env: NodeJS.ProcessEnv): readonly string[] {
  return flagsOf('init').flatMap(({ name }) => (setIn(env, envName(name)) === undefined ? [] : [name]));
}

/** As a run's record keeps them: without logins, and without what is one command's. */
function chosenOf(settings: Settings, names: readonly string[]): Map<string, string | boolean | readonly string[]> {
  const wanted = new Set(names);
  return new Map(
    FLAGS.flatMap(({ name }) => {
      const value: Json | undefined = settings.recorded[name];
      const isPlain = typeof value === 'string' || typeof value === 'boolean' || Array.isArray(value);
      return wanted.has(name) && isPlain ? [[name, value as string | boolean | readonly string[]] as const] : [];
    }),
  );
}

function isLeftOut(stage: Look['stage'], settings: Settings): boolean {
  if (settings.only.length > 0) return !settings.only.includes(stage);
  return stage === 'graph' ? settings['skip-memgraph'] || settings['skip-graph'] : settings[`skip-${stage}`];
}

/** The schema of the installed package, where it lies in a folder above; else undefined. */
async function schemaPath(out: string): Promise<string | undefined> {
  const folder = dirname(resolve(out));
  const path = join(folder, 'node_modules/tenant-migrate/schema/settings.schema.json');
  return (await isThere(path)) ? `./${relative(folder, path)}` : undefined;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

async function refuseExisting(out: string): Promise<void> {
  if (!(await isThere(out))) return;
  throw new MigrateError('refused', `${clean(out)} is there already`, {
    next: 'give another name with --out, or remove it',
  });
}

async function write(out: string, text: string): Promise<void> {
  try {
    await writeFile(out, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return refuseExisting(out);
    throw new MigrateError('usage', `${clean(out)} cannot be written (${code})`, { next: 'give another --out' });
  }
}

function lookLine({ stage, address, answers, says }: Look): string {
  return clean(`${answers ? '✅' : '⚠️ '} ${stage.padEnd(6)} ${address}  ${says}`);
}

function nextLines(out: string, schema: string | undefined): readonly string[] {
  const isStandard = STANDARD_NAMES.some((name) => resolve(name) === resolve(out));
  const config = isStandard ? '' : ` --config ${shellWord(out)}`;
  return [
    'next:',
    ...(schema === undefined
      ? [
          `  tenant-migrate schema > ${shellWord(join(dirname(out), OWN_SCHEMA))}   so that editors check and complete it`,
        ]
      : []),
    `  tenant-migrate doctor${config}`,
    `  tenant-migrate <source> <target>${config} --dry-run`,
  ];
}
