/**
 * What a call throws or rejects with, as a value to look at.
 *
 * @module
 */
import type { VaultErrorCode } from "../../src/errors.ts";

/** An error of this package: a VaultError, or a TypeError or RangeError for a wrong argument. */
export interface CodedError extends Error {
  code: VaultErrorCode | "ERR_INVALID_ARGUMENT";
}

/** The error that `call` throws; it is a failure if it throws none, or something that is no Error. */
export function errorOf(call: () => unknown): CodedError {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    if (error instanceof Error) return error as CodedError;
    throw new TypeError("what was thrown is not an Error");
  }
  throw new Error(`no error was thrown, but ${typeof value} returned`);
}

/** The same for a promise, or a call that returns one. */
export async function rejectionOf(call: () => unknown): Promise<CodedError> {
  let value: unknown;
  try {
    value = await call();
  } catch (error) {
    if (error instanceof Error) return error as CodedError;
    throw new TypeError("what was thrown is not an Error");
  }
  throw new Error(`no error was thrown, but ${typeof value} returned`);
}
