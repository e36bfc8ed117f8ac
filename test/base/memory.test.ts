/** Memory for many arrays: none has anything to do with another. */
import { expect, test } from "vitest";
import { decodeBase64, encodeBase64 } from "../../src/base/base64.ts";
import { Slab } from "../../src/base/memory.ts";

test("arrays of a slab have their length, are zero, and do not overlap", () => {
  const slab = new Slab();
  const lengths = Array.from({ length: 2_000 }, (_, i) => (i * 37) % 401).concat(0, 16_384, 16_385, 100_000);
  const taken = lengths.map((length) => {
    const bytes = slab.take(length);
    expect(bytes).toHaveLength(length);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    return bytes;
  });
  for (const [i, bytes] of taken.entries()) bytes.fill(1 + (i % 255));
  for (const [i, bytes] of taken.entries()) expect(bytes.every((byte) => byte === 1 + (i % 255))).toBe(true);
  // Together in few pieces, and what is long by itself.
  expect(new Set(taken.slice(0, 2_000).map(({ buffer }) => buffer)).size).toBeLessThan(10);
  expect(taken.at(-1)!.buffer.byteLength).toBe(100_000);
  expect(new Slab().take(8).buffer).not.toBe(new Slab().take(8).buffer);
});

test.each([
  ["of its own", undefined],
  ["of a slab", new Slab()],
])("base64 is decoded into memory %s", (_, slab) => {
  const bytes = Uint8Array.from({ length: 301 }, (_, i) => i);
  const texts = [bytes, bytes.subarray(0, 3), bytes.subarray(1, 3)].map(encodeBase64);
  const decoded = texts.map((text) => decodeBase64(text, undefined, slab));
  expect(decoded).toEqual([bytes, bytes.slice(0, 3), bytes.slice(1, 3)]);
  expect(decodeBase64("AAA-", undefined, slab)).toBeUndefined();
  expect(decodeBase64("====", undefined, slab)).toBeUndefined();
});

test("parts are joined in a slab", () => {
  const slab = new Slab();
  const bytes = slab.take(9).map((_, i) => i);
  expect(slab.join(bytes.subarray(0, 2), bytes.subarray(0, 0), bytes.subarray(7, 9))).toEqual(
    Uint8Array.of(0, 1, 7, 8),
  );
  expect(slab.join()).toHaveLength(0);
});
