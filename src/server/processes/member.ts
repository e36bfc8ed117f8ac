/**
 * One of several processes that serve one port.
 *
 * Owns the member's side of what they have in common: requests of the rate limit that it took ahead, and the question for
 * the metrics of all. Must not know requests, nor how processes are started and ended.
 *
 * @module
 */
import { Metrics } from "../core/metrics.ts";
import type { ProcessGroup } from "../core/process-group.ts";
import { rateLimited } from "../core/rate-limiter.ts";
import { RATE_AHEAD_KEYS_MAX, RATE_AHEAD_MAX, RATE_AHEAD_MS, RATE_AHEAD_PART } from "../limits.ts";
import type { FromMember, ToMember } from "./messages.ts";

/** The way to the head of the group. */
export interface HeadLink {
  send(message: FromMember): void;
  listen(listener: (message: ToMember) => void): void;
}

/** A member of a group. */
export interface Member extends ProcessGroup {
  /** Resolves when the head wants this process to end. */
  readonly stopped: Promise<void>;
}

/**
 * Joins the group behind a link.
 *
 * @param requestsPerMinute - the rate limit of the group; undefined for none
 */
export function joinGroup(
  link: HeadLink,
  requestsPerMinute: number | undefined,
  now: () => number = () => performance.now(),
): Member {
  const metrics = new Metrics();
  const stopped = Promise.withResolvers<void>();
  const rates =
    requestsPerMinute === undefined
      ? undefined
      : new TakenAhead(aheadOf(requestsPerMinute), now, (apiKeyId, count) =>
          link.send({ coffer: "take", apiKeyId, count }),
        );
  let collecting: PromiseWithResolvers<string> | undefined;
  link.listen((message) => {
    switch (message.coffer) {
      case "taken":
        rates?.taken(message.apiKeyId, message.granted, message.retryAfterS);
        break;
      case "snapshot":
        link.send({ coffer: "snapshot", own: metrics.snapshot() });
        break;
      case "collected":
        collecting?.resolve(Metrics.sumOf(message.all).render());
        collecting = undefined;
        break;
      case "stop":
        stopped.resolve();
        break;
    }
  });
  return {
    metrics,
    stopped: stopped.promise,
    take: (apiKeyId) => rates?.take(apiKeyId),
    renderMetrics: () => {
      if (collecting === undefined) {
        collecting = Promise.withResolvers();
        link.send({ coffer: "collect", own: metrics.snapshot() });
      }
      return collecting.promise;
    },
  };
}

const aheadOf = (requestsPerMinute: number): number =>
  Math.min(RATE_AHEAD_MAX, Math.floor(requestsPerMinute * RATE_AHEAD_PART));

/** Requests of rate limits that this process may let through without asking again. */
class TakenAhead {
  readonly #ahead: number;
  readonly #now: () => number;
  readonly #ask: (apiKeyId: string, count: number) => void;
  readonly #kept = new Map<string, { count: number; readonly until: number }>();
  /** Those that wait for an answer, which is under way. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>[]>();

  constructor(ahead: number, now: () => number, ask: (apiKeyId: string, count: number) => void) {
    this.#ahead = ahead;
    this.#now = now;
    this.#ask = ask;
  }

  take(apiKeyId: string): void | Promise<void> {
    const kept = this.#kept.get(apiKeyId);
    if (kept !== undefined && kept.count > 0 && this.#now() < kept.until) {
      kept.count -= 1;
      return undefined;
    }
    const taken = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(apiKeyId);
    if (waiting !== undefined) waiting.push(taken);
    else {
      this.#waiting.set(apiKeyId, [taken]);
      this.#ask(apiKeyId, 1 + this.#ahead);
    }
    return taken.promise;
  }

  taken(apiKeyId: string, granted: number, retryAfterS: number): void {
    const waiting = this.#waiting.get(apiKeyId) ?? [];
    this.#waiting.delete(apiKeyId);
    if (granted === 0) {
      for (const one of waiting) one.reject(rateLimited(retryAfterS));
      return;
    }
    const served = waiting.splice(0, granted);
    for (const one of served) one.resolve();
    if (waiting.length > 0) {
      this.#waiting.set(apiKeyId, waiting);
      this.#ask(apiKeyId, waiting.length + this.#ahead);
      return;
    }
    this.#kept.delete(apiKeyId);
    this.#kept.set(apiKeyId, { count: granted - served.length, until: this.#now() + RATE_AHEAD_MS });
    if (this.#kept.size > RATE_AHEAD_KEYS_MAX) this.#kept.delete(this.#kept.keys().next().value as string);
  }
}
