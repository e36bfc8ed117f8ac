/**
 * GHASH by nibble tables that are shuffled through registers (NIST SP 800-38D section 6.4).
 *
 * Owns the sum over a message. Must not know AES.
 *
 * @module
 */
import * as layout from "../../src/crypto/aead/wasm/layout.ts";
import {
  block,
  branchIf,
  type Code,
  I32,
  i8x16,
  i32,
  i32x4,
  i64,
  i64x2,
  type Local,
  loop,
  type ModuleBuilder,
  V128,
  v128,
  when,
} from "./assembler.ts";
import {
  BLOCK,
  constants,
  crossing,
  highNibbles,
  LANES,
  lowNibbles,
  REVERSE,
  SWAP_COUNTER,
  type Swizzle,
  shifted,
  shiftRight,
  splat,
  ZERO,
} from "./vectors.ts";

// A block is held with its bytes reversed, so that it is a 128-bit number whose low bits are the high powers
// of x (SP 800-38D section 6.3). Multiplication by x is then a shift to the right.

/** Adds the functions of GHASH: over bytes, over the block of lengths, and for the first counter block. */
export function buildGhash(module: ModuleBuilder, swizzle: Swizzle) {
  const reversed = (x: Code): Code => swizzle(x, v128.const(REVERSE));
  /** A length in bytes as a number of bits. */
  const bits = (bytes: Code): Code => i64.shl(i64.extendU(bytes), i64.const(3));

  // (sum, slot, at, length) -> sum. Absorbs `length` bytes, filled up with zeros to whole blocks.
  const ghash = module.function({ sum: V128, slot: I32, at: I32, length: I32 }, [V128]);
  {
    const { sum, slot, at, length } = ghash.parameters;
    const c = constants(ghash, {
      MASK: splat(0x0f),
      REVERSE: v128.const(REVERSE),
      ZERO,
      LANES: v128.const(LANES),
    });
    const { MASK, REVERSE: reverse, ZERO: zero, LANES: lanes } = c.locals;
    const { low, high, product, overflow, product2, overflow2, part } = ghash.namedLocals(
      V128,
      "low",
      "high",
      "product",
      "overflow",
      "product2",
      "overflow2",
      "part",
    );
    /** Byte j of (each low nibble times H*x^4, plus each high nibble times H), for all 16 nibble positions. */
    const bytesOfProduct = (j: number): Code =>
      v128.xor(
        swizzle(v128.load(slot.get, layout.HASH_TABLE_AT + 32 * j), high.get),
        swizzle(v128.load(slot.get, layout.HASH_TABLE_AT + 32 * j + BLOCK), low.get),
      );
    /** Horner's rule over j: everything so far times x^8, then one more byte. */
    const step = (p: Local, o: Local, j: number): Code => [
      ...o.set(i8x16.shuffle(o.get, p.get, shifted(1))),
      ...p.set(v128.xor(i8x16.shuffle(p.get, zero.get, shifted(1)), bytesOfProduct(j))),
    ];
    const first = (p: Local, o: Local, j: number): Code => [...p.set(bytesOfProduct(j)), ...o.set(zero.get)];
    const descending = (from: number, to: number) =>
      Array.from({ length: from - to + 1 }, (_, n) => from - n);
    // Two chains side by side: bytes 15 to 8, and 7 to 0.
    const halves = [
      ...first(product, overflow, 15),
      ...first(product2, overflow2, 7),
      ...descending(14, 8).flatMap((j) => [
        ...step(product, overflow, j),
        ...step(product2, overflow2, j - 8),
      ]),
    ];
    // product * x^64 + product2; then the overflow, times 1 + x + x^2 + x^7, comes down (x^128 = that).
    const join = [
      ...overflow.set(v128.xor(i8x16.shuffle(overflow.get, product.get, shifted(8)), overflow2.get)),
      ...product.set(v128.xor(i8x16.shuffle(product.get, zero.get, shifted(8)), product2.get)),
      ...part.set(
        v128.xor(v128.xor(crossing(overflow.get, 1), crossing(overflow.get, 2)), crossing(overflow.get, 7)),
      ),
      ...sum.set(
        [
          overflow.get,
          shiftRight(overflow.get, 1),
          shiftRight(overflow.get, 2),
          shiftRight(overflow.get, 7),
          i8x16.shuffle(part.get, zero.get, shifted(8)),
        ].reduce((total, term) => v128.xor(total, term), product.get),
      ),
    ];
    const absorb = (data: Code): Code => [
      ...sum.set(v128.xor(sum.get, swizzle(data, reverse.get))),
      ...low.set(lowNibbles(sum.get, MASK.get)),
      ...high.set(highNibbles(sum.get, MASK.get)),
      ...halves,
      ...join,
    ];
    const data = ghash.local(V128);
    ghash.body(
      c.setUp,
      block(
        branchIf(0, i32.eqz(length.get)),
        loop(
          data.set(v128.load(at.get)),
          when(i32.ltU(length.get, i32.const(BLOCK)), [
            ...data.set(v128.and(data.get, i8x16.ltU(lanes.get, i8x16.splat(length.get)))),
            ...length.set(i32.const(BLOCK)),
          ]),
          absorb(data.get),
          at.set(i32.add(at.get, i32.const(BLOCK))),
          length.set(i32.sub(length.get, i32.const(BLOCK))),
          branchIf(0, length.get),
        ),
      ),
      sum.get,
    );
  }

  // (sum, slot, associated, length) -> sum. Absorbs the block of lengths, given in bytes (SP 800-38D section 7.1).
  const finish = module.function({ sum: V128, slot: I32, associated: I32, length: I32 }, [V128]);
  {
    const { sum, slot, associated, length } = finish.parameters;
    finish.body(
      v128.store(
        i32.const(layout.WORK_AT),
        reversed(i64x2.replaceLane(1, i64x2.splat(bits(length.get)), bits(associated.get))),
      ),
      ghash.call(sum.get, slot.get, i32.const(layout.WORK_AT), i32.const(BLOCK)),
    );
  }

  // (slot, nonce, length) -> the first counter block J0 (SP 800-38D section 7.1), its counter as a number.
  const firstCounter = module.function({ slot: I32, nonce: I32, length: I32 }, [V128]);
  {
    const { slot, nonce, length } = firstCounter.parameters;
    const result = firstCounter.local(V128);
    firstCounter.body(
      when(
        i32.eq(length.get, i32.const(12)),
        result.set(i32x4.replaceLane(3, v128.load(nonce.get), i32.const(1))),
        result.set(
          swizzle(
            reversed(
              finish.call(
                ghash.call(ZERO, slot.get, nonce.get, length.get),
                slot.get,
                i32.const(0),
                length.get,
              ),
            ),
            v128.const(SWAP_COUNTER),
          ),
        ),
      ),
      result.get,
    );
  }

  return { ghash, finish, firstCounter, reversed };
}

/** What {@link buildGhash} answers. */
export type Ghash = ReturnType<typeof buildGhash>;
