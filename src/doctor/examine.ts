import type { Check, DoctorArea } from '../report/doctor-report.ts';

/** What is looked at in one place: its steps run one after the other, each building on the one before. */
export interface Area {
  readonly area: DoctorArea;
  readonly steps: readonly (() => Promise<readonly Check[]>)[];
  close?(): Promise<void>;
}

export interface Patience {
  /** Longest time for one area, ms. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** What an area's failure means to its reader. */
  readonly explain: (area: DoctorArea, error: unknown) => Check;
}

/**
 * Looks at all areas side by side. One that fails or says nothing costs its own lines only: what was found before is
 * kept, and the failure is a line. Throws only where `signal` stops it.
 */
export async function examine(areas: readonly Area[], patience: Patience): Promise<readonly Check[]> {
  const checks = await Promise.all(areas.map((area) => examineOne(area, patience)));
  patience.signal.throwIfAborted();
  return checks.flat();
}

async function examineOne({ area, steps, close }: Area, patience: Patience): Promise<readonly Check[]> {
  const { limitMs, signal, explain } = patience;
  const checks: Check[] = [];
  const work = async () => {
    for (const step of steps) checks.push(...(await step()));
  };
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1_000} s`)), limitMs);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    await Promise.race([work(), tooLong]);
    return checks;
  } catch (error) {
    return [...checks, explain(area, error)];
  } finally {
    clearTimeout(timer);
    // Not waited for: a server that says nothing would not say goodbye either.
    close?.().catch(() => undefined);
  }
}
