import { z } from 'zod';
import { filled } from './checks.ts';

/** What the settings of this group must be. */
export const reportShape = {
  'report-dir': filled.optional(),
  format: z.enum(['text', 'markdown', 'html', 'json', 'csv']),
};
