/**
 * Reading a request: who sends it, its query, its body.
 *
 * Owns the checks that come before an operation runs. Must not know operations.
 *
 * @module
 */

import type { z } from "zod";
import { concatBytes, utf8 } from "../../base/bytes.ts";
import type { ApiKeyInfo } from "../../vault/access/api-keys.ts";
import type { Callers } from "../../vault/access/callers.ts";
import type { Idempotency } from "../../vault/access/idempotency.ts";
import type { Caller, VaultHost } from "../../vault/host.ts";
import { IDEMPOTENCY_KEY_CHARS_MAX } from "../limits.ts";
import { bodyTooLarge, type CoreRequest } from "./exchange.ts";
import { invalidRequest, Problem } from "./problems.ts";

const JSON_CONTENT_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const BEARER = /^Bearer ([\x21-\x7e]{1,200})$/i;

/**
 * The API key's owner, at once if the key was seen before and none was revoked since. An absent, malformed, unknown and
 * revoked key get the same answer.
 *
 * @throws Problem 401
 */
export function authenticate(callers: Callers<Caller>, request: CoreRequest): Caller | Promise<Caller> {
  const key = BEARER.exec(request.header("authorization") ?? "")?.[1];
  if (key === undefined) throw unauthenticated();
  return callers.recall(key) ?? lookUp(callers, key);
}

async function lookUp(callers: Callers<Caller>, key: string): Promise<Caller> {
  const caller = await callers.authenticate(key);
  if (caller === undefined) throw unauthenticated();
  return caller;
}

function unauthenticated(): Problem {
  return new Problem(401, "ERR_UNAUTHENTICATED", "Unauthorized", { "www-authenticate": "Bearer" });
}

/**
 * The query's parameters. One that is given twice is refused: two readers could take it differently.
 *
 * @param isList - leaves empty ones out: forms and SDKs write what is not set so
 */
export function queryOf(target: string, isList = false): Record<string, string> {
  const query: Record<string, string> = Object.create(null);
  const mark = target.indexOf("?");
  if (mark < 0) return query;
  for (const [name, value] of new URLSearchParams(target.slice(mark + 1))) {
    if (name in query) throw invalidRequest("A query parameter is given twice.");
    query[name] = value;
  }
  if (isList) for (const name of Object.keys(query)) if (query[name] === "") delete query[name];
  return query;
}

/**
 * The body's bytes, at once if they have all come.
 *
 * @param bytesMax - of the longest that the operation takes
 * @throws Problem 415, 413, 400
 */
export function readBody(request: CoreRequest, bytesMax: number): Uint8Array | Promise<Uint8Array> {
  if (!JSON_CONTENT_TYPE.test(request.header("content-type") ?? "")) {
    throw new Problem(415, "ERR_CONTENT_TYPE", "The body must be application/json in UTF-8.");
  }
  if (Number(request.header("content-length") ?? Number.NaN) > bytesMax) throw bodyTooLarge(bytesMax);
  return request.body(bytesMax);
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
  host: VaultHost,
  apiKey: ApiKeyInfo,
  operationId: string,
  request: CoreRequest,
  body: Uint8Array | undefined,
): Idempotency | undefined {
  const key = request.header("idempotency-key");
  if (key === undefined) return undefined;
  if (key === "" || key.length > IDEMPOTENCY_KEY_CHARS_MAX) {
    throw invalidRequest(`An Idempotency-Key has 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} characters.`);
  }
  const whole = concatBytes(utf8(`${operationId}\n${request.target}\n`, "URL"), body ?? new Uint8Array(0));
  return host.writes.identify(apiKey, key, whole);
}
