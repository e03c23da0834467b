import { errorText } from '../../model/errors.ts';
import type { Notice } from './notice.ts';

/** One way of telling. */
export interface Channel {
  /** For people, without what is secret: `slack (hooks.slack.com)`. */
  readonly name: string;
  /** Tries as often as is sensible; throws why it could not be delivered. Gives up when the signal is aborted. */
  deliver(notice: Notice, signal: AbortSignal): Promise<void>;
}

/** Delivers behind the run's back: each channel in order, no channel waits for another, and no run for any. */
export class Outbox {
  readonly #channels: readonly Channel[];
  readonly #tell: (text: string) => void;
  /** One for each notice, in their order. */
  readonly #giveUps: AbortController[] = [];
  readonly #queues = new Map<Channel, Promise<void>>();

  constructor(channels: readonly Channel[], tell: (text: string) => void) {
    this.#channels = channels;
    this.#tell = tell;
  }

  add(notice: Notice): void {
    const giveUp = new AbortController();
    this.#giveUps.push(giveUp);
    for (const channel of this.#channels) {
      const before = this.#queues.get(channel) ?? Promise.resolve();
      this.#queues.set(
        channel,
        before.then(() => this.#deliver(channel, notice, giveUp.signal)),
      );
    }
  }

  /**
   * Waits until all is delivered, at most so long. What is not by then is told and given up. Half of the time is the last
   * notice's own: how a run ended must not be lost behind its start.
   */
  async close(ms: number): Promise<void> {
    const giveUp = (which: readonly AbortController[]) => {
      for (const one of which) one.abort();
    };
    const timers = [
      setTimeout(() => giveUp(this.#giveUps.slice(0, -1)), ms / 2),
      setTimeout(() => giveUp(this.#giveUps), ms),
    ];
    await Promise.all(this.#queues.values());
    for (const timer of timers) clearTimeout(timer);
  }

  async #deliver(channel: Channel, notice: Notice, signal: AbortSignal): Promise<void> {
    try {
      await channel.deliver(notice, signal);
    } catch (error) {
      this.#tell(`${channel.name} was not told of the ${notice.occasion}: ${errorText(error)}`);
    }
  }
}
