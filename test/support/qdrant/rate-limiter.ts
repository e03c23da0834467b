import { QdrantError } from './qdrant-error.ts';

/** A bucket of one minute's operations, full at the start and refilled steadily. */
export class RateLimiter {
  private readonly perMinute: number;
  private readonly kind: 'Read' | 'Write';
  private tokens: number;
  private readonly now: () => number;
  private checked: number;

  /** `now`: a clock in ms by which the bucket refills. */
  constructor(kind: 'Read' | 'Write', perMinute: number, now: () => number) {
    this.now = now;
    this.checked = now();
    this.kind = kind;
    this.perMinute = perMinute;
    this.tokens = perMinute;
  }

  /** Takes so many tokens, or refuses with 429 and the seconds after which there will be enough. */
  take(cost: number): void {
    const limited = `Rate limiting exceeded: ${this.kind} rate limit exceeded`;
    if (cost > this.perMinute) {
      throw new QdrantError(
        429,
        `${limited}, request larger than rate limiter capacity, please try to split your request`,
      );
    }
    const now = this.now();
    const perSecond = this.perMinute / 60;
    this.tokens = Math.min(this.perMinute, this.tokens + (perSecond * (now - this.checked)) / 1000);
    this.checked = now;
    if (this.tokens >= cost) {
      this.tokens -= cost;
      return;
    }
    const wait = Math.ceil((cost - this.tokens) / perSecond);
    const available = (Math.floor(this.tokens * 10) / 10).toFixed(1);
    throw new QdrantError(
      429,
      `${limited}: Operation requires ${cost} tokens but only ${available} were available. Retry after ${wait}s`,
      wait,
    );
  }
}
