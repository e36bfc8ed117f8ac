/**
 * What a failure of a storage means to a caller.
 *
 * Owns the shape of a row in the tables of both dialects, and how it becomes an error. Must not know any dialect.
 *
 * @module
 */
import { VaultError, type VaultErrorCode } from "../../errors.ts";

/** What a failure means. */
export interface Meaning {
  readonly code: VaultErrorCode;
  /** What is wrong, and what to do. */
  readonly words: string;
  /** The same call may succeed later without any change by the caller. */
  readonly retryable: boolean;
}

/** A row of a table. */
export const meaning = (code: VaultErrorCode, words: string, retryable = false): Meaning => ({
  code,
  words,
  retryable,
});

/** The error of a failure. @param reason - the dialect's or the system's own word for it */
export function failureOf({ code, words, retryable }: Meaning, reason: string, cause: unknown): VaultError {
  return new VaultError(code, `${words} (${reason})`, { retryable, cause });
}
