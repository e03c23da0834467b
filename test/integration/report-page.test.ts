import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { reportPage } from '../../src/report/page/report-page.ts';
import type { RunReport } from '../../src/report/report.ts';
import { openBrowser } from '../support/browser.ts';
import { runHere } from '../support/cli.ts';
import { pageFaults } from '../support/page-faults.ts';
import { freshRedis } from '../support/redis-server.ts';
import { hostileReport, oldReport, stageRow } from '../support/sample-report.ts';

const SOURCE = `<img src=x onerror="hacked=1">'</style>`;
const TARGET = 'تجربة_"&amp;<b>🧨';
const SHOTS = join(import.meta.dirname, '../../test-results');

describe('a report that is asked for', () => {
  let redis: RedisServer;
  let cwd: string;
  const read = (path: string) => readFile(join(cwd, path), 'utf8');

  beforeAll(async () => {
    redis = await freshRedis();
    cwd = await mkdtemp(join(tmpdir(), 'tenant-migrate-report-'));
    const client = new Redis(redis.url);
    for (let key = 0; key < 3_000; key += 1) client.set(`${SOURCE}:key${key}`, 'value');
    await client.set(`other:${SOURCE}:\u001b[31m<script>`, 'unclaimed');
    client.disconnect();
  });
  afterAll(() => redis.stop());

  it('stands in the run folder, in the folder that was named and behind the step summary, and names no secret', async () => {
    await writeFile(join(cwd, 'summary.md'), 'written before\n');
    const env = {
      GITHUB_STEP_SUMMARY: join(cwd, 'summary.md'),
      GITHUB_ACTIONS: 'true',
      API_TOKEN: 'very-secret-token',
    };
    const flags = ['--only', 'redis', '--redis-url', redis.url, '--report-dir', 'artefacts'];
    const result = await runHere(['move', SOURCE, TARGET, ...flags], { cwd, env });
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout).toContain('report: artefacts/report.html');
    const [id = ''] = await readdir(join(cwd, '.tenant-migrate/runs'));
    const own = `.tenant-migrate/runs/${id}`;
    for (const name of ['report.json', 'report.md', 'report.html']) {
      expect((await stat(join(cwd, own, name))).mode & 0o777, name).toBe(0o600);
      expect(await read(`artefacts/${name}`), name).toBe(await read(`${own}/${name}`));
      expect(await read(`${own}/${name}`), name).not.toContain('very-secret-token');
    }
    expect(await read('summary.md')).toBe(`written before\n\n${await read(`${own}/report.md`)}`);
    const report = JSON.parse(await read(`${own}/report.json`)) as RunReport;
    expect(report).toMatchObject({
      environment: { node: process.versions.node, ci: 'GitHub Actions' },
      stores: { redis: { server: expect.stringMatching(/^Redis \d/) } },
      settings: { only: ['redis'] },
      stages: [{ status: 'skipped' }, { found: 3_000, moved: 3_000, after: { source: 0, target: 3_000 } }, {}, {}],
    });
    expect(report.timeline?.map(({ phase }) => phase)).toEqual(['preflight', 'plan', 'apply', 'verify', 'finalize']);
    expect(report.throughput?.[0]?.points.at(-1)?.[1]).toBe(3_000);
  });

  it('is rendered once more in every form, from report.json alone', async () => {
    const report = async (...args: string[]) => (await runHere(['report', ...args], { cwd })).stdout;
    const [id = ''] = await readdir(join(cwd, '.tenant-migrate/runs'));
    expect(await report('--format', 'html')).toBe(await read('artefacts/report.html'));
    expect(await report(id.slice(0, 10), '--format', 'markdown')).toBe(await read('artefacts/report.md'));
    expect(JSON.parse(await report('--json'))).toEqual(JSON.parse(await read('artefacts/report.json')));
    expect(await report()).toContain('Migration completed in');
    expect((await runHere(['report', '--out', 'again.html', '--format', 'html'], { cwd })).code).toBe(0);
    expect(await read('again.html')).toBe(await read('artefacts/report.html'));
    const csv = await runHere(['report', '--format', 'csv'], { cwd });
    expect([csv.code, csv.stderr]).toEqual([64, expect.stringContaining('--format csv is for lists')]);
    expect((await runHere(['report', 'nothing'], { cwd })).code).toBe(64);
  });

  it('is made of verify, of rollback and of a refused run as well; one that cannot be written fails no run', async () => {
    const [id = ''] = await readdir(join(cwd, '.tenant-migrate/runs'));
    const flags = ['--redis-url', redis.url, '--report-dir'];
    const verify = await runHere(['verify', SOURCE, TARGET, '--only', 'redis', ...flags, 'v'], { cwd });
    expect([verify.code, JSON.parse(await read('v/report.json')).outcome]).toEqual([0, 'verified']);
    const full = join(cwd, 'full.md');
    await writeFile(full, 'x'.repeat(1_048_576));
    const env = { GITHUB_STEP_SUMMARY: full };
    const rollback = await runHere(['rollback', id, '--report-dir', 'artefacts/report.md'], { cwd, env });
    expect(rollback.code).toBe(0);
    expect(rollback.stderr).toContain('the report could not be written to artefacts/report.md');
    expect(rollback.stderr).toContain('there is no room left in it');
    expect((await stat(full)).size).toBe(1_048_576);
    const told = JSON.parse(await read(`.tenant-migrate/runs/${id}/report.json`)) as RunReport;
    expect(told.stages[1]).toMatchObject({ status: 'undone', after: { source: 3_000, target: 0 } });
    expect(await read(`.tenant-migrate/runs/${id}/report.html`)).toContain('Taken back');
    const refused = await runHere(['move', 'nobody', 'no-one', '--only', 'redis', ...flags, 'r'], { cwd });
    expect([refused.code, JSON.parse(await read('r/report.json')).outcome]).toEqual([5, 'refused']);
    expect(await read('r/report.html')).toContain('unknown-tenant');
  });

  it('of a list has a line for each tenant, also as CSV', async () => {
    await writeFile(join(cwd, 'list.csv'), 'source,target\nlist_a,list_b\n=list_c,list_d\n');
    const client = new Redis(redis.url);
    await client.mset('list_a:1', 'v', '=list_c:1', 'v');
    client.disconnect();
    const flags = ['--only', 'redis', '--redis-url', redis.url, '--report-dir', 'list'];
    expect((await runHere(['move', '--map', 'list.csv', ...flags], { cwd })).code).toBe(0);
    expect(await read('list/tenants.csv')).toContain('\r\n"\'=list_c",list_d,done,1,,1,0,1\r\n');
    expect(await read('list/report.html')).toContain('2 tenants');
    expect(await read('list/report.md')).toContain('`=list_c`');
  });
});

const browser = await openBrowser();
const isNeeded = (process.env.REQUIRE_SERVICES ?? '').split(',').includes('chromium');
const why = browser === undefined ? ' (not run here: there is no chromium on PATH)' : '';

describe.skipIf(browser === undefined && !isNeeded)(`a report’s page in a real browser${why}`, () => {
  let folder: string;
  const pages: Readonly<Record<string, RunReport>> = {
    hostile: hostileReport(),
    one: hostileReport({ moves: [{ source: SOURCE, target: TARGET }], outcome: 'done', exitCode: 0, problems: [] }),
    refused: hostileReport({ outcome: 'refused', exitCode: 5, stages: [stageRow('redis', 'not-run')], timeline: [] }),
    old: oldReport(),
  };
  const shown = (name: string) => {
    if (browser === undefined) throw new Error('REQUIRE_SERVICES names chromium, which is not on PATH');
    return browser.show(pathToFileURL(join(folder, `${name}.html`)).href);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-pages-'));
    for (const [name, report] of Object.entries(pages)) {
      await writeFile(join(folder, `${name}.html`), reportPage(report));
    }
    await mkdir(SHOTS, { recursive: true });
  });
  afterAll(() => browser?.close());

  it.each(Object.keys(pages))(
    '%s: nothing runs, nothing is asked for, nothing is said, at any width and colour',
    async (name) => {
      const { page, requests, said } = await shown(name);
      for (const [width, colorScheme] of [
        [1_200, 'light'],
        [1_200, 'dark'],
        [360, 'light'],
      ] as const) {
        await page.setViewportSize({ width, height: 1_600 });
        await page.emulateMedia({ colorScheme });
        expect(await pageFaults(page), `${width} ${colorScheme}`).toEqual([]);
        await page.screenshot({ path: join(SHOTS, `report-${name}-${width}-${colorScheme}.png`) });
      }
      expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
      // It is the style sheet that is applied, and not the browser's own look.
      expect(await page.evaluate('getComputedStyle(document.body).margin')).toBe('0px');
      expect([requests, said]).toEqual([[], []]);
      await page.close();
    },
  );

  it('is light on paper, also for who reads in the dark, and shows there what it shows on the screen', async () => {
    const { page } = await shown('hostile');
    await page.emulateMedia({ colorScheme: 'dark' });
    const pdf = await page.pdf({ format: 'A4', preferCSSPageSize: true, path: join(SHOTS, 'report-hostile.pdf') });
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    await page.setViewportSize({ width: 695, height: 1_000 });
    expect(await pageFaults(page)).toEqual([]);
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    await page.close();
  });

  it('forbids by its own policy what a mistake of ours might let through', async () => {
    const page = reportPage(oldReport());
    const holed = page.replace(
      '</main>',
      '<script>hacked=9</script><p style="color:red" onclick="hacked=9" id="holed">x</p><img src="https://evil.example/x.png"></main>',
    );
    expect(holed).not.toBe(page);
    await writeFile(join(folder, 'holed.html'), holed);
    const { page: tab, said } = await shown('holed');
    await tab.click('#holed');
    expect(await tab.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
    expect(await tab.evaluate("getComputedStyle(document.querySelector('#holed')).color")).not.toBe('rgb(255, 0, 0)');
    expect(said.filter((line) => line.includes('Content Security Policy')).length).toBeGreaterThanOrEqual(4);
    await tab.close();
  });
});
