/**
 * Limits and defaults of the keks room, with unit and source.
 *
 * Owns numbers only. Must not know what is done with them.
 *
 * @module
 */

/** Milliseconds that a shred may be put off at most: one year. Ours. */
export const SHRED_DELAY_MS_MAX = 365 * 86_400_000;

/** KEKs on a page of their list, unless told otherwise (WorkOS's lists: 10). */
export const KEKS_PAGE_DEFAULT = 10;

/** Milliseconds that a recipient's document is valid unless told otherwise: 90 days. Ours. */
export const RECIPIENT_AGE_MS_DEFAULT = 90 * 86_400_000;

/** Characters of a sender's name, as of an API key's. Ours. */
export const SENDER_NAME_CHARS_MAX = 100;

/** KEKs on a page of their list at most (WorkOS's lists: 100). */
export const KEKS_PAGE_MAX = 100;
