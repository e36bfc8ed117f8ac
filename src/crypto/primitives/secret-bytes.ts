/**
 * Key bytes that do not print, serialise or outlive `dispose`.
 *
 * Owns the only reference to a raw key. Zeroing is best effort: a JavaScript engine may have copied the bytes.
 * Must not know what kind of key it holds.
 *
 * @module
 */

import { DISPOSE } from "../../base/dispose.ts";
import { VaultError } from "../../errors.ts";

/** The method by which Node, Bun and Deno ask an object how it prints. */
export const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom") as never;

/** A raw key in custody. */
export class SecretBytes {
  #bytes: Uint8Array | undefined;

  /** @param bytes - the key; this object takes it over and zeroes it on dispose, so the caller must not keep it */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * The key itself: do not keep, print or change it.
   *
   * @throws VaultError ERR_DISPOSED after `dispose`
   */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new VaultError("ERR_DISPOSED", "this key has been disposed of");
    return this.#bytes;
  }

  get isDisposed(): boolean {
    return this.#bytes === undefined;
  }

  /** Zeroes the bytes and lets go of them. May be called more than once. */
  dispose(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  [DISPOSE](): void {
    this.dispose();
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [INSPECT](): string {
    return "[secret]";
  }
}
