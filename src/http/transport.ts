/**
 * The transport: one logical request, with timeout, retries and an idempotency key.
 *
 * Owns how a request is made, repeated and given up. How it goes over the wire is in sender.ts, what a failed attempt means in
 * attempts.ts, what a refusal means in refusals.ts, where keys may go in credentials.ts. Must not know operations or bodies.
 *
 * @module
 */

import { fromUtf8 } from "../base/bytes.ts";
import { deadlineOf } from "../base/features.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import { uuidToText, uuidV4 } from "../crypto/primitives/uuid.ts";
import { isVaultError, VaultError } from "../errors.ts";
import { type CallTaker, isTimeOver, runCall } from "../keys/calls.ts";
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import type { Revision } from "../keys/revisions.ts";
import { VERSION } from "../version.ts";
import { badResponse, objectOf } from "../wire/bodies.ts";
import {
  backoff,
  CALLER_STATUSES,
  FailedAttempt,
  failureToSend,
  mayHaveActed,
  outcomeUnknown,
  pause,
  RETRIED_STATUSES,
} from "./attempts.ts";
import type { BaseUrl } from "./base-url.ts";
import { HERE_SENDER } from "./built-in.ts";
import { targetOf } from "./credentials.ts";
import { HeardRevision } from "./heard-revision.ts";
import { RETRIES_DEFAULT, RETRIES_MAX, TIMEOUT_MS_DEFAULT } from "./limits.ts";
import {
  cofferCodeOf,
  type HttpAnswer,
  isMissingRoute,
  refusalOf,
  requestIdOf,
  type StatusCodes,
} from "./refusals.ts";
import { retryAfterMs } from "./retry-after.ts";
import { fetchSender, isRedirect, type Sender, type SentRequest } from "./sender.ts";
import { ServiceKind } from "./service-kind.ts";
import { textsOf } from "./service-words.ts";

/** How to reach a service. */
export interface HttpOptions {
  /**
   * `sk_…`; goes to `baseUrl` only. Default the environment variable of the service's kind: COFFER_API_KEY, or
   * WORKOS_API_KEY for WorkOS's own service; neither goes to the other kind.
   */
  readonly apiKey?: string | undefined;
  /**
   * `https://host[:port][/prefix]`; plain http only to this machine. Default the environment variable COFFER_BASE_URL, else
   * WorkOS's own service, unless COFFER_API_KEY is set.
   */
  readonly baseUrl?: string | undefined;
  /**
   * Whether the service has what a coffer server has beyond WorkOS's API: contexts told on decrypt, writes that can be
   * repeated safely, rewrap, old versions, undelete, destroy. Default: asked of the service once, by
   * `GET /coffer/v1/status`; WorkOS's own is not asked. `false` is for a service behind a proxy that does not answer that.
   */
  readonly extensions?: boolean | undefined;
  /** Milliseconds per attempt, body included; default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Attempts after the first: 0 to 10, default 3. */
  readonly maxRetries?: number | undefined;
  /** Send keys over plain http to other machines: for tests behind a proxy only. Default false. */
  readonly insecureHttp?: boolean | undefined;
  /**
   * Sends requests. Default the global `fetch`; on Node its own client, as long as the program has not changed `fetch` or its
   * dispatcher, which costs a third of the processor time.
   */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** One logical request. */
export interface HttpRequest<T = unknown> {
  /** The call that it is part of, without its time: what of it concerns a request. */
  readonly call?: Pick<ChangeOptions, "signal" | "headers" | "idempotencyKey"> | undefined;
  /** What a service without coffer's own operations cannot: it is asked for them first, by {@link Transport.run} only. */
  readonly needs?: string | undefined;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Segments of the path; each is encoded, so that a name with a slash stays one segment. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>> | undefined;
  readonly body?: unknown;
  /** What statuses mean for this operation, where the service gives no code of ours. */
  readonly codes?: StatusCodes | undefined;
  /** A second time changes nothing: default for GET. Of all others, a lost answer leaves the outcome unknown. */
  readonly isRepeatable?: boolean | undefined;
  /** Statuses by which a service without idempotency keys refuses a request that it has carried out before. */
  readonly conflictsWithItself?: readonly number[] | undefined;
  /** Makes of the answer's JSON and its revision what is wanted; what it throws is told with the request's id. Default: the JSON. */
  readonly read?: ((body: unknown, revision: Revision | undefined) => T) | undefined;
  /** Makes an answer of a refusal that is one for this operation; undefined for all others. */
  readonly readRefusal?: ((answer: HttpAnswer) => T | undefined) | undefined;
}

/** Names of {@link HttpOptions}, for calls that take them among options of their own. */
export const HTTP_OPTIONS = /* @__PURE__ */ optionNames<HttpOptions>({
  apiKey: true,
  baseUrl: true,
  extensions: true,
  timeoutMs: true,
  maxRetries: true,
  insecureHttp: true,
  fetch: true,
});

const OVER_HTTP: CallTaker = { takesHeaders: true };

/** Numbers the transports of this process, so that no two callers are taken for one. */
let transports = 0;

/** Sends requests to one service with one API key. */
export class Transport {
  /** Tells service and caller apart from others; holds no key. */
  readonly id: string;
  /** What answers have told of revocations. */
  readonly heard = new HeardRevision();
  readonly #apiKey: string;
  readonly #baseUrl: BaseUrl;
  readonly #kind: ServiceKind;
  readonly #timeoutMs: number;
  readonly #maxRetries: number;
  readonly #sender: Sender;

  /** @throws TypeError or RangeError ERR_INVALID_ARGUMENT for an absent or malformed API key, URL or number */
  constructor(options: HttpOptions) {
    checkOptions(options, HTTP_OPTIONS, "Transport");
    const { apiKey, baseUrl, isWorkos } = targetOf(options);
    this.#apiKey = apiKey;
    this.#baseUrl = baseUrl;
    this.#kind = new ServiceKind(options.extensions ?? (isWorkos ? false : undefined), (call) =>
      this.#askKind(call),
    );
    this.#timeoutMs = checkWhole(options.timeoutMs ?? TIMEOUT_MS_DEFAULT, 1, 2 ** 31 - 1, "timeoutMs");
    this.#maxRetries = checkWhole(options.maxRetries ?? RETRIES_DEFAULT, 0, RETRIES_MAX, "maxRetries");
    this.#sender = options.fetch === undefined ? HERE_SENDER : fetchSender(options.fetch);
    transports += 1;
    this.id = `${this.#baseUrl.href} ${transports}`;
  }

  /** Whether the service has coffer's own operations, as far as that is known without asking it. */
  get toldExtensions(): boolean | undefined {
    return this.#kind.told;
  }

  /**
   * Whether the service has coffer's own operations; it is asked once.
   *
   * @throws as {@link send}, where the service's answer does not say so
   */
  hasExtensions(call: CallOptions): Promise<boolean> {
    return this.#kind.hasExtensions(call);
  }

  /** @param what - a service without coffer's own operations cannot. @throws VaultError ERR_UNSUPPORTED; as {@link hasExtensions} */
  async needExtensions(what: string, call: CallOptions): Promise<void> {
    if (await this.hasExtensions(call)) return;
    throw new VaultError("ERR_UNSUPPORTED", `this service cannot ${what}`);
  }

  /**
   * Sends the request of a call, within the time of the call.
   *
   * @param request - tells it from how the call goes
   * @throws VaultError ERR_UNSUPPORTED where a service lacks what the request needs; as {@link send}
   */
  run<T>(
    options: ChangeOptions,
    request: (call: ChangeOptions) => HttpRequest<T> | Promise<HttpRequest<T>>,
  ): Promise<T> {
    return runCall(options, OVER_HTTP, async (call) => {
      const { needs, ...sent } = await request(call);
      if (needs !== undefined) await this.needExtensions(needs, call);
      return this.send({ ...sent, call });
    });
  }

  /**
   * Sends one logical request, as often as it takes.
   *
   * @returns the JSON of the answer, or what `read` makes of it
   * @throws VaultError with the service's own code where it gives one, else ERR_SERVICE_UNAUTHENTICATED,
   *   ERR_SERVICE_FORBIDDEN, ERR_SERVICE_RATE_LIMITED, ERR_SERVICE_REJECTED, ERR_SERVICE_UNAVAILABLE, ERR_SERVICE_TIMEOUT,
   *   ERR_SERVICE_BAD_RESPONSE, or what `codes` says; ERR_OUTCOME_UNKNOWN if a change may have been made although no answer
   *   says so, also where the call's time is over meanwhile; else the signal's reason
   */
  async send<T = unknown>(request: HttpRequest<T>): Promise<T> {
    const url = this.#baseUrl.join(request.path, request.query);
    const isRepeatable = request.isRepeatable ?? request.method === "GET";
    const headers: Record<string, string> = {
      ...request.call?.headers,
      accept: "application/json",
      authorization: `Bearer ${this.#apiKey}`,
    };
    if (request.body !== undefined) headers["content-type"] = "application/json";
    // A browser forbids it, or asks the server's leave for it.
    if (!("document" in globalThis)) headers["user-agent"] = `coffer/${VERSION}`;
    // One key for all attempts: a service that honours it does the work once.
    if (request.method !== "GET") {
      headers["idempotency-key"] = request.call?.idempotencyKey ?? uuidToText(uuidV4());
    }
    const sent = {
      method: request.method,
      headers,
      body: request.body === undefined ? undefined : JSON.stringify(request.body),
    };
    let mayHaveActed = false;
    let waitMs = 0;
    for (let attempt = 0; ; attempt++) {
      try {
        request.call?.signal?.throwIfAborted();
        if (attempt > 0) await pause(waitMs, request.call?.signal);
      } catch (reason) {
        throw isTimeOver(reason) && mayHaveActed && !isRepeatable ? outcomeUnknown(reason) : reason;
      }
      try {
        return await this.#attempt(url, sent, request);
      } catch (error) {
        // The request was under way.
        if (isTimeOver(error) && !isRepeatable) throw outcomeUnknown(error);
        if (!(error instanceof FailedAttempt)) throw error;
        const { status } = error.error;
        const isDoubtful =
          status !== undefined &&
          (CALLER_STATUSES.has(status) || request.conflictsWithItself?.includes(status) === true);
        const isLast = !error.isRetried || attempt >= this.#maxRetries;
        if (
          isLast &&
          !isRepeatable &&
          (error.mayHaveActed || (mayHaveActed && (error.isRetried || isDoubtful)))
        ) {
          throw outcomeUnknown(error.error);
        }
        if (isLast) throw error.error;
        mayHaveActed ||= error.mayHaveActed;
        waitMs = error.waitMs ?? backoff(attempt);
      }
    }
  }

  toJSON(): Record<string, string> {
    return { baseUrl: this.#baseUrl.href };
  }

  async #attempt<T>(url: URL, sent: Omit<SentRequest, "signal">, request: HttpRequest<T>): Promise<T> {
    const deadline = deadlineOf(this.#timeoutMs, request.call?.signal);
    const sentAt = Date.now();
    try {
      // Under the same signal to its end: a body that never ends is a timeout too.
      const { status, headers, body } = await this.#sender(url, { ...sent, signal: deadline.signal });
      if (isRedirect(status)) throw redirected(status);
      const revision = this.heard.hear(status, headers, sentAt);
      const answer = { status, headers, json: jsonOf(body) };
      return status >= 200 && status < 300
        ? readAnswer(answer, revision, request)
        : this.#readRefusal(answer, request);
    } catch (error) {
      if (error instanceof FailedAttempt || isVaultError(error)) throw error;
      request.call?.signal?.throwIfAborted();
      if (deadline.isOver()) {
        throw new FailedAttempt(
          new VaultError("ERR_SERVICE_TIMEOUT", `the service did not answer within ${this.#timeoutMs} ms`, {
            retryable: true,
          }),
          { isRetried: true, mayHaveActed: true },
        );
      }
      throw failureToSend(error);
    } finally {
      deadline.release();
    }
  }

  #readRefusal<T>(answer: HttpAnswer, request: HttpRequest<T>): T {
    const meant = request.readRefusal?.(answer);
    if (meant !== undefined) return meant;
    // The service lacks what it was believed to have: the next call that needs it asks again.
    if (request.path[0] === "coffer" && isMissingRoute(answer)) this.#kind.forget();
    const isRetried = RETRIED_STATUSES.has(answer.status);
    const secrets = [this.#apiKey, ...Object.values(request.call?.headers ?? {}), ...textsOf(request.body)];
    throw new FailedAttempt(refusalOf(answer, request.codes, secrets, isRetried), {
      isRetried,
      mayHaveActed: mayHaveActed(answer),
      waitMs: retryAfterMs(answer.headers.get("retry-after")),
    });
  }

  /** Asks the service what it is. What is refused by something else than a coffer server is an answer too. */
  async #askKind(call: Pick<CallOptions, "headers">): Promise<boolean> {
    try {
      return await this.send({
        call,
        method: "GET",
        path: ["coffer", "v1", "status"],
        read: (body) => objectOf(body, "status").service === "coffer",
        readRefusal: (answer) =>
          isMissingRoute(answer) ||
          (cofferCodeOf(answer.json) === undefined && !RETRIED_STATUSES.has(answer.status))
            ? false
            : undefined,
      });
    } catch (error) {
      // A page of some web server, or a redirect to one.
      const isOther =
        isVaultError(error, "ERR_SERVICE_BAD_RESPONSE") ||
        (isVaultError(error) && error.status !== undefined && error.status < 400);
      if (isOther) return false;
      throw error;
    }
  }
}

/** Where it leads must not get the API key. */
function redirected(status: number): FailedAttempt {
  const error = new VaultError(
    "ERR_SERVICE_UNAVAILABLE",
    "the service answered with a redirect, which is not followed: is baseUrl right?",
    // Browsers tell no status.
    { status: status || undefined },
  );
  return new FailedAttempt(error, { isRetried: false, mayHaveActed: false });
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body) as string);
  } catch {
    return undefined;
  }
}

function readAnswer<T>(
  { status, headers, json }: HttpAnswer,
  revision: Revision | undefined,
  request: HttpRequest<T>,
): T {
  try {
    if (json === undefined) throw badResponse("it is not JSON");
    return request.read === undefined ? (json as T) : request.read(json, revision);
  } catch (error) {
    if (!isVaultError(error)) throw error;
    const { retryable } = error;
    throw new VaultError(error.code, error.message, { status, retryable, requestId: requestIdOf(headers) });
  }
}
