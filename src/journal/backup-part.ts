import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';
import { errorText } from '../model/errors.ts';
import type { BackupBatch, BackupLine } from '../stages/stage.ts';
import { TO_READ } from './no-follow.ts';

/** What a part's file holds, as the manifest names it. */
export interface PartContent {
  readonly file: string;
  /** Lines by their kind. */
  readonly records: Readonly<Record<string, number>>;
  /** Of the file as it lies on disk. */
  readonly bytes: number;
  readonly sha256: string;
}

/** A part that was just written. */
export interface WrittenPart extends PartContent {
  /** What the stage said that a backup cannot hold. */
  readonly notKept: readonly string[];
}

/** Lines handed over at once, and the bytes from which they are cut. */
const LINES_AT_ONCE = 1_000;
const CHUNK_BYTES = 1 << 20;

/**
 * Writes a part as gzip of one JSON text a line, as fast as it is taken: what is in memory is a batch. Durable when it
 * resolves. The file must not exist.
 */
export async function writePart(path: string, file: string, batches: AsyncIterable<BackupBatch>): Promise<WrittenPart> {
  const hash = createHash('sha256');
  const records: Record<string, number> = {};
  const notKept: string[] = [];
  let bytes = 0;
  await pipeline(
    async function* lines() {
      for await (const batch of batches) {
        notKept.push(...(batch.notKept ?? []));
        for (const { kind } of batch.lines) records[kind] = (records[kind] ?? 0) + 1;
        yield* chunks(batch.lines);
      }
    },
    createGzip({ level: constants.Z_BEST_SPEED }),
    async function* counted(source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    },
    createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }),
  );
  return { file, records, bytes, sha256: hash.digest('hex'), notKept };
}

/** Lines joined to chunks: a stream handles each chunk at a cost of its own. */
function* chunks(lines: readonly BackupLine[]): Generator<Buffer> {
  let texts: string[] = [];
  let length = 0;
  for (const { text } of lines) {
    texts.push(text);
    length += text.length;
    if (length < CHUNK_BYTES) continue;
    yield Buffer.from(`${texts.join('\n')}\n`);
    texts = [];
    length = 0;
  }
  if (texts.length > 0) yield Buffer.from(`${texts.join('\n')}\n`);
}

/** The part's lines in batches. Throws where the file cannot be read or unpacked. */
export async function* readPart(path: string): AsyncGenerator<readonly string[]> {
  yield* linesOf(unpacked(bytesOf(path)));
}

/** What is wrong with a part's file, or undefined: its digest, its lines and their numbers are looked at. */
export async function partProblem(path: string, expected: PartContent): Promise<string | undefined> {
  const hash = createHash('sha256');
  const records: Record<string, number> = {};
  let bytes = 0;
  const tapped = async function* tapped() {
    for await (const chunk of bytesOf(path)) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  };
  try {
    for await (const lines of linesOf(unpacked(tapped()))) {
      for (const line of lines) {
        // Only whether it is JSON, and of what kind: the values are not used, so that rounding them does no harm.
        const { kind } = JSON.parse(line) as { readonly kind?: unknown };
        records[String(kind)] = (records[String(kind)] ?? 0) + 1;
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'is missing';
    return `cannot be read to its end (${error instanceof SyntaxError ? 'a line is no JSON' : errorText(error)})`;
  }
  if (bytes !== expected.bytes || hash.digest('hex') !== expected.sha256) return 'is not as it was written (SHA-256)';
  const differing = Object.keys({ ...records, ...expected.records }).find(
    (kind) => records[kind] !== expected.records[kind],
  );
  if (differing === undefined) return undefined;
  return `holds ${records[differing] ?? 0} lines of kind ${differing} in place of ${expected.records[differing] ?? 0}`;
}

async function* bytesOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path, TO_READ);
  for await (const chunk of file.createReadStream()) yield chunk as Buffer;
}

async function* unpacked(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const feeding = pipeline(source, gunzip);
  // Told by the reading below too, which ends first where the caller leaves early.
  feeding.catch(() => undefined);
  for await (const chunk of gunzip) yield chunk as Buffer;
  await feeding;
}

const NEWLINE = 0x0a;

/** By the byte: a line may hold any character that other readers take for the end of one. */
async function* linesOf(source: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  let rest: Buffer[] = [];
  for await (const chunk of source) {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end < 0) {
      rest.push(chunk);
      continue;
    }
    const text = Buffer.concat([...rest, chunk.subarray(0, end)]).toString('utf8');
    rest = [chunk.subarray(end + 1)];
    yield* batched(text.split('\n'));
  }
  const last = Buffer.concat(rest).toString('utf8');
  if (last !== '') yield [last];
}

function* batched(lines: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < lines.length; at += LINES_AT_ONCE) yield lines.slice(at, at + LINES_AT_ONCE);
}
