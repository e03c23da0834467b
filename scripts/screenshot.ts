import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { SOURCE, seedDemo, TARGET, urlsOf, writeSecrets } from './demo/demo-world.ts';
import { expectExit } from './demo/expect-exit.ts';
import { addressFlags } from './demo/show-move.ts';
import { CHROMIUM_ARGS, chromiumPath } from './services/chromium.ts';
import { describeService } from './services/describe-service.ts';
import { storeNames } from './services/service.ts';
import { startServices } from './services/start-services.ts';

/**
 * The report of a real move as a picture: the demo's tenant is moved on the demo's servers, and what its report.html
 * shows is written to docs/report.png (`--out` names another file, `--report-dir` keeps the report itself).
 */
const WIDTH = 1_200;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: 'docs/report.png' }, 'report-dir': { type: 'string' } },
  });
  const browserPath = await chromiumPath();
  if (browserPath === undefined) throw new Error('there is no chromium on PATH: apt-get install chromium');
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-screenshot-'));
  const reportDir = values['report-dir'] ?? join(folder, 'report');
  try {
    await moveDemo(folder, reportDir);
    await picture(join(reportDir, 'report.html'), { browserPath, folder, out: values.out });
    for (const name of ['report.json', 'report.md', 'report.html']) {
      console.log(`${name}: ${(await readFile(join(reportDir, name))).length} bytes`);
    }
    console.log(`${values.out}: ${(await stat(values.out)).size} bytes`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function moveDemo(folder: string, reportDir: string): Promise<void> {
  const lifetime = 'with-parent' as const;
  const log = (line: string) => console.log(line);
  const { services, stop } = await startServices({ stores: storeNames, lifetime, env: process.env, log });
  try {
    for (const service of services) console.log(describeService(service));
    const urls = urlsOf(services);
    await seedDemo(urls);
    const secrets = join(folder, 'secrets.json');
    await writeSecrets(secrets);
    const own = ['--state-dir', join(folder, 'state'), '--report-dir', reportDir, '--config-secrets', secrets];
    await expectExit(0, [SOURCE, TARGET, ...addressFlags(urls), ...own]);
  } finally {
    await stop();
  }
}

interface Camera {
  readonly browserPath: string;
  /** For the browser's own files. */
  readonly folder: string;
  readonly out: string;
}

async function picture(page: string, { browserPath, folder, out }: Camera): Promise<void> {
  const context = await chromium.launchPersistentContext(join(folder, 'browser'), {
    executablePath: browserPath,
    args: [...CHROMIUM_ARGS],
    viewport: { width: WIDTH, height: 900 },
    colorScheme: 'light',
  });
  try {
    const tab = await context.newPage();
    await tab.goto(pathToFileURL(page).href);
    // Down to the first curves: what is below is tables.
    const { y = 0, height = 0 } = (await tab.locator('.plot').first().boundingBox()) ?? {};
    await tab.screenshot({ path: out, fullPage: true, clip: { x: 0, y: 0, width: WIDTH, height: y + height + 32 } });
  } finally {
    await context.close();
  }
}

await main();
