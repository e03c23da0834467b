import { AsyncLocalStorage } from 'node:async_hooks';

interface Skew {
  ms: number;
}

const skews = new AsyncLocalStorage<Skew>();
const real = Date.now;
let installed = false;

/** Runs the work with a clock of its own, which `jump` moves; other work in this process keeps the true time. */
export function withClock<T>(work: (clock: { jump(ms: number): void }) => Promise<T>): Promise<T> {
  if (!installed) Date.now = () => real() + (skews.getStore()?.ms ?? 0);
  installed = true;
  const skew: Skew = { ms: 0 };
  return skews.run(skew, () =>
    work({
      jump: (ms) => {
        skew.ms += ms;
      },
    }),
  );
}
