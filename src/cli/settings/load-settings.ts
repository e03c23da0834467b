import { z } from 'zod';
import { NOT_A_RATE, parseRates } from '../../model/rates.ts';
import { duration, whole } from './checks.ts';

/** What the settings of this group must be. */
export const loadShape = {
  /** → records a second of each stage. */
  rate: z
    .string()
    .transform((text, ctx) => {
      const rates = parseRates(text);
      if (rates !== undefined) return rates;
      ctx.addIssue({ code: 'custom', message: NOT_A_RATE });
      return z.NEVER;
    })
    .optional(),
  concurrency: whole(1, 32).optional(),
  retries: whole(0, 100),
  /** → ms. */
  'retry-delay': duration(0, 600_000),
  'retry-backoff': z
    .string()
    .regex(/^\d+(\.\d+)?$/, 'is not a number')
    .transform(Number)
    .refine((factor) => factor >= 1 && factor <= 10, 'must be between 1 and 10'),
};
