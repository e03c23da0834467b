/**
 * Preloaded into the built program (`node --import`): ends it with SIGKILL at one of its file operations in the state
 * folder. CHAOS_KILL is JSON: the folder as `state`, and a `KillPoint` of `run-tool.ts`.
 */
import { writeFileSync } from 'node:fs';
import { interceptFiles } from './file-operations.mjs';

const { state, at, how, share = 0, delayUs = 0, count } = JSON.parse(process.env.CHAOS_KILL ?? '{}');
let seen = 0;
const operations = [];

const die = () => process.kill(process.pid, 'SIGKILL');

function dieSoon() {
  const end = process.hrtime.bigint() + BigInt(delayUs) * 1000n;
  if (delayUs >= 1000) setTimeout(die, delayUs / 1000);
  else {
    const look = () => (process.hrtime.bigint() >= end ? die() : setImmediate(look));
    setImmediate(look);
  }
}

interceptFiles({
  wants: (path) => path.startsWith(state),
  before: (operation) => {
    seen += 1;
    if (count !== undefined) operations.push({ kind: operation.kind, path: operation.path });
    if (seen !== at) return;
    if (how === 'before') die();
    if (how === 'torn' && operation.part !== undefined) {
      operation.part(Math.max(1, Math.floor(operation.length * share)));
      die();
    }
    if (how === 'torn') die();
  },
  after: () => {
    if (seen !== at) return;
    if (how === 'after') die();
    if (how === 'later') dieSoon();
  },
});
if (count !== undefined) process.on('exit', () => writeFileSync(count, JSON.stringify(operations)));
