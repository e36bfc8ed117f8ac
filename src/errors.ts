/**
 * The errors of coffer: one class, stable codes.
 *
 * Owns the list of codes and their default retry advice. Must not know any room: everything imports this
 * file, it imports nothing.
 *
 * Wrong arguments (a number where bytes are due) are a `TypeError` or `RangeError` with the code
 * `ERR_INVALID_ARGUMENT`. Everything that can happen in a correct program is a {@link VaultError}.
 *
 * @module
 */

/** Every code a {@link VaultError} can carry. Adding one is a minor release, removing or renaming one a major. */
export const VAULT_ERROR_CODES = [
  // envelopes: raised while parsing, before any request is made and any key is touched
  "ERR_NOT_CIPHERTEXT",
  "ERR_ENVELOPE_MALFORMED",
  "ERR_ENVELOPE_TOO_LARGE",
  "ERR_ENVELOPE_UNSUPPORTED",
  "ERR_LAYOUT_NOT_ALLOWED",
  "ERR_KEY_BLOB_MALFORMED",
  // text and payloads
  "ERR_TEXT_MALFORMED",
  "ERR_PLAINTEXT_NOT_TEXT",
  "ERR_PLAINTEXT_TOO_LARGE",
  "ERR_JSON_INVALID",
  "ERR_DECRYPT_FAILED",
  // contexts and keys
  "ERR_KEY_CONTEXT_INVALID",
  "ERR_KEY_NOT_FOUND",
  "ERR_KEY_DISABLED",
  "ERR_KEY_DESTROYED",
  "ERR_KEY_MISMATCH",
  "ERR_KEY_STATE",
  "ERR_CONTEXT_NOT_ALLOWED",
  "ERR_DATA_KEY_EXHAUSTED",
  "ERR_LEASE_EXPIRED",
  "ERR_DISPOSED",
  // the KV store
  "ERR_KV_NAME_INVALID",
  "ERR_KV_VALUE_TOO_LARGE",
  "ERR_KV_NOT_FOUND",
  "ERR_KV_EXISTS",
  "ERR_KV_VERSION_CONFLICT",
  "ERR_KV_VERSION_DESTROYED",
  "ERR_KV_CONTEXT_DIFFERS",
  "ERR_KV_NOT_DELETED",
  "ERR_CURSOR_INVALID",
  // API keys and webhooks
  "ERR_API_KEY_NOT_FOUND",
  "ERR_WEBHOOK_NOT_FOUND",
  // the embedded vault
  "ERR_ROOT_KEY_MISSING",
  "ERR_ROOT_KEY_INVALID",
  "ERR_ROOT_KEY_WRONG",
  "ERR_VAULT_NOT_FOUND",
  "ERR_VAULT_LOST",
  "ERR_FILE_EXISTS",
  "ERR_ENVIRONMENT_INVALID",
  "ERR_STORAGE_BUSY",
  "ERR_STORAGE_CORRUPT",
  "ERR_STORAGE_FULL",
  "ERR_STORAGE_READ_ONLY",
  "ERR_STORAGE_SCHEMA",
  "ERR_STORAGE_UNAVAILABLE",
  "ERR_OUTCOME_UNKNOWN",
  // key services and runtimes
  "ERR_IDEMPOTENCY_CONFLICT",
  "ERR_SERVICE_BAD_RESPONSE",
  "ERR_SERVICE_REJECTED",
  "ERR_SERVICE_UNAUTHENTICATED",
  "ERR_SERVICE_FORBIDDEN",
  "ERR_SERVICE_RATE_LIMITED",
  "ERR_SERVICE_UNAVAILABLE",
  "ERR_SERVICE_TIMEOUT",
  "ERR_WEBHOOK_INVALID",
  "ERR_UNSUPPORTED",
  "ERR_RANDOM_UNAVAILABLE",
] as const;

/** A stable error code: compare this, never the message. */
export type VaultErrorCode = (typeof VAULT_ERROR_CODES)[number];

/** The codes for which the same call may succeed later without any change by the caller. */
const RETRYABLE: ReadonlySet<VaultErrorCode> = new Set(["ERR_STORAGE_BUSY"]);

const BRAND: unique symbol = Symbol.for("coffer.VaultError") as never;

/** What a {@link VaultError} can carry besides its code and message. */
export interface VaultErrorOptions {
  /** The error underneath. Never given for decryption failures, where it could tell why. */
  cause?: unknown;
  /** Overrides the default of the code. */
  retryable?: boolean;
  /** The service's id of the request that failed. */
  requestId?: string;
  /** The HTTP status that a service answered with. */
  status?: number;
  /** What a service said, cleaned and cut; it repeats nothing of the request. */
  serviceMessage?: string;
}

/**
 * Anything that can go wrong in a correct program.
 *
 * Guarantees: `code` is one of {@link VAULT_ERROR_CODES}; no message, property or serialisation holds a
 * plaintext, key, associated data or context value.
 */
export class VaultError extends Error {
  override readonly name = "VaultError";
  readonly code: VaultErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  declare readonly requestId?: string;
  declare readonly status?: number;
  /** The service's own words, for people: at most 300 characters. */
  declare readonly serviceMessage?: string;

  constructor(code: VaultErrorCode, message: string, options: VaultErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    if (options.requestId !== undefined) this.requestId = options.requestId;
    if (options.status !== undefined) this.status = options.status;
    if (options.serviceMessage !== undefined) this.serviceMessage = options.serviceMessage;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** For logs: name, code, message, retry advice and request id; never the cause. */
  toJSON(): Record<string, unknown> {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.requestId === undefined ? {} : { requestId: this.requestId }),
      ...(this.status === undefined ? {} : { status: this.status }),
    };
  }
}

/**
 * Whether `error` is a {@link VaultError}, also one made by another copy of this package.
 *
 * @param error - any thrown value
 * @param code - if given, the code must match too
 */
export function isVaultError(error: unknown, code?: VaultErrorCode): error is VaultError {
  return (
    typeof error === "object" &&
    error !== null &&
    (error as { [BRAND]?: boolean })[BRAND] === true &&
    (code === undefined || (error as VaultError).code === code)
  );
}

/** A wrong argument by type: a `TypeError` with the code `ERR_INVALID_ARGUMENT`. */
export function invalidType(message: string): TypeError & { code: "ERR_INVALID_ARGUMENT" } {
  return Object.assign(new TypeError(message), { code: "ERR_INVALID_ARGUMENT" as const });
}

/** A wrong argument by value or length: a `RangeError` with the code `ERR_INVALID_ARGUMENT`. */
export function invalidRange(message: string): RangeError & { code: "ERR_INVALID_ARGUMENT" } {
  return Object.assign(new RangeError(message), { code: "ERR_INVALID_ARGUMENT" as const });
}

/**
 * The one answer to every failed decryption. It must not tell a wrong key from wrong associated data, a wrong
 * context or a flipped bit, so it is made here and nowhere else, without a cause.
 */
export function decryptFailed(): VaultError {
  return new VaultError(
    "ERR_DECRYPT_FAILED",
    "decryption failed: wrong key, context or associated data, or the data was altered",
  );
}
