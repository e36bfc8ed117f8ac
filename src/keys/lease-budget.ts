/**
 * The budget of a lease: messages, bytes and age.
 *
 * Owns the limits, their check, and the count of what is left. Must not know keys or time.
 *
 * @module
 */

import { optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import type { Budget } from "../crypto/envelope/plaintext.ts";
import { invalidRange, VaultError } from "../errors.ts";
import {
  LEASE_AGE_MS_DEFAULT,
  LEASE_AGE_MS_MAX,
  LEASE_BYTES_DEFAULT,
  LEASE_BYTES_MAX,
  LEASE_MESSAGES_DEFAULT,
  LEASE_MESSAGES_MAX,
} from "./limits.ts";

/** The budget of a lease; each part has a default and a ceiling. */
export interface LeaseLimits {
  /** Messages to encrypt; default 2^20, at most 2^32. */
  readonly maxMessages?: number | undefined;
  /** Bytes of plaintext to encrypt; default 64 GiB, at most 1 PiB. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds to live; default one hour, at most one day. */
  readonly maxAgeMs?: number | undefined;
  /**
   * What a lease does that has not heard from its service for 15 s: `refuse` to seal with ERR_LEASE_STALE (default), or
   * `continue`, so that an outage of the service stops nothing; a revocation during it is then noticed at its end.
   */
  readonly onOutage?: "refuse" | "continue" | undefined;
}

/** Names of {@link LeaseLimits}. */
export const LEASE_LIMITS = /* @__PURE__ */ optionNames<LeaseLimits>({
  maxMessages: true,
  maxBytes: true,
  maxAgeMs: true,
  onOutage: true,
});

/** A budget that was checked, with its defaults filled in. */
export type CheckedLimits = Readonly<Record<LimitName, number>> & {
  readonly onOutage: "refuse" | "continue";
};

type LimitName = "maxMessages" | "maxBytes" | "maxAgeMs";

/** @throws RangeError ERR_INVALID_ARGUMENT for a limit that is not a whole number from 1 to its ceiling, or an unknown onOutage */
export function checkLimits(limits: LeaseLimits): CheckedLimits {
  return {
    maxMessages: checkLimit(limits, "maxMessages", LEASE_MESSAGES_MAX),
    maxBytes: checkLimit(limits, "maxBytes", LEASE_BYTES_MAX),
    maxAgeMs: checkLimit(limits, "maxAgeMs", LEASE_AGE_MS_MAX),
    onOutage: checkOnOutage(limits.onOutage),
  };
}

/** The budget unless told otherwise. */
export const DEFAULT_LIMITS: CheckedLimits = {
  maxMessages: LEASE_MESSAGES_DEFAULT,
  maxBytes: LEASE_BYTES_DEFAULT,
  maxAgeMs: LEASE_AGE_MS_DEFAULT,
  onOutage: "refuse",
};

function checkOnOutage(onOutage: LeaseLimits["onOutage"] = "refuse"): "refuse" | "continue" {
  if (onOutage === "refuse" || onOutage === "continue") return onOutage;
  throw invalidRange("onOutage must be refuse or continue");
}

function checkLimit(limits: LeaseLimits, name: LimitName, max: number): number {
  const value = limits[name];
  return value === undefined ? DEFAULT_LIMITS[name] : checkWhole(value, 1, max, name);
}

/** What of a lease's budget is left. */
export class LeaseBudget implements Budget {
  messagesLeft: number;
  bytesLeft: number;

  constructor({ maxMessages, maxBytes }: CheckedLimits) {
    this.messagesLeft = maxMessages;
    this.bytesLeft = maxBytes;
  }

  /** Whether one more message of `bytes` bytes is within the budget. */
  hasRoomFor(bytes: number): boolean {
    return this.messagesLeft >= 1 && this.bytesLeft >= bytes;
  }

  /** Takes one message out of the budget, or throws and takes nothing. */
  spend(bytes: number): void {
    if (!this.hasRoomFor(bytes)) throw exhausted();
    // Invariant: messages are counted when they start. A failure overcounts, which costs one nonce; counting
    // afterwards would let concurrent calls exceed the budget.
    this.messagesLeft -= 1;
    this.bytesLeft -= bytes;
  }
}

/** The error of a message that no budget has room for. */
export function exhausted(): VaultError {
  return new VaultError("ERR_DATA_KEY_EXHAUSTED", "the lease's budget is used up: take a new lease");
}
