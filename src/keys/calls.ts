/**
 * What one call is told: its signal, its time, its headers, its idempotency key.
 *
 * Owns the check of these, and the end of a call whose time is over. Must not know what calls do, nor how requests are sent.
 *
 * @module
 */

import { invalidRange, invalidType, isVaultError, VaultError } from "../errors.ts";
import type { CallOptions, ChangeOptions } from "./key-service.ts";
import { CALL_TIMEOUT_MS_MAX, IDEMPOTENCY_KEY_CHARS_MAX } from "./limits.ts";

/** What a port says of itself about calls. */
export interface CallTaker {
  /** Whether calls are requests over HTTP, which take headers and idempotency keys; absent where they are not. */
  readonly takesHeaders?: boolean | undefined;
}

/** RFC 9110 section 5.6.2: a token. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** RFC 9110 section 5.5: visible characters with blanks between them. */
const HEADER_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** What an idempotency key is made of: visible ASCII (docs/spec/key-service-api.md section 4). */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]+$/;

/** Headers that coffer or `fetch` sets itself: a call that sets them too would change what is sent or who is told. */
const OWN_HEADERS =
  /^(accept|accept-encoding|authorization|connection|content-(encoding|length|type)|cookie|expect|host|idempotency-key|keep-alive|proxy-authorization|te|trailer|transfer-encoding|upgrade|user-agent)$/;

/**
 * Checks what a call is told.
 *
 * @param taker - the port that is called
 * @returns the options; with headers of their own, which the caller may go on to change
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
 */
export function checkedCall<O extends ChangeOptions>(options: O, taker: CallTaker): O {
  if (isPlain(options)) return options;
  const { timeout, headers, idempotencyKey } = options;
  if (timeout !== undefined) checkTimeout(timeout);
  if (idempotencyKey !== undefined) checkIdempotencyKey(idempotencyKey, taker);
  return headers === undefined ? options : { ...options, headers: ownHeaders(headers, taker) };
}

/**
 * Runs a call no longer than its own time allows.
 *
 * @param call - checked
 * @param work - begins before this returns; is given the call without its time, and with a signal that ends it
 * @throws what `work` throws; VaultError ERR_SERVICE_TIMEOUT where `work` throws its signal's reason
 */
export function withinTime<O extends CallOptions, T>(call: O, work: (call: O) => Promise<T>): Promise<T> {
  return call.timeout === undefined ? work(call) : endInTime(call, call.timeout, work);
}

/**
 * Checks a call and runs it within its time. One that is told nothing costs nothing.
 *
 * @returns what `work` does; rejects as {@link checkedCall} throws, and as {@link withinTime}
 */
export function runCall<O extends ChangeOptions, T>(
  options: O,
  taker: CallTaker,
  work: (call: O) => Promise<T>,
): Promise<T> {
  return isPlain(options) ? work(options) : runChecked(options, taker, work);
}

/** Whether a signal was aborted because a call's time is over. */
export function isTimeOver(reason: unknown): reason is VaultError {
  return isVaultError(reason, "ERR_SERVICE_TIMEOUT");
}

/** Also for what is no object, which the call itself refuses. */
function isPlain(options: ChangeOptions | null): boolean {
  return (
    options?.timeout === undefined && options?.headers === undefined && options?.idempotencyKey === undefined
  );
}

async function runChecked<O extends ChangeOptions, T>(
  options: O,
  taker: CallTaker,
  work: (call: O) => Promise<T>,
): Promise<T> {
  return withinTime(checkedCall(options, taker), work);
}

async function endInTime<O extends CallOptions, T>(
  call: O,
  ms: number,
  work: (call: O) => Promise<T>,
): Promise<T> {
  const given = call.signal;
  const ending = new AbortController();
  const onAbort = (): void => ending.abort(given!.reason);
  const timer = setTimeout(() => ending.abort(timeIsOver(ms)), ms);
  if (given?.aborted === true) onAbort();
  else given?.addEventListener("abort", onAbort, { once: true });
  try {
    return await work({ ...call, timeout: undefined, signal: ending.signal });
  } finally {
    clearTimeout(timer);
    given?.removeEventListener("abort", onAbort);
  }
}

function timeIsOver(ms: number): VaultError {
  return new VaultError("ERR_SERVICE_TIMEOUT", `the call was not done within its ${ms} ms`, {
    retryable: true,
  });
}

function checkTimeout(timeout: number): void {
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > CALL_TIMEOUT_MS_MAX) {
    throw invalidRange(`timeout must be a whole number of milliseconds from 1 to ${CALL_TIMEOUT_MS_MAX}`);
  }
}

function checkIdempotencyKey(key: string, taker: CallTaker): void {
  if (taker.takesHeaders !== true) {
    throw invalidType("idempotencyKey is for a vault over HTTP: this one sends no requests");
  }
  if (typeof key !== "string" || key.length > IDEMPOTENCY_KEY_CHARS_MAX || !IDEMPOTENCY_KEY.test(key)) {
    throw invalidRange(`idempotencyKey must be 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters`);
  }
}

function ownHeaders(headers: unknown, taker: CallTaker): Readonly<Record<string, string>> {
  if (taker.takesHeaders !== true) {
    throw invalidType("headers are for a vault over HTTP: this one sends no requests");
  }
  // A Headers or a Map would look like an object without names.
  if (Object.prototype.toString.call(headers) !== "[object Object]") {
    throw invalidType("headers must be a plain object of names and texts");
  }
  const own = new Map<string, string>();
  for (const [name, value] of Object.entries(headers as Record<string, unknown>)) {
    const lower = name.toLowerCase();
    if (OWN_HEADERS.test(lower)) throw invalidRange(`headers: ${lower} is set by coffer and cannot be given`);
    if (!HEADER_NAME.test(name) || own.has(lower)) {
      throw invalidRange("headers: a name is given twice, or is not one of HTTP (RFC 9110)");
    }
    if (typeof value !== "string" || !HEADER_VALUE.test(value)) {
      throw invalidType(`headers: the value of ${lower} is no text of HTTP (RFC 9110)`);
    }
    own.set(lower, value);
  }
  return Object.fromEntries(own);
}
