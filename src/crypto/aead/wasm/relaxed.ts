/**
 * The one difference between the AES-GCM module for SIMD and for relaxed SIMD.
 *
 * Owns the exchange of one instruction. Must not know what it computes; the generator (tools/wasm/build.ts) makes
 * sure that the result is what it would have generated.
 *
 * @module
 */
import type { Bytes } from "../../../base/bytes.ts";

/** The swizzle of SIMD (opcode 0x0e) as the generator writes it: with as many bytes as the other one needs. */
const SWIZZLE = [0xfd, 0x8e, 0x00] as const;
/** Relaxed SIMD's swizzle (opcode 0x100): one instruction on x86 where the other is two. */
const RELAXED_SWIZZLE = [0xfd, 0x80, 0x02] as const;

/** The module with relaxed SIMD's swizzle. Its indices are nibbles or have their top bit set: there both agree. */
export function withRelaxedSwizzle(module: Bytes): Bytes {
  const bytes = module.slice();
  const [prefix, opcode, end] = SWIZZLE;
  // A plain loop: this runs once, before anything is optimised, where calls for each candidate took 2 ms.
  for (let at = 0; at < bytes.length - 2; at++) {
    if (bytes[at] === prefix && bytes[at + 1] === opcode && bytes[at + 2] === end) {
      bytes[at + 1] = RELAXED_SWIZZLE[1];
      bytes[at + 2] = RELAXED_SWIZZLE[2];
    }
  }
  return bytes;
}
