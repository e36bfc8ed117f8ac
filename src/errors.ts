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
  /** The text is no ciphertext of any layout. */
  "ERR_NOT_CIPHERTEXT",
  /** The ciphertext has a known layout, but its lengths or fields are wrong, or it is cut off. */
  "ERR_ENVELOPE_MALFORMED",
  /** The ciphertext holds more than one message may. */
  "ERR_ENVELOPE_TOO_LARGE",
  /** The ciphertext is native, of a suite or with flags that this version does not know. */
  "ERR_ENVELOPE_UNSUPPORTED",
  /** The layout is refused by `layouts` or `requireCommitment`, or is read only. */
  "ERR_LAYOUT_NOT_ALLOWED",
  /** The wrapped data key (`encryptedKeys`) is malformed. */
  "ERR_KEY_BLOB_MALFORMED",
  // text and payloads
  /** A text has a lone surrogate, so that it has no UTF-8 form, or bytes that must be UTF-8 are not. */
  "ERR_TEXT_MALFORMED",
  /** What was decrypted is not UTF-8 text. Ask for bytes: `as: "bytes"`. */
  "ERR_PLAINTEXT_NOT_TEXT",
  /** The data is larger than one message may be. Use a stream. */
  "ERR_PLAINTEXT_TOO_LARGE",
  /** What was decrypted is not JSON, or does not fit the schema. */
  "ERR_JSON_INVALID",
  /** Wrong key, key context or associated data, or altered data: these are not told apart. */
  "ERR_DECRYPT_FAILED",
  // contexts and keys
  /** The key context is empty, has too many entries, or a name or value that is not allowed. */
  "ERR_KEY_CONTEXT_INVALID",
  /** There is no such KEK, or version of it, in the caller's environment. */
  "ERR_KEY_NOT_FOUND",
  /** A KEK of the context is disabled. Enabling it helps. */
  "ERR_KEY_DISABLED",
  /** A KEK of the context was destroyed. Nothing under it can be read again. */
  "ERR_KEY_DESTROYED",
  /** The ciphertext was not encrypted under the data key that is held. */
  "ERR_KEY_MISMATCH",
  /** The KEK's state does not allow this change. */
  "ERR_KEY_STATE",
  /** The caller's API key is bound to contexts with an entry that this one lacks. */
  "ERR_CONTEXT_NOT_ALLOWED",
  /** The data key's budget of messages or bytes is used up. Take a new lease. */
  "ERR_DATA_KEY_EXHAUSTED",
  /** The lease is too old, or keys of its service were revoked. Take a new lease. */
  "ERR_LEASE_EXPIRED",
  /** The service has not been heard for too long to know that the lease's key is good: try again, or `onOutage: "continue"`. */
  "ERR_LEASE_STALE",
  /** The vault, lease, data key or reader has been closed. */
  "ERR_DISPOSED",
  // recipients of sealed data keys
  /** The document of a recipient is damaged, signed by somebody else than expected, or has a key that nothing may be sealed to. */
  "ERR_RECIPIENT_INVALID",
  /** The document of a recipient is too old, or not valid yet. Get a new one. */
  "ERR_RECIPIENT_EXPIRED",
  /** A sealed data key has no signature although its recipient demands one, or that of a sender who was revoked or has expired. */
  "ERR_SENDER_REFUSED",
  // the KV store
  /** A name of the store is empty, too long, or has a character that is not allowed. */
  "ERR_KV_NAME_INVALID",
  /** A value of the store has more than 64 KiB of UTF-8. */
  "ERR_KV_VALUE_TOO_LARGE",
  /** There is no such object, or none that the caller may see. */
  "ERR_KV_NOT_FOUND",
  /** There is an object of this name already. */
  "ERR_KV_EXISTS",
  /** The object's current version is not the one that was expected. Read it, then try again. */
  "ERR_KV_VERSION_CONFLICT",
  /** The value of this version was destroyed. */
  "ERR_KV_VERSION_DESTROYED",
  /** The object has another key context, which cannot change. */
  "ERR_KV_CONTEXT_DIFFERS",
  /** The object has not been deleted, so it cannot be taken back. */
  "ERR_KV_NOT_DELETED",
  /** The cursor is not one of this list. */
  "ERR_CURSOR_INVALID",
  // API keys and webhooks
  /** There is no such API key. */
  "ERR_API_KEY_NOT_FOUND",
  /** There is no such webhook. */
  "ERR_WEBHOOK_NOT_FOUND",
  // the embedded vault
  /** The vault's root key is not where it should be. */
  "ERR_ROOT_KEY_MISSING",
  /** What was given as root key is not 32 bytes as base64. */
  "ERR_ROOT_KEY_INVALID",
  /** The root key is not the one of this vault. */
  "ERR_ROOT_KEY_WRONG",
  /** There is no vault or backup at this place. */
  "ERR_VAULT_NOT_FOUND",
  /** The vault is gone but its root key is there, or its file was replaced while it was open. */
  "ERR_VAULT_LOST",
  /** The vault is older than its anchor, has another history, or is another vault: something else was put in its place. */
  "ERR_ANCHOR_MISMATCH",
  /** There is a file of this name, and it is not replaced. */
  "ERR_FILE_EXISTS",
  /** An environment's name is not allowed: 1 to 64 of a-z, 0-9, - and _. */
  "ERR_ENVIRONMENT_INVALID",
  /** Other processes hold the vault's lock for longer than a call waits. */
  "ERR_STORAGE_BUSY",
  /** What is stored is damaged. */
  "ERR_STORAGE_CORRUPT",
  /** The disk is full, or the database has no memory or connection left. */
  "ERR_STORAGE_FULL",
  /** The vault cannot be written: its file, file system or database is read-only. */
  "ERR_STORAGE_READ_ONLY",
  /** The vault was made by a newer coffer, or by an older one and needs `coffer migrate`. */
  "ERR_STORAGE_SCHEMA",
  /** The file or database cannot be reached, or a transaction was rolled back. */
  "ERR_STORAGE_UNAVAILABLE",
  /** A change may have been made or not. Look before you repeat it. */
  "ERR_OUTCOME_UNKNOWN",
  // jobs on the ciphertexts of a database, a file or a stream
  /** A job cannot work on the table or file: it has no key, or no such column. The message says what is missing. */
  "ERR_SOURCE_INVALID",
  /** The table or file is no longer as it was when the job was planned. */
  "ERR_SOURCE_CHANGED",
  /** A job with other settings is open on the same source. Let it end, or abort it. */
  "ERR_JOB_CONFLICT",
  /** No job is open on the source. */
  "ERR_JOB_NOT_FOUND",
  // key services and runtimes
  /** The idempotency key was used for another request. */
  "ERR_IDEMPOTENCY_CONFLICT",
  /** The service's answer does not make sense. */
  "ERR_SERVICE_BAD_RESPONSE",
  /** The service refused the request, for a reason that has no code of its own. */
  "ERR_SERVICE_REJECTED",
  /** The service does not know the API key. */
  "ERR_SERVICE_UNAUTHENTICATED",
  /** The API key lacks a permission. */
  "ERR_SERVICE_FORBIDDEN",
  /** The service took no more requests, also after the client's own retries. */
  "ERR_SERVICE_RATE_LIMITED",
  /** The service cannot be reached, or is not able to answer. */
  "ERR_SERVICE_UNAVAILABLE",
  /** The service did not answer in time. */
  "ERR_SERVICE_TIMEOUT",
  /** A webhook's signature is absent, wrong or outdated. */
  "ERR_WEBHOOK_INVALID",
  /** This runtime, service or version lacks what the call needs. The message names it. */
  "ERR_UNSUPPORTED",
  /** The runtime has no source of random bytes, or the kernel's cannot be opened. */
  "ERR_RANDOM_UNAVAILABLE",
] as const;

/** A stable error code: compare this, never the message. */
export type VaultErrorCode = (typeof VAULT_ERROR_CODES)[number];

/** The code for which the same call may always succeed later without any change by the caller. */
const RETRYABLE: VaultErrorCode = "ERR_STORAGE_BUSY";

const BRAND: unique symbol = Symbol.for("coffer.VaultError") as never;

/** What a {@link VaultError} can carry besides its code and message. */
export interface VaultErrorOptions {
  /** The error underneath. Never given for decryption failures, where it could tell why. */
  cause?: unknown;
  /** Overrides the default of the code. */
  retryable?: boolean | undefined;
  /** The service's id of the request that failed. */
  requestId?: string | undefined;
  /** The HTTP status that a service answered with. */
  status?: number | undefined;
  /** What a service said, cleaned and cut; it repeats nothing of the request. */
  serviceMessage?: string | undefined;
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

  /**
   * @param code - what went wrong
   * @param message - for people; holds no plaintext, key, associated data or context value
   */
  constructor(code: VaultErrorCode, message: string, options: VaultErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? code === RETRYABLE;
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
  return invalid(new TypeError(message));
}

/** A wrong argument by value or length: a `RangeError` with the code `ERR_INVALID_ARGUMENT`. */
export function invalidRange(message: string): RangeError & { code: "ERR_INVALID_ARGUMENT" } {
  return invalid(new RangeError(message));
}

function invalid<E extends Error>(error: E): E & { code: "ERR_INVALID_ARGUMENT" } {
  return Object.assign(error, { code: "ERR_INVALID_ARGUMENT" as const });
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
