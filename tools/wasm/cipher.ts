/**
 * AES-256 by vector permutes (FIPS 197), in counter mode.
 *
 * Owns the rounds and the loop over blocks. Must not know the key schedule or GHASH.
 *
 * @module
 */
import {
  block,
  branchIf,
  type Code,
  type FunctionBuilder,
  I32,
  i8x16,
  i32,
  i32x4,
  type Local,
  loop,
  type ModuleBuilder,
  V128,
  v128,
  when,
} from "./assembler.ts";
import * as tables from "./tables.ts";
import {
  BLOCK,
  constants,
  highNibbles,
  LANES,
  lowNibbles,
  ROUNDS,
  SWAP_COUNTER,
  type Swizzle,
  splat,
} from "./vectors.ts";

/** Blocks that the main loop of the cipher does at once, as measured: 3 and 6 were slower or no faster. */
const WIDE = 4;
/** Blocks that its second loop does at once: what is left, and short messages (the mask of the tag and one block). */
const NARROW = 2;

/** The vectors that one block needs on its way through the cipher. */
export interface Work {
  readonly s: Local;
  readonly a: Local;
  readonly b: Local;
  readonly i: Local;
  readonly k: Local;
}
/** Locals for one block, which lies in `s`. */
export const work = (f: FunctionBuilder, s: Local): Work => {
  const { a, b, i, k } = f.namedLocals(V128, "a", "b", "i", "k");
  return { s, a, b, i, k };
};

/** For each of several blocks in turn, so that their latencies overlap. */
const each = (works: readonly Work[], step: (w: Work) => Code): Code => works.flatMap(step);

/** The tables that a cipher needs, each in a local. */
export const CIPHER_TABLES = {
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

/** Adds the function of counter mode, and gives the steps that the key schedule shares with it. */
export function buildCipher(module: ModuleBuilder, swizzle: Swizzle) {
  /** AES's bytes to pairs over GF(2^4). */
  const toPairs = (x: Local, c: { MASK: Local; PAIR_LOW: Local; PAIR_HIGH: Local }): Code =>
    v128.xor(
      swizzle(c.PAIR_LOW.get, lowNibbles(x.get, c.MASK.get)),
      swizzle(c.PAIR_HIGH.get, highNibbles(x.get, c.MASK.get)),
    );

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
  const ctr = module.function({ slot: I32, at: I32, length: I32, counter: V128 }, [V128]);
  {
    const { slot, at, length, counter } = ctr.parameters;
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
    // The counter goes on for the next piece. After a narrow group it may be too far; such a message has ended.
    ctr.body(c.setUp, setUpRotations, whole(wideWorks), whole(narrowWorks), rest, counter.get);
  }

  return { ctr, invert, toPairs };
}

/** What {@link buildCipher} answers. */
export type Cipher = ReturnType<typeof buildCipher>;
