/**
 * What is held of a key service: data keys that leases and the decrypt cache keep, and how they hear of revocations
 * (docs/spec/revocation.md).
 *
 * Owns the list of held references, the rounds in which the service is asked for them, and when a look is too old. It is
 * worked at uses only: nothing here needs a timer. Must not know keys' bytes, messages, or how a service is asked.
 *
 * @module
 */
import { untilAborted } from "../base/concurrency.ts";
import { deadlineOf } from "../base/features.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { isItemError } from "./batch-calls.ts";
import { KEY_BATCH_ITEMS_MAX, type KeyService } from "./key-service.ts";
import { REVISION_ROUND_MS_MAX } from "./limits.ts";
import type { Revision, RevisionId, RevisionSource } from "./revisions.ts";

/** How a held key stands at a use. */
export type HeldState = "good" | "stale" | "refused";

/** A round of questions that is under way. */
interface Round {
  readonly over: Promise<boolean>;
  readonly since: number;
  readonly controller: AbortController;
}

/** The keys that are held of one service. */
export class HeldKeys {
  readonly service: KeyService;
  readonly #source: RevisionSource | undefined;
  readonly #now: () => number;
  readonly #held = new Set<HeldKey>();
  #round: Round | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #lockouts: number;

  /** @param now - the clock, in milliseconds since 1970 */
  constructor(service: KeyService, now: () => number = Date.now) {
    this.service = service;
    this.#now = now;
    this.#source = service.revisions ?? simpleSource(service);
    this.#lockouts = this.#source?.lockouts ?? 0;
  }

  /** The revision to be read before a key is asked for: a revocation between then and the answer must be noticed. */
  newest(): RevisionId | undefined {
    return this.#source?.newest()?.id;
  }

  /**
   * Holds a key from now on.
   *
   * @param before - what {@link newest} was before it was asked for; counts where the service does not tell for the key itself
   * @param onRefused - lets go of it: the service refuses its reference
   */
  hold(key: DataKey, before: RevisionId | undefined, onRefused: () => void): HeldKey {
    const held = new HeldKey(
      this,
      key.encryptedKeys,
      this.#source?.of?.(key) ?? before,
      this.#now(),
      onRefused,
    );
    this.#held.add(held);
    return held;
  }

  /** Lets go of a key. */
  release(held: HeldKey): void {
    this.#held.delete(held);
  }

  /**
   * Asks for what is in doubt and waits for the answer; resolves also where there is none. A round that was under way may have begun
   * long ago, in a process that was busy since then, and end at once without an answer: then another one is begun.
   */
  async settle(): Promise<void> {
    const joins = this.#isUnderWay();
    const isAnswered = await this.#answered(this.#startRound());
    if (!isAnswered && joins) await this.#answered(this.#startRound(0));
  }

  /** Breaks off the questions that are under way: nothing must keep the process for them. What is held is used as before. */
  quit(): void {
    this.#round?.controller.abort();
  }

  /** How a key stands; asks beside the call where the last look is old or says that something has changed. */
  look(held: HeldKey): HeldState {
    return this.#lookAt(held, () => this.#source?.newest());
  }

  #lookAt(held: HeldKey, newestNow: () => Revision | undefined): HeldState {
    const source = this.#source;
    if (source === undefined) return held.isRefused ? "refused" : "good";
    this.#noteLockouts(source);
    if (held.isRefused) return "refused";
    const newest = newestNow();
    const now = this.#now();
    held.usedAt = now;
    if (newest === undefined) {
      // A service that has never told one has none to look at.
      if (held.revision === undefined) return "good";
    } else if (newest.id === held.revision) {
      held.goodAt = newest.at ?? now;
    } else if (source.check === undefined) {
      // Nothing can be asked: all that is from before goes.
      for (const each of [...this.#held]) if (each.revision !== newest.id) each.refuse();
      return "refused";
    }
    // Either way: a clock that was set back makes a look older.
    const age = Math.abs(now - held.goodAt);
    const isOld = age > source.limits.lookAfterMs;
    if (isOld || newest?.id !== held.revision) this.#startRound();
    return age > source.limits.staleAfterMs ? "stale" : "good";
  }

  /** Whether the newest revision that is known is the one under which a key is good. */
  isCurrent(held: HeldKey): boolean {
    return this.oneLook()(held);
  }

  /** One look for many keys. @returns {@link isCurrent} at that moment, to be asked before the caller waits for anything */
  oneLook(): (held: HeldKey) => boolean {
    let seen: { readonly newest: Revision | undefined } | undefined;
    const newest = (): Revision | undefined => {
      seen ??= { newest: this.#source?.newest() };
      return seen.newest;
    };
    return (held) => this.#lookAt(held, newest) !== "refused" && newest()?.id === held.revision;
  }

  #noteLockouts(source: RevisionSource): void {
    const lockouts = source.lockouts ?? 0;
    if (lockouts === this.#lockouts) return;
    this.#lockouts = lockouts;
    for (const held of [...this.#held]) held.refuse();
  }

  /** One that got no answer in its time is given up: where it ran may be gone (edge runtimes). */
  #isUnderWay(): boolean {
    return this.#round !== undefined && Math.abs(this.#now() - this.#round.since) <= REVISION_ROUND_MS_MAX;
  }

  /**
   * One at a time.
   *
   * @param pauseMs - after one that failed
   * @returns whether there is an answer
   */
  #startRound(pauseMs = this.#source?.limits.retryAfterMs ?? 0): Promise<boolean> {
    const source = this.#source;
    if (source?.check === undefined) return Promise.resolve(false);
    if (this.#isUnderWay()) return this.#round!.over;
    const now = this.#now();
    if (Math.abs(now - this.#failedAt) < pauseMs) return Promise.resolve(false);
    const controller = new AbortController();
    const over: Promise<boolean> = this.#runRound(source, controller.signal).then(
      () => this.#end(over, true),
      () => {
        this.#failedAt = this.#now();
        return this.#end(over, false);
      },
    );
    this.#round = { over, since: now, controller };
    return over;
  }

  #end(over: Promise<boolean>, isAnswered: boolean): boolean {
    if (this.#round?.over === over) this.#round = undefined;
    return isAnswered;
  }

  /** The wait has an end of its own: on edge runtimes nothing may be left that would end the round. */
  async #answered(round: Promise<boolean>): Promise<boolean> {
    const deadline = deadlineOf(REVISION_ROUND_MS_MAX, undefined);
    try {
      return await untilAborted(round, deadline.signal);
    } catch {
      return false; // No answer in time.
    } finally {
      deadline.release();
    }
  }

  async #runRound(source: RevisionSource, stop: AbortSignal): Promise<void> {
    const deadline = deadlineOf(REVISION_ROUND_MS_MAX, stop);
    try {
      const options = { signal: deadline.signal };
      const known = source.newest();
      const isOld =
        known === undefined ||
        Number.isNaN(known.id) ||
        (known.at !== undefined && Math.abs(this.#now() - known.at) > source.limits.lookAfterMs);
      if (isOld) await source.refresh?.(options);
      const newest = source.newest();
      if (newest === undefined) return;
      // What is in use first: leases that were dropped without an end may be many.
      const doubtful = [...this.#held]
        .filter((held) => held.revision !== newest.id)
        .sort((one, other) => other.usedAt - one.usedAt);
      for (let from = 0; from < doubtful.length; from += KEY_BATCH_ITEMS_MAX) {
        const part = doubtful.slice(from, from + KEY_BATCH_ITEMS_MAX);
        // A look counts from when it was asked for, also where the answer tells no revision.
        const askedAt = this.#now();
        const { revision, results } = await source.check!(
          part.map(({ reference }) => reference),
          options,
        );
        for (const [index, held] of part.entries()) {
          const result = results[index]!;
          if (result.ok) held.found(revision?.id ?? held.revision, revision?.at ?? askedAt);
          else if (isItemError(result.error)) held.refuse();
        }
      }
      this.#noteLockouts(source);
    } finally {
      deadline.release();
    }
  }
}

/** One key that is held. */
export class HeldKey {
  /** The wrapped form, base64. */
  readonly reference: string;
  readonly #owner: HeldKeys;
  readonly #onRefused: () => void;
  /** Under which it was last known to be good. */
  revision: RevisionId | undefined;
  /** When that was so, in milliseconds since 1970. */
  goodAt: number;
  /** When it was looked at last. */
  usedAt: number;
  isRefused = false;

  constructor(
    owner: HeldKeys,
    reference: string,
    revision: RevisionId | undefined,
    goodAt: number,
    onRefused: () => void,
  ) {
    this.#owner = owner;
    this.reference = reference;
    this.revision = revision;
    this.goodAt = goodAt;
    this.usedAt = goodAt;
    this.#onRefused = onRefused;
  }

  /** How it stands now. */
  look(): HeldState {
    return this.#owner.look(this);
  }

  /** Whether nothing was revoked since it was last known to be good. */
  isCurrent(): boolean {
    return this.#owner.isCurrent(this);
  }

  /** Asks for it and waits for the answer, or that there is none. */
  settle(): Promise<void> {
    return this.#owner.settle();
  }

  /** The service has said that it is good. */
  found(revision: RevisionId | undefined, at: number): void {
    this.revision = revision;
    this.goodAt = at;
  }

  /** The service refuses it. */
  refuse(): void {
    if (this.isRefused) return;
    this.isRefused = true;
    this.release();
    this.#onRefused();
  }

  /** It is held no longer. */
  release(): void {
    this.#owner.release(this);
  }
}

/** A service that only tells a number: nothing can be asked, and what changes ends everything. */
function simpleSource(service: KeyService): RevisionSource | undefined {
  if (service.revocations === undefined) return undefined;
  return {
    limits: {
      lookAfterMs: Number.POSITIVE_INFINITY,
      staleAfterMs: Number.POSITIVE_INFINITY,
      retryAfterMs: 0,
    },
    newest: () => ({ id: service.revocations!() }),
  };
}
