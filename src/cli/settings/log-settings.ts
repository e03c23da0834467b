import { z } from 'zod';
import { filled } from './checks.ts';

/** What the settings of this group must be. */
export const logShape = {
  'log-format': z.enum(['text', 'json']),
  'log-file': filled.optional(),
};
