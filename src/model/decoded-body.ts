import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** The codings of a body's Content-Encoding in the order in which they were applied; none where it came as it is. */
export function codingsOf(header: unknown): readonly string[] {
  const names = String(header ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  return names.filter((name) => name !== '' && name !== 'identity');
}

/**
 * The body of an HTTP answer without its codings: a gateway may compress what nobody asked it to. A body without one is
 * given back itself. Reading it fails where a coding is not known, or the body is not what its header says.
 */
export function decodedBody(body: Readable, header: unknown): Readable {
  const codings = codingsOf(header);
  if (codings.length === 0) return body;
  const steps = codings.toReversed().map((name) => DECODERS[name]?.());
  const [first, ...others] = steps.filter((step) => step !== undefined);
  if (first === undefined || others.length + 1 < steps.length) {
    // Unread, it would hold its connection.
    body.on('error', () => undefined).destroy();
    throw new Error(`the answer is encoded as ${codings.join(', ')}, which was not asked for`);
  }
  const last = others.at(-1) ?? first;
  // What goes wrong in any step is the end of the last.
  pipeline([body, first, ...others], () => undefined);
  return last;
}

/** All bytes of it. Fails where they are more than `most`. */
export async function decodedBytes(body: Readable, header: unknown, most = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of decodedBody(body, header) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > most) throw new Error(`the answer is longer than ${most} bytes`);
  }
  return Buffer.concat(chunks, size);
}
