/**
 * Limits of the server, with unit and source.
 *
 * Owns numbers only. Must not know what is done with them.
 *
 * @module
 */

/** Bytes of the largest request body: 1 MiB. Ours: a KV value of 64 KiB fully escaped, or 100 key blobs, fit. */
export const BODY_BYTES_MAX = 1024 * 1024;

/**
 * Bytes of the body of an operation that takes neither a value nor a batch: 256 KiB. Ours: a context of 10 entries and a key
 * blob of the largest size, fully escaped, fit.
 */
export const BODY_BYTES_SMALL_MAX = 256 * 1024;

/** Levels of nesting in a JSON body. Ours: the API needs 4. */
export const JSON_DEPTH_MAX = 16;

/**
 * Members and items in a JSON body, all levels together, an empty object or array counted as one. Ours: 100 rekeys under
 * contexts of 10 entries have 1,301.
 */
export const JSON_VALUES_MAX = 2_000;

/** Bytes of all request headers (Node's http default is the same). */
export const HEADER_BYTES_MAX = 16 * 1024;

/** Request headers; what stands behind them is refused or left out, as the version of Node does it. Ours. */
export const HEADERS_MAX = 100;

/** Characters of a request's path and query. Ours: a name of 200 characters, each 12 as percent-encoded UTF-8. */
export const URL_CHARS_MAX = 8 * 1024;

/** Milliseconds until all headers must have come. Ours. */
export const HEADERS_TIMEOUT_MS = 10_000;

/** Milliseconds until the whole request must have come. Ours. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** Milliseconds that an idle connection is kept. Ours. */
export const KEEP_ALIVE_MS = 5_000;

/** Requests on one connection. Ours: balancers get a chance to spread. */
export const REQUESTS_PER_SOCKET_MAX = 10_000;

/** Connections at once, where the process may have that many open files. Ours: about 40 KiB each at most while idle. */
export const CONNECTIONS_MAX = 10_000;

/** Open files that are kept for other things than connections. Ours: storage, webhooks, modules that are still loaded. */
export const FILES_RESERVED = 128;

/** Requests on one connection that wait for the one before them. Ours: clients that send ahead send a few. */
export const PIPELINED_MAX = 64;

/** Such requests on all connections together. Ours: about 60 MiB. */
export const PIPELINED_TOTAL_MAX = 10_000;

/** Milliseconds in which a client must take an answer. Ours: the largest is half a MiB. */
export const WRITE_TIMEOUT_MS = 30_000;

/** Bytes of answers that have not left yet, all connections together: 64 MiB. Ours. */
export const ANSWER_BYTES_HELD_MAX = 64 * 1024 * 1024;

/** Bytes of bodies that are coming or whose request is being answered, all together: 64 MiB. Ours. */
export const BODY_BYTES_HELD_MAX = 64 * 1024 * 1024;

/** Milliseconds that a shutdown waits for requests under way. Ours. */
export const SHUTDOWN_MS = 10_000;

/**
 * Milliseconds after which a server that was told to stop ends, whatever clients, receivers of webhooks and the storage do.
 * Ours: what was under way has had its 10 s, and the storage 5 s to let go; Kubernetes kills after 30.
 */
export const STOP_MS_MAX = 15_000;

/** Milliseconds that what still comes of a body is taken after its request was refused. Ours. */
export const DRAIN_MS = 500;

/** Items of a batch on /coffer/v1: as clients have it. */
export { KEY_BATCH_ITEMS_MAX as BATCH_ITEMS_MAX } from "../keys/key-service.ts";

export { IDEMPOTENCY_KEY_CHARS_MAX } from "../keys/limits.ts";

/** Seconds that a client is told to wait when the storage is busy. Ours. */
export const BUSY_RETRY_AFTER_S = 1;

/** Deliveries to webhooks that are under way at once. Ours. */
export const WEBHOOK_CONCURRENCY = 64;

/** Deliveries to one webhook that are under way at once. Ours. */
export const WEBHOOK_CONCURRENCY_EACH = 8;

/** Look-ups of receivers' names at once. Ours: half of libuv's 4 threads, so that slow ones hold up nothing else. */
export const WEBHOOK_LOOKUPS_MAX = 2;

/** Milliseconds between two looks at what is due. Ours. */
export const WEBHOOK_POLL_MS = 1_000;

/** Milliseconds that a receiver may take, the look-up of its name included. Ours. */
export const WEBHOOK_TIMEOUT_MS = 10_000;

/** Processes that serve one port, at most. Ours: more than the cores of the machines that run a server. */
export const WORKERS_MAX = 64;

/** Milliseconds until another process takes the place of one that ended, the first time; doubled from one to the next. Ours. */
export const RESTART_MS_FIRST = 100;

/** The same, at most. Ours. */
export const RESTART_MS_MAX = 30_000;

/** Milliseconds that a process has to run so that its end is taken for the first one again. Ours. */
export const RESTART_RESET_MS = 60_000;

/** Milliseconds that one process waits for the metrics of another before it takes those that it had last. Ours. */
export const METRICS_WAIT_MS = 1_000;

/** Milliseconds that a process keeps requests of a rate limit that it has taken ahead; they lapse then. Ours. */
export const RATE_AHEAD_MS = 1_000;

/** Requests of a rate limit that a process takes ahead, as a part of a minute's. Ours. */
export const RATE_AHEAD_PART = 0.01;

/** The same, at most. Ours. */
export const RATE_AHEAD_MAX = 100;

/** API keys for which a process has requests taken ahead; the one longest not taken for is forgotten. Ours. */
export const RATE_AHEAD_KEYS_MAX = 10_000;

/** Seconds that caches may keep a recipient's document: how late a page hears of a rotation. Ours. */
export const PUBLIC_MAX_AGE_S = 300;
