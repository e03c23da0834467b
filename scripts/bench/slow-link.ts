import { parseArgs } from 'node:util';
import { startTcpProxy } from '../../test/support/tcp-proxy.ts';
import { serverFolder, startServerProcess } from '../services/server-process.ts';

/** Added to each direction where nothing else is asked for: half of the round trip that is added. */
const LINK_LATENCY_MS = 25;

/** A slow way to a server, in a process of its own: in ours the proxy's work would count as the mover's. */
export interface SlowLink {
  readonly port: number;
  stop(): Promise<void>;
}

/** `latencyMs`: added to each direction. */
export async function startSlowLink(port: number, latencyMs = LINK_LATENCY_MS): Promise<SlowLink> {
  const { said, stop } = await startServerProcess({
    name: 'slow link',
    command: process.execPath,
    args: [
      '--import',
      import.meta.resolve('tsx'),
      import.meta.filename,
      '--port',
      `${port}`,
      '--latency',
      `${latencyMs}`,
    ],
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
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '' }, latency: { type: 'string', default: '0' } },
  });
  const target = { host: '127.0.0.1', port: Number(values.port) };
  const proxy = await startTcpProxy({ target, latencyMs: Number(values.latency) });
  console.log(`listening on ${proxy.port}`);
}
