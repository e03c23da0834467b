import { moveText } from '../model/move.ts';
import { clean } from '../report/format.ts';
import { wireFolders } from '../wire.ts';
import { chooseRun } from './choose-run.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { shellWord } from './repeat-command.ts';
import { readSettings } from './settings.ts';
import { paintFor } from './terminal.ts';

/** `status [run]` and `runs`: what the state folder says. `status` returns 2 for an unfinished run. */
export async function statusCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { command, positionals, flags } = invocation;
  const { stdout, env } = ctx.terminal;
  const settings = await readSettings({ command, flags, env });
  const folders = wireFolders(settings['state-dir']);
  const chosen = command === 'runs' ? await folders.all() : [await chooseRun(folders, positionals.run, 'all')];
  const runs = await Promise.all(
    chosen.map(async (folder) => {
      const open = await folder.isUnfinished();
      const { id, moves, state, startedAt, updatedAt, settled, undone } = folder.record;
      const ids = moves.flatMap(({ source, target }) => [source, target].map(shellWord)).join(' ');
      const onward = `tenant-migrate ${ids} …`;
      const back = `tenant-migrate rollback ${id} …`;
      // Who has begun to take a run back wants to finish that first.
      const next = !open ? null : undone.length > 0 ? `${back}   (or: ${onward})` : `${onward}   (or: ${back})`;
      return { id, moves, state, unfinished: open, settled, undone, startedAt, updatedAt, path: folder.path, next };
    }),
  );
  if (settings.json) {
    const document =
      command === 'runs'
        ? { schema: 'tenant-migrate/runs@1', runs }
        : { schema: 'tenant-migrate/status@1', ...runs[0] };
    stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  } else {
    const paint = paintFor(stdout, settings.color, env);
    if (runs.length === 0) stdout.write('there is no run in this state folder\n');
    for (const run of runs) {
      const state = run.unfinished ? paint.yellow(`${run.state}, unfinished`) : run.state;
      stdout.write(`${run.id}  ${run.startedAt}  ${clean(run.moves.map(moveText).join(', '))}  ${state}\n`);
      if (run.next !== null) stdout.write(`   next: ${paint.cyan(clean(run.next))}\n`);
    }
  }
  return command === 'status' && runs.some(({ unfinished }) => unfinished) ? 2 : 0;
}
