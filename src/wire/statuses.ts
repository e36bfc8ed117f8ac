/**
 * Errors on the wire: which code has which status.
 *
 * Owns the one table by which the server answers and the client reads. Must not know routes.
 *
 * @module
 */
import type { VaultErrorCode } from "../errors.ts";

/** How the API says an error. */
export interface WireError {
  readonly status: number;
  /** The text of `{"error": …}`, where it is not the error's own message. */
  readonly text?: string;
}

/** What WorkOS answers to a wrapped key that it cannot unwrap, for whatever reason. */
const INVALID_KEY = "Invalid encrypted key.";

/** Every code. Those that tell a caller what it may not know share status, text and code (see `wireCode`). */
export const WIRE_ERRORS: Readonly<Record<VaultErrorCode, WireError>> = {
  ERR_NOT_CIPHERTEXT: { status: 400 },
  ERR_ENVELOPE_MALFORMED: { status: 400 },
  ERR_ENVELOPE_TOO_LARGE: { status: 413 },
  ERR_ENVELOPE_UNSUPPORTED: { status: 400 },
  ERR_LAYOUT_NOT_ALLOWED: { status: 400 },
  ERR_KEY_BLOB_MALFORMED: { status: 400, text: INVALID_KEY },
  ERR_TEXT_MALFORMED: { status: 422 },
  ERR_PLAINTEXT_NOT_TEXT: { status: 422 },
  ERR_JSON_INVALID: { status: 422 },
  ERR_PLAINTEXT_TOO_LARGE: { status: 413 },
  ERR_DECRYPT_FAILED: { status: 400, text: INVALID_KEY },
  ERR_KEY_CONTEXT_INVALID: { status: 422 },
  ERR_KEY_NOT_FOUND: { status: 404 },
  ERR_KEY_DISABLED: { status: 403 },
  ERR_KEY_DESTROYED: { status: 410 },
  ERR_KEY_MISMATCH: { status: 400 },
  ERR_KEY_STATE: { status: 409 },
  ERR_CONTEXT_NOT_ALLOWED: { status: 403 },
  ERR_DATA_KEY_EXHAUSTED: { status: 409 },
  ERR_LEASE_EXPIRED: { status: 409 },
  ERR_LEASE_STALE: { status: 409 },
  ERR_DISPOSED: { status: 503, text: "The server is shutting down." },
  ERR_RECIPIENT_INVALID: { status: 400 },
  ERR_RECIPIENT_EXPIRED: { status: 409 },
  ERR_SENDER_REFUSED: { status: 403 },
  ERR_KV_NAME_INVALID: { status: 422 },
  ERR_KV_VALUE_TOO_LARGE: { status: 413 },
  ERR_KV_NOT_FOUND: { status: 404, text: "Not Found" },
  ERR_KV_EXISTS: { status: 409, text: "Item already exists" },
  ERR_KV_VERSION_CONFLICT: { status: 409, text: "Version mismatch." },
  ERR_KV_VERSION_DESTROYED: { status: 410 },
  ERR_KV_CONTEXT_DIFFERS: { status: 409 },
  ERR_KV_NOT_DELETED: { status: 409 },
  ERR_CURSOR_INVALID: { status: 400 },
  ERR_API_KEY_NOT_FOUND: { status: 404 },
  ERR_WEBHOOK_NOT_FOUND: { status: 404 },
  ERR_ROOT_KEY_MISSING: { status: 500 },
  ERR_ROOT_KEY_INVALID: { status: 500 },
  ERR_ROOT_KEY_WRONG: { status: 500 },
  ERR_VAULT_NOT_FOUND: { status: 500 },
  ERR_VAULT_LOST: { status: 503 },
  ERR_ANCHOR_MISMATCH: { status: 500 },
  ERR_FILE_EXISTS: { status: 409 },
  ERR_ENVIRONMENT_INVALID: { status: 422 },
  ERR_STORAGE_BUSY: { status: 503 },
  ERR_STORAGE_CORRUPT: { status: 500 },
  ERR_STORAGE_FULL: { status: 507 },
  ERR_STORAGE_READ_ONLY: { status: 503 },
  ERR_STORAGE_SCHEMA: { status: 500 },
  ERR_STORAGE_UNAVAILABLE: { status: 503 },
  ERR_OUTCOME_UNKNOWN: { status: 500 },
  ERR_SOURCE_INVALID: { status: 422 },
  ERR_SOURCE_CHANGED: { status: 409 },
  ERR_JOB_CONFLICT: { status: 409 },
  ERR_JOB_NOT_FOUND: { status: 404 },
  ERR_IDEMPOTENCY_CONFLICT: { status: 409 },
  ERR_SERVICE_BAD_RESPONSE: { status: 502 },
  ERR_SERVICE_REJECTED: { status: 400 },
  ERR_SERVICE_UNAUTHENTICATED: { status: 401 },
  ERR_SERVICE_FORBIDDEN: { status: 403 },
  ERR_SERVICE_RATE_LIMITED: { status: 429 },
  ERR_SERVICE_UNAVAILABLE: { status: 503 },
  ERR_SERVICE_TIMEOUT: { status: 504 },
  ERR_WEBHOOK_INVALID: { status: 400 },
  ERR_UNSUPPORTED: { status: 501 },
  ERR_RANDOM_UNAVAILABLE: { status: 500 },
};
