import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Which room of src/ may import what, as docs/architecture.md has it. `types:` allows `import type` only.
 * A room may always import itself, and a name ending in `*` stands for every package that begins so.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  model: ['node:crypto', 'node:stream', 'node:zlib'],
  profiles: ['model'],
  stores: [
    'model',
    'node:*',
    'ioredis',
    '@qdrant/js-client-rest',
    'neo4j-driver',
    'undici',
    'cockatiel',
    'lossless-json',
    'p-map',
  ],
  journal: ['model', 'node:*', 'types:stages'],
  report: ['model', 'node:*', 'types:stages', 'types:profiles', 'chalk', 'pino'],
  stages: ['model', 'profiles', 'types:stores', 'node:crypto', 'p-map'],
  // Who follows a run from outside: metrics, traces, notifications. Told by events, and cannot change the run.
  observe: [
    'model',
    'node:*',
    'report',
    'types:stages',
    'undici',
    'prom-client',
    'pino',
    'nodemailer',
    '@opentelemetry/api',
  ],
  // What stands between a run and its surroundings: ssh forwards, hooks, live control.
  tunnel: ['model', 'node:*'],
  hooks: ['model', 'node:*', 'undici', 'types:report', 'types:stages'],
  control: ['model', 'node:*', 'types:report', 'types:stages'],
  probes: ['model', 'node:*', 'undici', 'types:stores', 'types:stages'],
  doctor: ['model', 'node:*', 'types:stores', 'types:stages', 'types:report'],
  orchestrator: ['model', 'stages', 'types:profiles', 'types:journal', 'types:report', 'fastest-levenshtein'],
  wire: ['*'],
  cli: ['*'],
  main: ['cli', 'model', 'node:v8'],
  // The commands, called by a program.
  library: ['cli', 'model', 'node:*', 'types:report', 'types:stages', 'fastest-levenshtein'],
  index: ['library', 'model', 'types:profiles', 'types:report', 'types:stages'],
};
/** Rooms that nobody but these may import. */
const PRIVATE: Readonly<Record<string, readonly string[]>> = {
  wire: ['cli', 'index'],
  cli: ['main', 'wire', 'library'],
};

const IMPORT = /^\s*(import|export)\s+(type\s+)?[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)/gm;

/** Every import under `source` that breaks the table, as `file: what`. */
export function brokenImports(source: string): readonly string[] {
  return filesIn(source).flatMap((file) => {
    const room = roomOf(relative(source, file));
    const allowed = ROOMS[room];
    if (allowed === undefined) return [`${relative(source, file)}: there is no room '${room}'`];
    return importsOf(file).flatMap(({ name, typeOnly }) => {
      const target = name.startsWith('.') ? roomOf(relative(source, resolve(dirname(file), name))) : name;
      if (target === room) return [];
      const fits = allowed.some((rule) => matches(rule, target, typeOnly));
      const welcome = PRIVATE[target]?.includes(room) ?? true;
      return fits && welcome ? [] : [`${relative(source, file)}: ${room} may not import ${name}`];
    });
  });
}

function matches(rule: string, target: string, typeOnly: boolean): boolean {
  if (rule === '*') return true;
  if (rule.startsWith('types:')) return typeOnly && rule.slice('types:'.length) === target;
  return rule.endsWith('*') ? target.startsWith(rule.slice(0, -1)) : rule === target;
}

function importsOf(file: string): readonly { name: string; typeOnly: boolean }[] {
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) => ({
    name: match[3] ?? match[4] ?? '',
    typeOnly: match[2] !== undefined,
  }));
}

function roomOf(path: string): string {
  return (path.split('/')[0] ?? '').replace(/\.ts$/, '');
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesIn(path) : path.endsWith('.ts') ? [path] : [];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const broken = brokenImports(join(dirname(fileURLToPath(import.meta.url)), '..', 'src'));
  for (const line of broken) console.error(line);
  if (broken.length > 0) process.exitCode = 1;
}
