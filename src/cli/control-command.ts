import { askControl } from '../control/control-client.ts';
import type { ControlAction, ControlAnswer } from '../control/control-protocol.ts';
import type { MapFolder } from '../journal/map-folder.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';
import { clean } from '../report/format.ts';
import { liveText } from '../report/live-text.ts';
import { wireFolders } from '../wire.ts';
import { chooseRun, isMap } from './choose-run.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { readSettings } from './settings.ts';
import { paintFor } from './terminal.ts';

const ACTIONS = 'status, pause, resume, rate=… or abort';

/**
 * `control [run] <action>`: speaks to the process that works on a run; without a run to the newest that is under way.
 * Returns 0. Throws MigrateError `refused` where none is at work, or where it does not do what is asked.
 */
export async function controlCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { positionals, flags } = invocation;
  const { stdout, env } = ctx.terminal;
  const settings = await readSettings({ command: 'control', flags, env });
  const [id, word] =
    positionals.action === undefined ? [undefined, positionals.run] : [positionals.run, positionals.action];
  const action = actionIn(word ?? '');
  const answer = await askRun(settings['state-dir'], id, action);
  if (!answer.ok)
    throw new MigrateError('refused', `the run does not do that: ${clean(answer.error)}`, {
      next: 'tenant-migrate control status',
    });
  const { text, status } = answer;
  if (settings.json) {
    const document = { schema: 'tenant-migrate/control@1', did: action.do, text, ...status };
    stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
    return 0;
  }
  const said = text === '' ? '' : `Run ${clean(status.run)}: ${clean(text)}\n`;
  stdout.write(action.do === 'status' ? `${liveText(status, paintFor(stdout, settings.color, env))}\n` : said);
  return 0;
}

function actionIn(word: string): ControlAction {
  if (word === 'status' || word === 'pause' || word === 'resume' || word === 'abort') return { do: word };
  const rate = /^rate=(.+)$/.exec(word)?.[1];
  if (rate !== undefined) return { do: 'rate', rate };
  throw new MigrateError('usage', `'${word}' is nothing that a run can be told: ${ACTIONS}`, {
    next: 'tenant-migrate control [run] status',
  });
}

async function askRun(stateDir: string, id: string | undefined, action: ControlAction): Promise<ControlAnswer> {
  const chosen = id === undefined ? undefined : await chooseRun(stateDir, id, 'all');
  for (const folder of await candidates(stateDir, chosen)) {
    const answer = await askControl(folder.path, action);
    if (answer !== undefined) return answer;
  }
  if (chosen === undefined) {
    throw new MigrateError('refused', 'no run of this state folder is under way', {
      next: 'tenant-migrate runs lists them (--state-dir names another folder)',
    });
  }
  const state = isMap(chosen) ? '' : `; its state is ${chosen.record.state}`;
  throw new MigrateError('refused', `nobody is at work on ${chosen.record.id}${state}`, {
    next: `tenant-migrate status ${chosen.record.id}`,
  });
}

/** Of a list the runs of its waves, one of which may be under way. Newest first. */
async function candidates(stateDir: string, chosen: RunFolder | MapFolder | undefined): Promise<readonly RunFolder[]> {
  if (chosen !== undefined && !isMap(chosen)) return [chosen];
  const runs = await wireFolders(stateDir).all();
  return chosen === undefined ? runs : runs.filter(({ record }) => record.map?.id === chosen.record.id);
}
