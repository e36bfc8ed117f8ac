/**
 * Refusals: what the server says when it does not do what it was asked.
 *
 * Owns the body of errors (`{"error", "code", "message"}`, WorkOS's two shapes with a code) and how any thrown value becomes one. Must
 * not know routes.
 *
 * @module
 */
import { isVaultError, type VaultErrorCode } from "../../errors.ts";
import { WIRE_ERRORS } from "../../wire/statuses.ts";
import { BUSY_RETRY_AFTER_S } from "../limits.ts";

/** Codes of refusals that never reach the vault. */
export type RequestCode =
  | "ERR_REQUEST_INVALID"
  | "ERR_REQUEST_TOO_LARGE"
  | "ERR_REQUEST_TIMEOUT"
  | "ERR_REQUEST_ABORTED"
  | "ERR_CONTENT_TYPE"
  | "ERR_ROUTE_NOT_FOUND"
  | "ERR_METHOD_NOT_ALLOWED"
  | "ERR_UNAUTHENTICATED"
  | "ERR_FORBIDDEN"
  | "ERR_RATE_LIMITED"
  | "ERR_SERVER_BUSY"
  | "ERR_INTERNAL";

/** A refusal, ready to be said. */
export class Problem extends Error {
  readonly status: number;
  readonly code: RequestCode | VaultErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: RequestCode | VaultErrorCode,
    text: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(text);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** A request that is wrong in itself. */
export function invalidRequest(text: string, status = 400): Problem {
  return new Problem(status, "ERR_REQUEST_INVALID", text);
}

/**
 * Any thrown value as a refusal.
 *
 * @param isKeyBlobCall - the call was given a wrapped key: whether its KEK is unknown, foreign, or the blob altered
 *   must then look the same
 */
export function toProblem(error: unknown, isKeyBlobCall: boolean): Problem {
  if (error instanceof Problem) return error;
  if (isVaultError(error)) {
    const code = isKeyBlobCall && error.code === "ERR_KEY_NOT_FOUND" ? "ERR_DECRYPT_FAILED" : error.code;
    const { status, text } = WIRE_ERRORS[code];
    const headers: Record<string, string> =
      status === 503 ? { "retry-after": String(BUSY_RETRY_AFTER_S) } : {};
    // What is wrong with the server's own storage is for its log, not for callers.
    const message =
      text ?? (status >= 500 && status !== 501 ? "The server cannot do this now." : error.message);
    return new Problem(status, code, message, headers);
  }
  // The vault's checks of arguments: their messages name the argument, never its content.
  if ((error as { code?: unknown } | null)?.code === "ERR_INVALID_ARGUMENT") {
    return invalidRequest((error as Error).message);
  }
  return new Problem(500, "ERR_INTERNAL", "Internal error");
}

/** The body of a refusal. WorkOS's vault says `error`, its routing layer `message`; SDKs show one or the other. */
export function problemBody({ message, code }: Problem): string {
  return JSON.stringify({ error: message, code, message });
}
