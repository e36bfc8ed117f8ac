/** Leases: a data key for several messages, within a budget that nothing exceeds. */
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parseEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { localDecryptSync } from "../../src/crypto/local.ts";
import { type Lease, takeLease } from "../../src/keys/lease.ts";
import type { LeaseOptions } from "../../src/keys/leased-key.ts";
import {
  LEASE_AGE_MS_DEFAULT,
  LEASE_AGE_MS_MAX,
  LEASE_BYTES_DEFAULT,
  LEASE_BYTES_MAX,
  LEASE_MESSAGES_DEFAULT,
  LEASE_MESSAGES_MAX,
  LEASE_REVOCATION_CHECK_MS,
} from "../../src/keys/limits.ts";
import { base64, fromBase64, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { TestClock } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };

afterEach(() => {
  vi.useRealTimers();
});

/** A lease, what it leases from, and its clock. */
async function leased(
  options: LeaseOptions = {},
): Promise<{ lease: Lease; service: MemoryKeyService; clock: TestClock; dataKey: string }> {
  const service = new MemoryKeyService();
  const clock = new TestClock();
  const lease = await takeLease(service, CONTEXT, { now: clock.now, ...options });
  const dataKey = service.handedOut[0]!.dataKey;
  return { lease, service, clock, dataKey };
}

const codeOf = (call: () => unknown): string => errorOf(call).code;
const rejectionCode = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

describe("a lease", () => {
  test("[ENV-15] reads only the layouts that a call names, however short the way is", async () => {
    const { lease } = await leased();
    const text = lease.encryptSync("x");
    for (const options of [{ layouts: ["native"] }, { layouts: [] }, { requireCommitment: true }] as const) {
      expect(codeOf(() => lease.decryptSync(text, "", options))).toBe("ERR_LAYOUT_NOT_ALLOWED");
      expect(await rejectionCode(() => lease.decrypt(text, "", options))).toBe("ERR_LAYOUT_NOT_ALLOWED");
      const results = lease.decryptManySync([text, text], "", options);
      expect(results.map((result) => !result.ok && (result.error as { code?: string }).code)).toEqual(
        Array(2).fill("ERR_LAYOUT_NOT_ALLOWED"),
      );
    }
    expect(lease.decryptSync(text, "", { layouts: ["iv12"] })).toBe("x");
  });

  test("costs one request, whatever the number of messages", async () => {
    const { lease, service, dataKey } = await leased();
    for (let i = 0; i < 20; i++) {
      const [sync, later] = [lease.encryptSync(`m${i}`, "aad"), await lease.encrypt(`m${i}`, "aad")];
      for (const text of [sync, later]) {
        expect(localDecryptSync(text, { dataKey }, "aad")).toBe(`m${i}`);
        expect(lease.decryptSync(text, "aad")).toBe(`m${i}`);
        expect(await lease.decrypt(text, "aad")).toBe(`m${i}`);
      }
    }
    expect(service.requests).toEqual(["createDataKey"]);
    expect(lease.keyId).toBe(service.handedOut[0]!.id);
  });

  test("takes a fresh nonce for each message", async () => {
    const { lease } = await leased();
    const texts = Array.from({ length: 2_000 }, () => lease.encryptSync("same"));
    const nonces = texts.map((text) => base64(parseEnvelope(text).nonce));
    expect(new Set(nonces).size).toBe(2_000);
  });

  test("takes text and bytes, with and without associated data, in every layout", async () => {
    const { lease } = await leased();
    for (const layout of ["iv12", "leb-first", "dotnet"] as const) {
      const bytes = Uint8Array.of(0, 255, 1);
      const text = lease.encryptSync(bytes, utf8Bytes("aad"), { layout });
      expect(parseEnvelope(text).layout).toBe(layout);
      expect(lease.decryptSync(text, "aad", { as: "bytes" })).toEqual(bytes);
      expect(await lease.decrypt(text, "aad", { as: "bytes" })).toEqual(bytes);
      expect(codeOf(() => lease.decryptSync(text, "other", { as: "bytes" }))).toBe("ERR_DECRYPT_FAILED");
      expect(codeOf(() => lease.decryptSync(text, "aad"))).toBe("ERR_PLAINTEXT_NOT_TEXT");
    }
    const { lease: other } = await leased({ layout: "leb-first" });
    expect(parseEnvelope(other.encryptSync("x")).layout).toBe("leb-first");
  });

  test("decrypts no ciphertext of another key: ERR_KEY_MISMATCH, and no request", async () => {
    const { lease, service } = await leased();
    const other = await takeLease(service, CONTEXT);
    const text = other.encryptSync("x");
    const before = service.requests.length;
    expect(codeOf(() => lease.decryptSync(text))).toBe("ERR_KEY_MISMATCH");
    expect(await rejectionCode(() => lease.decrypt(text))).toBe("ERR_KEY_MISMATCH");
    for (const [bad, code] of [
      ["not a ciphertext", "ERR_NOT_CIPHERTEXT"],
      [7, "ERR_INVALID_ARGUMENT"],
    ] as const) {
      expect(codeOf(() => lease.decryptSync(bad as string))).toBe(code);
      expect(await rejectionCode(() => lease.decrypt(bad as string))).toBe(code);
    }
    expect(service.requests).toHaveLength(before);
  });
});

describe("[KEY-43] limits", () => {
  test("are what the page says", () => {
    expect([LEASE_MESSAGES_DEFAULT, LEASE_MESSAGES_MAX]).toEqual([2 ** 20, 2 ** 32]);
    expect([LEASE_BYTES_DEFAULT, LEASE_BYTES_MAX]).toEqual([64 * 2 ** 30, 2 ** 50]);
    expect([LEASE_AGE_MS_DEFAULT, LEASE_AGE_MS_MAX]).toEqual([3_600_000, 86_400_000]);
    expect(LEASE_REVOCATION_CHECK_MS).toBe(100);
  });

  test("have defaults", async () => {
    const { lease } = await leased();
    expect([lease.messagesLeft, lease.bytesLeft]).toEqual([LEASE_MESSAGES_DEFAULT, LEASE_BYTES_DEFAULT]);
  });

  test("may be as high as their ceilings", async () => {
    const { lease } = await leased({
      maxMessages: LEASE_MESSAGES_MAX,
      maxBytes: LEASE_BYTES_MAX,
      maxAgeMs: LEASE_AGE_MS_MAX,
    });
    expect([lease.messagesLeft, lease.bytesLeft]).toEqual([LEASE_MESSAGES_MAX, LEASE_BYTES_MAX]);
  });

  test.each(
    (
      [
        ["maxMessages", LEASE_MESSAGES_MAX],
        ["maxBytes", LEASE_BYTES_MAX],
        ["maxAgeMs", LEASE_AGE_MS_MAX],
      ] as const
    ).flatMap(([name, max]) =>
      [0, -1, 1.5, max + 1, Number.NaN, Number.POSITIVE_INFINITY, "1", null].map(
        (value) => [name, value] as const,
      ),
    ),
  )("are refused before any request: %s %s", async (name, value) => {
    const service = new MemoryKeyService();
    const error = await rejectionOf(() => takeLease(service, CONTEXT, { [name]: value }));
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    expect(service.requests).toEqual([]);
  });

  test("a layout that cannot be written is refused before any request", async () => {
    const service = new MemoryKeyService();
    expect(await rejectionCode(() => takeLease(service, CONTEXT, { layout: "iv32" as never }))).toBe(
      "ERR_LAYOUT_NOT_ALLOWED",
    );
    expect(service.requests).toEqual([]);
  });
});

describe("[KEY-43] the budget", () => {
  test("of messages is exact, and what is refused costs nothing", async () => {
    const { lease } = await leased({ maxMessages: 3 });
    const texts = [lease.encryptSync("1"), await lease.encrypt("2"), lease.encryptSync("3")];
    expect(lease.messagesLeft).toBe(0);
    expect(lease.canEncrypt(0)).toBe(false);
    for (let i = 0; i < 3; i++) {
      expect(codeOf(() => lease.encryptSync("4"))).toBe("ERR_DATA_KEY_EXHAUSTED");
      expect(await rejectionCode(() => lease.encrypt("4"))).toBe("ERR_DATA_KEY_EXHAUSTED");
    }
    expect(lease.messagesLeft).toBe(0);
    // Decrypting costs nothing and goes on.
    for (const [i, text] of texts.entries()) expect(lease.decryptSync(text)).toBe(`${i + 1}`);
  });

  test("of bytes is exact: the last byte fits, the one after does not", async () => {
    const { lease } = await leased({ maxBytes: 10 });
    lease.encryptSync("é"); // 2 bytes
    lease.encryptSync(new Uint8Array(7));
    expect(lease.bytesLeft).toBe(1);
    expect(lease.canEncrypt(1)).toBe(true);
    expect(lease.canEncrypt(2)).toBe(false);
    expect(codeOf(() => lease.encryptSync("é"))).toBe("ERR_DATA_KEY_EXHAUSTED");
    expect(lease.bytesLeft).toBe(1);
    lease.encryptSync("x");
    expect(lease.bytesLeft).toBe(0);
    // Nothing is something that still fits.
    expect(lease.canEncrypt(0)).toBe(true);
    lease.encryptSync("");
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_DATA_KEY_EXHAUSTED");
  });

  test.each(["node", "webcrypto"] as const)(
    "is exact for calls at the same time, by %s",
    async (provider) => {
      const { lease } = await leased({ maxMessages: 100, maxBytes: 150, provider });
      const calls = Array.from({ length: 300 }, (_, i) => lease.encrypt("x".repeat(1 + (i % 2))));
      const results = await Promise.allSettled(calls);
      const done = results.filter((result) => result.status === "fulfilled").map((result) => result.value);
      const bytes = done.reduce((sum, text) => sum + lease150(lease, text), 0);
      expect(done.length).toBeLessThanOrEqual(100);
      expect(bytes).toBeLessThanOrEqual(150);
      expect(lease.messagesLeft).toBe(100 - done.length);
      expect(lease.bytesLeft).toBe(150 - bytes);
      for (const result of results) {
        if (result.status === "rejected")
          expect(result.reason).toMatchObject({ code: "ERR_DATA_KEY_EXHAUSTED" });
      }
    },
  );

  /** Bytes of a plaintext. */
  const lease150 = (_: Lease, text: string): number => parseEnvelope(text).ciphertext.length;

  test("is never exceeded, whatever is asked for in whatever order", async () => {
    const call = fc.record({
      size: fc.nat({ max: 30 }),
      how: fc.constantFrom("sync", "async", "many", "many sync", "bad"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { maxLength: 40 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 200 }),
        async (calls, maxMessages, maxBytes) => {
          const { lease } = await leased({ maxMessages, maxBytes });
          const texts: string[] = [];
          const later: Promise<unknown>[] = [];
          for (const { size, how } of calls) {
            const data = "x".repeat(size);
            try {
              if (how === "sync") texts.push(lease.encryptSync(data));
              else if (how === "bad") lease.encryptSync(`${data}\ud800`);
              else if (how === "async") {
                later.push(
                  lease.encrypt(data).then(
                    (text) => texts.push(text),
                    () => {},
                  ),
                );
              } else if (how === "many sync") {
                for (const result of lease.encryptManySync([data, data, data]))
                  if (result.ok) texts.push(result.value);
              } else {
                later.push(
                  lease.encryptMany([data, data]).then((results) => {
                    for (const result of results) if (result.ok) texts.push(result.value);
                  }),
                );
              }
            } catch {
              // Refused.
            }
          }
          await Promise.all(later);
          const bytes = texts.reduce((sum, text) => sum + parseEnvelope(text).ciphertext.length, 0);
          expect(texts.length).toBeLessThanOrEqual(maxMessages);
          expect(bytes).toBeLessThanOrEqual(maxBytes);
          // Whatever is left is less than what was refused; nothing is lost but by failures.
          expect(lease.messagesLeft).toBeLessThanOrEqual(maxMessages - texts.length);
          expect(lease.bytesLeft).toBeLessThanOrEqual(maxBytes - bytes);
          lease.dispose();
        },
      ),
      { numRuns: 60 },
    );
  });

  test("is not spent on what is no message", async () => {
    const { lease } = await leased({ maxMessages: 5 });
    for (const [data, code] of [
      ["\ud800", "ERR_TEXT_MALFORMED"],
      [7, "ERR_INVALID_ARGUMENT"],
      [null, "ERR_INVALID_ARGUMENT"],
    ] as const) {
      expect(codeOf(() => lease.encryptSync(data as string))).toBe(code);
      expect(await rejectionCode(() => lease.encrypt(data as string))).toBe(code);
    }
    expect(lease.messagesLeft).toBe(5);
  });
});

describe("[KEY-43] age", () => {
  test("ends a lease to the millisecond, for encryption and decryption, and its key with it", async () => {
    const { lease, service, clock } = await leased({ maxAgeMs: 1_000 });
    const text = lease.encryptSync("x");
    clock.advance(999);
    lease.encryptSync("x");
    expect(lease.canEncrypt(1)).toBe(true);
    clock.advance(1);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    expect(await rejectionCode(() => lease.encrypt("x"))).toBe("ERR_LEASE_EXPIRED");
    expect(codeOf(() => lease.decryptSync(text))).toBe("ERR_LEASE_EXPIRED");
    expect(lease.canEncrypt(0)).toBe(false);
    expect(service.handedOut[0]!.isDisposed).toBe(true);
    clock.advance(-1_000);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
  });

  test("of a lease whose clock was set back before its beginning cannot be told: it ends", async () => {
    const { lease, clock } = await leased();
    clock.advance(-1);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
  });

  test("ends a lease by itself, also without a call", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const service = new MemoryKeyService();
    await takeLease(service, CONTEXT, { maxAgeMs: 5_000 });
    await vi.advanceTimersByTimeAsync(4_999);
    expect(service.handedOut[0]!.isDisposed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(service.handedOut[0]!.isDisposed).toBe(true);
  });

  test("leaves no timer behind a disposed lease", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const lease = await takeLease(new MemoryKeyService(), CONTEXT);
    expect(vi.getTimerCount()).toBe(1);
    lease.dispose();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("disposal", () => {
  test("makes every call ERR_DISPOSED, as often as it is done", async () => {
    const { lease, service } = await leased();
    const text = lease.encryptSync("x");
    lease.dispose();
    lease.dispose();
    expect(service.handedOut[0]!.isDisposed).toBe(true);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_DISPOSED");
    expect(await rejectionCode(() => lease.encrypt("x"))).toBe("ERR_DISPOSED");
    expect(codeOf(() => lease.decryptSync(text))).toBe("ERR_DISPOSED");
    expect(await rejectionCode(() => lease.decrypt(text))).toBe("ERR_DISPOSED");
    expect(codeOf(() => lease.encryptManySync(["x"]))).toBe("ERR_DISPOSED");
    expect(lease.canEncrypt(0)).toBe(false);
  });

  test("comes with `using`", async () => {
    let kept: Lease;
    {
      using lease = (await leased()).lease;
      kept = lease;
    }
    expect(codeOf(() => kept.encryptSync("x"))).toBe("ERR_DISPOSED");
  });
});

describe("[KEY-44] revocations", () => {
  test("end a lease at its next look, which is at most 100 ms away", async () => {
    const { lease, service, clock } = await leased();
    lease.encryptSync("x");
    service.revoke();
    clock.advance(99);
    lease.encryptSync("x");
    clock.advance(1);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    expect(service.handedOut[0]!.isDisposed).toBe(true);
    expect(lease.canEncrypt(0)).toBe(false);
  });

  test("end it also for decryption, for batches and for a mere look at it", async () => {
    for (const call of [
      (lease: Lease, text: string) => lease.decryptSync(text),
      (lease: Lease) => lease.encryptManySync(["x"]),
      (lease: Lease, text: string) => lease.decryptManySync([text]),
    ]) {
      const { lease, service, clock } = await leased();
      const text = lease.encryptSync("x");
      service.revoke();
      clock.advance(100);
      expect(codeOf(() => call(lease, text))).toBe("ERR_LEASE_EXPIRED");
    }
    const { lease, service, clock } = await leased();
    service.revoke();
    clock.advance(100);
    expect(lease.canEncrypt(0)).toBe(false);
  });

  test("that came while the key was made end it too", async () => {
    const service = new MemoryKeyService();
    const clock = new TestClock();
    const release = service.hold();
    const taking = takeLease(service, CONTEXT, { now: clock.now });
    service.revoke();
    release();
    const lease = await taking;
    clock.advance(100);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
  });

  test("are looked for again at once where a look has failed", async () => {
    const { lease, service, clock } = await leased();
    const reason = new Error("the storage is gone");
    service.revocations = () => {
      throw reason;
    };
    clock.advance(100);
    for (let i = 0; i < 3; i++) expect(errorOf(() => lease.encryptSync("x"))).toBe(reason);
    service.revocations = () => 0;
    lease.encryptSync("x");
  });

  test("are not put off by a clock that is set back within the lease's life", async () => {
    const { lease, service, clock } = await leased();
    clock.advance(1_800_000);
    lease.encryptSync("x");
    clock.advance(-1_700_000);
    service.revoke();
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
  });

  test("that a service cannot tell end nothing", async () => {
    const service = new MemoryKeyService();
    const { revocations: _, ...silent } = {
      id: "silent",
      createDataKey: service.createDataKey.bind(service),
      createDecrypt: service.createDecrypt.bind(service),
      createRekey: service.createRekey.bind(service),
      revocations: () => 0,
    };
    const clock = new TestClock();
    const lease = await takeLease(silent, CONTEXT, { now: clock.now });
    clock.advance(1_000_000);
    lease.encryptSync("x");
    lease.dispose();
  });
});

describe("taking a lease", () => {
  test("[KEY-49] ends with the signal, and hands it on", async () => {
    const service = new MemoryKeyService();
    const reason = new Error("no");
    await expect(takeLease(service, CONTEXT, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    service.hold();
    const controller = new AbortController();
    const taking = rejectionOf(() => takeLease(service, CONTEXT, { signal: controller.signal }));
    await sleep(1);
    controller.abort(reason);
    expect(await taking).toBe(reason);
    expect(service.signals.at(-1)).toBe(controller.signal);
  });

  test("fails with what the service fails with", async () => {
    const service = new MemoryKeyService();
    service.failure = new Error("down");
    expect(await rejectionOf(() => takeLease(service, CONTEXT))).toBe(service.failure);
    service.failure = undefined;
    expect(await rejectionCode(() => takeLease(service, {} as never))).toBe("ERR_KEY_CONTEXT_INVALID");
  });
});

test("[KEY-46] a lease shows nothing but its id", async () => {
  const { lease, dataKey, service } = await leased();
  lease.encryptSync("canary-of-a-plaintext");
  expectNoTrace(lease, [
    fromBase64(dataKey),
    utf8Bytes("canary-of-a-plaintext"),
    utf8Bytes("organization_id"),
    utf8Bytes("org_1"),
  ]);
  expect(JSON.parse(JSON.stringify(lease))).toEqual({ keyId: service.handedOut[0]!.id });
  expect(inspect(lease)).toContain("[secret]");
  expect(Object.getOwnPropertyNames(lease)).toEqual([]);
});

test("[KEY-47] a lease's errors show no plaintext, associated data or key", async () => {
  const { lease, dataKey, clock } = await leased({ maxMessages: 1 });
  const canary = "canary-of-a-plaintext";
  const text = lease.encryptSync(canary, canary);
  const secrets = [utf8Bytes(canary), fromBase64(dataKey)];
  for (const call of [
    () => lease.encryptSync(canary, canary),
    () => lease.decryptSync(text, `other ${canary}`),
    () => lease.decryptSync(canary),
    () => lease.encryptSync(`${canary}\ud800`),
  ]) {
    expectNoTrace(errorOf(call), secrets);
  }
  clock.advance(LEASE_AGE_MS_MAX);
  expectNoTrace(
    errorOf(() => lease.encryptSync(canary, canary)),
    secrets,
  );
});
