import { z } from 'zod';

/** What the settings of this group must be. */
export const doctorShape = { 'probe-writes': z.boolean() };
