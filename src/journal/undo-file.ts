import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Json } from '../model/json.ts';
import type { BatchId, UndoBatch, UndoPort } from '../stages/stage.ts';

interface Line {
  readonly id: BatchId;
  readonly offset: number;
  readonly length: number;
}

interface Waiting {
  readonly text: Buffer;
  readonly id: BatchId;
  resolve(id: BatchId): void;
  reject(error: unknown): void;
}

const NEWLINE = 0x0a;
const READ_CHUNK = 1 << 20;

/**
 * One stage's undo log as a plain file: one JSON line a batch, `[id, [entries…]]`. Appends that wait together
 * share one write and one fdatasync. A torn last line, left by a crash before its batch was sent, is dropped on open.
 */
export class UndoFile implements UndoPort {
  readonly #file: FileHandle;
  readonly #lines: Line[];
  #end: number;
  #nextId: BatchId;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  /** Set by the first write that failed: what it left in the file is unknown, so nothing is written behind it. */
  #broken: unknown;

  private constructor(file: FileHandle, lines: Line[], end: number) {
    this.#file = file;
    this.#lines = lines;
    this.#end = end;
    this.#nextId = (lines.at(-1)?.id ?? 0) + 1;
  }

  /** Opens or makes the file (mode 0600). Throws where it cannot be written. */
  static async open(path: string): Promise<UndoFile> {
    const file = await open(path, 'a+', 0o600);
    try {
      const { lines, end } = await indexLines(file);
      await file.truncate(end);
      await syncFolder(dirname(path));
      return new UndoFile(file, lines, end);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** True where no batch was ever logged: nothing was written to the store. */
  get empty(): boolean {
    return this.#lines.length === 0 && this.#waiting.length === 0;
  }

  append(entries: readonly Json[]): Promise<BatchId> {
    const id = this.#nextId;
    const text = Buffer.from(`${JSON.stringify([id, entries])}\n`);
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, id, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async *read(): AsyncIterable<UndoBatch> {
    await this.#flushing;
    for (let index = this.#lines.length - 1; index >= 0; index -= 1) {
      const line = this.#lines[index];
      if (line === undefined) return;
      const buffer = Buffer.alloc(line.length);
      await this.#file.read(buffer, 0, line.length, line.offset);
      const [id, entries] = JSON.parse(buffer.toString('utf8')) as [BatchId, Json[]];
      yield { id, entries };
    }
  }

  /** Waits for the last append. Appending afterwards is an error of the caller. */
  async close(): Promise<void> {
    await this.#flushing;
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    // Let the appends of this turn of the event loop join the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#broken !== undefined) throw this.#broken;
        await this.#commit(group);
      } catch (error) {
        this.#broken = error;
        for (const waiting of group) waiting.reject(error);
      }
    }
    this.#flushing = undefined;
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    await this.#file.appendFile(Buffer.concat(group.map((waiting) => waiting.text)));
    await this.#file.datasync();
    for (const waiting of group) {
      this.#lines.push({ id: waiting.id, offset: this.#end, length: waiting.text.length });
      this.#end += waiting.text.length;
      waiting.resolve(waiting.id);
    }
  }
}

/** Makes the file's name durable; fdatasync makes only its content so. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function indexLines(file: FileHandle): Promise<{ lines: Line[]; end: number }> {
  const lines: Line[] = [];
  let end = 0;
  let position = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_CHUNK), 0, READ_CHUNK, position);
    if (bytesRead === 0) return { lines, end };
    for (let at = buffer.indexOf(NEWLINE); at >= 0 && at < bytesRead; at = buffer.indexOf(NEWLINE, at + 1)) {
      const next = position + at + 1;
      lines.push({ id: lines.length + 1, offset: end, length: next - end });
      end = next;
    }
    position += bytesRead;
  }
}
