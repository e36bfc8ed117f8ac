/**
 * Many messages at once: the cipher runs elsewhere, and its keystream lies in the memory.
 *
 * Owns what is left to do per message. Must not know AES.
 *
 * @module
 */
import {
  block,
  branchIf,
  I32,
  i8x16,
  i32,
  i32x4,
  loop,
  type ModuleBuilder,
  V128,
  v128,
  when,
} from "./assembler.ts";
import type { Ghash } from "./ghash.ts";
import { BLOCK, LANES, SWAP_COUNTER, type Swizzle, ZERO } from "./vectors.ts";

/** Adds what batches need: counter blocks, `sealWith` and `openWith` over a given keystream, and the comparison. */
export function buildBatch(
  module: ModuleBuilder,
  swizzle: Swizzle,
  { ghash, finish, reversed }: Ghash,
): void {
  // (nonce, blocks, out): the first counter block of a 12-byte nonce and those after it, to be enciphered by one
  // native call for all messages of a batch.
  const counters = module.function({ nonce: I32, blocks: I32, out: I32 });
  {
    const { nonce, blocks, out } = counters.parameters;
    const { counter, swap, one } = counters.namedLocals(V128, "counter", "swap", "one");
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
  const apply = module.function({ at: I32, stream: I32, length: I32 });
  {
    const { at, stream, length } = apply.parameters;
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

  const parameters = {
    slot: I32,
    at: I32,
    length: I32,
    associated: I32,
    associatedLength: I32,
    stream: I32,
    tag: I32,
  } as const;
  // (slot, at, length, associated, length, stream, tag): seals in place. At `stream` lie the enciphered counter
  // blocks: the mask of the tag, then the keystream.
  const sealWith = module.function(parameters);
  // (slot, at, length, associated, length, stream, tag) -> 1 if the tag is right, else 0, and then nothing is changed.
  const openWith = module.function(parameters, [I32]);
  for (const f of [sealWith, openWith]) {
    const { slot, at, length, associated, associatedLength, stream, tag } = f.parameters;
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
  const equal = module.function({ a: I32, b: I32, length: I32 }, [I32]);
  {
    const { a, b, length } = equal.parameters;
    const { difference, part } = equal.namedLocals(V128, "difference", "part");
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
}
