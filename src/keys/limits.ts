/**
 * Limits and defaults of the keys room, with unit and source.
 *
 * Owns numbers only. Must not know what is done with them.
 *
 * @module
 */
import { TIMER_MS_MAX } from "../base/shared-lru.ts";

/** Milliseconds that an unwrapped data key is kept to decrypt with. Ours: how late a revocation may be noticed. */
export const CACHE_AGE_MS_DEFAULT = 60_000;

/** Data keys that are kept to decrypt with. Ours. */
export const CACHE_ENTRIES_DEFAULT = 1_000;

/** Messages under one data key unless told otherwise: nonces then collide with a chance of 2^-57 (SP 800-38D 8.3). */
export const LEASE_MESSAGES_DEFAULT = 2 ** 20;

/** Messages under one data key at most: SP 800-38D section 8.3 for random 96-bit nonces (a chance of 2^-33). */
export const LEASE_MESSAGES_MAX = 2 ** 32;

/** Bytes of plaintext under one data key unless told otherwise: 64 GiB. Ours. */
export const LEASE_BYTES_DEFAULT = 64 * 2 ** 30;

/** Bytes of plaintext under one data key at most: 1 PiB, advantage 2^-37 (draft-irtf-cfrg-aead-limits section 5). */
export const LEASE_BYTES_MAX = 2 ** 50;

/** Milliseconds that a lease lives unless told otherwise: one hour. Ours. */
export const LEASE_AGE_MS_DEFAULT = 3_600_000;

/** Milliseconds that a lease lives at most: one day. Ours. */
export const LEASE_AGE_MS_MAX = 86_400_000;

/** Milliseconds between two looks of a lease at whether keys were revoked. Ours: what a look costs, a message must not. */
export const LEASE_REVOCATION_CHECK_MS = 100;

/** Milliseconds that a round of questions about held keys may take, before another is begun. Ours. */
export const REVISION_ROUND_MS_MAX = 10_000;

/** How long a look is believed in the process of the vault. Ours: asking takes no request. */
export const REVISION_LIMITS_LOCAL = { lookAfterMs: 100, staleAfterMs: 1_000, retryAfterMs: 100 } as const;

/** How long a look is believed over HTTP. Ours: [REV-14], [REV-15]. */
export const REVISION_LIMITS_HTTP = {
  lookAfterMs: 5_000,
  staleAfterMs: 15_000,
  retryAfterMs: 1_000,
} as const;

/** Contexts whose data keys `reuse` holds at once; the one longest unused goes first. Ours. */
export const REUSED_CONTEXTS_MAX = 1_000;

/** Groups of a batch whose data keys are asked for at once. Ours. */
export const BATCH_GROUPS_AT_ONCE = 8;

/** Milliseconds that one call may be given: the longest time of a timer in every runtime (HTML, timers: a signed 32-bit number). */
export const CALL_TIMEOUT_MS_MAX = TIMER_MS_MAX;

/** Characters of an idempotency key (docs/spec/key-service-api.md section 4). */
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;

export { TIMER_MS_MAX };
