import { readFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { tlsFile } from './redis-tls.ts';

/** TLS in front of a server that speaks none, with the certificate for `redis.example` and 127.0.0.1. */
export async function startTlsFront(port: number) {
  const files = { cert: readFileSync(tlsFile('server.crt')), key: readFileSync(tlsFile('server.key')) };
  const open = new Set<TLSSocket>();
  const server = createServer(files, (near) => {
    const far = connect({ port, host: '127.0.0.1' });
    open.add(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async (): Promise<void> => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
