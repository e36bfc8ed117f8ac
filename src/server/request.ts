/**
 * Reading a request: who sends it, its query, its body.
 *
 * Owns the checks that come before an operation runs. Must not know operations.
 *
 * @module
 */

import type { z } from "zod";
import { concatBytes, utf8 } from "../crypto/bytes.ts";
import type { ApiKeyInfo } from "../vault/api-keys.ts";
import type { VaultHost } from "../vault/host.ts";
import { BODY_BYTES_MAX, IDEMPOTENCY_KEY_CHARS_MAX } from "./limits.ts";
import { invalidRequest, Problem } from "./problems.ts";

const JSON_CONTENT_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const BEARER = /^Bearer ([\x21-\x7e]{1,200})$/i;

/** The API key's owner. An absent, malformed, unknown and revoked key get the same answer. */
export async function authenticate(host: VaultHost, request: Request): Promise<ApiKeyInfo> {
  const match = BEARER.exec(request.headers.get("authorization") ?? "");
  const apiKey = match === null ? undefined : await host.apiKeys.authenticate(match[1]!);
  if (apiKey === undefined) {
    throw new Problem(401, "ERR_UNAUTHENTICATED", "Unauthorized", { "www-authenticate": "Bearer" });
  }
  return apiKey;
}

/** The query's parameters. One that is given twice is refused: two readers could take it differently. */
export function queryOf(request: Request): Record<string, string> {
  const query: Record<string, string> = Object.create(null);
  const mark = request.url.indexOf("?");
  if (mark < 0) return query;
  for (const [name, value] of new URLSearchParams(request.url.slice(mark + 1))) {
    if (name in query) throw invalidRequest("A query parameter is given twice.");
    query[name] = value;
  }
  return query;
}

/** The body's bytes. @throws Problem 415, 413, 400 */
export async function readBody(request: Request): Promise<Uint8Array> {
  if (!JSON_CONTENT_TYPE.test(request.headers.get("content-type") ?? "")) {
    throw new Problem(415, "ERR_CONTENT_TYPE", "The body must be application/json in UTF-8.");
  }
  const tooLarge = (): Problem =>
    new Problem(413, "ERR_REQUEST_TOO_LARGE", `The body has more than ${BODY_BYTES_MAX} bytes.`);
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  if (declared > BODY_BYTES_MAX) throw tooLarge();
  try {
    // A declared length is kept by the HTTP parser underneath.
    if (!Number.isNaN(declared)) return new Uint8Array(await request.arrayBuffer());
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of (request.body ?? []) as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > BODY_BYTES_MAX) throw tooLarge();
      parts.push(part);
    }
    return concatBytes(...parts);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw invalidRequest("The body could not be read.");
  }
}

/**
 * Checks a value against a schema.
 *
 * @returns what the schema makes of it; undefined without a schema
 * @throws Problem which names the part that is wrong, never its content
 */
export function validate(schema: z.ZodType | undefined, value: unknown, status: 400 | 422): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const where = issue.path.length === 0 ? "The request" : String(issue.path[0]);
  throw invalidRequest(`${where}: ${issue.message}`, status);
}

/** The Idempotency-Key and everything that a repeated request must have in common. */
export function idempotencyOf(
  operationId: string,
  request: Request,
  body: Uint8Array | undefined,
): { key: string; request: Uint8Array } | undefined {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  if (key === "" || key.length > IDEMPOTENCY_KEY_CHARS_MAX) {
    throw invalidRequest(`An Idempotency-Key has 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} characters.`);
  }
  const { pathname, search } = new URL(request.url);
  return {
    key,
    request: concatBytes(utf8(`${operationId}\n${pathname}${search}\n`, "URL"), body ?? new Uint8Array(0)),
  };
}
