import { parseArgs } from 'node:util';
import { startTcpProxy } from '../../test/support/tcp-proxy.ts';
import { serverFolder, startServerProcess } from '../services/server-process.ts';

/** Added to each direction: half of the round trip that is added. */
export const LINK_LATENCY_MS = 25;

/** A slow way to a server, in a process of its own: in ours the proxy's work would count as the mover's. */
export interface SlowLink {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startSlowLink(port: number): Promise<SlowLink> {
  const { said, stop } = await startServerProcess({
    name: 'slow link',
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), import.meta.filename, '--port', `${port}`],
    dir: await serverFolder('slow-link'),
    lifetime: 'with-parent',
    ready: /^listening on (\d+)$/m,
    timeout: 20_000,
  });
  return { port: Number(said[1]), stop };
}

/** The same address behind the link. */
export function through(url: string, link: SlowLink): string {
  const slow = new URL(url);
  slow.port = `${link.port}`;
  return slow.toString().replace(/\/$/, '');
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '' } } });
  const target = { host: '127.0.0.1', port: Number(values.port) };
  const proxy = await startTcpProxy({ target, latencyMs: LINK_LATENCY_MS });
  console.log(`listening on ${proxy.port}`);
}
