/**
 * How long a lease lives: until it is too old, its service revokes keys, or it is disposed of.
 *
 * Owns the reasons of the end and when they are looked for. Must not know the key, which its owner lets go of.
 *
 * @module
 */

import { VaultError } from "../errors.ts";
import type { HeldKey } from "./held-keys.ts";
import { LEASE_REVOCATION_CHECK_MS } from "./limits.ts";

/** Why a lease ended. */
type LeaseEnd = "disposed" | "expired" | "revoked";

/** The lifetime of one lease. */
export class LeaseLifetime {
  readonly #ageMsMax: number;
  readonly #now: () => number;
  readonly #held: HeldKey | undefined;
  readonly #sealsOnOutage: boolean;
  readonly #onEnd: () => void;
  readonly #since: number;
  readonly #expiry: ReturnType<typeof setTimeout>;
  #lookedAt: number;
  #isStale = false;
  #end: LeaseEnd | undefined;

  /**
   * @param ageMsMax - milliseconds until it ends
   * @param now - the clock, in milliseconds
   * @param held - how the key is heard of; undefined for one that no service stands behind
   * @param sealsOnOutage - that a look which is too old does not matter
   * @param onEnd - called once or more, at the end
   */
  constructor(
    ageMsMax: number,
    now: () => number,
    held: HeldKey | undefined,
    sealsOnOutage: boolean,
    onEnd: () => void,
  ) {
    this.#ageMsMax = ageMsMax;
    this.#now = now;
    this.#held = held;
    this.#sealsOnOutage = sealsOnOutage;
    this.#onEnd = onEnd;
    this.#since = now();
    this.#lookedAt = this.#since;
    // The key must not outlive the lease's age even if the lease is not used again.
    this.#expiry = setTimeout(() => this.end("expired"), ageMsMax);
    (this.#expiry as { unref?: () => void }).unref?.();
  }

  /** Whether the lease has ended by now. */
  isOver(): boolean {
    if (this.#end === undefined) this.#lookAround();
    return this.#end !== undefined;
  }

  /** @throws VaultError ERR_DISPOSED, ERR_LEASE_EXPIRED */
  check(): void {
    if (!this.isOver()) return;
    if (this.#end === "disposed") throw new VaultError("ERR_DISPOSED", "the lease has been disposed of");
    if (this.#end === "expired")
      throw new VaultError("ERR_LEASE_EXPIRED", "the lease is too old: take a new one");
    throw new VaultError("ERR_LEASE_EXPIRED", "keys of the service were revoked: take a new lease");
  }

  /** Whether the last look is too old to seal. */
  isStale(): boolean {
    return !this.isOver() && this.#isStale;
  }

  /** Looks again, and waits until the service has answered, or that it does not. */
  async freshen(): Promise<void> {
    await this.#held?.settle();
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  /** The same as {@link check} before a message is sealed. @throws VaultError ERR_LEASE_STALE too */
  checkSeal(): void {
    this.check();
    if (!this.#isStale) return;
    throw new VaultError(
      "ERR_LEASE_STALE",
      "the service has not been heard for too long to know that the lease's key was not revoked",
      { retryable: true },
    );
  }

  /** Ends it; the first reason counts. */
  end(reason: LeaseEnd): void {
    clearTimeout(this.#expiry);
    this.#end ??= reason;
    this.#held?.release();
    this.#onEnd();
  }

  #lookAround(): void {
    const now = this.#now();
    // A clock that was set back ends the lease too: how old it is can no longer be told.
    if (now - this.#since >= this.#ageMsMax || now < this.#since) this.end("expired");
    else if (this.#held !== undefined) this.#lookIfDue(this.#held, now);
  }

  #lookIfDue(held: HeldKey, now: number): void {
    // Either way: a clock that was set back must not put the next look off.
    if (Math.abs(now - this.#lookedAt) < LEASE_REVOCATION_CHECK_MS) return;
    const state = held.look();
    // Only now: a look that failed was none.
    this.#lookedAt = now;
    if (state === "refused") this.end("revoked");
    this.#isStale = state === "stale" && !this.#sealsOnOutage;
  }
}
