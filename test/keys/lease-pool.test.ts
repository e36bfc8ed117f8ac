/** Data keys that are reused per call: every message within a budget, however many come at once. */
import { beforeEach, describe, expect, test } from "vitest";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { parseEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { HeldKeys } from "../../src/keys/held-keys.ts";
import { checkLimits, type LeaseLimits } from "../../src/keys/lease-budget.ts";
import { LeasePool } from "../../src/keys/lease-pool.ts";
import type { LeasedKey } from "../../src/keys/leased-key.ts";
import { REUSED_CONTEXTS_MAX } from "../../src/keys/limits.ts";
import { base64, fromBase64 } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { expectNoTrace } from "../support/secrets.ts";

let service: MemoryKeyService;
let pool: LeasePool;

beforeEach(() => {
  service = new MemoryKeyService();
  pool = new LeasePool(new HeldKeys(service), HERE);
});

const context = (n: number | string) => ({ tenant: `${n}` });
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const NO_AAD = new Uint8Array(0);

async function encrypt(
  data: string,
  of: Record<string, string>,
  limits: LeaseLimits = {},
  signal?: AbortSignal,
): Promise<string> {
  const seal = (held: LeasedKey): Promise<string> => held.seal(data, NO_AAD, "iv12");
  return pool.use(of, checkLimits(limits), data.length, seal, { signal });
}

/** The data key that a text names, by its wrapped form. */
const keyOf = (text: string): string => base64(parseEnvelope(text).keyBlob);

async function decrypt(text: string): Promise<string> {
  const { localDecrypt } = await import("../../src/crypto/local.ts");
  using key = await service.createDecrypt({ keys: keyOf(text) });
  return await localDecrypt(text, key);
}

describe("[KEY-45] the pool", () => {
  test("reuses a data key per context, in whatever order its entries come", async () => {
    const texts = [];
    for (let i = 0; i < 10; i++) {
      texts.push(await encrypt(`${i}`, i % 2 === 0 ? { a: "1", b: "2" } : { b: "2", a: "1" }));
      await encrypt("other", context(i % 3));
    }
    expect(new Set(texts.map(keyOf)).size).toBe(1);
    expect(service.count("createDataKey")).toBe(4);
    expect(pool.size).toBe(4);
  });

  test("holds data keys of different budgets apart", async () => {
    await encrypt("x", context(1));
    await encrypt("x", context(1), { maxMessages: 5 });
    await encrypt("x", context(1), { maxBytes: 5 });
    await encrypt("x", context(1), { maxAgeMs: 5_000 });
    await encrypt("x", context(1), { maxMessages: 5 });
    expect(service.count("createDataKey")).toBe(4);
  });

  test("asks once for all who come at the same time", async () => {
    const release = service.hold();
    const calls = Array.from({ length: 500 }, (_, i) => encrypt(`${i}`, context(1)));
    await settle();
    expect(service.count("createDataKey")).toBe(1);
    release();
    const texts = await Promise.all(calls);
    expect(new Set(texts.map(keyOf)).size).toBe(1);
    for (const [i, text] of texts.entries()) expect(await decrypt(text)).toBe(`${i}`);
  });

  test("serves a caller whose lease another call has used up meanwhile", async () => {
    const release = service.hold();
    // A signal makes a call wait a little longer for the same lease.
    const taker = encrypt("a", context(1), { maxMessages: 1 }, new AbortController().signal);
    const other = encrypt("b", context(1), { maxMessages: 1 });
    await settle();
    release();
    expect(await Promise.all([taker, other].map(async (text) => decrypt(await text)))).toEqual(["a", "b"]);
    expect(service.count("createDataKey")).toBe(2);
  });

  test("keeps to the limits and the context as they were when it was called", async () => {
    const limits = { maxMessages: 1 };
    const of = context(1);
    const release = service.hold();
    const texts = [encrypt("a", of, limits), encrypt("b", of, limits), encrypt("c", of, limits)];
    limits.maxMessages = 100;
    of.tenant = "2";
    release();
    expect(new Set((await Promise.all(texts)).map(keyOf)).size).toBe(3);
    expect(service.handedOut.slice(0, 3).map((key) => key.context)).toEqual([
      context(1),
      context(1),
      context(1),
    ]);
  });

  test.each([1, 2, 7])(
    "never exceeds a budget of %i messages, with many at the same time",
    async (maxMessages) => {
      const texts = await Promise.all(
        Array.from({ length: 100 }, (_, i) => encrypt(`${i}`, context(1), { maxMessages })),
      );
      const counts = new Map<string, number>();
      for (const text of texts) counts.set(keyOf(text), (counts.get(keyOf(text)) ?? 0) + 1);
      for (const count of counts.values()) expect(count).toBeLessThanOrEqual(maxMessages);
      expect(counts.size).toBeGreaterThanOrEqual(100 / maxMessages);
      expect(service.count("createDataKey")).toBe(counts.size);
      for (const [i, text] of texts.entries()) expect(await decrypt(text)).toBe(`${i}`);
    },
  );

  test("never exceeds a budget of bytes, with messages of all sizes at the same time", async () => {
    const texts = await Promise.all(
      Array.from({ length: 200 }, (_, i) => encrypt("x".repeat(i % 101), context(1), { maxBytes: 100 })),
    );
    const bytes = new Map<string, number>();
    for (const text of texts) {
      bytes.set(keyOf(text), (bytes.get(keyOf(text)) ?? 0) + parseEnvelope(text).ciphertext.length);
    }
    for (const sum of bytes.values()) expect(sum).toBeLessThanOrEqual(100);
  });

  test("thousands at the same time over more contexts than it holds all succeed", async () => {
    const contexts = REUSED_CONTEXTS_MAX + 500;
    const calls = Array.from({ length: 6_000 }, (_, i) =>
      encrypt(`${i}`, context(i % contexts), i % 3 === 0 ? { maxMessages: 1 } : {}),
    );
    const texts = await Promise.all(calls);
    for (const [i, text] of texts.entries()) expect(await decrypt(text)).toBe(`${i}`);
    expect(pool.size).toBeLessThanOrEqual(REUSED_CONTEXTS_MAX);
    await settle();
    const alive = service.handedOut.filter((key) => !key.isDisposed);
    expect(alive.length).toBeLessThanOrEqual(REUSED_CONTEXTS_MAX);
  });

  test("lets the lease that was longest unused go first", async () => {
    for (let i = 0; i < REUSED_CONTEXTS_MAX; i++) await encrypt("x", context(i));
    await encrypt("x", context(0));
    const before = service.count("createDataKey");
    await encrypt("x", context("one more"));
    await encrypt("x", context(0));
    expect(service.count("createDataKey")).toBe(before + 1);
    await encrypt("x", context(1));
    expect(service.count("createDataKey")).toBe(before + 2);
    expect(pool.size).toBe(REUSED_CONTEXTS_MAX);
  });

  test("refuses a message larger than a whole budget, at once, and keeps the key it has", async () => {
    const limits = { maxBytes: 10 };
    await encrypt("x", context(1), limits);
    for (let i = 0; i < 3; i++) {
      expect((await rejectionOf(() => encrypt("x".repeat(11), context(1), limits))).code).toBe(
        "ERR_DATA_KEY_EXHAUSTED",
      );
    }
    expect(service.count("createDataKey")).toBe(1);
    await encrypt("x".repeat(9), context(1), limits);
    expect(service.count("createDataKey")).toBe(1);
    await encrypt("x".repeat(10), context(1), limits);
    expect(service.count("createDataKey")).toBe(2);
  });

  test.each([{ maxMessages: 0 }, { maxBytes: -1 }, { maxAgeMs: 1.5 }, { maxBytes: "10" }])(
    "refuses bad limits before any request: %j",
    async (limits) => {
      expect((await rejectionOf(() => encrypt("x", context(1), limits as never))).code).toBe(
        "ERR_INVALID_ARGUMENT",
      );
      expect(service.requests).toEqual([]);
      expect(pool.size).toBe(0);
    },
  );

  test("refuses bad contexts before any request", async () => {
    await encrypt("x", context(1));
    service.requests.length = 0;
    const bad = [{}, null, [], { a: 1 }, { a: "" }, { a: "\ud800" }, { ...context(1), [Symbol("x")]: "y" }];
    for (const wrong of bad) {
      const { code } = await rejectionOf(() => encrypt("x", wrong as never));
      expect(code).toBe("ERR_KEY_CONTEXT_INVALID");
    }
    expect(service.requests).toEqual([]);
  });
});

describe("failures", () => {
  test("of the service are told to all who wait, and not kept", async () => {
    service.failure = new Error("down");
    const calls = Array.from({ length: 20 }, () => rejectionOf(() => encrypt("x", context(1))));
    expect(new Set(await Promise.all(calls))).toEqual(new Set([service.failure]));
    expect(pool.size).toBe(0);
    const before = service.count("createDataKey");
    service.failure = undefined;
    await encrypt("x", context(1));
    expect(service.count("createDataKey")).toBe(before + 1);
  });

  test("of the work leave the lease to the others", async () => {
    const reason = new Error("mine");
    const work = (): Promise<never> => Promise.reject(reason);
    await expect(pool.use(context(1), checkLimits({}), 1, work)).rejects.toBe(reason);
    await encrypt("x", context(1));
    expect(service.count("createDataKey")).toBe(1);
  });

  test("[KEY-49] an abort ends one caller's wait, not the request of the others", async () => {
    const release = service.hold();
    const controller = new AbortController();
    const first = rejectionOf(() => encrypt("x", context(1), {}, controller.signal));
    const second = encrypt("y", context(1));
    await settle();
    const reason = new Error("gave up");
    controller.abort(reason);
    expect(await first).toBe(reason);
    expect(service.signals).toEqual([undefined]);
    release();
    expect(await decrypt(await second)).toBe("y");
    expect(service.count("createDataKey")).toBe(1);
  });

  test("[KEY-49] where all callers have given up, the lease is there for the next one", async () => {
    const release = service.hold();
    const controller = new AbortController();
    const first = rejectionOf(() => encrypt("x", context(1), {}, controller.signal));
    controller.abort();
    await first;
    release();
    await settle();
    await encrypt("x", context(1));
    expect(service.count("createDataKey")).toBe(1);
  });
});

describe("[KEY-44] [KEY-45] the end of a lease", () => {
  test("by a revocation is the beginning of another", async () => {
    const before = await encrypt("x", context(1));
    service.revoke();
    // The lease looks every 100 ms.
    await new Promise((resolve) => setTimeout(resolve, 110));
    const after = await encrypt("y", context(1));
    expect(keyOf(after)).not.toBe(keyOf(before));
    await settle();
    expect(service.handedOut[0]!.isDisposed).toBe(true);
    expect(pool.size).toBe(1);
  });

  test("by disposal of the pool waits for the calls that use it", async () => {
    const working = Promise.withResolvers<void>();
    const using = pool.use(context(1), checkLimits({}), 1, async (held) => {
      await working.promise;
      return held.seal("x", NO_AAD, "iv12");
    });
    await settle();
    pool.dispose();
    expect(pool.size).toBe(0);
    expect(service.handedOut[0]!.isDisposed).toBe(false);
    working.resolve();
    const text = await using;
    await settle();
    expect(service.handedOut[0]!.isDisposed).toBe(true);
    expect(await decrypt(text)).toBe("x");
  });

  test("by disposal of the pool lets those who wait for one still be served, and keeps nothing", async () => {
    const release = service.hold();
    const calls = Array.from({ length: 20 }, (_, i) => encrypt(`${i}`, context(1), { maxMessages: 2 }));
    await settle();
    pool.dispose();
    release();
    const texts = await Promise.all(calls);
    await settle();
    expect(pool.size).toBe(0);
    expect(service.handedOut.every((key) => key.isDisposed)).toBe(true);
    for (const [i, text] of texts.entries()) expect(await decrypt(text)).toBe(`${i}`);
  });
});

test("[KEY-46] the pool shows no key", async () => {
  await encrypt("x", context("canary-of-a-tenant"));
  expectNoTrace(pool, [fromBase64(service.handedOut[0]!.dataKey), Buffer.from("canary-of-a-tenant")]);
});
