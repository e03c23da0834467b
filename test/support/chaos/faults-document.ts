import { faults } from './faults.ts';
import { graphRestartTexts } from './graph-restart.ts';
import { killTexts, type Series } from './kills.ts';

/** How often each kind came, by kind. */
export type Tally = ReadonlyMap<string, number>;

interface Row {
  readonly kind: string;
  readonly caughtBy: string;
  readonly userSees: string;
}

/** What the harness can make go wrong, in the order of the table. */
export const rows: readonly Row[] = [
  ...faults,
  graphRestartTexts,
  ...(['resume', 'rollback', 'again'] as Series[]).map((name) => killTexts[name]),
];

/** `docs/faults.md`. */
export function faultsDocument({
  tally,
  schedules,
  kills,
}: {
  tally: Tally;
  schedules: number;
  kills: number;
}): string {
  const lines = rows.map(
    ({ kind, caughtBy, userSees }) => `| ${kind} | ${caughtBy} | ${userSees} | ${count(tally.get(kind) ?? 0)} |`,
  );
  return `# What can go wrong, and what was tried

Written by \`npm run chaos\` from the faults that it knows. Each run moves a small world of about 300 objects in all
stores, among neighbours whose ids contain the tenant's, while one or more of these faults come at a place drawn by
chance. In one of five
runs the keys of Redis are copied (\`--redis-mode copy\`). Then it is continued or rolled back, in one of four runs while
something goes wrong once more. In the end every
record of every store is read, with code that shares nothing with the program, and must be exactly what a whole move or
the start would have left; and each exit code on the way must have told the truth: nothing lost, nothing doubled,
nothing foreign touched.

The last long run: ${count(schedules)} schedules of faults and ${count(kills)} kills. The last column counts the runs in
which the fault came; a schedule may hold several.

A run that fails names its seed: \`npm run chaos -- --seed N --runs 1\` repeats it.

| fault | what catches it | what the user sees | runs |
|---|---|---|---|
${lines.join('\n')}
`;
}

function count(value: number): string {
  return value.toLocaleString('en');
}
