/**
 * Checks that are counted, and tell what failed.
 *
 * Owns counting and the form of a failure. Portable; must not know what is checked.
 *
 * @module
 */
import { equalBytes, toHex } from "../../../src/base/bytes.ts";

/** Failures that are told of one part; more are only counted. */
const FAILURES_MAX = 10;
/** Bytes of a value that are shown. */
const SHOWN_BYTES = 24;

/** What a check is about; a function where making the text costs more than the check. */
export type What = string | (() => string);

/** An error's code, or what else was thrown. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : String(error);
}

/** The count and the failures of one part. */
export class Checks {
  count = 0;
  readonly #failures: string[] = [];
  #unlisted = 0;

  get failures(): string[] {
    return this.#unlisted === 0 ? this.#failures : [...this.#failures, `and ${this.#unlisted} more`];
  }

  ok(condition: boolean, what: What): void {
    this.count++;
    if (!condition) this.fail(typeof what === "string" ? what : what());
  }

  fail(what: string): void {
    if (this.#failures.length < FAILURES_MAX) this.#failures.push(what);
    else this.#unlisted++;
  }

  same(got: unknown, expected: unknown, what: What): void {
    const text = (value: unknown): string => JSON.stringify(value) ?? String(value);
    this.ok(
      Object.is(got, expected) || text(got) === text(expected),
      () => `${typeof what === "string" ? what : what()}: ${text(got)} instead of ${text(expected)}`,
    );
  }

  bytes(got: Uint8Array, expected: Uint8Array, what: What): void {
    const text = (bytes: Uint8Array): string =>
      `${toHex(bytes.subarray(0, SHOWN_BYTES))} (${bytes.length} bytes)`;
    this.ok(
      got instanceof Uint8Array && got.length === expected.length && equalBytes(got, expected),
      () => `${typeof what === "string" ? what : what()}: ${text(got)} instead of ${text(expected)}`,
    );
  }

  /** That a call throws, or its promise rejects, with one of some codes. */
  async refuses(codes: string | readonly string[], call: () => unknown, what: What): Promise<void> {
    let code: string;
    try {
      await call();
      code = "no error";
    } catch (error) {
      code = codeOf(error);
    }
    this.ok(
      typeof codes === "string" ? code === codes : codes.includes(code),
      () => `${typeof what === "string" ? what : what()}: ${code} instead of ${String(codes)}`,
    );
  }
}
