import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Observed, Observer } from './observers.ts';

/** `--log-file`: the JSON lines of a run, added to a file that only its owner may read. None where it was not given. */
export async function openLogFile({ settings, tell }: Observed): Promise<Observer | undefined> {
  const path = settings['log-file'];
  if (path === undefined) return undefined;
  const descriptor = open(path);
  const { jsonLog } = await import('../report/json-log.ts');
  let broken = false;
  const write = (line: string) => {
    if (broken) return;
    try {
      writeSync(descriptor, line);
    } catch (error) {
      // A disk that is full is no reason to end a move; that the log ends here must be known.
      broken = true;
      tell(`--log-file ${path} cannot be written any more: ${errorText(error)}`);
    }
  };
  const log = jsonLog({ write, clock: { now: () => Date.now() } });
  return {
    take: (event) => log.take(event),
    close: async () => {
      await log.close();
      broken = true;
      closeSync(descriptor);
    },
  };
}

/** Never through a link: what it leads to may be a file of somebody else's choice. */
function open(path: string): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ELOOP' ? 'it is a symbolic link' : errorText(error);
    throw new MigrateError('usage', `--log-file ${path} cannot be written: ${why}`, { next: 'name another file' });
  }
}
