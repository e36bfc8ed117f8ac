/** What is shared and kept: order, number, age and disposal. The decrypt cache's and the lease pool's tests show the rest. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { SharedLru } from "../../src/base/shared-lru.ts";
import { rejectionOf } from "../support/errors.ts";

class Thing {
  isDisposed = false;
  dispose(): void {
    this.isDisposed = true;
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

afterEach(() => {
  vi.useRealTimers();
});

describe("SharedLru", () => {
  test("drops the one longest unused, and disposes of it", async () => {
    const lru = new SharedLru<Thing>({ entriesMax: 2 });
    const [a, b, c] = [new Thing(), new Thing(), new Thing()];
    lru.touch(lru.add("a", Promise.resolve(a)));
    lru.add("b", Promise.resolve(b));
    lru.touch(lru.get("a")!);
    lru.add("c", Promise.resolve(c));
    await settle();
    expect([a, b, c].map((thing) => thing.isDisposed)).toEqual([false, true, false]);
    expect([lru.size, lru.get("a")?.value, lru.get("b")]).toEqual([2, a, undefined]);
  });

  test("disposes of a dropped one when its last user lets go", async () => {
    const lru = new SharedLru<Thing>({ entriesMax: 2 });
    const thing = new Thing();
    const entry = lru.add("a", Promise.resolve(thing));
    lru.hold(entry);
    lru.hold(entry);
    lru.drop(entry);
    lru.release(entry);
    await settle();
    expect(thing.isDisposed).toBe(false);
    lru.release(entry);
    await settle();
    expect(thing.isDisposed).toBe(true);
  });

  test("drops one entry, not what has taken its place", () => {
    const lru = new SharedLru<Thing>({ entriesMax: 2 });
    const old = lru.add("a", Promise.resolve(new Thing()));
    lru.drop(old);
    const next = lru.add("a", Promise.resolve(new Thing()));
    lru.drop(old);
    lru.touch(old);
    expect(lru.get("a")).toBe(next);
  });

  test("keeps no failure", async () => {
    const lru = new SharedLru<Thing>({ entriesMax: 2 });
    const reason = new Error("down");
    expect(await rejectionOf(() => lru.add("a", Promise.reject(reason)).ready)).toBe(reason);
    expect(lru.size).toBe(0);
  });

  test("without an age keeps things whatever the clock says, and runs no timer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let time = 1_000;
    const lru = new SharedLru<Thing>({ entriesMax: 2, now: () => time });
    const entry = lru.add("a", Promise.resolve(new Thing()));
    await settle();
    time = 0;
    expect(lru.get("a")).toBe(entry);
    time = Number.MAX_SAFE_INTEGER;
    expect(lru.get("a")).toBe(entry);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("once closed keeps nothing, and disposes of what is asked for after its use", async () => {
    const lru = new SharedLru<Thing>({ entriesMax: 2, ageMsMax: 1_000 });
    lru.close();
    const thing = new Thing();
    const entry = lru.add("a", Promise.resolve(thing));
    lru.hold(entry);
    expect(lru.size).toBe(0);
    expect(await entry.ready).toBe(thing);
    expect(thing.isDisposed).toBe(false);
    lru.release(entry);
    await settle();
    expect(thing.isDisposed).toBe(true);
  });
});
