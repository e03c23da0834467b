import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RunFolder } from '../../../src/journal/run-folder.ts';

const WRITER = fileURLToPath(new URL('../../support/journal/writer.ts', import.meta.url));

let stateDir: string;
let run: RunFolder;
let acknowledged: string;
let writer: ChildProcess | undefined;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'tenant-migrate-state-'));
  acknowledged = join(stateDir, 'acknowledged');
  await writeFile(acknowledged, '');
  run = await RunFolder.create(stateDir, {
    toolVersion: '0',
    moves: [{ source: 'siraya', target: 'tenant_7' }],
    profileDigest: 'd',
    stores: { redis: 'redis://r' },
    settings: {},
    startedAt: '2026-01-01T00:00:00.000Z',
  });
});
afterEach(() => {
  writer?.kill('SIGKILL');
});

describe('a run that another process works on', () => {
  test('can be read at any moment, and holds what that process was told is durable when it is killed', async () => {
    const [written, undo] = [start(), join(run.path, 'undo', 'redis.ndjson.gz')];
    let seen = 0;
    let grew = 0;
    const until = Date.now() + 20_000;
    while ((grew < 40 || seen < 300) && Date.now() < until) {
      const before = Number((await readFile(acknowledged, 'utf8')).trimEnd().split('\n').at(-1));
      const entries = await run.entries();
      expect(entries.length).toBeGreaterThanOrEqual(seen);
      const named = entries.flatMap((entry) => (entry.type === 'intent' ? [entry] : []));
      expect(named.at(-1)?.batches[1] ?? 0).toBeGreaterThanOrEqual(before);
      if (entries.length > seen) grew += 1;
      seen = entries.length;
      expect(await run.isJournalLost()).toBe(false);
      await RunFolder.unfinished(stateDir);
    }
    expect(grew).toBeGreaterThanOrEqual(40);
    writer?.kill('SIGKILL');
    await written;

    const told = (await readFile(acknowledged, 'utf8')).trimEnd().split('\n').map(Number);
    expect(gunzipSync(await readFile(undo)).length).toBeGreaterThan(0);
    await expectBatches(told);
  });
});

describe('a run whose disk takes no more', () => {
  // In blocks of 1,024 bytes: the undo log is full first, or with small batches the journal.
  test.each([
    ['in the undo log', 64, 5_000],
    ['in the journal', 24, 1],
  ])('ends at once, and holds what was told to be durable, and nothing torn: %s', async (where, blocks, size) => {
    const output = await start({ blocks, size });
    expect(output).toMatch(/^failed: .*redis\.ndjson\.gz cannot be written: EFBIG/m);
    const told = (await readFile(acknowledged, 'utf8')).trimEnd().split('\n').map(Number);
    expect(told.length).toBeGreaterThan(10);
    const full = where === 'in the journal' ? 'journal.ndjson' : 'undo/redis.ndjson.gz';
    expect((await stat(join(run.path, full))).size).toBeGreaterThan((blocks - 1) * 1_024);
    // A journal that failed says so once more when it is closed; the undo log's failure leaves the journal whole.
    expect(output.includes('not closed: EFBIG')).toBe(where === 'in the journal');
    await expectBatches(told);
  });
});

/** Starts the writer, on a disk of so many blocks where they are given; resolves with what it printed when it ends. */
async function start({ blocks, size = 10 }: { blocks?: number; size?: number } = {}): Promise<string> {
  const limit = blocks === undefined ? '' : `ulimit -f ${blocks};`;
  const command = `${limit} exec "$0" --import tsx "$@"`;
  const args = ['-c', command, process.execPath, WRITER, stateDir, acknowledged, String(size)];
  const child = spawn('bash', args, { env: { ...process.env, TSX_DISABLE_CACHE: '1' }, stdio: 'pipe' });
  writer = child;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  await once(child, 'close');
  return output;
}

/** Opens the run as the next process does: its undo log holds every batch that may have been sent, and goes on. */
async function expectBatches(told: readonly number[]): Promise<void> {
  const [again] = await RunFolder.all(stateDir);
  if (again === undefined) throw new Error('the run is gone');
  await again.open({ command: 'rollback', toolVersion: '0', settings: 's', pid: 1, host: 'h', now: () => 1 });
  const log = await again.undo('redis');
  const ids: number[] = [];
  for await (const { id, entries } of log.read()) {
    expect(entries).toHaveLength(2);
    ids.push(id);
  }
  // In order and without a gap: a whole prefix of what was appended, up to one group of three more than was told.
  expect(ids.reverse()).toEqual(ids.map((_, index) => index + 1));
  expect(ids.slice(0, told.length)).toEqual(told);
  expect(ids.length - told.length).toBeLessThanOrEqual(3);
  expect(await log.append(['next', 0])).toBe(ids.length + 1);
  await again.close();
  expect((await again.entries()).at(-1)).toMatchObject({ type: 'intent', batches: [ids.length + 1, ids.length + 1] });
}
