/**
 * Exceptions with the names, statuses and messages of `@workos-inc/node` 11.
 *
 * Owns the way from an error of coffer to the exception that the SDK throws for the same refusal, as it was seen to do
 * against a coffer server: 400 and whatever has no class of its own is an `OauthException`, although the SDK's
 * documentation promises a `BadRequestException`. Must not know operations.
 *
 * @module
 */
import { isVaultError, type VaultError, type VaultErrorCode } from "../errors.ts";
import { WIRE_ERRORS } from "../wire/statuses.ts";

/** What every refusal tells. */
export interface RequestException {
  readonly status: number;
  readonly message: string;
  /** The service's id of the request; empty if there was none. */
  readonly requestID: string;
}

/** A refusal: a message, a status, a request id, and coffer's own error as `cause`. */
abstract class Refusal extends Error implements RequestException {
  abstract readonly status: number;
  readonly requestID: string;
  readonly code: string | undefined;

  constructor(message: string, about: Partial<About> = {}) {
    super(message, about.cause === undefined ? undefined : { cause: about.cause });
    this.requestID = about.requestID ?? "";
    this.code = about.code;
  }
}

/** What is known of a refusal besides its message. */
interface About {
  readonly requestID: string;
  /** One of coffer's error codes. */
  readonly code: string;
  readonly cause: unknown;
}

/** For code that imports it: like the SDK, this adapter says 400 by {@link OauthException}. */
export class BadRequestException extends Refusal {
  override readonly name = "BadRequestException";
  readonly status = 400;
}

/** The API key is unknown or has expired. */
export class UnauthorizedException extends Refusal {
  override readonly name = "UnauthorizedException";
  readonly status = 401;
}

/** There is no such object. */
export class NotFoundException extends Refusal {
  override readonly name = "NotFoundException";
  readonly status = 404;
}

/** The name is taken, or the object has been changed since it was read. */
export class ConflictException extends Refusal {
  override readonly name = "ConflictException";
  readonly status = 409;
}

/** The arguments are wrong. */
export class UnprocessableEntityException extends Refusal {
  override readonly name = "UnprocessableEntityException";
  readonly status = 422;
}

/** No answer, or none that makes sense. */
export class GenericServerException extends Refusal {
  override readonly name: string = "GenericServerException";
  readonly status: number;

  constructor(status: number, message: string, about?: Partial<About>) {
    super(message, about);
    this.status = status;
  }
}

/** There were too many requests. */
export class RateLimitExceededException extends GenericServerException {
  override readonly name = "RateLimitExceededException";
  /** Seconds to wait, if they are known. The client under this adapter has waited and retried already. */
  readonly retryAfter: number | null = null;

  constructor(message: string, about?: Partial<About>) {
    super(429, message, about);
  }
}

/** A client was made without an API key. */
export class NoApiKeyProvidedException extends Error {
  override readonly name = "NoApiKeyProvidedException";
  readonly status = 500;

  constructor() {
    super(
      "Missing API key. Pass it to the constructor or define it in the WORKOS_API_KEY environment variable.",
    );
  }
}

/** A webhook's signature is absent, wrong or outdated. */
export class SignatureVerificationException extends Error {
  override readonly name = "SignatureVerificationException";
}

/** Every refusal that has no class of its own; has nothing to do with OAuth. */
export class OauthException extends Refusal {
  override readonly name = "OauthException";
  readonly status: number;
  /** What the service said. */
  readonly error: string;
  readonly errorDescription: string | undefined = undefined;
  readonly rawData: { readonly error: string; readonly code: string | undefined };

  constructor(status: number, error: string, about?: Partial<About>) {
    super(`Error: ${error}`, about);
    this.status = status;
    this.error = error;
    this.rawData = { error, code: this.code };
  }
}

/** Why AES-GCM does not open something, in the words of Web Crypto; the reason is never told. */
const OPERATION_FAILED = "The operation failed for an operation-specific reason";

/** Codes of a client that got no answer, or one that it does not believe. */
const UNANSWERED: ReadonlySet<VaultErrorCode> = new Set([
  "ERR_SERVICE_UNAVAILABLE",
  "ERR_SERVICE_TIMEOUT",
  "ERR_SERVICE_BAD_RESPONSE",
]);

/** What was being asked, for wrong arguments. */
export interface ArgumentPlace {
  /** What a server answers to an argument of the wrong kind. */
  readonly invalidStatus: 400 | 404 | 422;
}

/** Any thrown value as the SDK would throw it; what is no error of coffer is handed back unchanged. */
export function exceptionOf(error: unknown, asked: ArgumentPlace): unknown {
  if (isVaultError(error)) {
    const { status, text } = WIRE_ERRORS[error.code];
    return refusal(error.status ?? status, text ?? error.message, error);
  }
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (code !== "ERR_INVALID_ARGUMENT") return error;
  // A server has no route for an id that is empty, and so no word on what is wrong with it.
  const text = asked.invalidStatus === 404 ? "Not Found" : String(message);
  return refusal(asked.invalidStatus, text, error as { code: string });
}

/**
 * The same for `decrypt`, where a wrong key, wrong associated data and altered bytes are told by the runtime's own
 * words: `OperationError`. A service that refuses the wrapped key before is an exception as everywhere.
 */
export function decryptExceptionOf(error: unknown, asked: ArgumentPlace): unknown {
  if (isVaultError(error, "ERR_DECRYPT_FAILED") && error.status === undefined) {
    return new DOMException(OPERATION_FAILED, "OperationError");
  }
  return isVaultError(error) ? exceptionOf(error, asked) : error;
}

function refusal(
  status: number,
  text: string,
  error: { readonly code: string } & Partial<Pick<VaultError, "requestId">>,
): Error {
  const about: About = { requestID: error.requestId ?? "", code: error.code, cause: error };
  switch (status) {
    case 401:
      return new UnauthorizedException(
        "Could not authorize the request. Maybe your API key is invalid?",
        about,
      );
    case 404:
      return new NotFoundException(text, about);
    case 409:
      return new ConflictException(text, about);
    case 422:
      return new UnprocessableEntityException(text, about);
    case 429:
      return new RateLimitExceededException(text, about);
    default:
      return UNANSWERED.has(error.code as VaultErrorCode)
        ? new GenericServerException(status, text, about)
        : new OauthException(status, text, about);
  }
}
