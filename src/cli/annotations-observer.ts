import { annotation, annotationsOf } from '../report/workflow-commands.ts';
import type { Observed, Observer } from './observers.ts';

/** What a run's end means, as annotations of the CI that runs it. None elsewhere, and none among JSON lines. */
export async function openAnnotations({ ctx, settings }: Observed): Promise<Observer | undefined> {
  const { annotate } = ctx.terminal;
  if (annotate === undefined || settings['log-format'] === 'json') return undefined;
  return {
    take: (event) => {
      if (event.type === 'run-note' && event.severity === 'error') {
        annotate(annotation('error', 'tenant-migrate', event.text));
      }
    },
    // Once, of the command's own report: a run that is taken back at once is no advice to resume it.
    ended: (report) => {
      for (const line of annotationsOf(report)) annotate(line);
    },
    close: async () => undefined,
  };
}
