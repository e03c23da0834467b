import { MigrateError } from '../../model/errors.ts';
import { clean } from '../../report/format.ts';

/** Something wrong in a settings file, and where: lines and columns are counted from 1. */
export interface Fault {
  readonly line: number;
  readonly column: number;
  /** The setting's way from the top, such as `environments.prod.redis-port`; empty where the file as a whole is meant. */
  readonly path: string;
  /** What is wrong, and what was meant or is to be done. Never a value: it could be a secret. */
  readonly message: string;
}

const MOST_SHOWN = 20;

/** All faults of a file as one error, in their order, each as `file:line:column: path: message`. */
export function faultsError(file: string, faults: readonly Fault[]): MigrateError {
  const sorted = [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
  const all = [...new Set(sorted.map((fault) => faultText(file, fault)))];
  const lines = all.slice(0, MOST_SHOWN);
  if (all.length > MOST_SHOWN) lines.push(`and ${all.length - MOST_SHOWN} more`);
  return new MigrateError('settings', lines.join('\n   '), {
    next: 'tenant-migrate schema prints what a settings file may hold',
  });
}

function faultText(file: string, { line, column, path, message }: Fault): string {
  return clean([`${file}:${line}:${column}`, ...(path === '' ? [] : [path]), message].join(': '));
}
