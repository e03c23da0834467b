import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from 'vitest';
import { serveMetrics } from '../../../src/observe/metrics/metrics-server.ts';

test('no request, whatever it asks for, ends the process that serves metrics', async () => {
  const port = await freePort();
  const server = await serveMetrics({ host: '127.0.0.1', port }, async () => 'a 1\n');
  const first = async (path: string) => (await said(port, path)).split('\r\n')[0];
  for (const path of ['//', '//[', '//metrics']) expect(await first(path)).toBe('HTTP/1.1 404 Not Found');
  for (const path of ['/metrics', '/metrics?name[]=a', 'http://[::1]:9090/metrics']) {
    expect(await first(path)).toBe('HTTP/1.1 200 OK');
  }
  await server.close();
});

async function said(port: number, path: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await once(socket, 'close');
  return text;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
