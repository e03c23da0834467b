import { findOnPath } from './find-on-path.ts';

/** What a browser is told so that it does nothing by itself: no first run, no update, no connection of its own. */
export const CHROMIUM_ARGS: readonly string[] = [
  '--no-sandbox',
  '--headless',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's browser, or undefined where it is not installed. */
export function chromiumPath(): Promise<string | undefined> {
  return findOnPath('chromium');
}
