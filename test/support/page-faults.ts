import type { Page } from 'playwright-core';
import { faultsHere } from './page-faults-here.mjs';

/** What is wrong with a page for those who do not see it as it was meant: an empty list where nothing is. */
export function pageFaults(page: Page): Promise<readonly string[]> {
  return page.evaluate(faultsHere);
}
