/**
 * The one difference between the AES-GCM module for SIMD and for relaxed SIMD.
 *
 * Owns the exchange of one instruction. Must not know what it computes; the generator (tools/wasm/build.ts) makes
 * sure that the result is what it would have generated.
 *
 * @module
 */

/** The swizzle of SIMD (opcode 0x0e) as the generator writes it: with as many bytes as the other one needs. */
const SWIZZLE = [0xfd, 0x8e, 0x00] as const;
/** Relaxed SIMD's swizzle (opcode 0x100): one instruction on x86 where the other is two. */
const RELAXED_SWIZZLE = [0xfd, 0x80, 0x02] as const;

/** The module with relaxed SIMD's swizzle. Its indices are nibbles or have their top bit set: there both agree. */
export function withRelaxedSwizzle(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = module.slice();
  for (let at = bytes.indexOf(SWIZZLE[0]); at >= 0; at = bytes.indexOf(SWIZZLE[0], at + 1)) {
    if (bytes[at + 1] === SWIZZLE[1] && bytes[at + 2] === SWIZZLE[2]) bytes.set(RELAXED_SWIZZLE, at);
  }
  return bytes;
}
