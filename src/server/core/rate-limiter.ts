/**
 * A rate limit per API key: a token bucket that refills evenly.
 *
 * Owns the buckets; several servers each allow the full rate. Must not know requests, nor which process asks.
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
    const { granted, retryAfterS } = this.takeUpTo(id, 1);
    if (granted < 1) throw rateLimited(retryAfterS);
  }

  /**
   * Takes up to `count` requests of a key.
   *
   * @returns how many there were, and if there was none, seconds until there is one
   */
  takeUpTo(id: string, count: number): { readonly granted: number; readonly retryAfterS: number } {
    const now = this.#now();
    const bucket = this.#buckets.get(id) ?? { tokens: this.#perMinute, at: now };
    const perMs = this.#perMinute / MS_PER_MINUTE;
    bucket.tokens = Math.min(this.#perMinute, bucket.tokens + (now - bucket.at) * perMs);
    bucket.at = now;
    // In order of use, so that the one longest unused is forgotten first.
    this.#buckets.delete(id);
    this.#buckets.set(id, bucket);
    if (this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value as string);
    const granted = Math.min(count, Math.floor(bucket.tokens));
    bucket.tokens -= granted;
    return { granted, retryAfterS: granted > 0 ? 0 : Math.ceil((1 - bucket.tokens) / perMs / 1000) };
  }
}

/** The refusal of a request beyond the rate. */
export function rateLimited(retryAfterS: number): Problem {
  return new Problem(429, "ERR_RATE_LIMITED", "Too many requests.", { "retry-after": String(retryAfterS) });
}
