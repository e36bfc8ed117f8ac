/**
 * What is derived from a key: the round keys (FIPS 197 section 5.2) and the tables of H.
 *
 * Owns the contents of a slot. Must not know messages.
 *
 * @module
 */
import * as layout from "../../src/crypto/aead/wasm/layout.ts";
import {
  branchIf,
  type Code,
  I32,
  i8x16,
  i32,
  i32x4,
  type Local,
  loop,
  type ModuleBuilder,
  memoryFill,
  V128,
  v128,
} from "./assembler.ts";
import { CIPHER_TABLES, type Cipher, work } from "./cipher.ts";
import type { Ghash } from "./ghash.ts";
import * as tables from "./tables.ts";
import {
  BLOCK,
  constants,
  crossing,
  LANES,
  ROUNDS,
  type Swizzle,
  shifted,
  shiftRight,
  splat,
  ZERO,
} from "./vectors.ts";

/** Adds `expand`: a raw key becomes a slot. */
export function buildKey(
  module: ModuleBuilder,
  swizzle: Swizzle,
  { ctr, invert, toPairs }: Cipher,
  { reversed }: Ghash,
): void {
  // (word) -> SubBytes of it, without the constant.
  const subBytes = module.function({ word: V128 }, [V128]);
  {
    const s = subBytes.parameters.word;
    const c = constants(subBytes, {
      MASK: CIPHER_TABLES.MASK,
      INVERSE: CIPHER_TABLES.INVERSE,
      A_OVER: CIPHER_TABLES.A_OVER,
      PAIR_LOW: CIPHER_TABLES.PAIR_LOW,
      PAIR_HIGH: CIPHER_TABLES.PAIR_HIGH,
    });
    const w = work(subBytes, s);
    subBytes.body(
      c.setUp,
      s.set(toPairs(s, c.locals)),
      ...invert([w], c.locals),
      v128.xor(swizzle(CIPHER_TABLES.LAST_IO, w.a.get), swizzle(CIPHER_TABLES.LAST_JO, w.i.get)),
    );
  }

  // (key) -> the key in the basis of the rounds.
  const pairs = module.function({ key: V128 }, [V128]);
  {
    const c = constants(pairs, {
      MASK: CIPHER_TABLES.MASK,
      PAIR_LOW: CIPHER_TABLES.PAIR_LOW,
      PAIR_HIGH: CIPHER_TABLES.PAIR_HIGH,
    });
    pairs.body(c.setUp, toPairs(pairs.parameters.key, c.locals));
  }

  // (slot): the raw key at KEY_AT becomes round keys (FIPS 197 section 5.2) and the tables of H, and is zeroed.
  const expand = module.function({ slot: I32 });
  {
    const { slot } = expand.parameters;
    const { even, odd, h } = expand.namedLocals(V128, "even", "odd", "h");
    const store = (round: number, key: Local): Code => {
      // MixColumns of the S-box's constant is the constant itself, so every round adds it with its key.
      const withConstant = v128.xor(key.get, splat(round === 0 ? 0 : tables.SBOX_CONSTANT));
      const value =
        round === ROUNDS ? withConstant : pairs.call(swizzle(withConstant, v128.const(tables.frame(round))));
      return v128.store(slot.get, value, round * BLOCK);
    };
    /** Each word plus all words before it. */
    const prefixSum = (x: Local): Code =>
      [4, 8].flatMap((bytes) => x.set(v128.xor(x.get, i8x16.shuffle(ZERO, x.get, shifted(16 - bytes)))));
    const LAST_WORD = LANES.map((i) => 12 + (i & 3));
    const LAST_WORD_ROTATED = LANES.map((i) => 12 + ((i + 1) & 3));
    const keys: Code[] = [store(0, even), store(1, odd)];
    for (let round = 2, rcon = 1; round <= ROUNDS; round++) {
      const isEven = round % 2 === 0;
      const [key, before] = isEven ? [even, odd] : [odd, even];
      const word = swizzle(before.get, v128.const(isEven ? LAST_WORD_ROTATED : LAST_WORD));
      const constant = LANES.map((i) => tables.SBOX_CONSTANT ^ (isEven && i % 4 === 0 ? rcon : 0));
      keys.push(
        prefixSum(key),
        key.set(v128.xor(v128.xor(key.get, subBytes.call(word)), v128.const(constant))),
        store(round, key),
      );
      // Round constants are powers of x; AES-256 needs seven, which stay below 256.
      if (isEven) rcon *= 2;
    }

    // H*x^0 to H*x^7; the bit that falls off is x^128 = 1 + x + x^2 + x^7, which is e1 in the first byte.
    const powers = expand.locals(V128, 8);
    const E1 = v128.const(LANES.map((i) => (i === 15 ? 0xe1 : 0)));
    const timesX = (from: Local, to: Local): Code =>
      to.set(
        [
          shiftRight(from.get, 1),
          i8x16.shuffle(crossing(from.get, 1), ZERO, shifted(8)),
          // The lowest bit, spread over the vector by an arithmetic shift.
          v128.and(
            i32x4.shrS(
              i32x4.shl(swizzle(from.get, v128.const(LANES.map((i) => i & 3))), i32.const(31)),
              i32.const(31),
            ),
            E1,
          ),
        ].reduce((total, term) => v128.xor(total, term)),
      );
    // Table j holds byte j of n*H for every nibble n; a nibble's highest bit is its lowest power of x.
    const at = expand.local(I32);
    const byte = expand.local(I32);
    const index = expand.local(V128);
    const nibblesWith = (bit: number): Code => v128.const(LANES.map((n) => ((n >> bit) & 1 ? 0xff : 0)));
    const column = (from: number): Code =>
      [0, 1, 2, 3]
        .map((n) => v128.and(swizzle(powers[from + n]!.get, index.get), nibblesWith(3 - n)))
        .reduce((total, term) => v128.xor(total, term));
    const hashTables = [
      ...at.set(i32.add(slot.get, i32.const(layout.HASH_TABLE_AT))),
      ...byte.set(i32.const(16)),
      ...loop(
        // Reversed: byte 0 of a block is lane 15.
        byte.set(i32.sub(byte.get, i32.const(1))),
        index.set(i8x16.splat(byte.get)),
        v128.store(at.get, column(0)),
        v128.store(at.get, column(4), BLOCK),
        at.set(i32.add(at.get, i32.const(2 * BLOCK))),
        branchIf(0, byte.get),
      ),
    ];
    expand.body(
      even.set(v128.load(i32.const(layout.KEY_AT))),
      odd.set(v128.load(i32.const(layout.KEY_AT), BLOCK)),
      memoryFill(i32.const(layout.KEY_AT), i32.const(0), i32.const(2 * BLOCK)),
      ...keys,
      // H is the cipher of the zero block (SP 800-38D section 6.4).
      v128.store(i32.const(layout.WORK_AT), ZERO),
      [...ctr.call(slot.get, i32.const(layout.WORK_AT), i32.const(BLOCK), ZERO), 0x1a],
      h.set(reversed(v128.load(i32.const(layout.WORK_AT)))),
      v128.store(i32.const(layout.WORK_AT), ZERO),
      powers[0]!.set(h.get),
      ...powers.slice(1).map((to, n) => timesX(powers[n]!, to)),
      hashTables,
    );
  }
  module.export("expand", expand);
}
