/**
 * Limits and defaults of the HTTP client, with unit and source.
 *
 * Owns numbers only. Must not know what is done with them.
 *
 * @module
 */

/** Where the hosted WorkOS Vault is (WorkOS OpenAPI, servers). */
export const BASE_URL_DEFAULT = "https://api.workos.com";

/** Domains of WorkOS's own services: production and staging (WorkOS OpenAPI, servers). */
export const WORKOS_DOMAINS: readonly string[] = ["workos.com", "workos-test.com"];

/** Milliseconds for which a service is believed to lack coffer's own operations before it is asked again. Ours: 5 min. */
export const LACKING_MS = 300_000;

/** Characters of a service's own words that an error gives on. Ours. */
export const WORDS_CHARS_MAX = 300;

/** Characters of the longest request id that is believed. Ours. */
export const REQUEST_ID_CHARS_MAX = 200;

/** Milliseconds that one attempt may take, its whole body included (WorkOS's SDKs: 60 s). */
export const TIMEOUT_MS_DEFAULT = 60_000;

/** Milliseconds until a new connection must be there, TLS included (undici's default, and so that of Node's `fetch`). */
export const CONNECT_MS_MAX = 10_000;

/** Milliseconds that an idle connection is kept at most; a service that says it keeps them less is believed. undici's default. */
export const IDLE_CONNECTION_MS = 4_000;

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
