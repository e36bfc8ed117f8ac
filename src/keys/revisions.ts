/**
 * Revisions: what a key service tells those who hold its data keys (docs/spec/revocation.md section 2).
 *
 * Owns the shapes. Must not know who tells, nor who holds.
 *
 * @module
 */
import type { ItemResult } from "../base/item-result.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";

/** What a question to the service takes. */
export interface RevisionCallOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** What changes with each revocation that concerns the caller; nothing else can be read from it. NaN: not known just now. */
export type RevisionId = string | number;

/** A revision, and when it was so. */
export interface Revision {
  readonly id: RevisionId;
  /** Milliseconds since 1970; left out where it is so now. */
  readonly at?: number | undefined;
}

/** How long a look is believed. All in milliseconds. */
export interface RevisionLimits {
  /** Age of a look after which a use starts another one beside it. */
  readonly lookAfterMs: number;
  /** Age of a look after which a lease refuses to seal. */
  readonly staleAfterMs: number;
  /** Pause after a look that got no answer. */
  readonly retryAfterMs: number;
}

/** How a service tells of revocations. */
export interface RevisionSource {
  readonly limits: RevisionLimits;
  /** How often the service has refused the caller altogether: what it holds then goes. Default never. */
  readonly lockouts?: number;
  /** The newest revision that is known, at once; undefined where none was ever told: nothing is then asked. */
  newest(): Revision | undefined;
  /** The revision under which the service answered a data key, where it is known for the key itself. */
  of?(key: DataKey): RevisionId | undefined;
  /** Makes `newest` new. @throws what is wrong with the service; the signal's reason */
  refresh?(options: RevisionCallOptions): Promise<void>;
  /**
   * Asks whether references are good. Without it, a change ends everything that is held.
   *
   * @param keys - wrapped forms, base64; at most as many as a batch has items
   * @returns one result per item, in order, and a revision of before they were looked at
   * @throws what is wrong with the service; the signal's reason
   */
  check?(
    keys: readonly string[],
    options: RevisionCallOptions,
  ): Promise<{ readonly revision: Revision | undefined; readonly results: readonly ItemResult<unknown>[] }>;
}
