import type { Check } from '../report/doctor-report.ts';
import { check, some } from './common-checks.ts';

/** What earlier runs have left in the state folder. */
export interface Leftovers {
  readonly unfinished: readonly {
    readonly id: string;
    readonly moves: string;
    /** The commands that end it. */
    readonly next: readonly string[];
  }[];
  readonly locks: readonly {
    /** Undefined where the file cannot be read. */
    readonly tenant: string | undefined;
    readonly owner: string | undefined;
    readonly alive: boolean;
    readonly path: string;
  }[];
}

/** Unfinished runs and locks, with what to type. */
export function leftoverChecks({ unfinished, locks }: Leftovers): readonly Check[] {
  const runs = unfinished.map(({ id, moves, next }) =>
    check('state', 'unfinished run', 'warning', `${id}: ${moves}`, next.join('   or: ')),
  );
  const held = locks.flatMap(({ tenant, owner, alive, path }): Check[] => {
    if (tenant === undefined)
      return [
        check(
          'state',
          'lock',
          'warning',
          `${path} cannot be read`,
          'see with tenant-migrate runs that no run is at work, then add --force-unlock',
        ),
      ];
    if (!alive) return [];
    const fix = 'wait until it ends (tenant-migrate status); if that process is surely gone, add --force-unlock';
    return [check('state', 'lock', 'warning', `tenant ${tenant} is locked by ${owner ?? 'nobody known'}`, fix)];
  });
  const dead = locks.filter(({ tenant, alive }) => tenant !== undefined && !alive);
  const left =
    dead.length === 0
      ? []
      : [
          check(
            'state',
            'lock',
            'ok',
            `${some(dead.map(({ tenant }) => tenant ?? ''))}: left by a process that is gone; the next run takes it over`,
          ),
        ];
  const all = [...runs, ...held, ...left];
  return all.length > 0 ? all : [check('state', 'runs', 'ok', 'no unfinished run, no lock')];
}
