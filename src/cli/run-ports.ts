import { statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { arch, pid, platform, versions } from 'node:process';
import { RunControl } from '../control/run-control.ts';
import { pauseFile } from '../journal/pause-file.ts';
import { stateFolderNotice } from '../journal/state-folder.ts';
import { RateLimit } from '../orchestrator/rate-limit.ts';
import type { RunInput } from '../orchestrator/run-input.ts';
import { Throttle } from '../orchestrator/throttle.ts';
import type { RunEvent } from '../report/event.ts';
import type { Environment } from '../report/report.ts';
import type { StageName } from '../stages/stage.ts';
import { wireLocks } from '../wire/locks.ts';
import { wireProbes } from '../wire/probes.ts';
import { wireFolders, wireRedisSettings } from '../wire.ts';
import { FLAGS } from './flags.ts';
import { forRealCommand } from './for-real.ts';
import type { CommandContext } from './invocation.ts';
import { ownVersion } from './own-version.ts';
import { rateControl } from './rate-control.ts';
import { repeatCommand, shellWord } from './repeat-command.ts';
import type { Settings } from './settings.ts';

/** What a run is lent, whatever it does: the state folder, locks, limits, a clock, the commands to name. */
export async function runPorts(
  settings: Settings,
  skipped: readonly StageName[],
  { ctx, emit: tell, history }: Pick<RunInput, 'emit' | 'history'> & { readonly ctx: CommandContext },
) {
  const stateDir = settings['state-dir'];
  const clock = { now: () => Date.now() };
  const own = { pid, host: hostname() };
  const file = settings['pause-file'] === undefined ? undefined : pauseFile(settings['pause-file']);
  const rate = new RateLimit(settings.rate);
  const { throttle, emit } = steered({ settings, skipped, ctx, tell, file, rate });
  const notice = await stateFolderNotice(stateDir);
  if (notice !== undefined) emit({ type: 'run-note', text: notice });
  return {
    folders: wireFolders(stateDir),
    locks: wireLocks({
      settings,
      redis: wireRedisSettings(settings, skipped),
      own,
      signal: ctx.signal,
      note: (text) => emit({ type: 'run-note', text }),
    }),
    limits: {
      maxErrors: settings['max-errors'],
      maxErrorRate: settings['max-error-rate'],
      maxSlowdown: settings['max-slowdown'],
      timeoutMs: settings.timeout,
      clock,
    },
    rate,
    pauseFile: file,
    throttle,
    freeBytes: () => freeBytes(stateDir),
    process: own,
    sameServers: settings['same-servers'],
    toolVersion: await ownVersion(),
    environment: environmentOf(ctx.terminal.env),
    history,
    say: {
      again: repeatCommand(ctx.argv),
      forReal: forRealCommand(ctx.argv),
      resume: (id: string) => runCommandLine('resume', id, settings),
      rollback: (id: string) => runCommandLine('rollback', id, settings),
    },
    signal: ctx.signal,
    clock,
    emit,
  } satisfies Partial<RunInput>;
}

/** What steers a run while it is under way: its probes, and whoever speaks to it from outside. Both follow its events. */
function steered({
  settings,
  skipped,
  ctx,
  tell,
  file,
  rate,
}: {
  readonly settings: Settings;
  readonly skipped: readonly StageName[];
  readonly ctx: CommandContext;
  readonly tell: RunInput['emit'];
  readonly file: RunInput['pauseFile'];
  readonly rate: RateLimit;
}): { readonly throttle: Throttle; readonly emit: RunInput['emit'] } {
  const now = () => Date.now();
  const note = (text: string) => tell({ type: 'run-note', text });
  const watch = wireProbes({ settings, skipped, tell: note });
  const throttle = new Throttle({ clock: { now }, watch });
  const control = new RunControl({
    folderOf: (id) => join(settings['state-dir'], 'runs', id),
    pause: (by) => throttle.pause(by),
    resume: () => throttle.resume(),
    restrained: async () => {
      const restrained = throttle.current();
      if (restrained.level === 'pause' || file === undefined || !(await file.exists())) return restrained;
      return { ...restrained, level: 'pause', reason: `goes on when ${file.path} is removed` };
    },
    stop: () => ctx.interrupt('control abort'),
    rates: rateControl(rate),
    tell: note,
    pid,
    now,
  });
  const emit = (event: RunEvent) => {
    control.take(event);
    // The connections of a run that has ended would keep the process alive; the next wave's makes its own.
    if (event.type === 'run-finished') void watch?.close();
    tell(event);
  };
  return { throttle, emit };
}

/** By what each maker's pipelines can be told; whatever else sets CI has no name. */
const PIPELINES: readonly (readonly [variable: string, name: string])[] = [
  ['GITEA_ACTIONS', 'Gitea Actions'],
  ['GITHUB_ACTIONS', 'GitHub Actions'],
  ['GITLAB_CI', 'GitLab CI'],
  ['BITBUCKET_BUILD_NUMBER', 'Bitbucket Pipelines'],
  ['BUILDKITE', 'Buildkite'],
  ['CIRCLECI', 'CircleCI'],
  ['JENKINS_URL', 'Jenkins'],
  ['TEAMCITY_VERSION', 'TeamCity'],
  ['TF_BUILD', 'Azure Pipelines'],
];

function environmentOf(env: NodeJS.ProcessEnv): Environment {
  const isSet = (name: string) => env[name] !== undefined && env[name] !== '' && env[name] !== 'false';
  const ci = PIPELINES.find(([variable]) => isSet(variable))?.[1] ?? (isSet('CI') ? 'a pipeline' : undefined);
  return { node: versions.node, platform: `${platform} ${arch}`, ...(ci === undefined ? {} : { ci }) };
}

type Said = Pick<Settings, 'state-dir' | 'fileWords'>;

/** The command line that goes on with a run. Its record holds all else but its secrets. */
export function runCommandLine(command: 'resume' | 'rollback', id: string, said: Said): string {
  return ['tenant-migrate', command, id, ...saidWords(said)].join(' ');
}

/** The command line that does this with a backup. */
export function backupCommandLine(verb: 'restore', id: string, said: Said): string {
  return ['tenant-migrate backup', verb, id, ...saidWords(said)].join(' ');
}

function saidWords({ 'state-dir': stateDir, fileWords }: Said): readonly string[] {
  const isDefault = stateDir === FLAGS.find(({ name }) => name === 'state-dir')?.fallback;
  return [...(isDefault ? [] : ['--state-dir', stateDir]), ...fileWords].map(shellWord);
}

/** Bytes that are free on the disk of this folder, or of the one in which it will be made. */
async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(resolve(path));
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === resolve(path)) throw error;
    return freeBytes(parent);
  }
}
