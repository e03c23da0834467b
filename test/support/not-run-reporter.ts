import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

/** Sums up in the last lines of a run which tests were not run here, and why. */
export class NotRunReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests('skipped')]);
    const whys = new Map<string, number>();
    for (const test of skipped) whys.set(whyOf(test), (whys.get(whyOf(test)) ?? 0) + 1);
    if (skipped.length === 0) return;
    console.log(`${skipped.length} tests were not run here:`);
    for (const [why, count] of whys) console.log(`${String(count).padStart(5)}  ${why}`);
  }
}

/** What it or a suite around it notes, else the name of the outermost that is skipped: that says why as well. */
function whyOf(test: TestCase): string {
  const around = [test, ...suitesAround(test)];
  const noted = around.map((each) => each.meta().notRun).find((why) => why !== undefined);
  const skipped = around.flatMap((each) => (each.type !== 'module' && each.options.mode === 'skip' ? [each] : []));
  return noted ?? skipped.at(-1)?.name ?? test.name;
}

function suitesAround(test: TestCase): readonly (TestSuite | TestModule)[] {
  const around: (TestSuite | TestModule)[] = [];
  let at: TestSuite | TestModule = test.parent;
  for (; at.type === 'suite'; at = at.parent) around.push(at);
  return [...around, at];
}
