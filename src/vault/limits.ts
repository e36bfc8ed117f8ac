/**
 * Limits and constants of the embedded vault, with unit and source.
 *
 * Owns numbers and labels only. Must not know what is done with them.
 *
 * @module
 */

/** Milliseconds that a call waits for a lock that another process holds before it gives up. Ours. */
export const LOCK_WAIT_MS_DEFAULT = 5_000;

/** Milliseconds that a call may be told to wait for a lock at most: ten minutes. Ours. */
export const LOCK_WAIT_MS_MAX = 600_000;

/** Milliseconds that closing waits for the events that were noted to be written. Ours. */
export const CLOSE_FLUSH_MS_MAX = 5_000;

/** Wrapped keys that one transaction of a rewrap takes: others get their turn between two. Ours. */
export const REWRAP_BATCH = 100;

/** Wrapped keys that one part of a rewrap takes at most. Ours. */
export const REWRAP_PART_MAX = 1_000;

/** Wrapped keys that one transaction of a verification reads. Ours. */
export const VERIFY_BATCH = 500;

/** Wrapped keys that one part of a verification reads, at most and those of one batch. Ours. */
export const VERIFY_PART_MAX = 50_000;

/** Milliseconds after which a part of a rewrap or a verification begins no further batch. Ours. */
export const REWRAP_PART_MS_MAX = 2_000;

/** Contexts and names that a dry run spells out; the counts are of all. Ours. */
export const SHRED_SAMPLE_MAX = 20;

/** Milliseconds that a document of a recipient which was made for everybody is given out again. Ours: a signature a minute. */
export const PUBLIC_DOCUMENT_MS = 60_000;

/** Private keys of recipients that an environment keeps unwrapped. Ours. */
export const RECIPIENT_KEYS_MAX = 1_000;

/** Senders of a recipient at most, those counted that were revoked: all are read when one of them is looked for. Ours. */
export const SENDERS_MAX = 1_000;

/** Milliseconds that a recipient's senders, and what the database's clock then said, are kept at most. Ours. */
export const SENDERS_KEPT_MS = 60_000;

/** Contexts whose KEKs are kept unwrapped at once, in each environment. Ours: about 3 KiB each. */
export const CONTEXT_CACHE_MAX = 100_000;

/** Characters of an environment's name. Ours. */
export const ENVIRONMENT_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** The environment that is used unless told otherwise. */
export const ENVIRONMENT_DEFAULT = "default";

/** Begins the id of an environment, as WorkOS's ids do. */
export const ENVIRONMENT_ID_PREFIX = "environment_";

/** Begins the id of a stored object, as WorkOS's ids do. */
export const OBJECT_ID_PREFIX = "secret_";

/** Bytes of an id: 128 bits. */
export const ID_BYTES = 16;

/**
 * Random bytes in the id of an object, a version or an event; the other 6 are a time. 80 bits, as in ULIDs: two of a billion
 * ids of the same millisecond meet with a chance of 2^-21.
 */
export const ORDERED_ID_RANDOM_BYTES = 10;

/** Events that one statement inserts: more were not faster. Ours, measured. */
export const EVENTS_PER_INSERT = 16;

/** Begins the id of an event, as WorkOS's ids do. */
export const EVENT_ID_PREFIX = "event_";

/** Milliseconds after which noted reads are written at the latest. Ours: what a crash may lose of them. */
export const EVENT_FLUSH_MS = 200;

/** Reads that are noted at once at most before they are written. Ours. */
export const EVENTS_BUFFERED_MAX = 500;

/** Reads that are kept while the storage is away, the latest. Ours. */
export const EVENTS_KEPT_MAX = 10_000;

/** Events on a page at most. Ours, as WorkOS's lists. */
export const EVENTS_PAGE_MAX = 100;

/** Begins an API key, as WorkOS's do. */
export const API_KEY_PREFIX = "sk_";

/** Begins the id of an API key, as WorkOS's do. */
export const API_KEY_ID_PREFIX = "key_";

/** Random bytes of an API key: 256 bits, so that its plain SHA-256 can be stored (NIST SP 800-63B section 3.1.2). */
export const API_KEY_BYTES = 32;

/** Characters of the checksum at the end of an API key: 24 bits tell a mistyped key from a wrong one. */
export const API_KEY_CHECKSUM_CHARS = 4;

/** Characters of the longest name of an API key. Ours. */
export const API_KEY_NAME_CHARS_MAX = 100;

/** Milliseconds that the answer to a write is kept for a repetition: one day. Ours. */
export const IDEMPOTENT_ANSWER_MS = 86_400_000;

/** Expired answers that one transaction clears away at most. Ours. */
export const EXPIRED_ANSWERS_PER_WRITE = 500;

/** Begins the id of a webhook. */
export const WEBHOOK_ID_PREFIX = "webhook_";

/** Begins a webhook's secret. */
export const WEBHOOK_SECRET_PREFIX = "whsec_";

/** Random bytes of a webhook's secret: as long as the HMAC's output (RFC 2104 section 3). */
export const WEBHOOK_SECRET_BYTES = 32;

/** Characters of the longest webhook URL. Ours. */
export const URL_CHARS_MAX = 2_000;

/** Attempts to deliver an event. Ours: with the waits below, over about 17 hours. */
export const DELIVERY_ATTEMPTS_MAX = 12;

/** Milliseconds before the second attempt; each later wait is twice as long. Ours. */
export const DELIVERY_BACKOFF_MS_MIN = 30_000;

/** Milliseconds between two attempts at most: six hours. Ours. */
export const DELIVERY_BACKOFF_MS_MAX = 6 * 3_600_000;

/** Milliseconds after which a delivery that was claimed and not settled is due again. Ours. */
export const DELIVERY_CLAIM_MS = 60_000;

/** Dead deliveries that are listed at once. Ours. */
export const DELIVERIES_PAGE_MAX = 100;

/** Entries that the log of changes of authority has at most before it is compacted into its snapshot. Ours. */
export const AUTHORITY_LOG_MAX = 1_000;

/** Rows that are read at once while a vault is authenticated. Ours. */
export const AUTHENTICATE_PAGE = 200;

/** KEKs that one transaction of a rotation of the root wraps anew: others wait for it. Ours: some 20 ms on SQLite. */
export const ROOT_ROTATION_KEKS = 100;

/** Rows to which one transaction of it gives new MACs. Ours: about as long. */
export const ROOT_ROTATION_ROWS = 500;

/**
 * Milliseconds between two transactions of it, in which others get their turn. Ours: more than the longest wait of a process between
 * two tries to get SQLite's lock, 50 ms.
 */
export const ROOT_ROTATION_PAUSE_MS = 60;
