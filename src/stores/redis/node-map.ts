/** One address of a server. */
export interface Node {
  readonly host: string;
  readonly port: number;
}

/**
 * Addresses that servers announce of each other, and those by which they are reached from here: behind a tunnel or a
 * container network they differ. By `host:port`, or by the host alone for all of its ports.
 */
export type NodeMap = Readonly<Record<string, string>>;

/** `host:port`, an IPv6 address in brackets. */
export function nodeText({ host, port }: Node): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads `host:port`; with `port` a bare host, too. Undefined where it is neither. */
export function parseNode(text: string, port?: number): Node | undefined {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::(\d{1,5}))?$/i.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  const given = parts?.[3] === undefined ? port : Number(parts[3]);
  return host === undefined || given === undefined || given < 1 || given > 65_535 ? undefined : { host, port: given };
}

/** Reads entries such as `10.0.0.5:6379=127.0.0.1:16379` and `10.0.0.5=db.example`. Undefined where one is neither. */
export function parseNodeMap(entries: readonly string[]): NodeMap | undefined {
  const map: Record<string, string> = {};
  for (const entry of entries) {
    const [announced = '', reachable = '', ...rest] = entry.split('=');
    const whole = parseNode(announced) !== undefined;
    const to = parseNode(reachable, whole ? undefined : 1);
    const withPort = parseNode(reachable) !== undefined;
    if (rest.length > 0 || parseNode(announced, 1) === undefined || to === undefined || withPort !== whole) {
      return undefined;
    }
    map[announced] = reachable;
  }
  return map;
}

/** Where a node that others announce is reached from here. */
export function reachableNode(announced: Node, map: NodeMap = {}): Node {
  const whole = map[nodeText(announced)];
  if (whole !== undefined) return parseNode(whole) ?? announced;
  const host = map[announced.host];
  return host === undefined ? announced : (parseNode(host, announced.port) ?? announced);
}
