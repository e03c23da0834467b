/** One change of a file that is about to be made, or was made. */
export interface FileOperation {
  readonly kind: 'open' | 'write' | 'sync' | 'truncate' | 'rename' | 'mkdir' | 'link' | 'rm';
  readonly path: string;
  /** Of a write: its bytes. */
  readonly length?: number;
  /** Of a write, before it: writes only so many of its bytes, at once. */
  readonly part?: (length: number) => number;
}

export interface FileHook {
  /** Whether operations on this path are of interest. */
  wants(path: string): boolean;
  /** What it throws, the operation fails with. */
  before(operation: FileOperation): void | Promise<void>;
  after?(operation: FileOperation): void | Promise<void>;
}

/** Puts a hook before and after every change of a file through node:fs/promises, for all importers. */
export function interceptFiles(hook: FileHook): void;
