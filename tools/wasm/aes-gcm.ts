/**
 * The AES-256-GCM module: AES by vector permutes, GHASH by nibble tables that are shuffled through registers.
 *
 * Owns the program (FIPS 197, NIST SP 800-38D) as instructions for the assembler beside this file. No branch and
 * no address in it depends on a key or a message: docs/wasm-aead.md goes through it part by part. What decides
 * branches and addresses are lengths, slots and pointers. Must not know JavaScript's side.
 *
 * @module
 */
import * as layout from "../../src/crypto/aead/wasm/layout.ts";
import {
  block,
  branchIf,
  type Code,
  type FunctionBuilder,
  I32,
  i8x16,
  i32,
  i32x4,
  i64,
  i64x2,
  type Local,
  loop,
  ModuleBuilder,
  memoryFill,
  V128,
  v128,
  when,
} from "./assembler.ts";
import * as tables from "./tables.ts";

const BLOCK = 16;
/** Rounds of AES-256 (FIPS 197 section 5). */
const ROUNDS = 14;
const LANES = Array.from({ length: 16 }, (_, i) => i);
const ZERO = v128.const(LANES.map(() => 0));
const splat = (byte: number): Code => v128.const(LANES.map(() => byte));
const REVERSE = LANES.map((i) => 15 - i);
/** Turns the last four bytes around: between a big-endian block counter and a number. */
const SWAP_COUNTER = LANES.map((i) => (i < 12 ? i : 27 - i));
/** Taken from `a` then `b`: everything one byte (or half) lower. */
const shifted = (bytes: number): number[] => LANES.map((i) => i + bytes);

/** Blocks that the main loop of the cipher does at once, as measured: 3 and 6 were slower or no faster. */
const WIDE = 4;
/** Blocks that its second loop does at once: what is left, and short messages (the mask of the tag and one block). */
const NARROW = 2;

/**
 * Builds the module.
 *
 * @param swizzle - SIMD's, or relaxed SIMD's. Every index is a nibble, or has its top bit set and means zero: there
 *   the two agree.
 */
export function buildModule(swizzle: (table: Code, indices: Code) => Code = i8x16.swizzle): Uint8Array {
  const module = new ModuleBuilder(layout.MEMORY_PAGES);

  // --- AES ------------------------------------------------------------------------------------------------

  /** Tables that stay in locals while a function runs, so that they are set up once. */
  function constants<K extends string>(f: FunctionBuilder, values: Record<K, Code>) {
    const names = Object.keys(values) as K[];
    const locals = Object.fromEntries(names.map((name) => [name, f.local(V128)])) as Record<K, Local>;
    return { locals, setUp: names.flatMap((name) => locals[name].set(values[name])) };
  }

  /** The nibbles of a vector: `low` and `high` may be the same local as what is read only if it is set last. */
  const lowNibbles = (x: Code, mask: Code): Code => v128.and(x, mask);
  const highNibbles = (x: Code, mask: Code): Code => v128.and(i32x4.shrU(x, i32.const(4)), mask);

  /** AES's bytes to pairs over GF(2^4). */
  const toPairs = (x: Local, c: { MASK: Local; PAIR_LOW: Local; PAIR_HIGH: Local }): Code =>
    v128.xor(
      swizzle(c.PAIR_LOW.get, lowNibbles(x.get, c.MASK.get)),
      swizzle(c.PAIR_HIGH.get, highNibbles(x.get, c.MASK.get)),
    );

  interface Work {
    readonly s: Local;
    readonly a: Local;
    readonly b: Local;
    readonly i: Local;
    readonly k: Local;
  }
  const work = (f: FunctionBuilder, s: Local): Work => {
    const [a, b, i, k] = f.locals(V128, 4) as [Local, Local, Local, Local];
    return { s, a, b, i, k };
  };

  /** For each of several blocks in turn, so that their latencies overlap. */
  const each = (works: readonly Work[], step: (w: Work) => Code): Code => works.flatMap(step);

  /** Inverts each pair in `s`; leaves io in `a` and jo in `i`. */
  const invert = (works: readonly Work[], c: { MASK: Local; INVERSE: Local; A_OVER: Local }): Code[] => [
    each(works, (w) => w.i.set(highNibbles(w.s.get, c.MASK.get))),
    each(works, (w) => w.k.set(lowNibbles(w.s.get, c.MASK.get))),
    each(works, (w) => w.s.set(v128.xor(w.i.get, w.k.get))), // j
    each(works, (w) => w.a.set(swizzle(c.INVERSE.get, w.i.get))),
    each(works, (w) => w.k.set(swizzle(c.A_OVER.get, w.k.get))),
    each(works, (w) => w.b.set(swizzle(c.INVERSE.get, w.s.get))),
    each(works, (w) => w.a.set(v128.xor(w.a.get, w.k.get))),
    each(works, (w) => w.b.set(v128.xor(w.b.get, w.k.get))),
    each(works, (w) => w.a.set(swizzle(c.INVERSE.get, w.a.get))),
    each(works, (w) => w.b.set(swizzle(c.INVERSE.get, w.b.get))),
    each(works, (w) => w.a.set(v128.xor(w.a.get, w.s.get))), // io
    each(works, (w) => w.i.set(v128.xor(w.b.get, w.i.get))), // jo
  ];

  const CIPHER_TABLES = {
    MASK: splat(0x0f),
    INVERSE: v128.const(tables.INVERSE),
    A_OVER: v128.const(tables.A_OVER),
    SUB_IO: v128.const(tables.SUB_IO),
    SUB_JO: v128.const(tables.SUB_JO),
    SUB2_IO: v128.const(tables.SUB2_IO),
    SUB2_JO: v128.const(tables.SUB2_JO),
    LAST_IO: v128.const(tables.LAST_IO),
    LAST_JO: v128.const(tables.LAST_JO),
    PAIR_LOW: v128.const(tables.PAIR_LOW),
    PAIR_HIGH: v128.const(tables.PAIR_HIGH),
  };

  /**
   * Enciphers blocks: each `s` holds a block of AES's bytes and is replaced by its cipher.
   *
   * @param slot - address of the round keys
   */
  function cipher(
    works: readonly Work[],
    slot: Local,
    group: Local,
    key: Local,
    c: Record<keyof typeof CIPHER_TABLES, Local>,
    rotations: readonly { forward: Local; backward: Local }[],
    last: Local,
  ): Code {
    const loadKey = (round: number): Code => key.set(v128.load(slot.get, round * BLOCK));
    /** Of the group of four rounds that `group` stands at. */
    const loadGroupKey = (round: number): Code => key.set(v128.load(group.get, round * BLOCK));
    const middle = (round: number, load: (round: number) => Code): Code => {
      const { forward, backward } = rotations[round & 3]!;
      return [
        ...invert(works, c),
        load(round),
        // MixColumns: 2A + 3B + C + D, where B, C and D are A with its columns rotated by 1, 2 and 3.
        each(works, (w) =>
          w.b.set(v128.xor(swizzle(c.SUB2_IO.get, w.a.get), swizzle(c.SUB2_JO.get, w.i.get))),
        ),
        each(works, (w) => w.a.set(v128.xor(swizzle(c.SUB_IO.get, w.a.get), swizzle(c.SUB_JO.get, w.i.get)))),
        each(works, (w) => w.b.set(v128.xor(w.b.get, swizzle(w.a.get, forward.get)))), // 2A + B
        each(works, (w) => w.k.set(v128.xor(swizzle(w.a.get, backward.get), key.get))), // D + key
        each(works, (w) => w.k.set(v128.xor(w.k.get, w.b.get))), // 2A + B + D + key
        each(works, (w) => w.s.set(v128.xor(w.k.get, swizzle(w.b.get, forward.get)))), // + 2B + C
      ].flat();
    };
    return [
      loadKey(0),
      each(works, (w) => w.s.set(v128.xor(toPairs(w.s, c), key.get))),
      // After four rounds the frames repeat: three times four rounds, then the thirteenth.
      group.set(slot.get),
      loop(
        ...[1, 2, 3, 4].map((round) => middle(round, loadGroupKey)),
        group.set(i32.add(group.get, i32.const(4 * BLOCK))),
        branchIf(0, i32.ltU(group.get, i32.add(slot.get, i32.const(12 * BLOCK)))),
      ),
      middle(13, loadKey),
      ...invert(works, c),
      loadKey(ROUNDS),
      each(works, (w) => w.a.set(v128.xor(swizzle(c.LAST_IO.get, w.a.get), swizzle(c.LAST_JO.get, w.i.get)))),
      each(works, (w) => w.s.set(v128.xor(swizzle(w.a.get, last.get), key.get))),
    ].flat();
  }

  // counter mode: (slot, at, length, counter) -> next counter. XORs the keystream onto `length` bytes at `at`;
  // bytes behind them stay as they are. The last four bytes of the counter are a number here.
  const ctr = module.function([I32, I32, I32, V128], [V128]);
  {
    const [slot, at, length, counter] = [0, 1, 2, 3].map((n) => ctr.parameter(n)) as [
      Local,
      Local,
      Local,
      Local,
    ];
    const c = constants(ctr, {
      ...CIPHER_TABLES,
      SWAP: v128.const(SWAP_COUNTER),
      UNFRAME: v128.const(tables.unframe(ROUNDS)),
      ONE: v128.const(LANES.map((i) => (i === 12 ? 1 : 0))),
      LANES: v128.const(LANES),
    });
    const rotations = [0, 1, 2, 3].map(() => ({ forward: ctr.local(V128), backward: ctr.local(V128) }));
    const setUpRotations = rotations.flatMap(({ forward, backward }, round) => {
      const to = tables.rotation(round);
      return [...forward.set(v128.const(to.forward)), ...backward.set(v128.const(to.backward))];
    });
    const key = ctr.local(V128);
    const group = ctr.local(I32);
    const works = ctr.locals(V128, WIDE).map((s) => work(ctr, s));
    const next = (w: Work): Code => [
      ...w.s.set(swizzle(counter.get, c.locals.SWAP.get)),
      ...counter.set(i32x4.add(counter.get, c.locals.ONE.get)),
    ];
    const encipher = (some: readonly Work[]): Code => [
      ...each(some, next),
      ...cipher(some, slot, group, key, c.locals, rotations, c.locals.UNFRAME),
    ];
    const apply = (w: Work, offset: number): Code =>
      v128.store(at.get, v128.xor(v128.load(at.get, offset), w.s.get), offset);
    const advance = (bytes: number): Code => [
      ...at.set(i32.add(at.get, i32.const(bytes))),
      ...length.set(i32.sub(length.get, i32.const(bytes))),
    ];
    /** Only the bytes that belong to the message: what lies behind them is XORed with zeros. */
    const applyLast = (w: Work, offset: number): Code => {
      const rest = i32.sub(length.get, i32.const(offset));
      const inside = v128.and(w.s.get, i8x16.ltU(c.locals.LANES.get, i8x16.splat(rest)));
      return v128.store(at.get, v128.xor(v128.load(at.get, offset), inside), offset);
    };
    const wideWorks = works.slice(0, WIDE);
    const narrowWorks = works.slice(0, NARROW);
    // A group is whole: no length is compared inside of it, and no byte mask is needed.
    const whole = (some: readonly Work[]): Code =>
      block(
        branchIf(0, i32.ltU(length.get, i32.const(some.length * BLOCK))),
        loop(
          encipher(some),
          some.flatMap((w, n) => apply(w, n * BLOCK)),
          advance(some.length * BLOCK),
          branchIf(0, i32.geU(length.get, i32.const(some.length * BLOCK))),
        ),
      );
    const rest = when(length.get, [
      ...encipher(narrowWorks),
      ...narrowWorks.flatMap((w, n) =>
        when(i32.gtU(length.get, i32.const(n * BLOCK)), applyLast(w, n * BLOCK)),
      ),
    ]);
    // What the counter became: the narrow group may have gone further than the message, which nobody continues.
    ctr.body(c.setUp, setUpRotations, whole(wideWorks), whole(narrowWorks), rest, counter.get);
  }

  // --- GHASH ----------------------------------------------------------------------------------------------

  // A block is held with its bytes reversed, so that it is a 128-bit number whose low bits are the high powers
  // of x (SP 800-38D section 6.3). Multiplication by x is then a shift to the right.

  /** The number shifted right by 1 to 7 bits, as the two lanes and what crosses from the high to the low one. */
  const shiftRight = (x: Code, bits: number): Code => i64x2.shrU(x, i32.const(bits));
  const crossing = (x: Code, bits: number): Code => i64x2.shl(x, i32.const(64 - bits));

  // (sum, slot, at, length) -> sum. Absorbs `length` bytes, filled up with zeros to whole blocks.
  const ghash = module.function([V128, I32, I32, I32], [V128]);
  {
    const [sum, slot, at, length] = [0, 1, 2, 3].map((n) => ghash.parameter(n)) as [
      Local,
      Local,
      Local,
      Local,
    ];
    const c = constants(ghash, {
      MASK: splat(0x0f),
      REVERSE: v128.const(REVERSE),
      ZERO,
      LANES: v128.const(LANES),
    });
    const { MASK, REVERSE: reverse, ZERO: zero, LANES: lanes } = c.locals;
    const [low, high, product, overflow, product2, overflow2, part] = ghash.locals(V128, 7) as [
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
    ];
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

  const reversed = (x: Code): Code => swizzle(x, v128.const(REVERSE));
  /** A length in bytes as a number of bits. */
  const bits = (bytes: Code): Code => i64.shl(i64.extendU(bytes), i64.const(3));

  // (sum, slot, associated, length) -> sum. Absorbs the block of lengths, given in bytes (SP 800-38D section 7.1).
  const finish = module.function([V128, I32, I32, I32], [V128]);
  {
    const [sum, slot, associated, length] = [0, 1, 2, 3].map((n) => finish.parameter(n)) as [
      Local,
      Local,
      Local,
      Local,
    ];
    finish.body(
      v128.store(
        i32.const(layout.WORK_AT),
        reversed(i64x2.replaceLane(1, i64x2.splat(bits(length.get)), bits(associated.get))),
      ),
      ghash.call(sum.get, slot.get, i32.const(layout.WORK_AT), i32.const(BLOCK)),
    );
  }

  // (slot, nonce, length) -> the first counter block J0 (SP 800-38D section 7.1), its counter as a number.
  const firstCounter = module.function([I32, I32, I32], [V128]);
  {
    const [slot, nonce, length] = [0, 1, 2].map((n) => firstCounter.parameter(n)) as [Local, Local, Local];
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

  // --- the key --------------------------------------------------------------------------------------------

  // (word) -> SubBytes of it, without the constant.
  const subBytes = module.function([V128], [V128]);
  {
    const s = subBytes.parameter(0);
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
  const pairs = module.function([V128], [V128]);
  {
    const c = constants(pairs, {
      MASK: CIPHER_TABLES.MASK,
      PAIR_LOW: CIPHER_TABLES.PAIR_LOW,
      PAIR_HIGH: CIPHER_TABLES.PAIR_HIGH,
    });
    pairs.body(c.setUp, toPairs(pairs.parameter(0), c.locals));
  }

  // (slot): the raw key at KEY_AT becomes round keys (FIPS 197 section 5.2) and the tables of H, and is zeroed.
  const expand = module.function([I32]);
  {
    const slot = expand.parameter(0);
    const [even, odd, h] = expand.locals(V128, 3) as [Local, Local, Local];
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

  // --- whole messages -------------------------------------------------------------------------------------

  // (slot, at, length, associated, length, nonce, tag): seals in place. The block before the message is borrowed
  // for the mask of the tag, so that the first counter block costs no group of its own.
  const seal = module.function([I32, I32, I32, I32, I32, I32, I32]);
  {
    const [slot, at, length, associated, associatedLength, nonce, tag] = [0, 1, 2, 3, 4, 5, 6].map((n) =>
      seal.parameter(n),
    ) as [Local, Local, Local, Local, Local, Local, Local];
    const [counter, mask, saved, sum] = seal.locals(V128, 4) as [Local, Local, Local, Local];
    const before = i32.sub(at.get, i32.const(BLOCK));
    seal.body(
      // First of all: the nonce may lie in the block that is borrowed.
      counter.set(firstCounter.call(slot.get, nonce.get, i32.const(12))),
      saved.set(v128.load(before)),
      v128.store(before, ZERO),
      [...ctr.call(slot.get, before, i32.add(length.get, i32.const(BLOCK)), counter.get), 0x1a],
      mask.set(v128.load(before)),
      v128.store(before, saved.get),
      sum.set(ghash.call(ZERO, slot.get, associated.get, associatedLength.get)),
      sum.set(ghash.call(sum.get, slot.get, at.get, length.get)),
      sum.set(finish.call(sum.get, slot.get, associatedLength.get, length.get)),
      v128.store(tag.get, v128.xor(reversed(sum.get), mask.get)),
    );
  }
  module.export("seal", seal);

  // (slot, at, length, associated, length, nonce, length, tag) -> 1 if the tag is right, else 0. Opens in place;
  // where the tag is wrong the message is zeroed before the call returns.
  const open = module.function([I32, I32, I32, I32, I32, I32, I32, I32], [I32]);
  {
    const [slot, at, length, associated, associatedLength, nonce, nonceLength, tag] = [
      0, 1, 2, 3, 4, 5, 6, 7,
    ].map((n) => open.parameter(n)) as [Local, Local, Local, Local, Local, Local, Local, Local];
    const [counter, mask, saved, sum] = open.locals(V128, 4) as [Local, Local, Local, Local];
    const isWrong = open.local(I32);
    const before = i32.sub(at.get, i32.const(BLOCK));
    open.body(
      sum.set(ghash.call(ZERO, slot.get, associated.get, associatedLength.get)),
      sum.set(ghash.call(sum.get, slot.get, at.get, length.get)),
      sum.set(finish.call(sum.get, slot.get, associatedLength.get, length.get)),
      counter.set(firstCounter.call(slot.get, nonce.get, nonceLength.get)),
      saved.set(v128.load(before)),
      v128.store(before, ZERO),
      [...ctr.call(slot.get, before, i32.add(length.get, i32.const(BLOCK)), counter.get), 0x1a],
      mask.set(v128.load(before)),
      v128.store(before, saved.get),
      isWrong.set(v128.anyTrue(v128.xor(v128.xor(reversed(sum.get), mask.get), v128.load(tag.get)))),
      when(isWrong.get, memoryFill(at.get, i32.const(0), length.get)),
      i32.eqz(isWrong.get),
    );
  }
  module.export("open", open);

  // --- messages in pieces, and the bare cipher ------------------------------------------------------------

  // (slot, nonce, length): the counter, the mask and an empty sum.
  const start = module.function([I32, I32, I32]);
  {
    const [slot, nonce, length] = [0, 1, 2].map((n) => start.parameter(n)) as [Local, Local, Local];
    start.body(
      v128.store(i32.const(layout.MASK_AT), ZERO),
      v128.store(i32.const(layout.COUNTER_AT), firstCounter.call(slot.get, nonce.get, length.get)),
      [
        ...ctr.call(
          slot.get,
          i32.const(layout.MASK_AT),
          i32.const(BLOCK),
          v128.load(i32.const(layout.COUNTER_AT)),
        ),
        0x1a,
      ],
      v128.store(
        i32.const(layout.COUNTER_AT),
        i32x4.add(v128.load(i32.const(layout.COUNTER_AT)), v128.const(LANES.map((i) => (i === 12 ? 1 : 0)))),
      ),
      v128.store(i32.const(layout.SUM_AT), ZERO),
    );
  }
  module.export("start", start);

  // (slot, at, length): absorbs a piece; all but the last of associated data or ciphertext are whole blocks.
  const absorb = module.function([I32, I32, I32]);
  {
    const [slot, at, length] = [0, 1, 2].map((n) => absorb.parameter(n)) as [Local, Local, Local];
    absorb.body(
      v128.store(
        i32.const(layout.SUM_AT),
        ghash.call(v128.load(i32.const(layout.SUM_AT)), slot.get, at.get, length.get),
      ),
    );
  }
  module.export("absorb", absorb);

  // (slot, at, length): XORs the keystream onto a piece; all but the last are a multiple of the wide group.
  const crypt = module.function([I32, I32, I32]);
  {
    const [slot, at, length] = [0, 1, 2].map((n) => crypt.parameter(n)) as [Local, Local, Local];
    crypt.body(
      v128.store(
        i32.const(layout.COUNTER_AT),
        ctr.call(slot.get, at.get, length.get, v128.load(i32.const(layout.COUNTER_AT))),
      ),
    );
  }
  module.export("crypt", crypt);

  // (slot, associated length, length): the tag, to TAG_AT.
  const tag = module.function([I32, I32, I32]);
  {
    const [slot, associated, length] = [0, 1, 2].map((n) => tag.parameter(n)) as [Local, Local, Local];
    tag.body(
      v128.store(
        i32.const(layout.TAG_AT),
        v128.xor(
          reversed(finish.call(v128.load(i32.const(layout.SUM_AT)), slot.get, associated.get, length.get)),
          v128.load(i32.const(layout.MASK_AT)),
        ),
      ),
    );
  }
  module.export("tag", tag);

  // (slot, at): enciphers one block in place: the keystream of a counter that is the block, over zeros.
  const encipher = module.function([I32, I32]);
  {
    const [slot, at] = [0, 1].map((n) => encipher.parameter(n)) as [Local, Local];
    const input = encipher.local(V128);
    encipher.body(input.set(swizzle(v128.load(at.get), v128.const(SWAP_COUNTER))), v128.store(at.get, ZERO), [
      ...ctr.call(slot.get, at.get, i32.const(BLOCK), input.get),
      0x1a,
    ]);
  }
  module.export("encipher", encipher);

  // --- many messages at once: the cipher runs elsewhere ---------------------------------------------------

  // (nonce, blocks, out): the first counter block of a 12-byte nonce and those after it, to be enciphered by one
  // native call for all messages of a batch.
  const counters = module.function([I32, I32, I32]);
  {
    const [nonce, blocks, out] = [0, 1, 2].map((n) => counters.parameter(n)) as [Local, Local, Local];
    const [counter, swap, one] = counters.locals(V128, 3) as [Local, Local, Local];
    counters.body(
      swap.set(v128.const(SWAP_COUNTER)),
      one.set(v128.const(LANES.map((i) => (i === 12 ? 1 : 0)))),
      counter.set(i32x4.replaceLane(3, v128.load(nonce.get), i32.const(1))),
      loop(
        v128.store(out.get, swizzle(counter.get, swap.get)),
        counter.set(i32x4.add(counter.get, one.get)),
        out.set(i32.add(out.get, i32.const(BLOCK))),
        blocks.set(i32.sub(blocks.get, i32.const(1))),
        branchIf(0, blocks.get),
      ),
    );
  }
  module.export("counters", counters);

  // (at, stream, length): XORs `length` bytes; bytes behind them stay as they are.
  const apply = module.function([I32, I32, I32]);
  {
    const [at, stream, length] = [0, 1, 2].map((n) => apply.parameter(n)) as [Local, Local, Local];
    const part = apply.local(V128);
    apply.body(
      block(
        branchIf(0, i32.eqz(length.get)),
        loop(
          part.set(v128.load(stream.get)),
          when(i32.ltU(length.get, i32.const(BLOCK)), [
            ...part.set(v128.and(part.get, i8x16.ltU(v128.const(LANES), i8x16.splat(length.get)))),
            ...length.set(i32.const(BLOCK)),
          ]),
          v128.store(at.get, v128.xor(v128.load(at.get), part.get)),
          at.set(i32.add(at.get, i32.const(BLOCK))),
          stream.set(i32.add(stream.get, i32.const(BLOCK))),
          length.set(i32.sub(length.get, i32.const(BLOCK))),
          branchIf(0, length.get),
        ),
      ),
    );
  }

  // (slot, at, length, associated, length, stream, tag): seals in place. At `stream` lie the enciphered counter
  // blocks: the mask of the tag, then the keystream.
  const sealWith = module.function([I32, I32, I32, I32, I32, I32, I32]);
  // (slot, at, length, associated, length, stream, tag) -> 1 if the tag is right, else 0, and then nothing is changed.
  const openWith = module.function([I32, I32, I32, I32, I32, I32, I32], [I32]);
  for (const f of [sealWith, openWith]) {
    const [slot, at, length, associated, associatedLength, stream, tag] = [0, 1, 2, 3, 4, 5, 6].map((n) =>
      f.parameter(n),
    ) as [Local, Local, Local, Local, Local, Local, Local];
    const sum = f.local(V128);
    const decipher = apply.call(at.get, i32.add(stream.get, i32.const(BLOCK)), length.get);
    const hash = [
      ...sum.set(ghash.call(ZERO, slot.get, associated.get, associatedLength.get)),
      ...sum.set(ghash.call(sum.get, slot.get, at.get, length.get)),
      ...sum.set(finish.call(sum.get, slot.get, associatedLength.get, length.get)),
      ...sum.set(v128.xor(reversed(sum.get), v128.load(stream.get))),
    ];
    if (f === sealWith) {
      f.body(decipher, hash, v128.store(tag.get, sum.get));
    } else {
      const isRight = f.local(I32);
      f.body(
        hash,
        isRight.set(i32.eqz(v128.anyTrue(v128.xor(sum.get, v128.load(tag.get))))),
        when(isRight.get, decipher),
        isRight.get,
      );
    }
  }
  module.export("sealWith", sealWith);
  module.export("openWith", openWith);

  // (a, b, length) -> 1 if the bytes at a and b are the same, else 0. Reads everything; whole blocks, so that up to
  // 15 bytes behind the end are read, which do not count.
  const equal = module.function([I32, I32, I32], [I32]);
  {
    const [a, b, length] = [0, 1, 2].map((n) => equal.parameter(n)) as [Local, Local, Local];
    const [difference, part] = equal.locals(V128, 2) as [Local, Local];
    const add = difference.set(v128.or(difference.get, part.get));
    equal.body(
      block(
        branchIf(0, i32.eqz(length.get)),
        loop(
          part.set(v128.xor(v128.load(a.get), v128.load(b.get))),
          when(i32.ltU(length.get, i32.const(BLOCK)), [
            ...part.set(v128.and(part.get, i8x16.ltU(v128.const(LANES), i8x16.splat(length.get)))),
            ...length.set(i32.const(BLOCK)),
          ]),
          add,
          a.set(i32.add(a.get, i32.const(BLOCK))),
          b.set(i32.add(b.get, i32.const(BLOCK))),
          length.set(i32.sub(length.get, i32.const(BLOCK))),
          branchIf(0, length.get),
        ),
      ),
      i32.eqz(v128.anyTrue(difference.get)),
    );
  }
  module.export("equal", equal);

  return module.encode();
}
