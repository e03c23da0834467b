import { toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import { migratingSlots, parseRedirect, parseTopology, type Topology } from './cluster-topology.ts';
import { keySlot, SLOTS } from './key-slot.ts';
import { type Node, reachableNode } from './node-map.ts';
import { type CommandSink, keyOf, type Recorded, Recorder } from './recorded-commands.ts';
import {
  ConnectionLost,
  isLost,
  isPassing,
  RedisConnection,
  type RedisSettings,
  type Reply,
  replyError,
  triesOf,
} from './redis-connection.ts';
import type { ClusterParts, RedisLink } from './redis-link.ts';
import { requireValue } from './redis-refusal.ts';

/** Of one command, from master to master. */
const MOST_REDIRECTS = 8;

/**
 * The masters of a Redis Cluster behind the face of one connection. Each command goes to the master of its key's slot,
 * the replies come in the caller's order. A command that a master refused with MOVED or ASK was not executed, so it is
 * sent to the right one; nothing else is sent twice. The driver's own cluster client is not used, since it replays.
 */
export class RedisCluster implements RedisLink {
  readonly address: string;
  readonly cluster: ClusterParts;
  readonly #settings: RedisSettings;
  readonly #seed: RedisConnection;
  /** By announced host:port. */
  readonly #links = new Map<string, RedisConnection>();
  readonly #lost = new Set<RedisConnection>();
  readonly #recovering = new Map<RedisConnection, Promise<void>>();
  #topology: Topology = { masters: new Map(), owners: [] };
  #refreshing: Promise<void> | undefined;

  constructor(settings: RedisSettings, seed: RedisConnection) {
    this.#settings = settings;
    this.#seed = seed;
    this.address = seed.address;
    this.cluster = {
      masters: () => this.#masters(),
      masterOf: (key) => this.#ownerOf(toArgument(key)),
      together: (a, b) => keySlot(toArgument(a)) === keySlot(toArgument(b)),
      tags: () => this.#tags(),
      refresh: () => this.#refresh(),
      migrating: () => this.#migrating(),
    };
  }

  get connections(): number {
    return [...this.#links.values()].reduce((sum, { connections }) => sum + connections, 0);
  }

  /** That a replica takes a master's place is seen by its own connection, not waited for. */
  get mayFailOver(): boolean {
    return false;
  }

  /** Connections to several servers have no number in common. */
  get clientId(): string | undefined {
    return undefined;
  }

  get clientName(): string {
    return this.#seed.clientName;
  }

  /** Learns the masters and connects to each. Throws MigrateError where one of them cannot be reached. */
  async open(): Promise<void> {
    await this.#refresh();
    await Promise.all(this.#masters().map((master) => master.open()));
  }

  async pipeline(build: (pipeline: CommandSink) => void): Promise<readonly Reply[]> {
    const recorder = new Recorder();
    build(recorder);
    const replies: Reply[] = new Array<Reply>(recorder.commands.length);
    await this.#deliver(recorder.commands, replies, 0);
    return replies;
  }

  read(build: (pipeline: CommandSink) => void): Promise<readonly Reply[]> {
    return this.#readAgain(build, (reply) => isPassing(replyError(reply)));
  }

  readOnce(build: (pipeline: CommandSink) => void): Promise<readonly Reply[]> {
    return this.#readAgain(build, () => false);
  }

  /** See {@link RedisConnection.recover}: of every connection that was lost. A master that has left need not come back. */
  async recover(attempt: number, reason: string): Promise<void> {
    if (attempt >= triesOf(this.#settings)) throw this.#gaveUp(reason);
    // Where only the asking for the masters failed, nothing was sent.
    if (this.#lost.size + this.#recovering.size === 0) await this.pauseBeforeRetry(attempt, reason);
    for (const link of [...this.#lost]) {
      if (this.#recovering.has(link)) continue;
      const recovery = this.#recoverOne(link, attempt, reason).finally(() => {
        this.#recovering.delete(link);
        this.#lost.delete(link);
      });
      this.#recovering.set(link, recovery);
    }
    await Promise.all(this.#recovering.values());
    await this.#refreshIfPossible();
  }

  async #recoverOne(link: RedisConnection, attempt: number, reason: string): Promise<void> {
    try {
      await link.recover(attempt, reason);
    } catch (error) {
      if (!isLost(error)) throw error;
      await this.#refresh();
      // A replica has taken its place: what the old master still does is not the cluster's any more.
      if (this.#masters().includes(link)) throw error;
      await link.close();
    }
  }

  pauseBeforeRetry(attempt: number, reason: string): Promise<void> {
    return this.#seed.pauseBeforeRetry(attempt, reason);
  }

  async close(): Promise<void> {
    await Promise.all([this.#seed, ...this.#links.values()].map((link) => link.close()));
  }

  async #readAgain(
    build: (pipeline: CommandSink) => void,
    passes: (reply: Reply) => boolean,
  ): Promise<readonly Reply[]> {
    for (let attempt = 1; ; attempt += 1) {
      let reason: string;
      try {
        const replies = await this.pipeline(build);
        const passing = replies.find(passes);
        if (passing === undefined) return replies;
        reason = replyError(passing);
      } catch (error) {
        if (!isLost(error)) throw error;
        reason = error.message;
      }
      if (attempt >= triesOf(this.#settings)) throw this.#gaveUp(reason);
      await this.pauseBeforeRetry(attempt, reason);
      await this.#refreshIfPossible();
    }
  }

  /** Sends each command to its master, and on where that says so. All have answered before a loss is told. */
  async #deliver(commands: readonly Recorded[], replies: Reply[], redirects: number): Promise<void> {
    const groups = new Map<RedisConnection, Recorded[]>();
    for (const recorded of commands) {
      const key = keyOf(recorded.command);
      const link = key === undefined ? this.#anyMaster() : this.#ownerOf(key);
      const group = groups.get(link);
      if (group === undefined) groups.set(link, [recorded]);
      else group.push(recorded);
    }
    const sent = [...groups].map(async ([link, group]) => this.#send(link, group, replies));
    await settledAll(sent);
    await this.#redirect(commands, replies, redirects);
  }

  async #send(link: RedisConnection, group: readonly Recorded[], replies: Reply[], asking = false): Promise<void> {
    try {
      const answers = await link.pipeline((pipeline) => {
        for (const { command, bytes } of group) {
          if (asking) pipeline.call('ASKING');
          const [name, ...args] = command;
          if (bytes) pipeline.callBuffer(name, ...args);
          else pipeline.call(name, ...args);
        }
      });
      for (const [at, { index }] of group.entries()) {
        const answer = answers[asking ? 2 * at + 1 : at];
        if (answer !== undefined) replies[index] = answer;
      }
    } catch (error) {
      if (isLost(error)) this.#lost.add(link);
      throw error;
    }
  }

  async #redirect(commands: readonly Recorded[], replies: Reply[], redirects: number): Promise<void> {
    const moved: Recorded[] = [];
    const asked = new Map<RedisConnection, Recorded[]>();
    for (const recorded of commands) {
      const reply = replies[recorded.index];
      const to = reply === undefined ? undefined : parseRedirect(replyError(reply));
      if (to === undefined) continue;
      if (to.kind === 'MOVED') moved.push(recorded);
      else {
        const link = this.#linkTo(to.host === '' ? { ...to, host: this.#settings.host } : to);
        asked.set(link, [...(asked.get(link) ?? []), recorded]);
      }
    }
    if (moved.length + asked.size === 0 || redirects >= MOST_REDIRECTS) return;
    await settledAll([...asked].map(([link, group]) => this.#send(link, group, replies, true)));
    const again = [...asked.values()].flat().filter(({ index }) => isRedirect(replies[index]));
    if (moved.length + again.length === 0) return;
    // A slot that is told to be where it is not is on its way: it settles within moments.
    if (redirects > 1) await this.pauseBeforeRetry(redirects, 'slots are on their way');
    await this.#refresh();
    await this.#deliver([...moved, ...again], replies, redirects + 1);
  }

  #masters(): readonly RedisConnection[] {
    return [...this.#topology.masters].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => this.#linkTo(address));
  }

  #anyMaster(): RedisConnection {
    return this.#masters()[0] ?? this.#seed;
  }

  #ownerOf(key: string | Buffer): RedisConnection {
    const address = this.#topology.masters.get(this.#topology.owners[keySlot(key)] ?? '');
    // Whoever is asked says that nobody holds the slot (CLUSTERDOWN), or who does.
    return address === undefined ? this.#anyMaster() : this.#linkTo(address);
  }

  #linkTo({ host, port }: Node): RedisConnection {
    const announced = `${host}:${port}`;
    let link = this.#links.get(announced);
    if (link === undefined) {
      link = new RedisConnection(nodeSettings(this.#settings, { host, port }));
      this.#links.set(announced, link);
    }
    return link;
  }

  /** Where nobody answers, the next request tells so. */
  async #refreshIfPossible(): Promise<void> {
    await this.#refresh().catch((error: unknown) => {
      if (!isLost(error)) throw error;
    });
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#learn().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** From the first node that answers: the one that is known to be up comes first. */
  async #learn(): Promise<void> {
    const known = [this.#seed, ...this.#masters().filter((link) => !this.#lost.has(link))];
    let failure: unknown;
    for (const link of known) {
      try {
        const [reply] = await link.pipeline((pipeline) => {
          pipeline.call('CLUSTER', 'SLOTS');
        });
        this.#topology = parseTopology(requireValue(reply, link.address), this.#settings.host);
        return;
      } catch (error) {
        if (!isLost(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #migrating(): Promise<ReadonlySet<number>> {
    const lines = await Promise.all(
      this.#masters().map(async (link) => {
        const [reply] = await link.read((pipeline) => {
          pipeline.call('CLUSTER', 'NODES');
        });
        return String(requireValue(reply, link.address));
      }),
    );
    return new Set(lines.flatMap(migratingSlots));
  }

  #tags(): readonly string[] {
    const tags = new Map<string, string>();
    const { masters, owners } = this.#topology;
    for (let at = 0; at < SLOTS && tags.size < masters.size; at += 1) {
      const owner = owners[keySlot(`t${at}`)];
      if (owner !== undefined && !tags.has(owner)) tags.set(owner, `{t${at}}`);
    }
    return [...tags.values()];
  }

  #gaveUp(reason: string): MigrateError {
    return new MigrateError(
      'store',
      `the cluster at ${this.address} gave no answer after ${triesOf(this.#settings)} tries: ${reason}`,
      {
        store: this.address,
        retryable: true,
        next: 'see that all its masters are up, then type the same command again',
      },
    );
  }
}

/** How a node is reached that the cluster announces at this address. */
function nodeSettings(settings: RedisSettings, announced: Node): RedisSettings {
  return { ...settings, ...reachableNode(announced, settings.nodeMap), announced: true };
}

function isRedirect(reply: Reply | undefined): boolean {
  return reply !== undefined && parseRedirect(replyError(reply)) !== undefined;
}

/** Waits for all, then throws the first failure: one that is no loss before one that is. */
async function settledAll(work: readonly Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(work)).flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  const worst = failures.find((failure) => !isLost(failure)) ?? failures[0];
  if (worst instanceof ConnectionLost || worst instanceof Error) throw worst;
}
