import { stat } from 'node:fs/promises';
import type { Probe } from './probe.ts';

/** While the file is there the run pauses, or is ended by it. Who makes or removes a file means it: at once. */
export function fileProbe({ kind, path }: { readonly kind: 'file' | 'panic-file'; readonly path: string }): Probe {
  const level = kind === 'file' ? 'pause' : 'abort';
  const reason = kind === 'file' ? `the file ${path} is there` : `the panic file ${path} is there`;
  return {
    name: `${kind} ${path}`,
    spoken: true,
    calmLooks: 1,
    abortLooks: 1,
    async look() {
      try {
        await stat(path);
        return { level, calm: level, reason };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { level: 'go', calm: 'go', reason: '' };
        throw error;
      }
    },
    close: async () => undefined,
  };
}
