/**
 * Limits and defaults of the HTTP client, with unit and source.
 *
 * Owns numbers only. Must not know what is done with them.
 *
 * @module
 */

/** Where the hosted WorkOS Vault is (WorkOS OpenAPI, servers). */
export const BASE_URL_DEFAULT = "https://api.workos.com";

/** Milliseconds that one attempt may take, its whole body included (WorkOS's SDKs: 60 s). */
export const TIMEOUT_MS_DEFAULT = 60_000;

/** Attempts after the first (WorkOS's SDKs: 3). */
export const RETRIES_DEFAULT = 3;

/** Attempts after the first at most. Ours. */
export const RETRIES_MAX = 10;

/** Milliseconds before the second attempt; each later wait is twice as long. Ours, as most SDKs. */
export const BACKOFF_MS_MIN = 500;

/** Milliseconds between two attempts at most. Ours. */
export const BACKOFF_MS_MAX = 8_000;

/** Milliseconds that a service may make us wait by Retry-After. Ours: what it asks beyond is not waited. */
export const RETRY_AFTER_MS_MAX = 60_000;

/** Bytes of the largest answer that is read: 16 MiB. Ours. */
export const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
