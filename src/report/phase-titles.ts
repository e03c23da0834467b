import type { RunPhase } from './event.ts';

/** What is done now, for people. */
export const PHASE_TITLES: Readonly<Record<RunPhase, string>> = {
  preflight: 'Checking the stores …',
  plan: 'Planning …',
  apply: 'Moving …',
  verify: 'Verifying …',
  finalize: 'Finalizing …',
  undo: 'Undoing …',
};

/** The first line of a run: whose data, and which way. */
export function runTitle(command: string, moves: string): string {
  return command === 'rollback' ? `Tenant Data Rollback: ${moves}` : `Tenant Data Migration: ${moves}`;
}
