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
  readonly #giveUp = new AbortController();
  readonly #queues = new Map<Channel, Promise<void>>();

  constructor(channels: readonly Channel[], tell: (text: string) => void) {
    this.#channels = channels;
    this.#tell = tell;
  }

  add(notice: Notice): void {
    for (const channel of this.#channels) {
      const before = this.#queues.get(channel) ?? Promise.resolve();
      this.#queues.set(
        channel,
        before.then(() => this.#deliver(channel, notice)),
      );
    }
  }

  /** Waits until all is delivered, at most so long. What is not by then is told and given up. */
  async close(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#giveUp.abort(), ms);
    await Promise.all(this.#queues.values());
    clearTimeout(timer);
  }

  async #deliver(channel: Channel, notice: Notice): Promise<void> {
    try {
      await channel.deliver(notice, this.#giveUp.signal);
    } catch (error) {
      this.#tell(`${channel.name} was not told of the ${notice.occasion}: ${errorText(error)}`);
    }
  }
}
