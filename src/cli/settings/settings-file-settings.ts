import { filled } from './checks.ts';

/** What the settings of this group must be. */
export const settingsFileShape = { config: filled.optional(), env: filled.optional() };
