import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { CHROMIUM_ARGS, chromiumPath } from '../../scripts/services/chromium.ts';

/** A page in a real browser, with all that it tried to do. */
export interface Shown {
  readonly page: Page;
  /** What it asked for beside itself. */
  readonly requests: readonly string[];
  /** Lines of its console, errors and dialogs. */
  readonly said: readonly string[];
}

export interface Browser {
  show(url: string): Promise<Shown>;
  close(): Promise<void>;
}

/** Debian's Chromium with a fresh profile, or undefined where there is none. */
export async function openBrowser(): Promise<Browser | undefined> {
  const executablePath = await chromiumPath();
  if (executablePath === undefined) return undefined;
  const profile = await mkdtemp(join(tmpdir(), 'tenant-migrate-browser-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: [...CHROMIUM_ARGS] });
  return {
    show: (url) => show(context, url),
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

async function show(context: BrowserContext, url: string): Promise<Shown> {
  const page = await context.newPage();
  const requests: string[] = [];
  const said: string[] = [];
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) requests.push(request.url());
  });
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('dialog', (dialog) => {
    said.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(url);
  return { page, requests, said };
}
