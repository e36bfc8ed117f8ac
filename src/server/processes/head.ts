/**
 * The process that started those that serve one port.
 *
 * Owns what is counted for all of them: the rate limit, and the metrics, also of members that are gone. Must not know how
 * processes are started and ended.
 *
 * @module
 */
import { Metrics, type MetricsSnapshot } from "../core/metrics.ts";
import { RateLimiter } from "../core/rate-limiter.ts";
import { METRICS_WAIT_MS } from "../limits.ts";
import type { FromMember, ToMember } from "./messages.ts";

/** The way to a member. */
export interface MemberLink {
  send(message: ToMember): void;
}

/** A question for the metrics of all. */
interface Collecting {
  readonly asker: MemberLink;
  readonly awaited: Set<MemberLink>;
  readonly timer: NodeJS.Timeout;
}

/** The head of a group of processes. */
export class GroupHead {
  readonly #limiter: RateLimiter | undefined;
  readonly #snapshots = new Map<MemberLink, MetricsSnapshot | undefined>();
  readonly #collecting = new Set<Collecting>();
  #gone: MetricsSnapshot | undefined;

  /** @param requestsPerMinute - of each API key, all members together; undefined for no limit */
  constructor(requestsPerMinute: number | undefined) {
    this.#limiter = requestsPerMinute === undefined ? undefined : new RateLimiter(requestsPerMinute);
  }

  /** A member has been started. */
  joined(link: MemberLink): void {
    this.#snapshots.set(link, undefined);
  }

  /** A member has ended. What it had counted is kept, so that no counter goes back. */
  left(link: MemberLink): void {
    const last = this.#snapshots.get(link);
    this.#snapshots.delete(link);
    if (last !== undefined) {
      const parts = [{ ...last, inFlight: 0 }, ...(this.#gone === undefined ? [] : [this.#gone])];
      this.#gone = Metrics.sumOf(parts).snapshot();
    }
    for (const one of this.#collecting) this.#answered(one, link);
  }

  /** Answers what a member says. */
  heard(link: MemberLink, message: FromMember): void {
    if (message.coffer === "take") {
      const { apiKeyId, count } = message;
      const taken = this.#limiter?.takeUpTo(apiKeyId, count) ?? { granted: count, retryAfterS: 0 };
      link.send({ coffer: "taken", apiKeyId, ...taken });
      return;
    }
    this.#snapshots.set(link, message.own);
    if (message.coffer === "snapshot") {
      for (const one of this.#collecting) this.#answered(one, link);
      return;
    }
    const awaited = new Set(this.#snapshots.keys());
    awaited.delete(link);
    // One that is busy or new is taken with what it had said before.
    const timer = setTimeout(() => this.#finish(collecting), METRICS_WAIT_MS);
    const collecting: Collecting = { asker: link, awaited, timer };
    this.#collecting.add(collecting);
    for (const other of awaited) other.send({ coffer: "snapshot" });
    if (awaited.size === 0) this.#finish(collecting);
  }

  #answered(collecting: Collecting, link: MemberLink): void {
    if (collecting.awaited.delete(link) && collecting.awaited.size === 0) this.#finish(collecting);
  }

  #finish(collecting: Collecting): void {
    clearTimeout(collecting.timer);
    this.#collecting.delete(collecting);
    const all = [this.#gone, ...this.#snapshots.values()].filter((one) => one !== undefined);
    if (this.#snapshots.has(collecting.asker)) collecting.asker.send({ coffer: "collected", all });
  }
}
