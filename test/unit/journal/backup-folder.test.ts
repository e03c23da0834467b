import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { BackupFolder } from '../../../src/journal/backup-folder.ts';
import { readPart } from '../../../src/journal/backup-part.ts';
import { cleanUp, extend, isExpired } from '../../../src/journal/backup-retention.ts';
import type { BackupBatch } from '../../../src/stages/stage.ts';

const DAY = 86_400_000;
const START = Date.parse('2026-03-01T12:00:00Z');

describe('the folder of a backup', () => {
  let stateDir: string;
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-folder-'));
  });

  async function* batchesOf(...texts: readonly string[][]): AsyncGenerator<BackupBatch> {
    for (const batch of texts)
      yield { lines: batch.map((text) => ({ kind: 'key', text: `{"kind":"key","text":${text}}` })) };
  }

  async function backup(now = START, keepDays = 7, ...texts: readonly string[][]): Promise<BackupFolder> {
    const folder = await BackupFolder.create(stateDir, now);
    const written = await folder.writePart('redis', batchesOf(...texts));
    await folder.finish({
      toolVersion: '0',
      tenant: 'siraya',
      createdAt: new Date(now).toISOString(),
      keepUntil: new Date(now + keepDays * DAY).toISOString(),
      profile: {},
      parts: [{ stage: 'redis', address: 'here', ...written }],
      skipped: [],
    });
    return folder;
  }

  const linesOf = async (folder: BackupFolder): Promise<string[]> => {
    const lines: string[] = [];
    for await (const batch of folder.part('redis')?.lines() ?? []) lines.push(...batch);
    return lines;
  };

  it('gives every line back in its order, whatever characters it holds', async () => {
    const texts = ['"a\u2028b\u2029c\u0085d"', '"\\n\\r"', '"😀"', `"${'x'.repeat(3_000_000)}"`, '""'];
    const folder = await backup(START, 7, texts.slice(0, 3), [], texts.slice(3));
    expect(await linesOf(folder)).toEqual(texts.map((text) => `{"kind":"key","text":${text}}`));
    expect(folder.manifest.parts[0]?.records).toEqual({ key: 5 });
    expect(await folder.problems()).toEqual([]);
  });

  it('a part without lines is whole too', async () => {
    const folder = await backup();
    expect(await linesOf(folder)).toEqual([]);
    expect(await folder.problems()).toEqual([]);
  });

  it('is as it was written when it is read from disk again', async () => {
    const { id, manifest } = await backup(START, 7, ['1']);
    const [found] = await BackupFolder.all(stateDir);
    expect(found?.id).toBe(id);
    expect(found?.manifest).toEqual(manifest);
    expect(found?.madeAt).toBe(START);
  });

  it('takes no more of a source than it can write', async () => {
    const folder = await BackupFolder.create(stateDir, START);
    const path = join(folder.path, 'redis.ndjson.gz');
    let most = 0;
    async function* large(): AsyncGenerator<BackupBatch> {
      for (let given = 0; given < 160; given += 1) {
        // Each is random bytes, which come to the disk in the size that they have here: 60 MB in all.
        most = Math.max(most, given * 375_000 - (existsSync(path) ? statSync(path).size : 0));
        const text = randomBytes(375_000).toString('base64');
        yield { lines: [{ kind: 'key', text: `{"kind":"key","text":"${text}"}` }] };
      }
    }
    const { bytes, records } = await folder.writePart('redis', large());
    expect(records.key).toBe(160);
    expect(bytes).toBeGreaterThan(50_000_000);
    expect(most).toBeLessThan(10_000_000);
    let lines = 0;
    for await (const batch of readPart(join(folder.path, 'redis.ndjson.gz'))) lines += batch.length;
    expect(lines).toBe(160);
  });

  it.each([
    ['a changed number in the manifest', (text: string) => text.replace('"key": 1', '"key": 2')],
    ['another schema', (text: string) => text.replace('backup@1', 'backup@9')],
    ['half a manifest', (text: string) => text.slice(0, 200)],
  ])('%s makes the backup damaged', async (_, change) => {
    const { path, id } = await backup(START, 7, ['1']);
    const manifest = join(path, 'manifest.json');
    writeFileSync(manifest, change(readFileSync(manifest, 'utf8')));
    const [found] = await BackupFolder.all(stateDir);
    expect(found?.found.state).toBe('damaged');
    expect(() => found?.manifest).toThrow(`the backup ${id} is damaged: manifest.json`);
    expect(found === undefined ? undefined : isExpired(found, START + 1_000 * DAY)).toBe(false);
  });

  it('a missing file and one of another backup are told by name', async () => {
    const folder = await backup(START, 7, ['1']);
    const other = await backup(START, 7, ['2']);
    const path = join(folder.path, 'redis.ndjson.gz');
    writeFileSync(path, readFileSync(join(other.path, 'redis.ndjson.gz')));
    expect(await folder.problems()).toEqual([expect.stringMatching(/^redis\.ndjson\.gz: is not as it was written/)]);
    const { rmSync } = await import('node:fs');
    rmSync(path);
    expect(await folder.problems()).toEqual(['redis.ndjson.gz: is missing']);
    expect(gunzipSync(readFileSync(join(other.path, 'redis.ndjson.gz'))).toString()).toBe('{"kind":"key","text":2}\n');
  });

  it('cleanup removes what has expired and nothing before, and a dry run nothing at all', async () => {
    const [short, long] = [await backup(START, 7), await backup(START, 30)];
    const at = (now: number, dryRun = false) => cleanUp([short, long], { now, dryRun });
    expect(await at(START + 7 * DAY - 1)).toEqual([]);
    expect((await at(START + 7 * DAY, true)).map(({ id }) => id)).toEqual([short.id]);
    expect(existsSync(short.path)).toBe(true);
    expect((await at(START + 7 * DAY)).map(({ id }) => id)).toEqual([short.id]);
    expect(readdirSync(join(stateDir, 'backups'))).toEqual([long.id]);
  });

  it('extend keeps a backup from now on, and never shorter than before', async () => {
    const folder = await backup(START, 7);
    const now = START + 5 * DAY;
    expect(await extend(folder, { now, days: 1 })).toBe(new Date(START + 7 * DAY).toISOString());
    expect(await extend(folder, { now, days: 14 })).toBe(new Date(now + 14 * DAY).toISOString());
    const [found] = await BackupFolder.all(stateDir);
    expect(found?.manifest.keepUntil).toBe(new Date(now + 14 * DAY).toISOString());
    expect(await found?.problems()).toEqual([]);
  });

  it('an unfinished backup is removed a week after it was begun, since it may be under way', async () => {
    const folder = await BackupFolder.create(stateDir, START);
    expect(isExpired(folder, START + 7 * DAY - 1)).toBe(false);
    expect(isExpired(folder, START + 7 * DAY)).toBe(true);
    expect(() => folder.manifest).toThrow('was never finished');
  });
});
