import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

describe('the TCP proxy', () => {
  let echo: Server;
  let proxy: TcpProxy;
  const clients: Socket[] = [];

  const client = async (): Promise<Socket> => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true });
    clients.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  /** What comes back until `bytes` have come or the connection is gone. */
  const received = async (socket: Socket, bytes: number): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    const end = new Promise<void>((resolve) => {
      socket.on('close', resolve);
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (Buffer.concat(chunks).length >= bytes) resolve();
      });
    });
    await end;
    return Buffer.concat(chunks);
  };

  beforeEach(async () => {
    echo = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: (echo.address() as AddressInfo).port } });
  });
  afterEach(async () => {
    for (const socket of clients.splice(0)) socket.destroy();
    await proxy.close();
    echo.close();
  });

  it('delays a round trip by twice the latency', async () => {
    proxy.setLatency(25);
    const socket = await client();
    for (let trip = 0; trip < 3; trip += 1) {
      const start = performance.now();
      socket.write('x');
      await received(socket, 1);
      expect(performance.now() - start).toBeGreaterThanOrEqual(49);
      expect(performance.now() - start).toBeLessThan(120);
    }
  });

  it('keeps order and throughput under latency', async () => {
    proxy.setLatency(25);
    const socket = await client();
    const sent = Buffer.from(Array.from({ length: 8 << 20 }, (_, i) => (i >> 8) ^ i));
    const start = performance.now();
    socket.write(sent);
    expect((await received(socket, sent.length)).equals(sent)).toBe(true);
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it('passes an end on after the data', async () => {
    proxy.setLatency(10);
    const socket = await client();
    socket.end('last words');
    expect((await received(socket, 1_000)).toString()).toBe('last words');
  });

  it('cuts all connections after exactly so many bytes', async () => {
    const socket = await client();
    proxy.cutAfterBytes(5, 'up');
    socket.write('0123456789');
    await received(socket, 100);
    expect(proxy.passed.up).toBe(5);
    expect(socket.destroyed).toBe(true);
    const again = await client();
    again.write('0123456789');
    expect((await received(again, 10)).length).toBe(10);
  });

  it('refuses connections, and takes them again', async () => {
    await proxy.refuse(true);
    await expect(client()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.refuse(false);
    (await client()).end();
  });

  it('passes on what came in while it hung', async () => {
    const socket = await client();
    proxy.hang(true);
    socket.write('late');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(proxy.passed.up).toBe(0);
    proxy.hang(false);
    expect((await received(socket, 4)).toString()).toBe('late');
  });
});
