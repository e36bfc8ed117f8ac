/**
 * A rate limit per API key: a token bucket that refills evenly.
 *
 * Owns what one process has seen; several servers each allow the full rate. Must not know requests.
 *
 * @module
 */
import { invalidRange } from "../../errors.ts";
import { Problem } from "./problems.ts";

/** API keys that are remembered; one that is forgotten begins with a full bucket. Ours. */
const BUCKETS_MAX = 10_000;
const MS_PER_MINUTE = 60_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** The buckets of all API keys. */
export class RateLimiter {
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param perMinute - requests per minute, at least 1; as many may come at once */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    if (!Number.isInteger(perMinute) || perMinute < 1)
      throw invalidRange("a rate limit is a whole number from 1");
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Takes one request of a key. @throws Problem 429 with Retry-After in seconds */
  take(id: string): void {
    const now = this.#now();
    const bucket = this.#buckets.get(id) ?? { tokens: this.#perMinute, at: now };
    const perMs = this.#perMinute / MS_PER_MINUTE;
    bucket.tokens = Math.min(this.#perMinute, bucket.tokens + (now - bucket.at) * perMs);
    bucket.at = now;
    // In order of use, so that the one longest unused is forgotten first.
    this.#buckets.delete(id);
    this.#buckets.set(id, bucket);
    if (this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value as string);
    if (bucket.tokens < 1) {
      const seconds = Math.ceil((1 - bucket.tokens) / perMs / 1000);
      throw new Problem(429, "ERR_RATE_LIMITED", "Too many requests.", { "retry-after": String(seconds) });
    }
    bucket.tokens -= 1;
  }
}
