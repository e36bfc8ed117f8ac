/**
 * What the parts of the AES-GCM module have in common: constants and small steps on vectors of 16 bytes.
 *
 * Owns no function of the module. Must not know AES or GHASH.
 *
 * @module
 */
import { type Code, type FunctionBuilder, i32, i32x4, i64x2, type Local, V128, v128 } from "./assembler.ts";

/** Bytes of a block. */
export const BLOCK = 16;
/** Rounds of AES-256 (FIPS 197 section 5). */
export const ROUNDS = 14;
/** The numbers of a vector's bytes. */
export const LANES: readonly number[] = Array.from({ length: 16 }, (_, i) => i);
/** The vector of zeros. */
export const ZERO: Code = v128.const(LANES.map(() => 0));
/** A vector of one byte, 16 times. */
export const splat = (byte: number): Code => v128.const(LANES.map(() => byte));
/** Turns a vector around, byte by byte. */
export const REVERSE: readonly number[] = LANES.map((i) => 15 - i);
/** Turns the last four bytes around: between a big-endian block counter and a number. */
export const SWAP_COUNTER: readonly number[] = LANES.map((i) => (i < 12 ? i : 27 - i));
/** Taken from `a` then `b`: everything one byte (or half) lower. */
export const shifted = (bytes: number): number[] => LANES.map((i) => i + bytes);

/** The instruction that looks 16 nibbles up in a table: SIMD's swizzle, or relaxed SIMD's. */
export type Swizzle = (table: Code, indices: Code) => Code;

/** Tables that stay in locals while a function runs, so that they are set up once. */
export function constants<K extends string>(f: FunctionBuilder, values: Record<K, Code>) {
  const names = Object.keys(values) as K[];
  const locals = Object.fromEntries(names.map((name) => [name, f.local(V128)])) as Record<K, Local>;
  return { locals, setUp: names.flatMap((name) => locals[name].set(values[name])) };
}

/** The low nibble of each byte; `mask` is 0x0f in each. */
export const lowNibbles = (x: Code, mask: Code): Code => v128.and(x, mask);
/** The high nibble of each byte; `mask` is 0x0f in each. */
export const highNibbles = (x: Code, mask: Code): Code => v128.and(i32x4.shrU(x, i32.const(4)), mask);

/** The number shifted right by 1 to 7 bits, each of its two lanes for itself. */
export const shiftRight = (x: Code, bits: number): Code => i64x2.shrU(x, i32.const(bits));
/** What crosses from the high to the low lane when a number is shifted right. */
export const crossing = (x: Code, bits: number): Code => i64x2.shl(x, i32.const(64 - bits));
