import { AsyncLocalStorage } from 'node:async_hooks';

interface Skew {
  ms: number;
}

const skews = new AsyncLocalStorage<Skew>();
const real = Date.now;
let running = 0;

/** Runs the work with a clock of its own, which `jump` moves; other work in this process keeps the true time. */
export async function withClock<T>(work: (clock: { jump(ms: number): void }) => Promise<T>): Promise<T> {
  const skew: Skew = { ms: 0 };
  const jump = (ms: number) => {
    skew.ms += ms;
  };
  running += 1;
  Date.now = () => real() + (skews.getStore()?.ms ?? 0);
  try {
    return await skews.run(skew, () => work({ jump }));
  } finally {
    running -= 1;
    // While it is on, every promise of this process is followed, which costs more than it should.
    if (running === 0) {
      Date.now = real;
      skews.disable();
    }
  }
}
