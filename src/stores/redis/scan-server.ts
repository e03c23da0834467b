import { type ByteString, fromBytes, toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import { keySlot } from './key-slot.ts';
import { isLockKey } from './lock-key.ts';
import type { Reply } from './redis-connection.ts';
import type { ClusterParts, RedisLink } from './redis-link.ts';
import { requireValue } from './redis-refusal.ts';
import { parseServer } from './redis-server.ts';
import { SeenNames } from './seen-names.ts';

interface ScanPage {
  /** The cursor of the next page; 0 where this was the last. */
  readonly next: string;
  readonly keys: readonly ByteString[];
}

/** Of one scan: a server that changes so often is not to be worked on. */
const MOST_LISTINGS = 5;

class OtherServer extends MigrateError {
  /** False where the server does not tell whether it is the same. */
  readonly known: boolean;

  constructor({ what, known, link }: { what: string; known: boolean; link: RedisLink }) {
    super('store', `Redis at ${link.address} ${what}`, {
      store: link.address,
      next: 'see what the server has lost, then type the same command again',
    });
    this.known = known;
  }
}

/** All keys of the server, or of all masters of a cluster side by side, in pages of about `count`: see the interface. */
export async function* scanKeys(
  link: RedisLink,
  count: number,
  onAnew?: () => void,
): AsyncIterable<readonly ByteString[]> {
  for (let listing = 1; ; listing += 1) {
    try {
      yield* link.cluster === undefined ? scanServer(link, count) : scanMasters(link.cluster, count);
      return;
    } catch (error) {
      if (!(error instanceof OtherServer) || onAnew === undefined || listing === MOST_LISTINGS) throw error;
      if (error.known && !link.mayFailOver) throw error;
      onAnew();
    }
  }
}

/**
 * A page of each master is on its way while the caller works, no more. A slot that changes its master meanwhile may hide
 * keys from this scan. Keys of slots that are on their way as it begins are given once, though both ends may list them.
 */
async function* scanMasters(cluster: ClusterParts, count: number): AsyncGenerator<readonly ByteString[]> {
  const migrating = await cluster.migrating();
  const seen = new SeenNames();
  const isNew = (key: ByteString) => {
    const argument = toArgument(key);
    return !migrating.has(keySlot(argument)) || seen.add(argument);
  };
  for await (const page of merged(cluster.masters().map((master) => scanServer(master, count)))) {
    yield migrating.size === 0 ? page : page.filter(isNew);
  }
}

/** What several generators yield, as it comes. Each is asked for its next only when its last was taken. */
async function* merged<T>(sources: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const ask = async (source: AsyncGenerator<T>) => ({ source, result: await source.next() });
  const asked = new Map(sources.map((source) => [source, ask(source)]));
  try {
    while (asked.size > 0) {
      const { source, result } = await Promise.race(asked.values());
      if (result.done === true) asked.delete(source);
      else {
        yield result.value;
        asked.set(source, ask(source));
      }
    }
  } finally {
    // Where the caller leaves early, or one of them fails, nobody awaits the others: their failure concerns nobody.
    for (const [source, next] of asked) {
      next.catch(() => undefined);
      source.return(undefined).catch(() => undefined);
    }
  }
}

async function* scanServer(link: RedisLink, count: number): AsyncGenerator<readonly ByteString[]> {
  const { runId, ...first } = await firstPage(link, count);
  let connections = link.connections;
  let cursor = '0';
  let page = Promise.resolve<ScanPage>(first);
  do {
    const { next, keys } = await page;
    if (connections !== link.connections) {
      connections = link.connections;
      await refuseOtherServer(link, runId);
    }
    cursor = next;
    // The next page is on its way while this one is worked on.
    if (cursor !== '0') {
      page = scanPage(link, cursor, count);
      // Where the caller leaves early nobody awaits that page; a failure then concerns nobody.
      page.catch(() => undefined);
    }
    yield keys;
  } while (cursor !== '0');
}

/** A cursor means nothing to a server that was started anew or took over: keys would be passed over in silence. */
async function refuseOtherServer(link: RedisLink, runId: string): Promise<void> {
  const unknown = 'broke the connection while its keys were listed, and whether it was started anew cannot be told';
  if (runId === '')
    throw new OtherServer({ what: `${unknown}: it has neither run_id nor master_replid`, known: false, link });
  const [info] = await link.read((pipeline) => {
    pipeline.call('INFO');
  });
  if (parseServer(String(requireValue(info, link.address))).runId === runId) return;
  const what = link.mayFailOver ? 'was started anew, or another took over,' : 'was started anew';
  throw new OtherServer({ what: `${what} while its keys were listed`, known: true, link });
}

/** In one pipeline, so that both come from the same server, in one round trip. */
async function firstPage(link: RedisLink, count: number): Promise<ScanPage & { readonly runId: string }> {
  const [info, page] = await link.read((pipeline) => {
    pipeline.call('INFO').callBuffer('SCAN', '0', 'COUNT', String(count));
  });
  return { runId: parseServer(String(requireValue(info, link.address))).runId, ...pageOf(page, link) };
}

async function scanPage(link: RedisLink, cursor: string, count: number): Promise<ScanPage> {
  const [reply] = await link.read((pipeline) => {
    pipeline.callBuffer('SCAN', cursor, 'COUNT', String(count));
  });
  return pageOf(reply, link);
}

function pageOf(reply: Reply | undefined, link: RedisLink): ScanPage {
  const [next, keys] = requireValue(reply, link.address) as [Buffer, Buffer[]];
  return { next: String(next), keys: keys.map(fromBytes).filter((key) => !isLockKey(key)) };
}
