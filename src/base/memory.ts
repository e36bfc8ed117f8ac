/**
 * Where arrays get their memory from.
 *
 * Owns the slab: one piece of memory for many short-lived arrays. An array with memory of its own costs an allocation outside of the
 * heap, which takes longer than decoding a hundred bytes, and work for the garbage collector. Must not know what the bytes are.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** Gives an array of zeros that nothing else refers to. */
export type Take = (length: number) => Bytes;

/** Memory of its own for each array. */
export const ownMemory: Take = (length) => new Uint8Array(length);

/** Bytes of a slab's pieces. Ours: some hundred envelopes of a short text. */
const PIECE_BYTES = 64 * 1024;

/** Arrays side by side in larger pieces of memory. A piece stays as long as any of its arrays: for what is let go of together. */
export function slab(): Take {
  let piece: Bytes = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (length > PIECE_BYTES / 4) return new Uint8Array(length);
    if (length > piece.length - used) {
      piece = new Uint8Array(PIECE_BYTES);
      used = 0;
    }
    const taken = piece.subarray(used, used + length);
    used += length;
    return taken;
  };
}

/** Joins byte arrays into a new one. */
export function joinBytes(take: Take, ...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = take(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
