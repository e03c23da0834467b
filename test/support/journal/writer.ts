import { appendFileSync } from 'node:fs';
import { RunFolder } from '../../../src/journal/run-folder.ts';

/**
 * Opens the run in the state folder that is named first and writes batches until it is killed or a write fails. After
 * each batch that may be sent its id is put into the file that is named second.
 */
const [stateDir = '', acknowledged = '', size = '10'] = process.argv.slice(2);
const [run] = await RunFolder.all(stateDir);
if (run === undefined) throw new Error(`no run in ${stateDir}`);
let failed = false;
try {
  const { pid } = process;
  await run.open({ command: 'resume', toolVersion: '0', settings: 's', pid, host: 'h', now: () => Date.now() });
  const undo = await run.undo('redis');
  for (;;) {
    const ids = await Promise.all([1, 2, 3].map((lane) => undo.append([noise(Number(size)), lane])));
    appendFileSync(acknowledged, `${ids.join('\n')}\n`);
    for (const batch of ids) run.done('redis', { batch, moved: 1 });
  }
} catch (error) {
  failed = true;
  process.stdout.write(`failed: ${(error as Error).message}\n`);
}
try {
  await run.close();
} catch (error) {
  process.stdout.write(`not closed: ${(error as Error).message}\n`);
}
process.exitCode = failed ? 9 : 0;

/** Text that does not get shorter by packing it. */
function noise(length: number): string {
  let text = '';
  while (text.length < length) text += Math.random().toString(36).slice(2);
  return text.slice(0, length);
}
