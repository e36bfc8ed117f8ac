/**
 * Requests and responses as the core knows them, without sockets and without streams.
 *
 * Owns their two shapes, and how they are made from a web-standard `Request` and into a `Response`. Must not know routes.
 *
 * @module
 */
import { type Bytes, concatBytes } from "../../base/bytes.ts";
import { BUSY_RETRY_AFTER_S } from "../limits.ts";
import { invalidRequest, Problem } from "./problems.ts";

/** A request, as a listener hands it on. */
export interface CoreRequest {
  readonly method: string;
  /** Path and query as they were sent, `/a/b?c=d`. */
  readonly target: string;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  /** A header's value, one that was sent twice joined by a comma; undefined if absent. */
  header(name: "authorization" | "content-length" | "content-type" | "idempotency-key"): string | undefined;
  /**
   * The body: at once if all of it has come.
   *
   * @param bytesMax - of the longest that is taken
   * @throws Problem 413 for one that is longer, 400 if it could not be read, 503 if there is no room for it
   */
  body(bytesMax: number): Uint8Array | Promise<Uint8Array>;
}

/** A response, ready to be sent. */
export interface CoreResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** As bytes where many answers share one. */
  readonly body: string | Bytes;
}

/** @returns the refusal of a body that is too long */
export function bodyTooLarge(bytesMax: number): Problem {
  return new Problem(413, "ERR_REQUEST_TOO_LARGE", `The body has more than ${bytesMax} bytes.`);
}

/** @returns the refusal of a body that broke off */
export function bodyUnreadable(): Problem {
  return invalidRequest("The body could not be read.");
}

/** @returns the refusal of a body for which there is no room beside those that others are sending */
export function serverBusy(): Problem {
  const headers = { "retry-after": String(BUSY_RETRY_AFTER_S) };
  return new Problem(503, "ERR_SERVER_BUSY", "The server is receiving too much at once.", headers);
}

/** A web-standard request as the core sees it. */
export function coreRequestOf(request: Request): CoreRequest {
  const { url } = request;
  // A parsed URL always has a path, which begins at the first slash behind the authority.
  const pathAt = url.indexOf("/", url.indexOf("//") + 2);
  const fragmentAt = url.indexOf("#", pathAt);
  return {
    method: request.method,
    target: url.slice(pathAt, fragmentAt < 0 ? undefined : fragmentAt),
    get signal() {
      return request.signal;
    },
    header: (name) => request.headers.get(name) ?? undefined,
    body: (bytesMax) => bodyOf(request, bytesMax),
  };
}

/** A response of the core as a web-standard one. */
export function webResponseOf(response: CoreResponse, method: string): Response {
  const { status, headers } = response;
  return new Response(method === "HEAD" ? null : response.body, { status, headers });
}

async function bodyOf(request: Request, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of (request.body ?? []) as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > bytesMax) throw bodyTooLarge(bytesMax);
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof Problem ? error : bodyUnreadable();
  }
  return concatBytes(...parts);
}
