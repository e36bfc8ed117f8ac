/** The decrypt cache: who is asked how often, what is kept how long, and that no key is pulled from under its user. */
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DataKey } from "../../src/crypto/keys/data-key.ts";
import { DataKeyCache } from "../../src/keys/data-key-cache.ts";
import type { KeyService } from "../../src/keys/key-service.ts";
import { CACHE_AGE_MS_DEFAULT, CACHE_ENTRIES_DEFAULT } from "../../src/keys/limits.ts";
import { fromBase64 } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { expectNoTrace } from "../support/secrets.ts";

let service: MemoryKeyService;
let time: number;
const now = (): number => time;

beforeEach(() => {
  service = new MemoryKeyService();
  time = 1_000_000;
});

afterEach(() => {
  vi.useRealTimers();
});

/** A wrapped data key, and the key itself. */
async function wrapped(): Promise<{ keys: string; dataKey: string }> {
  using key = await service.createDataKey({ context: { n: "1" } });
  return { keys: key.encryptedKeys, dataKey: key.dataKey };
}

const requests = (): number => service.count("createDecrypt");
const dataKeyOf = (key: DataKey): string => key.dataKey;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The data keys that were unwrapped, and whether each has been disposed of. */
const disposed = (): boolean[] =>
  service.handedOut.slice(service.count("createDataKey")).map((key) => key.isDisposed);

describe("[KEY-42] the cache", () => {
  test("asks once, and then no more while the key is young", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    for (let i = 0; i < 5; i++) {
      expect(await cache.use(service, keys, dataKeyOf)).toBe(dataKey);
      time += 10_000;
    }
    expect(requests()).toBe(1);
    expect(cache.size).toBe(1);
  });

  test("asks once for all who wait at the same time", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    const release = service.hold();
    const calls = Array.from({ length: 100 }, () => cache.use(service, keys, dataKeyOf));
    await settle();
    expect(requests()).toBe(1);
    expect(service.underWay).toBe(1);
    release();
    expect(new Set(await Promise.all(calls))).toEqual(new Set([dataKey]));
    expect(requests()).toBe(1);
  });

  test("keeps keys of different wrapped forms, services and environments apart", async () => {
    const cache = new DataKeyCache({ now });
    const [a, b] = [await wrapped(), await wrapped()];
    expect(await cache.use(service, a.keys, dataKeyOf)).toBe(a.dataKey);
    expect(await cache.use(service, b.keys, dataKeyOf)).toBe(b.dataKey);
    const other = new MemoryKeyService();
    // Another service does not know the key, even though this one does.
    expect((await rejectionOf(() => cache.use(other, a.keys, dataKeyOf))).code).toBe("ERR_KEY_NOT_FOUND");
    expect(await cache.use(service, a.keys, dataKeyOf)).toBe(a.dataKey);
    expect(requests()).toBe(2);
    expect(cache.size).toBe(2);
  });

  test("cannot be made to mix up a wrapped form and a service's id", async () => {
    const cache = new DataKeyCache({ now });
    const answered: string[] = [];
    const named = (id: string): KeyService => ({
      id,
      createDataKey: () => Promise.reject(new Error("no")),
      createRekey: () => Promise.reject(new Error("no")),
      createDecrypt: async ({ keys }) => {
        answered.push(`${keys}|${id}`);
        return service.createDataKey({ context: { n: "1" } });
      },
    });
    for (const [keys, id] of [
      ["a", "b"],
      ["a\nb", ""],
      ["", "a\nb"],
      ["ab", ""],
      ["a", "\nb"],
    ] as const) {
      await cache.use(named(id), keys, dataKeyOf);
    }
    expect(answered.length).toBeGreaterThanOrEqual(4);
  });

  test("keeps a key for 60 seconds and 1,000 of them unless told otherwise", () => {
    expect(CACHE_AGE_MS_DEFAULT).toBe(60_000);
    expect(CACHE_ENTRIES_DEFAULT).toBe(1_000);
  });

  test("forgets a key when it is old, to the millisecond, and disposes of it", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now, maxAgeMs: 1_000 });
    await cache.use(service, keys, dataKeyOf);
    time += 999;
    await cache.use(service, keys, dataKeyOf);
    expect(requests()).toBe(1);
    time += 1;
    await cache.use(service, keys, dataKeyOf);
    expect(requests()).toBe(2);
    await settle();
    expect(disposed()).toEqual([true, false]);
  });

  test("counts a key's age from the answer, not from the request", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now, maxAgeMs: 1_000 });
    const release = service.hold();
    const first = cache.use(service, keys, dataKeyOf);
    await settle();
    time += 900;
    release();
    await first;
    time += 999;
    await cache.use(service, keys, dataKeyOf);
    expect(requests()).toBe(1);
  });

  test("does not think a key younger because the clock was set back", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now, maxAgeMs: 1_000 });
    await cache.use(service, keys, dataKeyOf);
    time -= 5;
    await cache.use(service, keys, dataKeyOf);
    expect(requests()).toBe(2);
    await cache.use(service, keys, dataKeyOf);
    expect(requests()).toBe(2);
  });

  test("forgets the one longest unused when there are too many", async () => {
    const cache = new DataKeyCache({ now, maxEntries: 3 });
    const keys = [];
    for (let i = 0; i < 4; i++) keys.push((await wrapped()).keys);
    for (const key of keys.slice(0, 3)) await cache.use(service, key, dataKeyOf);
    await cache.use(service, keys[0]!, dataKeyOf); // Now 1 is the oldest.
    await cache.use(service, keys[3]!, dataKeyOf);
    expect(cache.size).toBe(3);
    expect(requests()).toBe(4);
    await settle();
    expect(disposed()).toEqual([false, true, false, false]);
    for (const i of [0, 2, 3]) await cache.use(service, keys[i]!, dataKeyOf);
    expect(requests()).toBe(4);
    await cache.use(service, keys[1]!, dataKeyOf);
    expect(requests()).toBe(5);
  });

  test.each([{ maxAgeMs: 0 }, { maxEntries: 0 }, { maxAgeMs: 0, maxEntries: 0 }])(
    "is off with %j: every call asks, and no key is kept",
    async (options) => {
      const { keys, dataKey } = await wrapped();
      const cache = new DataKeyCache({ now, ...options });
      for (let i = 1; i <= 3; i++) {
        expect(await cache.use(service, keys, dataKeyOf)).toBe(dataKey);
        await settle();
        expect(requests()).toBe(i);
        expect(cache.size).toBe(0);
        expect(disposed()).toEqual(Array.from({ length: i }, () => true));
      }
    },
  );

  test("is off with 0, but who waits at the same time still shares a request", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ maxAgeMs: 0, now });
    const release = service.hold();
    const calls = Array.from({ length: 10 }, () => cache.use(service, keys, dataKeyOf));
    release();
    expect(new Set(await Promise.all(calls))).toEqual(new Set([dataKey]));
    expect(requests()).toBe(1);
    await settle();
    expect(disposed()).toEqual([true]);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, "60"])("refuses a limit of %s", (limit) => {
    for (const options of [{ maxAgeMs: limit }, { maxEntries: limit }]) {
      expect(errorOf(() => new DataKeyCache(options as never)).code).toBe("ERR_INVALID_ARGUMENT");
    }
  });

  test("never keeps a failure, and tells each who waits for it", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    service.failure = new Error("down");
    const calls = Array.from({ length: 5 }, () => rejectionOf(() => cache.use(service, keys, dataKeyOf)));
    expect(new Set(await Promise.all(calls))).toEqual(new Set([service.failure]));
    expect(requests()).toBe(1);
    expect(cache.size).toBe(0);
    service.failure = undefined;
    expect(await cache.use(service, keys, dataKeyOf)).toBe(dataKey);
    expect(requests()).toBe(2);
  });

  test("takes a service that throws at once for one that fails", async () => {
    const cache = new DataKeyCache({ now });
    const reason = new Error("at once");
    const throwing = {
      id: "throwing",
      createDecrypt: () => {
        throw reason;
      },
    } as unknown as KeyService;
    expect(await rejectionOf(() => cache.use(throwing, "keys", dataKeyOf))).toBe(reason);
    expect(cache.size).toBe(0);
  });

  test("fails with the work's own error, and keeps the key", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    const reason = new Error("mine");
    const work = (): never => {
      throw reason;
    };
    await expect(cache.use(service, keys, work)).rejects.toBe(reason);
    expect(await cache.use(service, keys, dataKeyOf)).toBe(dataKey);
    expect(requests()).toBe(1);
  });
});

describe("[KEY-49] signals", () => {
  test("an aborted caller asks for nothing", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now });
    const reason = new Error("no");
    await expect(cache.use(service, keys, dataKeyOf, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(requests()).toBe(0);
    expect(cache.size).toBe(0);
  });

  test("one caller's abort ends its own wait only; the request goes on for the others", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    const release = service.hold();
    const controller = new AbortController();
    const first = rejectionOf(() => cache.use(service, keys, dataKeyOf, { signal: controller.signal }));
    const second = cache.use(service, keys, dataKeyOf);
    await settle();
    const reason = new Error("gave up");
    controller.abort(reason);
    expect(await first).toBe(reason);
    release();
    expect(await second).toBe(dataKey);
    expect(requests()).toBe(1);
    expect(service.signals.at(-1)).toBeUndefined();
  });

  test("where all callers have given up, the key is kept for the next one", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    const release = service.hold();
    const controller = new AbortController();
    const call = rejectionOf(() => cache.use(service, keys, dataKeyOf, { signal: controller.signal }));
    controller.abort();
    await call;
    release();
    await settle();
    expect(await cache.use(service, keys, dataKeyOf)).toBe(dataKey);
    expect(requests()).toBe(1);
  });

  test("a failure that no caller waits for any more is no unhandled rejection", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now });
    const release = service.hold();
    const controller = new AbortController();
    const call = rejectionOf(() => cache.use(service, keys, dataKeyOf, { signal: controller.signal }));
    controller.abort();
    await call;
    service.failure = new Error("later");
    release();
    await settle();
    expect(cache.size).toBe(0);
  });
});

describe("[KEY-42] disposal", () => {
  test("waits for the calls that use a key", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    const working = Promise.withResolvers<void>();
    const using = cache.use(service, keys, async (key) => {
      await working.promise;
      return key.dataKey;
    });
    await settle();
    cache.clear();
    await settle();
    expect(cache.size).toBe(0);
    expect(disposed()).toEqual([false]);
    // Another call does not get the dropped key.
    await cache.use(service, keys, dataKeyOf);
    expect(requests()).toBe(2);
    working.resolve();
    expect(await using).toBe(dataKey);
    await settle();
    expect(disposed()).toEqual([true, false]);
  });

  test("comes also where the request was still under way when the cache was cleared", async () => {
    const { keys, dataKey } = await wrapped();
    const cache = new DataKeyCache({ now });
    const release = service.hold();
    const waiting = cache.use(service, keys, dataKeyOf);
    await settle();
    cache.clear();
    release();
    expect(await waiting).toBe(dataKey);
    await settle();
    expect(disposed()).toEqual([true]);
    expect(cache.size).toBe(0);
  });

  test("comes when a key that was dropped while it was waited for lands", async () => {
    const cache = new DataKeyCache({ now, maxEntries: 1 });
    const [a, b] = [await wrapped(), await wrapped()];
    const release = service.hold();
    const calls = [a, b].map(({ keys }) => cache.use(service, keys, dataKeyOf));
    release();
    expect(await Promise.all(calls)).toEqual([a.dataKey, b.dataKey]);
    await settle();
    expect(disposed()).toEqual([true, false]);
  });

  test("of old keys comes by itself, also without another call", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ maxAgeMs: 1_000 });
    await cache.use(service, keys, dataKeyOf);
    expect(cache.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(cache.size).toBe(0);
    expect(disposed()).toEqual([true]);
    expect(vi.getTimerCount()).toBe(0);
    await cache.use(service, keys, dataKeyOf);
    expect(vi.getTimerCount()).toBe(1);
    cache.clear();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("of keys of different ages comes in turn", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const [a, b] = [await wrapped(), await wrapped()];
    const cache = new DataKeyCache({ maxAgeMs: 1_000 });
    await cache.use(service, a.keys, dataKeyOf);
    await vi.advanceTimersByTimeAsync(600);
    await cache.use(service, b.keys, dataKeyOf);
    await vi.advanceTimersByTimeAsync(400);
    expect(disposed()).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(disposed()).toEqual([true, true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("of very long ages does not make the timer run wild", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const { keys } = await wrapped();
    for (const maxAgeMs of [2 ** 31, 1e15]) {
      const cache = new DataKeyCache({ maxAgeMs });
      const spy = vi.spyOn(globalThis, "setTimeout");
      await cache.use(service, keys, dataKeyOf);
      // Node turns longer waits into one millisecond.
      for (const [, wait] of spy.mock.calls) expect(wait).toBeLessThan(2 ** 31);
      spy.mockRestore();
      cache.clear();
    }
  });
});

describe("[KEY-41] [KEY-42] revocations", () => {
  test("make every key of the service be asked for again, and dispose of what was kept", async () => {
    const [a, b] = [await wrapped(), await wrapped()];
    const cache = new DataKeyCache({ now });
    for (const { keys } of [a, b]) await cache.use(service, keys, dataKeyOf);
    service.revoke();
    await cache.use(service, a.keys, dataKeyOf);
    expect(requests()).toBe(3);
    expect(cache.size).toBe(1);
    await settle();
    expect(disposed()).toEqual([true, true, false]);
    await cache.use(service, a.keys, dataKeyOf);
    expect(requests()).toBe(3);
  });

  test("of one service leave another one's keys alone", async () => {
    const other = new MemoryKeyService();
    using theirs = await other.createDataKey({ context: { n: "1" } });
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now });
    await cache.use(service, keys, dataKeyOf);
    await cache.use(other, theirs.encryptedKeys, dataKeyOf);
    service.revoke();
    await cache.use(service, keys, dataKeyOf);
    await cache.use(other, theirs.encryptedKeys, dataKeyOf);
    expect(requests()).toBe(2);
    expect(other.count("createDecrypt")).toBe(1);
  });

  test("that happen while a request is under way make the next call ask again", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now });
    const release = service.hold();
    const first = cache.use(service, keys, dataKeyOf);
    await settle();
    service.revoke();
    release();
    await first;
    await cache.use(service, keys, dataKeyOf);
    expect(requests()).toBe(2);
  });

  test("that cannot be told (NaN, or no such counter) are two things: never believed, and not expected", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now });
    const unknown: KeyService = {
      id: service.id,
      createDataKey: (request) => service.createDataKey(request),
      createDecrypt: (request) => service.createDecrypt(request),
      createRekey: (request) => service.createRekey(request),
      revocations: () => Number.NaN,
    };
    await cache.use(unknown, keys, dataKeyOf);
    await cache.use(unknown, keys, dataKeyOf);
    expect(requests()).toBe(2);
    const { revocations: _, ...silent } = unknown;
    await cache.use(silent, keys, dataKeyOf);
    await cache.use(silent, keys, dataKeyOf);
    expect(requests()).toBe(3);
  });

  test("whose counter cannot be read fail the call", async () => {
    const { keys } = await wrapped();
    const cache = new DataKeyCache({ now });
    await cache.use(service, keys, dataKeyOf);
    const reason = new Error("the storage is gone");
    service.revocations = () => {
      throw reason;
    };
    await expect(cache.use(service, keys, dataKeyOf)).rejects.toBe(reason);
  });
});

test("[KEY-46] the cache shows no key", async () => {
  const { keys, dataKey } = await wrapped();
  const cache = new DataKeyCache({ now });
  await cache.use(service, keys, dataKeyOf);
  expectNoTrace(cache, [fromBase64(dataKey)]);
  expect(inspect(cache, { showHidden: true, depth: 10 })).not.toContain(keys);
});

describe("guessing the key of a ciphertext", () => {
  /** A text that differs from others where the cache looks. */
  const ciphertext = (n: number): string => "A".repeat(228) + String.fromCharCode(65 + n).repeat(100);

  test("counts as a use of the key", async () => {
    const cache = new DataKeyCache({ now, maxEntries: 2 });
    const [a, b, c] = [await wrapped(), await wrapped(), await wrapped()];
    await cache.use(service, a.keys, dataKeyOf);
    await cache.use(service, b.keys, dataKeyOf);
    cache.noteCiphertext(service, ciphertext(0), a.keys);
    expect(cache.guessKey(service, ciphertext(0))?.dataKey).toBe(a.dataKey);
    await cache.use(service, c.keys, dataKeyOf);
    await settle();
    expect(disposed()).toEqual([false, true, false]);
  });

  test("goes by a bounded number of notes", async () => {
    const cache = new DataKeyCache({ now, maxEntries: 1 });
    const { keys } = await wrapped();
    await cache.use(service, keys, dataKeyOf);
    for (let n = 0; n < 5; n++) cache.noteCiphertext(service, ciphertext(n), keys);
    expect(cache.guessKey(service, ciphertext(0))).toBeDefined();
    cache.noteCiphertext(service, ciphertext(5), keys);
    expect(cache.guessKey(service, ciphertext(0))).toBeUndefined();
    expect(cache.guessKey(service, ciphertext(5))).toBeDefined();
  });
});
