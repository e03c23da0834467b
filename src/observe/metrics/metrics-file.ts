import { constants } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorText, MigrateError } from '../../model/errors.ts';

/** Never through a link: the folder may be one into which others write, and the name can be guessed. */
const ANEW = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NOFOLLOW ?? 0);

/** A file that others read at any moment: it is replaced as a whole. */
export class MetricsFile {
  readonly #path: string;
  readonly #aside: string;
  /** Files that end so are read by who takes OpenMetrics; node_exporter takes the older format only. */
  readonly format: 'prometheus' | 'openmetrics';

  private constructor(path: string, pid: number) {
    this.#path = path;
    // Not `*.prom`, which node_exporter would read half-written.
    this.#aside = join(dirname(path), `.${basename(path)}.${pid}.new`);
    this.format = path.endsWith('.openmetrics') ? 'openmetrics' : 'prometheus';
  }

  /** Throws MigrateError `refused` where no such file can be written. What is there already stays. */
  static async at(path: string, pid: number): Promise<MetricsFile> {
    const file = new MetricsFile(path, pid);
    try {
      if ((await stat(path).catch(ifMissing))?.isDirectory()) throw new Error('it is a folder');
      await (await open(file.#aside, ANEW, 0o644)).close();
      await rm(file.#aside);
    } catch (error) {
      const next = 'make its folder, and let this user write into it, or leave --metrics-file out';
      throw new MigrateError('refused', `--metrics-file ${path} cannot be written: ${errorText(error)}`, { next });
    }
    return file;
  }

  async write(text: string): Promise<void> {
    const file = await open(this.#aside, ANEW, 0o644);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    await rename(this.#aside, this.#path);
  }
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
