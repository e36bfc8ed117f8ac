/**
 * Messages: sealed and opened whole or in pieces (NIST SP 800-38D section 7), and the bare cipher.
 *
 * Owns the order of cipher and sum. Must not know how either computes.
 *
 * @module
 */
import * as layout from "../../src/crypto/aead/wasm/layout.ts";
import { I32, i32, i32x4, type ModuleBuilder, memoryFill, V128, v128, when } from "./assembler.ts";
import type { Cipher } from "./cipher.ts";
import type { Ghash } from "./ghash.ts";
import { BLOCK, LANES, SWAP_COUNTER, type Swizzle, ZERO } from "./vectors.ts";

/** Adds `seal` and `open`, the same in pieces, and the bare cipher. */
export function buildMessages(
  module: ModuleBuilder,
  swizzle: Swizzle,
  { ctr }: Cipher,
  { ghash, finish, firstCounter, reversed }: Ghash,
): void {
  // (slot, at, length, associated, length, nonce, tag): seals in place. The block before the message is borrowed
  // for the mask of the tag, so that the first counter block costs no group of its own.
  const seal = module.function({
    slot: I32,
    at: I32,
    length: I32,
    associated: I32,
    associatedLength: I32,
    nonce: I32,
    tag: I32,
  });
  {
    const { slot, at, length, associated, associatedLength, nonce, tag } = seal.parameters;
    const { counter, mask, saved, sum } = seal.namedLocals(V128, "counter", "mask", "saved", "sum");
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
  const open = module.function(
    {
      slot: I32,
      at: I32,
      length: I32,
      associated: I32,
      associatedLength: I32,
      nonce: I32,
      nonceLength: I32,
      tag: I32,
    },
    [I32],
  );
  {
    const { slot, at, length, associated, associatedLength, nonce, nonceLength, tag } = open.parameters;
    const { counter, mask, saved, sum } = open.namedLocals(V128, "counter", "mask", "saved", "sum");
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
  const start = module.function({ slot: I32, nonce: I32, length: I32 });
  {
    const { slot, nonce, length } = start.parameters;
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
  const absorb = module.function({ slot: I32, at: I32, length: I32 });
  {
    const { slot, at, length } = absorb.parameters;
    absorb.body(
      v128.store(
        i32.const(layout.SUM_AT),
        ghash.call(v128.load(i32.const(layout.SUM_AT)), slot.get, at.get, length.get),
      ),
    );
  }
  module.export("absorb", absorb);

  // (slot, at, length): XORs the keystream onto a piece; all but the last are a multiple of the wide group.
  const crypt = module.function({ slot: I32, at: I32, length: I32 });
  {
    const { slot, at, length } = crypt.parameters;
    crypt.body(
      v128.store(
        i32.const(layout.COUNTER_AT),
        ctr.call(slot.get, at.get, length.get, v128.load(i32.const(layout.COUNTER_AT))),
      ),
    );
  }
  module.export("crypt", crypt);

  // (slot, associated length, length): the tag, to TAG_AT.
  const tag = module.function({ slot: I32, associated: I32, length: I32 });
  {
    const { slot, associated, length } = tag.parameters;
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
  const encipher = module.function({ slot: I32, at: I32 });
  {
    const { slot, at } = encipher.parameters;
    const input = encipher.local(V128);
    encipher.body(input.set(swizzle(v128.load(at.get), v128.const(SWAP_COUNTER))), v128.store(at.get, ZERO), [
      ...ctr.call(slot.get, at.get, i32.const(BLOCK), input.get),
      0x1a,
    ]);
  }
  module.export("encipher", encipher);
}
