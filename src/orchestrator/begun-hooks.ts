import type { HookPort } from './run-input.ts';

/** The hooks of a part of what has begun already: `before-plan` was called for the whole. */
export function begunHooks(hooks: HookPort | undefined): HookPort | undefined {
  if (hooks === undefined) return undefined;
  return async (moment, signal) => {
    if (moment.event !== 'before-plan') await hooks(moment, signal);
  };
}
