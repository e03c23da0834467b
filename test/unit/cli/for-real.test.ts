import { expect, it } from 'vitest';
import { forRealCommand } from '../../../src/cli/for-real.ts';

it.each([
  [['siraya', 't1', '--dry-run'], 'tenant-migrate siraya t1'],
  [['siraya', 't1', '--dry-run=true', '--json'], 'tenant-migrate siraya t1 --json'],
  [['plan', 'siraya', 't1', '--out', 'p.json', '--detailed-exitcode'], 'tenant-migrate move siraya t1'],
  [['verify', "o'hara", 't1'], "tenant-migrate move 'o'\\''hara' t1"],
])('what %j looked at is done by %s', (argv, command) => {
  expect(forRealCommand(argv)).toBe(command);
});
