/**
 * The transport: one logical request over `fetch`, with timeout, retries and an idempotency key.
 *
 * Owns how a request is sent, repeated and given up, and what its failures mean. Must not know operations or bodies.
 *
 * @module
 */
import { ascii, concatBytes, fromUtf8, toHex, typeName } from "../crypto/bytes.ts";
import { hash } from "../crypto/hash.ts";
import { randomBytes } from "../crypto/random.ts";
import { environmentVariable } from "../crypto/runtime.ts";
import { uuidToText, uuidV4 } from "../crypto/uuid.ts";
import {
  invalidRange,
  invalidType,
  isVaultError,
  VAULT_ERROR_CODES,
  VaultError,
  type VaultErrorCode,
} from "../errors.ts";
import { VERSION } from "../version.ts";
import {
  ANSWER_BYTES_MAX,
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  BASE_URL_DEFAULT,
  RETRIES_DEFAULT,
  RETRIES_MAX,
  RETRY_AFTER_MS_MAX,
  TIMEOUT_MS_DEFAULT,
} from "./limits.ts";
import { badResponse } from "./wire.ts";

export interface HttpOptions {
  /** `sk_…`; default the environment variable COFFER_API_KEY, else WORKOS_API_KEY. */
  readonly apiKey?: string | undefined;
  /** Default the environment variable COFFER_BASE_URL, else WorkOS's own. Plain http only to this machine. */
  readonly baseUrl?: string | undefined;
  /**
   * Use what a coffer server has beyond WorkOS's API: contexts told on decrypt, writes that can be repeated safely,
   * rewrap, old versions, undelete, destroy. Default true unless the service is WorkOS's own.
   */
  readonly extensions?: boolean | undefined;
  /** Milliseconds per attempt, body included; default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Attempts after the first: 0 to 10, default 3. */
  readonly maxRetries?: number | undefined;
  /** Send keys over plain http to other machines: for tests behind a proxy only. Default false. */
  readonly insecureHttp?: boolean | undefined;
  /** Sends requests; default the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

export interface HttpRequest<T = unknown> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Segments of the path; each is encoded, so that a name with a slash stays one segment. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>> | undefined;
  readonly body?: unknown;
  /** What statuses mean for this operation, where the service gives no code of ours. */
  readonly codes?: Readonly<Partial<Record<number, VaultErrorCode>>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Makes of the answer's JSON what is wanted; what it throws is told with the request's id. Default: the JSON. */
  readonly read?: ((body: unknown) => T) | undefined;
}

const RETRIED_STATUSES = new Set([408, 429, 500, 502, 503, 504]);
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
const API_KEY = /^[\x21-\x7e]{1,500}$/;
const KNOWN_CODES: ReadonlySet<string> = new Set(VAULT_ERROR_CODES);

/** Sends requests to one service with one API key. */
export class Transport {
  /** Tells service and caller apart from others; holds no key. */
  readonly id: string;
  /** Whether the service is taken to be coffer's. */
  readonly extensions: boolean;
  readonly #apiKey: string;
  readonly #baseUrl: URL;
  readonly #timeoutMs: number;
  readonly #maxRetries: number;
  readonly #fetch: typeof globalThis.fetch;

  /** @throws TypeError or RangeError ERR_INVALID_ARGUMENT for an absent or malformed API key, URL or number */
  constructor(options: HttpOptions) {
    const apiKey =
      options.apiKey ?? environmentVariable("COFFER_API_KEY") ?? environmentVariable("WORKOS_API_KEY") ?? "";
    if (typeof apiKey !== "string" || !API_KEY.test(apiKey)) {
      throw invalidType("an API key is needed: apiKey, COFFER_API_KEY or WORKOS_API_KEY");
    }
    this.#apiKey = apiKey;
    this.#baseUrl = checkUrl(
      options.baseUrl ?? environmentVariable("COFFER_BASE_URL") ?? BASE_URL_DEFAULT,
      options.insecureHttp === true,
    );
    this.extensions = options.extensions ?? this.#baseUrl.origin !== BASE_URL_DEFAULT;
    this.#timeoutMs = checkNumber(options.timeoutMs ?? TIMEOUT_MS_DEFAULT, 1, 2 ** 31 - 1, "timeoutMs");
    this.#maxRetries = checkNumber(options.maxRetries ?? RETRIES_DEFAULT, 0, RETRIES_MAX, "maxRetries");
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    const caller = toHex(hash.sha256(ascii(`coffer/v1/caller ${apiKey}`)).subarray(0, 8));
    this.id = `${this.#baseUrl.href} ${caller}`;
  }

  /**
   * Sends one logical request, as often as it takes.
   *
   * @returns the JSON of the answer, or what `read` makes of it
   * @throws VaultError with the service's own code where it gives one, else ERR_SERVICE_UNAUTHENTICATED,
   *   ERR_SERVICE_FORBIDDEN, ERR_SERVICE_RATE_LIMITED, ERR_SERVICE_REJECTED, ERR_SERVICE_UNAVAILABLE, ERR_SERVICE_TIMEOUT,
   *   ERR_SERVICE_BAD_RESPONSE, or what `codes` says; the signal's reason
   */
  async send<T = unknown>(request: HttpRequest<T>): Promise<T> {
    const url = this.#url(request);
    const headers: Record<string, string> = {
      accept: "application/json",
      authorization: `Bearer ${this.#apiKey}`,
    };
    if (request.body !== undefined) headers["content-type"] = "application/json";
    // A browser forbids it, or asks the server's leave for it.
    if (!("document" in globalThis)) headers["user-agent"] = `coffer/${VERSION}`;
    // One key for all attempts: a service that honours it does the work once.
    if (request.method !== "GET") headers["idempotency-key"] = uuidToText(uuidV4());
    const init: RequestInit = {
      method: request.method,
      headers,
      // Another host must not get the API key. workerd knows no mode that fails by itself.
      redirect: "manual",
      cache: "no-store",
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    };
    for (let attempt = 0; ; attempt++) {
      request.signal?.throwIfAborted();
      let failure: VaultError;
      try {
        return await this.#attempt(url, init, request);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        failure = error.error;
        if (!error.isRetried || attempt >= this.#maxRetries) throw failure;
        await pause(error.waitMs ?? backoff(attempt), request.signal);
      }
    }
  }

  toJSON(): Record<string, string> {
    return { baseUrl: this.#baseUrl.href };
  }

  async #attempt<T>(url: URL, init: RequestInit, request: HttpRequest<T>): Promise<T> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([request.signal, timeout]);
    try {
      const response = await this.#fetch(url, { ...init, signal });
      // Browsers show the type only, all others the status.
      if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
        await response.body?.cancel();
        throw new TypeError("the service answered with a redirect");
      }
      // Under the same signal: a body that never ends is a timeout too.
      const body = await readAll(response);
      return readAnswer(response, body, request);
    } catch (error) {
      if (error instanceof Failure || isVaultError(error)) throw error;
      request.signal?.throwIfAborted();
      if (timeout.aborted) {
        throw new Failure(
          new VaultError("ERR_SERVICE_TIMEOUT", `the service did not answer within ${this.#timeoutMs} ms`, {
            retryable: true,
          }),
          true,
        );
      }
      throw new Failure(
        new VaultError("ERR_SERVICE_UNAVAILABLE", "the service cannot be reached", {
          cause: error,
          retryable: true,
        }),
        true,
      );
    }
  }

  #url(request: HttpRequest<unknown>): URL {
    const path = request.path.map((segment) => {
      if (typeof segment !== "string")
        throw invalidType(`a path segment must be text, got ${typeName(segment)}`);
      if (segment === "" || segment === "." || segment === "..") {
        throw invalidRange('an id or name must not be empty, "." or ".."');
      }
      if (!segment.isWellFormed()) throw invalidRange("an id or name must not hold a lone surrogate");
      return encodeURIComponent(segment);
    });
    const url = new URL(`${this.#baseUrl.pathname.replace(/\/$/, "")}/${path.join("/")}`, this.#baseUrl);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }
}

/** A failed attempt: the error it would be, and whether another attempt may help. */
class Failure {
  readonly error: VaultError;
  readonly isRetried: boolean;
  readonly waitMs: number | undefined;

  constructor(error: VaultError, isRetried: boolean, waitMs?: number) {
    this.error = error;
    this.isRetried = isRetried;
    this.waitMs = waitMs;
  }
}

async function readAll(response: Response): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concatBytes(...parts);
    length += value.length;
    if (length > ANSWER_BYTES_MAX) {
      await reader.cancel();
      throw badResponse(`it has more than ${ANSWER_BYTES_MAX} bytes`);
    }
    parts.push(value);
  }
}

function readAnswer<T>(response: Response, body: Uint8Array, request: HttpRequest<T>): T {
  const { status } = response;
  const requestId = response.headers.get("x-request-id");
  const identified = requestId === null ? {} : { requestId };
  let json: unknown;
  try {
    json = JSON.parse(fromUtf8(body) as string);
  } catch {
    json = undefined;
  }
  if (response.ok) {
    try {
      if (json === undefined) throw badResponse("it is not JSON");
      return request.read === undefined ? (json as T) : request.read(json);
    } catch (error) {
      if (!isVaultError(error)) throw error;
      const { retryable } = error;
      throw new VaultError(error.code, error.message, { status, retryable, ...identified });
    }
  }
  const code = codeOf(status, json, request);
  const isRetried = RETRIED_STATUSES.has(status);
  // The service's own text may repeat what was sent: it stays out of the error.
  const error = new VaultError(code, `the service refused the request (status ${status})`, {
    status,
    retryable: isRetried,
    ...identified,
  });
  throw new Failure(error, isRetried, retryAfterMs(response.headers.get("retry-after")));
}

function codeOf(status: number, json: unknown, request: HttpRequest): VaultErrorCode {
  const said = (json as { code?: unknown } | null | undefined)?.code;
  if (typeof said === "string" && KNOWN_CODES.has(said)) return said as VaultErrorCode;
  const meant = request.codes?.[status];
  if (meant !== undefined) return meant;
  if (status === 401) return "ERR_SERVICE_UNAUTHENTICATED";
  if (status === 403) return "ERR_SERVICE_FORBIDDEN";
  if (status === 429) return "ERR_SERVICE_RATE_LIMITED";
  if (status === 408 || status === 504) return "ERR_SERVICE_TIMEOUT";
  return status >= 500 ? "ERR_SERVICE_UNAVAILABLE" : "ERR_SERVICE_REJECTED";
}

/** Retry-After in seconds or as a date (RFC 9110 section 10.2.3); undefined if absent, unreadable or too long. */
export function retryAfterMs(value: string | null, now: number = Date.now()): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1000 : new Date(value).getTime() - now;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}

/** Doubles from attempt to attempt; a random half of it, so that many clients do not come back at once. */
function backoff(attempt: number): number {
  const ms = Math.min(BACKOFF_MS_MIN * 2 ** attempt, BACKOFF_MS_MAX);
  return ms * (0.5 + randomBytes(1)[0]! / 512);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    // It may have been aborted while the answer was looked at.
    if (signal?.aborted === true) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function checkUrl(text: string, insecureHttp: boolean): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalidRange("baseUrl is not a URL");
  }
  const isPlain = url.protocol === "http:";
  if (url.protocol !== "https:" && !isPlain)
    throw invalidRange("baseUrl must be https, or http to this machine");
  if (isPlain && !insecureHttp && !LOOPBACK.test(url.hostname)) {
    throw invalidRange(
      "baseUrl must be https: plain http would show keys to the network (insecureHttp allows it)",
    );
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw invalidRange("baseUrl must not hold credentials, a query or a fragment");
  }
  return url;
}

function checkNumber(value: number, min: number, max: number, what: string): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw invalidRange(`${what} must be a whole number from ${min} to ${max}`);
  }
  return value;
}
