import { readFile } from 'node:fs/promises';
import { MigrateError } from '../model/errors.ts';
import { parseKeyTemplate, templateProblem } from '../model/key-template.ts';
import { type Move, tenantIdProblem } from '../model/move.ts';
import { parseMoveList } from '../model/move-list.ts';
import { temporaryNames, type Waves, wavesOf } from '../model/waves.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Settings } from './settings.ts';

/** The moves that the command line names: a pair of ids, or the list of `--map`. Throws MigrateError `usage`. */
export async function askedMoves(
  positionals: Readonly<Record<string, string>>,
  settings: Settings,
  profile: Profile,
): Promise<readonly Move[]> {
  const { map, merge } = settings;
  const { source, target } = positionals;
  if (map === undefined) {
    if (source !== undefined && target !== undefined) return [moveOf(positionals, profile)];
    throw usage(
      'the source and the target tenant id are needed',
      'tenant-migrate <source> <target> --dry-run, or move --map tenants.csv (see tenant-migrate --help)',
    );
  }
  if (source !== undefined) {
    throw usage(`--map names the tenants, and '${source}' is one more`, 'give either a list or two ids');
  }
  return parseMoveList(await listFile(map), { name: map, merge, idProblem: (id) => profileIdProblem(id, profile) });
}

/** The list in waves. A temporary id is one that the profile allows and whose keys are not its source's as well. */
export function wavesUnder(moves: readonly Move[], profile: Profile): Waves {
  const templates = [...profile.keyTemplates, ...profile.configKeyTemplates].map(parseKeyTemplate);
  const name = temporaryNames(
    moves,
    (id, source) =>
      (tenantIdProblem(id) ?? profileIdProblem(id, profile) ?? templateProblem(templates, { source, target: id })) ===
      undefined,
  );
  return wavesOf(moves, (source) => {
    const id = name(source);
    if (id === undefined) throw usage(`no temporary id can be made for ${source}`, 'take its circle out of the list');
    return id;
  });
}

async function listFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code;
    throw usage(`the list ${path} cannot be read (${why})`, 'correct the path given with --map');
  }
}

function moveOf(positionals: Readonly<Record<string, string>>, profile: Profile): Move {
  const move = { source: positionals.source ?? '', target: positionals.target ?? '' };
  for (const [end, id] of Object.entries(move)) {
    const problem = tenantIdProblem(id) ?? profileIdProblem(id, profile);
    if (problem !== undefined) throw usage(`the ${end} tenant id '${id}' ${problem}`, 'correct the id');
  }
  if (move.source === move.target)
    throw usage(
      `source and target are the same: '${move.source}'`,
      'give the id that the tenant shall have afterwards',
    );
  return move;
}

/** What the application's key layout forbids: a separator, or the first word of a key of another kind. */
export function profileIdProblem(id: string, profile: Profile): string | undefined {
  for (const character of profile.forbiddenInIds) {
    if (id.includes(character)) return `holds '${character}', which the profile ${profile.name} uses as a separator`;
  }
  const words = [...profile.keyTemplates, ...profile.configKeyTemplates].map(
    (text) => text.split('{tenant}')[0]?.split(':')[0],
  );
  if (id !== '' && words.includes(id))
    return `is a word that the profile ${profile.name} uses as the start of its own keys`;
  return undefined;
}

function usage(message: string, next: string): MigrateError {
  return new MigrateError('usage', message, { next });
}
