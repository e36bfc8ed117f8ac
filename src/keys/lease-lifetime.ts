/**
 * How long a lease lives: until it is too old, its service revokes keys, or it is disposed of.
 *
 * Owns the reasons of the end and when they are looked for. Must not know the key, which its owner lets go of.
 *
 * @module
 */

import { VaultError } from "../errors.ts";
import { LEASE_REVOCATION_CHECK_MS } from "./limits.ts";

/** Why a lease ended. */
type LeaseEnd = "disposed" | "expired" | "revoked";

/** The revocations of a key service, as they were before it made a lease's key, and as they are. */
export interface RevocationWatch {
  readonly atStart: number;
  now(): number;
}

/** The lifetime of one lease. */
export class LeaseLifetime {
  readonly #ageMsMax: number;
  readonly #now: () => number;
  readonly #revocations: RevocationWatch | undefined;
  readonly #onEnd: () => void;
  readonly #since: number;
  readonly #expiry: ReturnType<typeof setTimeout>;
  #revocationsSeenAt: number;
  #end: LeaseEnd | undefined;

  /**
   * @param ageMsMax - milliseconds until it ends
   * @param now - the clock, in milliseconds
   * @param revocations - undefined for a service that cannot tell them
   * @param onEnd - called once or more, at the end
   */
  constructor(
    ageMsMax: number,
    now: () => number,
    revocations: RevocationWatch | undefined,
    onEnd: () => void,
  ) {
    this.#ageMsMax = ageMsMax;
    this.#now = now;
    this.#revocations = revocations;
    this.#onEnd = onEnd;
    this.#since = now();
    this.#revocationsSeenAt = this.#since;
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

  /** Ends it; the first reason counts. */
  end(reason: LeaseEnd): void {
    clearTimeout(this.#expiry);
    this.#end ??= reason;
    this.#onEnd();
  }

  #lookAround(): void {
    const now = this.#now();
    // A clock that was set back ends the lease too: how old it is can no longer be told.
    if (now - this.#since >= this.#ageMsMax || now < this.#since) {
      this.end("expired");
    } else if (
      this.#revocations !== undefined &&
      // Either way: a clock that was set back must not put the next look off.
      Math.abs(now - this.#revocationsSeenAt) >= LEASE_REVOCATION_CHECK_MS
    ) {
      const revocations = this.#revocations.now();
      // Only now: a look that failed was none.
      this.#revocationsSeenAt = now;
      if (revocations !== this.#revocations.atStart) this.end("revoked");
    }
  }
}
