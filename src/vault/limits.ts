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

/** Milliseconds that a shred may be put off at most: one year. Ours. */
export const SHRED_DELAY_MS_MAX = 365 * 86_400_000;

/** Stored versions that one transaction of a rewrap takes: others get their turn between two. Ours. */
export const REWRAP_BATCH = 100;

/** Contexts and names that a dry run spells out; the counts are of all. Ours. */
export const SHRED_SAMPLE_MAX = 20;

/** Contexts whose KEKs are kept unwrapped at once. Ours. */
export const CONTEXT_CACHE_MAX = 10_000;

/** KEK versions that are kept unwrapped at once. Ours. */
export const KEK_CACHE_MAX = 10_000;

/** Characters of an environment's name. Ours. */
export const ENVIRONMENT_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** The environment that is used unless told otherwise. */
export const ENVIRONMENT_DEFAULT = "default";

/** Begins the id of an environment, as WorkOS's ids do. */
export const ENVIRONMENT_ID_PREFIX = "environment_";

/** Begins the id of a stored object, as WorkOS's ids do. */
export const OBJECT_ID_PREFIX = "secret_";

/** Random bytes in the id of an object, an environment or a version: 128 bits. */
export const ID_BYTES = 16;
