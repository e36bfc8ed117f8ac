/**
 * Refusals over HTTP: what an answer that is no success means.
 *
 * Owns the way from status and body to a code. A code of coffer's own counts; else the operation's meaning of a status does,
 * if the body is one that the Vault API gives; else the status alone says no more than that the service refused: a
 * proxy's page about a missing route must not look like an absent object or a key that does not fit. Must not know how
 * requests are sent.
 *
 * @module
 */
import { VAULT_ERROR_CODES, VaultError, type VaultErrorCode } from "../errors.ts";
import { REQUEST_ID_CHARS_MAX } from "./limits.ts";
import type { AnswerHeaders } from "./sender.ts";
import { serviceWords } from "./service-words.ts";

/** An answer, read to its end. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** The body as JSON; undefined if it is none. */
  readonly json: unknown;
}

/** What statuses mean for an operation. */
export type StatusCodes = Readonly<Partial<Record<number, VaultErrorCode>>>;

/** The codes that a VaultError can have. */
export const KNOWN_CODES: ReadonlySet<string> = new Set(VAULT_ERROR_CODES);
/** Codes of coffer's server that no VaultError has: request and route were refused, not what was asked for. */
const COFFER_CODE = /^ERR_[A-Z_]{1,60}$/;
/** Statuses whose meaning does not depend on who gives them: the URL is longer than anything that was handed out. */
const TOO_LONG = new Set([414, 431]);
const NO_ROUTE = new Set([404, 405, 501]);
/** What WorkOS answers to a wrapped key that it cannot unwrap. */
const INVALID_KEY = /^invalid encrypted key\.?$/i;
const REQUEST_ID = /^[\x21-\x7e]+$/;

/** The code that a coffer server gives with every refusal; undefined for the words of others. */
export function cofferCodeOf(json: unknown): string | undefined {
  const code = (json as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" && COFFER_CODE.test(code) ? code : undefined;
}

/** Whether the answer says that there is no such operation, and not that there is no such thing. */
export function isMissingRoute({ status, json }: HttpAnswer): boolean {
  if (!NO_ROUTE.has(status)) return false;
  const code = cofferCodeOf(json);
  if (code !== undefined) return code === "ERR_ROUTE_NOT_FOUND" || code === "ERR_METHOD_NOT_ALLOWED";
  return !isVaultRefusal(json);
}

/**
 * A refusal as an error.
 *
 * @param secrets - texts of the request that no message may repeat
 */
export function refusalOf(
  answer: HttpAnswer,
  codes: StatusCodes | undefined,
  secrets: Iterable<string>,
  retryable: boolean,
): VaultError {
  const words = serviceWords(answer.json, secrets);
  const what = isMissingRoute(answer) ? "the service has no such route" : "the service refused the request";
  const where = `${what} (status ${answer.status})`;
  return new VaultError(codeOf(answer, codes), words === undefined ? where : `${where}: ${words}`, {
    status: answer.status,
    retryable,
    requestId: requestIdOf(answer.headers),
    serviceMessage: words,
  });
}

/** The service's id of a request, if it tells one that may be shown. */
export function requestIdOf(headers: AnswerHeaders): string | undefined {
  const id = headers.get("x-request-id");
  return id !== null && REQUEST_ID.test(id) && id.length <= REQUEST_ID_CHARS_MAX ? id : undefined;
}

function codeOf({ status, json }: HttpAnswer, codes: StatusCodes | undefined): VaultErrorCode {
  const said = cofferCodeOf(json);
  if (said !== undefined && KNOWN_CODES.has(said)) return said as VaultErrorCode;
  const meant = codes?.[status];
  if (meant !== undefined && (TOO_LONG.has(status) || (said === undefined && means(json, meant))))
    return meant;
  if (status === 401) return "ERR_SERVICE_UNAUTHENTICATED";
  if (status === 403) return "ERR_SERVICE_FORBIDDEN";
  if (status === 429) return "ERR_SERVICE_RATE_LIMITED";
  if (status === 408 || status === 504) return "ERR_SERVICE_TIMEOUT";
  return status >= 500 ? "ERR_SERVICE_UNAVAILABLE" : "ERR_SERVICE_REJECTED";
}

/** Only the service's known words say that a wrapped key was tried and did not fit. */
function means(json: unknown, code: VaultErrorCode): boolean {
  if (!isVaultRefusal(json)) return false;
  return code !== "ERR_DECRYPT_FAILED" || INVALID_KEY.test(json.error);
}

/** The Vault API's refusals are one text (WorkOS OpenAPI, Error); gateways and frameworks say more about themselves. */
function isVaultRefusal(json: unknown): json is { readonly error: string } {
  if (typeof json !== "object" || json === null) return false;
  const { error, ...rest } = json as Record<string, unknown>;
  return (
    typeof error === "string" &&
    !["message", "status", "statusCode", "path", "timestamp"].some((name) => name in rest)
  );
}
