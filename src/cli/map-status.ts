import type { MapFolder } from '../journal/map-folder.ts';
import { mapState } from '../orchestrator/map-state.ts';
import { type ListedMap, mapText } from '../report/map-text.ts';
import { wireFolders, wireMaps } from '../wire.ts';
import type { CommandContext } from './invocation.ts';
import { runCommandLine } from './run-ports.ts';
import type { Settings } from './settings.ts';
import { paintFor } from './terminal.ts';

/** `status` of a list of several waves: 2 where it is unfinished. */
export async function mapStatusCommand(folder: MapFolder, settings: Settings, ctx: CommandContext): Promise<number> {
  const { stdout, env } = ctx.terminal;
  const map = await listedMap(folder, settings);
  const text = settings.json
    ? JSON.stringify({ schema: 'tenant-migrate/map-status@1', ...map }, undefined, 2)
    : mapText(map, paintFor(stdout, settings.color, env));
  stdout.write(`${text}\n`);
  return map.unfinished ? 2 : 0;
}

/** All lists of the state folder that took several waves, newest first. */
export async function listedMaps(settings: Settings): Promise<readonly ListedMap[]> {
  const maps = await wireMaps(settings['state-dir']).all();
  return Promise.all(maps.map((folder) => listedMap(folder, settings)));
}

async function listedMap(folder: MapFolder, settings: Settings): Promise<ListedMap> {
  const { id, moves, waves: planned, temporary, startedAt } = folder.record;
  const { state, waves } = await mapState(folder, await wireFolders(settings['state-dir']).all());
  const unfinished = state === 'unfinished';
  const onward = runCommandLine('resume', id, settings);
  const back = runCommandLine('rollback', id, settings);
  // Who has begun to take a list back wants to finish that first.
  const both = waves.some((wave) => wave.state === 'rolled-back') ? [back, onward] : [onward, back];
  return {
    id,
    moves,
    temporary,
    state,
    unfinished,
    startedAt,
    path: folder.path,
    waves: planned.map((of, index) => ({
      wave: index + 1,
      moves: of,
      state: waves[index]?.state ?? 'not-run',
      run: waves[index]?.run?.record.id,
    })),
    next: unfinished ? both : [],
  };
}
