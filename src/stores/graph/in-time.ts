import { NoAnswer } from './graph-error.ts';

/** Closing says goodbye to the server, which may be silent. */
const GOODBYE_MS = 2_000;

/** The work's outcome, or NoAnswer after `ms`. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswer()), ms);
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a closing. A connection that says nothing any more is left to itself: at once where that is why it is closed. */
export async function goodbye(closing: Promise<unknown>, failure?: unknown): Promise<void> {
  try {
    await within(failure instanceof NoAnswer ? 0 : GOODBYE_MS, closing);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
  }
}
