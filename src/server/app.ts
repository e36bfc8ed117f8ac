/**
 * The server's core: `(Request) => Response`, on every runtime with web standards.
 *
 * Owns the way of a request: route, authentication, authorisation, validation, the operation, the answer; and what of it
 * is logged and counted. Must not know sockets, nor where a vault is stored.
 *
 * @module
 */

import { toHex } from "../base/bytes.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { randomBytes } from "../crypto/primitives/random.ts";
import { invalidType } from "../errors.ts";
import type { ApiKeyInfo } from "../vault/access/api-keys.ts";
import type { EventMode } from "../vault/events/events.ts";
import type { VaultHost } from "../vault/host.ts";
import { REVISION_HEADER } from "../wire/revisions.ts";
import { type CoreRequest, type CoreResponse, coreRequestOf, webResponseOf } from "./core/exchange.ts";
import { openApiDocument } from "./core/openapi.ts";
import type { Operation } from "./core/operation.ts";
import { invalidRequest, Problem, problemBody, toProblem } from "./core/problems.ts";
import { aloneGroup, type ProcessGroup } from "./core/process-group.ts";
import { authenticate, idempotencyOf, queryOf, readBody, validate } from "./core/request.ts";
import { type Parameters, Router } from "./core/router.ts";
import { parseStrictJson } from "./core/strict-json.ts";
import { BODY_BYTES_SMALL_MAX, PUBLIC_MAX_AGE_S, URL_CHARS_MAX } from "./limits.ts";
import { OPERATIONS, PUBLIC_OPERATIONS } from "./operations/index.ts";

/** One line of the log: what happened, never what was said. Only these fields exist. */
export interface LogEntry {
  readonly level: "info" | "error";
  /** RFC 3339. */
  readonly at: string;
  readonly requestId: string;
  readonly method: string;
  /** The route's pattern, without ids and names. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  readonly apiKeyId?: string;
  readonly environmentId?: string;
  readonly code?: string;
  /** Class and code of an unexpected error, never its message. */
  readonly cause?: string;
}

/** How to build the core. */
export interface AppOptions {
  readonly host: VaultHost;
  /** Takes log entries; default none. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
  /** Which events are recorded: reads too (default), or changes only. */
  readonly events?: EventMode | undefined;
  /** Requests per minute and API key in this process; default unlimited. Not beside `group`, which has its own. */
  readonly requestsPerMinute?: number | undefined;
  /** The processes that serve the same port (`joinGroup`); default this one alone. */
  readonly group?: ProcessGroup | undefined;
}

/** Names of {@link AppOptions}. */
const APP_OPTIONS = optionNames<AppOptions>({
  host: true,
  log: true,
  events: true,
  requestsPerMinute: true,
  group: true,
});

/** A server's core. */
export interface App {
  /**
   * Answers a request. Rejects only where there is no randomness.
   *
   * @param refusal - what a listener has found wrong with it already
   */
  answer(request: CoreRequest, refusal?: Problem): Promise<CoreResponse>;

  /** The same for a web-standard request. */
  fetch(request: Request, refusal?: Problem): Promise<Response>;
}

/** What is known of a request while it is answered. */
interface Trace {
  readonly requestId: string;
  route: string;
  apiKey?: ApiKeyInfo;
  /** Of the caller's environment, of before the operation was begun. */
  revision?: string | undefined;
  /** On this answer, whether it is a refusal or not. */
  headers?: Readonly<Record<string, string>>;
  code?: string;
  cause?: string;
}

/** On every answer. */
export const JSON_HEADERS = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};
/** Pages of any origin may read what is public ([API-80]). */
const PUBLIC_HEADERS = { "access-control-allow-origin": "*" };
/** How long what is public may be kept. */
const PUBLIC_CACHE = `public, max-age=${PUBLIC_MAX_AGE_S}`;
const KNOWN_METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);
const NO_ROUTE = "(none)";
const REQUEST_ID_BYTES = 12;

/** Answers a request of one route; what it throws is refused. */
type Handle = (request: CoreRequest, parameters: Parameters, trace: Trace) => Promise<CoreResponse>;

interface Route {
  /** The pattern, for log and metrics. */
  readonly path: string;
  readonly handle: Handle;
}

/** Builds the core over a host. */
export function createApp(options: AppOptions): App {
  checkOptions(options, APP_OPTIONS, "createApp");
  const { host } = options;
  const callers = host.callers(options.events ?? "all");
  if (options.group !== undefined && options.requestsPerMinute !== undefined)
    throw invalidType("a group has a rate limit of its own: requestsPerMinute goes where it is started");
  const group = options.group ?? aloneGroup(options.requestsPerMinute);
  const { metrics } = group;
  const router = new Router<Route>();
  const add = (method: string, path: string, handle: Handle): void =>
    router.add(method, path, { path, handle });
  for (const operation of OPERATIONS) {
    add(operation.method, operation.path, async (request, parameters, trace) => {
      const answer = await run(operation, request, parameters, trace);
      return json(operation.status, JSON.stringify(answer), trace);
    });
  }
  for (const operation of PUBLIC_OPERATIONS) {
    add(operation.method, operation.path, async (_, parameters, trace) => {
      trace.headers = PUBLIC_HEADERS;
      const path = validate(operation.pathSchema, parameters, 400) as Readonly<Record<string, string>>;
      const answer = await operation.run({ path, host });
      return json(operation.status, JSON.stringify(answer), trace, { "cache-control": PUBLIC_CACHE });
    });
  }
  // Bytes, which all answers that wait to be sent have in common.
  const document = new TextEncoder().encode(JSON.stringify(openApiDocument(OPERATIONS, PUBLIC_OPERATIONS)));
  add("GET", "/openapi.json", async (_, __, trace) => json(200, document, trace));
  add("GET", "/healthz", async (_, __, trace) => json(200, '{"status":"ok"}', trace));
  add("GET", "/readyz", async (_, __, trace) => {
    // At most one write a second, however often it is asked.
    await host.writable();
    return json(200, '{"status":"ready"}', trace);
  });
  add("GET", "/metrics", async (_, __, trace) =>
    json(200, await group.renderMetrics(), trace, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    }),
  );

  /** Awaits only what is not there yet: what can be answered at once is carried out before this returns. */
  async function run(
    operation: Operation,
    request: CoreRequest,
    parameters: Parameters,
    trace: Trace,
  ): Promise<unknown> {
    const found = authenticate(callers, request);
    const { apiKey, session } = found instanceof Promise ? await found : found;
    trace.apiKey = apiKey;
    trace.revision = session.revisions.newest() ?? (await session.revisions.afresh());
    const taken = group.take(apiKey.id);
    if (taken !== undefined) await taken;
    const lacking = operation.permissions.find((permission) => !apiKey.permissions.includes(permission));
    const { instead } = operation;
    if (lacking !== undefined && !(instead !== undefined && apiKey.permissions.includes(instead))) {
      throw new Problem(403, "ERR_FORBIDDEN", `This API key lacks the permission ${lacking}.`);
    }
    const path = validate(operation.pathSchema, parameters, 400);
    const query =
      operation.querySchema === undefined
        ? undefined
        : validate(operation.querySchema, queryOf(request.target, operation.isList === true), 400);
    let bytes: Uint8Array | undefined;
    let body: unknown;
    if (operation.bodySchema !== undefined) {
      const read = readBody(request, operation.bodyBytesMax ?? BODY_BYTES_SMALL_MAX);
      bytes = read instanceof Promise ? await read : read;
      body = validate(operation.bodySchema, parseStrictJson(bytes), 422);
    }
    const idempotency = operation.isIdempotent
      ? idempotencyOf(host, apiKey, operation.id, request, bytes)
      : undefined;
    const { signal } = request;
    try {
      return await operation.run({ path, query, body, session, apiKey, host, signal, idempotency });
    } catch (error) {
      if (signal.aborted) throw new Problem(499, "ERR_REQUEST_ABORTED", "The client has gone.");
      // What an error may tell depends on the operation.
      throw Object.assign(toProblem(error, operation.isKeyBlobCall === true), { thrown: error });
    }
  }

  function refuse(error: unknown, trace: Trace): CoreResponse {
    const problem = toProblem(error, false);
    const thrown = (error as { thrown?: unknown }).thrown ?? error;
    trace.code = problem.code;
    if (problem.status >= 500) trace.cause = causeOf(thrown);
    return json(problem.status, problemBody(problem), trace, problem.headers);
  }

  async function dispatch(request: CoreRequest, trace: Trace): Promise<CoreResponse> {
    const path = pathOf(request.target);
    const found = router.find(request.method === "HEAD" ? "GET" : request.method, path);
    if (found.target !== undefined) {
      trace.route = found.target.path;
      return found.target.handle(request, found.parameters, trace);
    }
    if (found.methods.length === 0) throw new Problem(404, "ERR_ROUTE_NOT_FOUND", "Not Found");
    const allow = found.methods.join(", ");
    throw new Problem(405, "ERR_METHOD_NOT_ALLOWED", "Method not allowed", { allow });
  }

  async function answer(request: CoreRequest, refusal?: Problem): Promise<CoreResponse> {
    const startedAt = metrics.begin();
    const trace: Trace = { requestId: newRequestId(), route: NO_ROUTE };
    let answer: CoreResponse;
    try {
      const problem = refusal ?? problemOfTarget(request.target);
      if (problem !== undefined) throw problem;
      answer = await dispatch(request, trace);
    } catch (error) {
      answer = refuse(error, trace);
    }
    const method = KNOWN_METHODS.has(request.method) ? request.method : "OTHER";
    const milliseconds = metrics.end(startedAt, method, trace.route, answer.status);
    options.log?.({
      level: answer.status >= 500 ? "error" : "info",
      at: new Date().toISOString(),
      requestId: trace.requestId,
      method,
      route: trace.route,
      status: answer.status,
      durationMs: Math.round(milliseconds * 1000) / 1000,
      ...(trace.apiKey === undefined
        ? {}
        : { apiKeyId: trace.apiKey.id, environmentId: trace.apiKey.environmentId }),
      ...(trace.code === undefined ? {} : { code: trace.code }),
      ...(trace.cause === undefined ? {} : { cause: trace.cause }),
    });
    return answer;
  }

  return {
    answer,
    fetch: async (request, refusal) =>
      webResponseOf(await answer(coreRequestOf(request), refusal), request.method),
  };
}

/** The path of a target, without its query. */
function pathOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? target : target.slice(0, mark);
}

/** What is wrong with a target before any route is looked for. */
function problemOfTarget(target: string): Problem | undefined {
  if (target.length > URL_CHARS_MAX) return new Problem(414, "ERR_REQUEST_TOO_LARGE", "The URL is too long.");
  if (!target.includes("%")) return undefined;
  try {
    decodeURIComponent(pathOf(target));
    return undefined;
  } catch {
    return invalidRequest("The path is not percent-encoded UTF-8.");
  }
}

function json(
  status: number,
  body: CoreResponse["body"],
  trace: Trace,
  headers: Readonly<Record<string, string>> = {},
): CoreResponse {
  const own = { ...JSON_HEADERS, ...trace.headers, ...headers };
  const told: Record<string, string> = { ...own, "x-request-id": trace.requestId };
  if (trace.revision !== undefined) told[REVISION_HEADER] = trace.revision;
  return { status, headers: told, body };
}

/** An id that no other answer has. */
export function newRequestId(): string {
  return `req_${toHex(randomBytes(REQUEST_ID_BYTES))}`;
}

/** Class and code of an error: its message may hold what must not be logged. */
function causeOf(error: unknown): string {
  const { name, code, cause } = error as { name?: unknown; code?: unknown; cause?: unknown };
  const own = `${typeof name === "string" ? name : typeof error}${typeof code === "string" ? ` ${code}` : ""}`;
  return cause === undefined ? own : `${own} <- ${causeOf(cause)}`;
}
