import { join } from 'node:path';

/** The project's own folder. */
export const projectFolder = join(import.meta.dirname, '..', '..');

/** Holds what is fetched once (jars, binaries) and the state of servers that stay up. Not in git. */
export const cacheFolder = join(projectFolder, '.services');
