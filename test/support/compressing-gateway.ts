import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { request } from 'undici';

const CODINGS = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync } as const;

/** A gateway that compresses every answer, whoever asked for it; several codings are applied in order. */
export async function startCompressingGateway(
  upstream: string,
  codings: readonly string[],
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const { 'content-length': _, host: __, connection: ___, 'transfer-encoding': ____, ...headers } = incoming.headers;
    const answer = await request(`${upstream}${incoming.url}`, {
      method: incoming.method as 'GET',
      headers,
      body: chunks.length === 0 ? null : Buffer.concat(chunks),
    });
    const plain = Buffer.from(await answer.body.arrayBuffer());
    // One that nobody knows is named only.
    const body = codings.reduce((bytes, name) => CODINGS[name as 'gzip']?.(bytes) ?? bytes, plain);
    const { 'content-length': _____, 'transfer-encoding': ______, ...kept } = answer.headers;
    outgoing.writeHead(answer.statusCode, { ...kept, 'content-encoding': codings.join(', ') });
    outgoing.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
