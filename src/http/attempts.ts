/**
 * Failed attempts: whether a request is sent again, after what wait, and what is said at the end.
 *
 * Owns which failures are worth another attempt, which of them leave the outcome of a change unknown, and the waits between
 * attempts. Must not know how requests are sent.
 *
 * @module
 */
import { randomBytes } from "../crypto/primitives/random.ts";
import { VaultError } from "../errors.ts";
import { meaningOf } from "./built-in.ts";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from "./limits.ts";
import { cofferCodeOf, type HttpAnswer, KNOWN_CODES } from "./refusals.ts";

/** Statuses after which another attempt may help. */
export const RETRIED_STATUSES = new Set([408, 429, 500, 502, 503, 504]);
/** Refusals that come before anything else of a request is looked at: they say nothing of an earlier attempt. */
export const CALLER_STATUSES = new Set([401, 403, 429]);
/** What a failed attempt means for the next one. */
export interface Prospect {
  /** Whether another attempt may help. */
  readonly isRetried: boolean;
  /** Whether the service may have done what it was asked. */
  readonly mayHaveActed: boolean;
  readonly waitMs?: number | undefined;
}

/** A failed attempt: the error it would be, and what it means. */
export class FailedAttempt {
  readonly error: VaultError;
  readonly isRetried: boolean;
  readonly mayHaveActed: boolean;
  readonly waitMs: number | undefined;

  constructor(error: VaultError, prospect: Prospect) {
    this.error = error;
    this.isRetried = prospect.isRetried;
    this.mayHaveActed = prospect.mayHaveActed;
    this.waitMs = prospect.waitMs;
  }
}

/** A change whose answer is lost, or says only that it cannot be made a second time. */
export function outcomeUnknown(failure: VaultError): VaultError {
  const { status, requestId, serviceMessage } = failure;
  return new VaultError(
    "ERR_OUTCOME_UNKNOWN",
    `the service may have made this change or not; look before you repeat it (${failure.message})`,
    { cause: failure, status, requestId, serviceMessage },
  );
}

/** A coffer server that gives a code of its vault knows that nothing was done; proxies and crashes know nothing. */
export function mayHaveActed({ status, json }: HttpAnswer): boolean {
  const code = cofferCodeOf(json);
  if (code === "ERR_OUTCOME_UNKNOWN") return true;
  if (code !== undefined && KNOWN_CODES.has(code)) return false;
  return RETRIED_STATUSES.has(status) && status !== 429;
}

/** A sender's failure: no answer came. */
export function failureToSend(error: unknown): FailedAttempt {
  const meaning = meaningOf(error);
  if (meaning === "not trusted") {
    const message = "the service's certificate is not trusted, so nothing was sent; the cause says why";
    // Another attempt finds the same certificate.
    return new FailedAttempt(new VaultError("ERR_SERVICE_UNAVAILABLE", message, { cause: error }), {
      isRetried: false,
      mayHaveActed: false,
    });
  }
  const message = "the service cannot be reached";
  return new FailedAttempt(
    new VaultError("ERR_SERVICE_UNAVAILABLE", message, { cause: error, retryable: true }),
    { isRetried: true, mayHaveActed: meaning !== "not sent" },
  );
}

/**
 * Milliseconds to wait after an attempt. They double from attempt to attempt; up to half of them is left out at random, so
 * that many clients do not come back at once.
 *
 * @param attempt - from 0
 */
export function backoff(attempt: number): number {
  const ms = Math.min(BACKOFF_MS_MIN * 2 ** attempt, BACKOFF_MS_MAX);
  return ms * (0.5 + randomBytes(1)[0]! / 512);
}

/** Waits. @throws the signal's reason */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    // It may have been aborted while the answer was looked at.
    if (signal?.aborted === true) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
