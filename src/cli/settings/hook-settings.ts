import { resolve } from 'node:path';
import { z } from 'zod';
import { parseHook } from '../../hooks/hook-spec.ts';
import { HOOK_EVENTS } from '../../report/hook-call.ts';
import { seconds } from './checks.ts';

/** What the settings of this group must be. */
export const hookShape = {
  hook: z.array(
    z.string().transform((text, ctx) => {
      const spec = parseHook(text, HOOK_EVENTS);
      if (typeof spec !== 'string') return spec;
      ctx.addIssue({ code: 'custom', message: spec });
      return z.NEVER;
    }),
  ),
  'hook-timeout': seconds,
  'skip-hooks': z.boolean(),
};

/** As the run's record keeps it: resumed from another folder, the run must find the same program. */
export function recordedHook(text: string): string {
  const spec = parseHook(text, HOOK_EVENTS);
  if (typeof spec === 'string' || spec.kind === 'url') return text;
  const [program = '', ...args] = spec.words;
  // One that stands in PATH has no folder.
  return `${spec.event}=${JSON.stringify([program.includes('/') ? resolve(program) : program, ...args])}`;
}
