import { SLOTS } from './key-slot.ts';
import type { Node } from './node-map.ts';

/** Who holds which slots. */
export interface Topology {
  /** By node id. */
  readonly masters: ReadonlyMap<string, Node>;
  /** The node id for each slot; undefined where nobody holds it. */
  readonly owners: readonly (string | undefined)[];
}

/** Reads the reply to CLUSTER SLOTS. `asked` is the host that was asked: a node that does not know its own has it. */
export function parseTopology(reply: unknown, asked: string): Topology {
  const masters = new Map<string, Node>();
  const owners: (string | undefined)[] = new Array<undefined>(SLOTS).fill(undefined);
  for (const range of reply as unknown[][]) {
    const [first, last, master] = range;
    const [host, port, id] = master as [unknown, unknown, unknown];
    const name = String(id ?? `${host}:${port}`);
    const known = host !== null && host !== '' && host !== '?';
    masters.set(name, { host: known ? String(host) : asked, port: Number(port) });
    owners.fill(name, Number(first), Number(last) + 1);
  }
  return { masters, owners };
}

/** The slots that CLUSTER NODES names as being on their way: `[slot->-node]` or `[slot-<-node]`, in the line of the asked. */
export function migratingSlots(nodes: string): readonly number[] {
  return [...nodes.matchAll(/\[(\d+)-[<>]-/g)].map(([, slot]) => Number(slot));
}

/** Where a refused command belongs: `MOVED <slot> <host>:<port>` or `ASK …`. The host may be empty, or hold colons. */
export function parseRedirect(error: string): (Node & { readonly kind: 'MOVED' | 'ASK' }) | undefined {
  const match = /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(error.trim());
  if (match === null) return undefined;
  return { kind: match[1] === 'ASK' ? 'ASK' : 'MOVED', host: match[2] ?? '', port: Number(match[3]) };
}
