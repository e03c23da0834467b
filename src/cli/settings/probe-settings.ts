import { z } from 'zod';
import { parseProbes } from '../../model/probe-spec.ts';
import { seconds } from './checks.ts';

/** What the settings of this group must be. */
export const probeShape = {
  /** → what each of them looks at, and from where on it restrains the run. */
  probe: z.array(z.string()).transform((items, ctx) => {
    const probes = parseProbes(items);
    if (typeof probes !== 'string') return probes;
    ctx.addIssue({ code: 'custom', message: probes });
    return z.NEVER;
  }),
  'probe-interval': seconds,
};
