/**
 * Memory that many short-lived arrays share.
 *
 * Owns the slab. An array with memory of its own costs an allocation outside of the heap, which takes longer than decoding some
 * hundred bytes, and work for the garbage collector. Must not know what the bytes are.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** Bytes of a slab's pieces. Ours: some hundred envelopes of a short text. */
const PIECE_BYTES = 64 * 1024;

/** Arrays side by side in larger pieces of memory. A piece stays as long as one of its arrays: for what is let go of together. */
export class Slab {
  #piece: Bytes = new Uint8Array(0);
  #used = 0;

  /** An array of zeros that nothing else refers to. */
  take(length: number): Bytes {
    if (length > PIECE_BYTES / 4) return new Uint8Array(length);
    if (length > this.#piece.length - this.#used) {
      this.#piece = new Uint8Array(PIECE_BYTES);
      this.#used = 0;
    }
    this.#used += length;
    return this.#piece.subarray(this.#used - length, this.#used);
  }

  /** Joins byte arrays into a new one. */
  join(...parts: readonly Uint8Array[]): Bytes {
    let length = 0;
    for (const part of parts) length += part.length;
    const out = this.take(length);
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}
