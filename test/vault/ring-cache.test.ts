/** Rings that are kept: how many, which go first, and that one that is let go of is disposed of once. */
import { expect, test } from "vitest";
import type { Ring } from "../../src/vault/keks/ring.ts";
import { RingCache } from "../../src/vault/keks/ring-cache.ts";

/** A ring that notes when it is disposed of. */
function ringOf(name: string, disposed: string[]): Ring {
  return { wrappingKey: { dispose: () => disposed.push(name) } } as unknown as Ring;
}

test("the ring longest unused goes first, and each is disposed of once", () => {
  const disposed: string[] = [];
  const cache = new RingCache(3);
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => ringOf(name, disposed)) as [Ring, Ring, Ring, Ring];
  cache.set(a, "a");
  cache.set(b, "b");
  cache.set(c, "c");
  expect(cache.get("a")).toBe(a);
  cache.set(d, "d");
  expect(disposed).toEqual(["b"]);
  expect(["a", "b", "c", "d"].map((name) => cache.get(name))).toEqual([a, undefined, c, d]);
  cache.clear();
  expect(disposed.toSorted()).toEqual(["a", "b", "c", "d"]);
  expect(cache.get("a")).toBeUndefined();
});

test("a ring under two names counts once, and stays while it has one of them", () => {
  const disposed: string[] = [];
  const cache = new RingCache(4);
  const [a, b] = [ringOf("a", disposed), ringOf("b", disposed)];
  cache.set(a, "a", "also a");
  cache.set(ringOf("c", disposed), "c", "also c");
  cache.set(ringOf("d", disposed), "d", "also d");
  expect(disposed).toEqual([]);
  // Another takes one of its names.
  cache.set(b, "a");
  expect([cache.get("a"), cache.get("also a")]).toEqual([b, a]);
  expect(disposed).toEqual([]);
  cache.set(ringOf("e", disposed), "also a");
  expect(disposed).toEqual(["a"]);
  cache.clear();
  expect(disposed.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
});
