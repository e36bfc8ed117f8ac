/**
 * The server's core: `(Request) => Response`, on every runtime with web standards.
 *
 * Owns the way of a request: route, authentication, authorisation, validation, the operation, the answer; and what of it
 * is logged and counted. Must not know sockets, nor where a vault is stored.
 *
 * @module
 */
import { Hono } from "hono";
import { toHex } from "../crypto/bytes.ts";
import { randomBytes } from "../crypto/random.ts";
import type { ApiKeyInfo } from "../vault/api-keys.ts";
import type { EventMode } from "../vault/events.ts";
import type { VaultHost } from "../vault/host.ts";
import { COFFER_OPERATIONS } from "./coffer-api.ts";
import { URL_CHARS_MAX } from "./limits.ts";
import { Metrics } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import type { Operation } from "./operations.ts";
import { invalidRequest, Problem, problemBody, toProblem } from "./problems.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { authenticate, idempotencyOf, queryOf, readBody, validate } from "./request.ts";
import { parseStrictJson } from "./strict-json.ts";
import { VAULT_OPERATIONS } from "./vault-api.ts";

/** Everything that can be asked. */
export const OPERATIONS: readonly Operation[] = [...VAULT_OPERATIONS, ...COFFER_OPERATIONS];

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

export interface AppOptions {
  readonly host: VaultHost;
  /** Takes log entries; default none. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
  /** Which events are recorded: reads too (default), or changes only. */
  readonly events?: EventMode | undefined;
  /** Requests per minute and API key in this process; default unlimited. */
  readonly requestsPerMinute?: number | undefined;
}

/** A server's core. */
export interface App {
  /**
   * Answers a request. Never rejects.
   *
   * @param refusal - what a listener has found wrong with it already
   */
  fetch(request: Request, refusal?: Problem): Promise<Response>;
}

/** What is known of a request while it is answered. */
interface Trace {
  readonly requestId: string;
  route: string;
  apiKey?: ApiKeyInfo;
  code?: string;
  cause?: string;
}

/** On every answer. */
export const JSON_HEADERS = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};
const KNOWN_METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);
const NO_ROUTE = "(none)";
const REQUEST_ID_BYTES = 12;

/** Builds the core over a host. */
export function createApp(options: AppOptions): App {
  const { host } = options;
  const metrics = new Metrics();
  const limiter =
    options.requestsPerMinute === undefined ? undefined : new RateLimiter(options.requestsPerMinute);
  const router = new Hono<{ Bindings: Trace }>();
  const allowed = new Map<string, string[]>();

  for (const operation of OPERATIONS) {
    const pattern = operation.path.replace(/\{(\w+)\}/g, ":$1");
    allowed.set(pattern, [...(allowed.get(pattern) ?? []), operation.method]);
    router.on(operation.method, pattern, async (c) => {
      c.env.route = operation.path;
      const answer = await run(operation, c.req.raw, c.req.param() as Record<string, string>, c.env);
      return json(operation.status, JSON.stringify(answer), c.env);
    });
  }
  const document = JSON.stringify(openApiDocument(OPERATIONS));
  const open: Record<string, () => Promise<[body: string, type?: string]>> = {
    "/openapi.json": async () => [document],
    "/healthz": async () => ['{"status":"ok"}'],
    "/readyz": async () => {
      await host.check();
      return ['{"status":"ready"}'];
    },
    "/metrics": async () => [metrics.render(), "text/plain; version=0.0.4; charset=utf-8"],
  };
  for (const [path, answer] of Object.entries(open)) {
    allowed.set(path, ["GET"]);
    router.get(path, async (c) => {
      c.env.route = path;
      const [body, type] = await answer();
      return json(200, body, c.env, type === undefined ? {} : { "content-type": type });
    });
  }
  // Patterns in the order of their operations: the first that matches tells the methods.
  for (const [pattern, methods] of allowed) {
    router.all(pattern, (c) => {
      if (methods.includes(c.req.method)) throw new Problem(404, "ERR_ROUTE_NOT_FOUND", "Not Found");
      throw new Problem(405, "ERR_METHOD_NOT_ALLOWED", "Method not allowed", { allow: methods.join(", ") });
    });
  }
  router.notFound((c) => refuse(new Problem(404, "ERR_ROUTE_NOT_FOUND", "Not Found"), c.env));
  router.onError((error, c) => refuse(error, c.env));

  async function run(
    operation: Operation,
    request: Request,
    parameters: Record<string, string>,
    trace: Trace,
  ): Promise<unknown> {
    const apiKey = await authenticate(host, request);
    trace.apiKey = apiKey;
    limiter?.take(apiKey.id);
    const lacking = operation.permissions.find((permission) => !apiKey.permissions.includes(permission));
    if (lacking !== undefined) {
      throw new Problem(403, "ERR_FORBIDDEN", `This API key lacks the permission ${lacking}.`);
    }
    const path = validate(operation.pathSchema, parameters, 400);
    const query = validate(operation.querySchema, queryOf(request), 400);
    const bytes = operation.bodySchema === undefined ? undefined : await readBody(request);
    const body =
      bytes === undefined ? undefined : validate(operation.bodySchema, parseStrictJson(bytes), 422);
    const session = host.session(apiKey.environmentId, {
      actor: { id: apiKey.id, name: apiKey.name, source: "api" },
      constraints: apiKey.constraints,
      events: options.events ?? "all",
      idempotency: operation.isIdempotent ? idempotencyOf(operation.id, request, bytes) : undefined,
    });
    try {
      return await operation.run({ path, query, body, session, apiKey, host, signal: request.signal });
    } catch (error) {
      if (request.signal.aborted) throw new Problem(499, "ERR_REQUEST_ABORTED", "The client has gone.");
      // What an error may tell depends on what was asked.
      throw Object.assign(toProblem(error, operation.isKeyBlobCall === true), { thrown: error });
    }
  }

  function refuse(error: unknown, trace: Trace): Response {
    const problem = toProblem(error, false);
    const thrown = (error as { thrown?: unknown }).thrown ?? error;
    trace.code = problem.code;
    if (problem.status >= 500) trace.cause = causeOf(thrown);
    return json(problem.status, problemBody(problem), trace, problem.headers);
  }

  async function fetch(request: Request, refusal?: Problem): Promise<Response> {
    const end = metrics.begin();
    const startedAt = performance.now();
    const trace: Trace = { requestId: newRequestId(), route: NO_ROUTE };
    const problem = refusal ?? problemOfUrl(request.url);
    const response = problem === undefined ? await router.fetch(request, trace) : refuse(problem, trace);
    const method = KNOWN_METHODS.has(request.method) ? request.method : "OTHER";
    end(method, trace.route, response.status);
    options.log?.({
      level: response.status >= 500 ? "error" : "info",
      at: new Date().toISOString(),
      requestId: trace.requestId,
      method,
      route: trace.route,
      status: response.status,
      durationMs: Math.round((performance.now() - startedAt) * 1000) / 1000,
      ...(trace.apiKey === undefined
        ? {}
        : { apiKeyId: trace.apiKey.id, environmentId: trace.apiKey.environmentId }),
      ...(trace.code === undefined ? {} : { code: trace.code }),
      ...(trace.cause === undefined ? {} : { cause: trace.cause }),
    });
    return response;
  }

  return { fetch };
}

/** What is wrong with a URL before any route is looked for. */
function problemOfUrl(url: string): Problem | undefined {
  if (url.length > URL_CHARS_MAX) return new Problem(414, "ERR_REQUEST_TOO_LARGE", "The URL is too long.");
  if (!url.includes("%")) return undefined;
  try {
    // The router would leave such a segment as it is, so that two paths would mean the same name.
    decodeURIComponent(url.split("?", 1)[0] as string);
    return undefined;
  } catch {
    return invalidRequest("The path is not percent-encoded UTF-8.");
  }
}

function json(
  status: number,
  body: string,
  trace: Trace,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, {
    status,
    headers: { ...JSON_HEADERS, ...headers, "x-request-id": trace.requestId },
  });
}

/** An id that no other answer has. */
export function newRequestId(): string {
  return `req_${toHex(randomBytes(REQUEST_ID_BYTES))}`;
}

/** Class and code of an error: its message and cause may say what nobody should read. */
function causeOf(error: unknown): string {
  const { name, code, cause } = error as { name?: unknown; code?: unknown; cause?: unknown };
  const own = `${typeof name === "string" ? name : typeof error}${typeof code === "string" ? ` ${code}` : ""}`;
  return cause === undefined ? own : `${own} <- ${causeOf(cause)}`;
}
