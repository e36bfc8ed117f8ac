/** Batches on a lease: the same envelopes as one by one, index by index, whatever fails in between. */
import { createDecipheriv } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AeadProviderName } from "../../src/crypto/aead/aead.ts";
import { WASM_ROW } from "../../src/crypto/aead/wasm.ts";
import { Ciphers } from "../../src/crypto/ciphers/ciphers.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import type { EncryptItem } from "../../src/crypto/envelope/batch-items.ts";
import { parseEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { BATCHED_BYTES_MAX } from "../../src/crypto/envelope/fast/envelope-key.ts";
import type { WritableLayout } from "../../src/crypto/envelope/layouts.ts";
import type { LocalDecryptOptions } from "../../src/crypto/index.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { Lease } from "../../src/keys/lease.ts";
import type { LeaseOptions } from "../../src/keys/leased-key.ts";
import { noble } from "../../src/sync.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { SAMPLE_1, SAMPLE_2 } from "../support/samples.ts";

const RAW = Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64"));
const LAYOUTS: readonly WritableLayout[] = ["iv12", "leb-first", "dotnet", "native"];
const PROVIDERS: readonly (AeadProviderName | undefined)[] = [undefined, "node", "wasm", "noble"];

function newLease(options: LeaseOptions = {}, encryptedKeys: string = SAMPLE_1.encryptedKeys): Lease {
  return new Lease(new DataKey({ id: "id", key: Uint8Array.from(RAW), encryptedKeys }), options);
}

function openByHand(text: string, aad: string): string {
  const { nonce, ciphertext, tag } = parseEnvelope(text);
  const decipher = createDecipheriv("aes-256-gcm", RAW, nonce, { authTagLength: 16 });
  decipher.setAAD(Buffer.from(aad)).setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString();
}

const codeOf = (error: unknown): string | undefined => (error as { code?: string }).code;

const values = (results: readonly { ok: boolean }[]): unknown[] =>
  results.map((result) => ("value" in result ? result.value : (result as { error?: unknown }).error));

describe.each(LAYOUTS)("%s", (layout) => {
  test.each(PROVIDERS)("many messages there and back by %s", async (provider) => {
    const lease = newLease({ layout, provider });
    const most = provider === "noble" || layout === "native" ? 40 : 700;
    for (const count of [0, 1, 2, 15, 16, 17, most]) {
      const texts = Array.from({ length: count }, (_, i) => "\u00e9x".repeat((i * 7) % 300) + i);
      const sealed = lease.encryptManySync(texts, "aad");
      const ciphertexts = values(sealed) as string[];
      expect(sealed.every((result) => result.ok)).toBe(true);
      expect(values(lease.decryptManySync(ciphertexts, "aad"))).toEqual(texts);
      expect(values(await lease.decryptMany(ciphertexts, "aad"))).toEqual(texts);
      const bytes = values(lease.decryptManySync(ciphertexts, "aad", { as: "bytes" })) as Uint8Array[];
      expect(bytes.map((item) => Buffer.from(item).toString())).toEqual(texts);
      if (layout !== "native") {
        for (const [i, text] of ciphertexts.entries()) expect(openByHand(text, "aad")).toBe(texts[i]);
        for (const text of ciphertexts) expect(parseEnvelope(text).layout).toBe(layout);
      }
      const later = values(await lease.encryptMany(texts, "aad")) as string[];
      expect(later.map((text) => lease.decryptSync(text, "aad"))).toEqual(texts);
    }
  });
});

test("any items: sizes around every limit, associated data of their own, bytes and texts", () => {
  const item = fc.record({
    size: fc.oneof(
      fc.nat(200),
      fc.constantFrom(0, 15, 16, 17, 5000, 5400, 5500, 16_000, 17_000, 33_000, 120_000),
    ),
    aad: fc.constantFrom(undefined, "", "a", "a".repeat(4096), "a".repeat(4097)),
    isBytes: fc.boolean(),
  });
  const leases = [newLease(), newLease({ provider: "wasm" })];
  const lease = fc.constantFrom(...leases);
  fc.assert(
    fc.property(
      fc.array(item, { maxLength: 60 }),
      fc.constantFrom(...LAYOUTS),
      lease,
      (items, layout, lease) => {
        const inputs: EncryptItem[] = items.map(({ size, aad, isBytes }, i) => {
          const text = String.fromCharCode(97 + (i % 26)).repeat(size);
          return { data: isBytes ? Buffer.from(text) : text, associatedData: aad };
        });
        const sealed = values(lease.encryptManySync(inputs, "common", { layout })) as string[];
        const opened = lease.decryptManySync(
          sealed.map((ciphertext, i) => ({ ciphertext, associatedData: items[i]!.aad })),
          "common",
        );
        for (const [i, { size, aad }] of items.entries()) {
          const text = String.fromCharCode(97 + (i % 26)).repeat(size);
          expect(opened[i]).toEqual({ ok: true, value: text });
          expect(lease.decryptSync(sealed[i]!, aad ?? "common")).toBe(text);
        }
      },
    ),
    { numRuns: 30 },
  );
});

test("all nonces of a batch differ, also from those of other batches", () => {
  const lease = newLease();
  const nonces = new Set<string>();
  for (let batch = 0; batch < 20; batch++) {
    for (const text of values(lease.encryptManySync(Array.from({ length: 600 }, () => "x")))) {
      nonces.add(Buffer.from(parseEnvelope(text as string).nonce).toString("hex"));
    }
  }
  expect(nonces.size).toBe(12_000);
});

test("null and undefined pass at their index, and cost nothing; nullish: refuse makes them errors", async () => {
  const lease = newLease({ maxMessages: 6 });
  const items = [null, "a", undefined, { data: "b", associatedData: "own" }, null];
  for (const sealed of [await lease.encryptMany(items, "aad"), lease.encryptManySync(items, "aad")]) {
    expect(values(sealed)).toEqual([null, expect.any(String), undefined, expect.any(String), null]);
    const texts = values(sealed) as (string | null | undefined)[];
    const ciphertexts = [
      ...texts.slice(0, 3),
      { ciphertext: texts[3] as string, associatedData: "own" },
      texts[4],
    ];
    const opened = [null, "a", undefined, "b", null];
    expect(values(await lease.decryptMany(ciphertexts, "aad"))).toEqual(opened);
    expect(values(lease.decryptManySync(ciphertexts, "aad"))).toEqual(opened);
    const refused = lease.decryptManySync(ciphertexts, "aad", { nullish: "refuse" });
    expect(refused.map((result) => result.ok || codeOf(result.error))).toEqual([
      "ERR_INVALID_ARGUMENT",
      true,
      "ERR_INVALID_ARGUMENT",
      true,
      "ERR_INVALID_ARGUMENT",
    ]);
  }
  expect(lease.messagesLeft).toBe(2);
  const refused = await lease.encryptMany(items, "aad", { nullish: "refuse" });
  expect(refused.map((result) => result.ok || codeOf(result.error))).toEqual([
    "ERR_INVALID_ARGUMENT",
    true,
    "ERR_INVALID_ARGUMENT",
    true,
    "ERR_INVALID_ARGUMENT",
  ]);
  expect(values(lease.encryptManySync([null, undefined]))).toEqual([null, undefined]);
  // A hole is undefined, as everywhere in JavaScript.
  expect(values(lease.encryptManySync(new Array<undefined>(2)))).toEqual([undefined, undefined]);
  const error = await rejectionOf(() => lease.encryptMany([null], "", { nullish: "skip" as never }));
  expect(error).toBeInstanceOf(RangeError);
});

test("a failed item is an error at its index, and the others are done", async () => {
  const lease = newLease();
  const wrong = [5, {}, { data: 5 }, { data: "x", associatedData: 5 }, "\ud800"];
  const items = wrong.flatMap((item) => ["good", item as never]);
  const sealed = await lease.encryptMany(items);
  for (const [i, result] of sealed.entries()) {
    if (i % 2 === 0) expect(lease.decryptSync((result as { value: string }).value)).toBe("good");
    else expect(result.ok).toBe(false);
  }
  const other = newLease({}, SAMPLE_2.encryptedKeys).encryptSync("other");
  const good = lease.encryptSync("good");
  const altered = Buffer.from(good, "base64");
  altered[altered.length - 1]! ^= 1;
  expect(values(await lease.decryptMany(["AAAA", ""]))).toEqual([expect.any(Error), expect.any(Error)]);
  const texts = [good, altered.toString("base64"), good, other, "no", good, 5 as never, { ciphertext: good }];
  const notText = lease.encryptSync(Uint8Array.of(0xff));
  for (const results of [
    await lease.decryptMany([...texts, notText, ...Array(20).fill(good)]),
    lease.decryptManySync([...texts, notText]),
  ]) {
    const codes = results.map((result) =>
      result.ok ? result.value : (result.error as { code?: string }).code,
    );
    expect(codes.slice(0, 9)).toEqual([
      "good",
      "ERR_DECRYPT_FAILED",
      "good",
      "ERR_KEY_MISMATCH",
      "ERR_NOT_CIPHERTEXT",
      "good",
      "ERR_INVALID_ARGUMENT",
      "good",
      "ERR_PLAINTEXT_NOT_TEXT",
    ]);
  }
});

test("messages that go alone between those that share the memory: each result at its index, each failure by itself", () => {
  const sizes = Array.from({ length: 60 }, (_, i) => (i % 3 === 1 ? BATCHED_BYTES_MAX + i : 100 + i));
  const texts = sizes.map((size, i) => String.fromCharCode(97 + (i % 26)).repeat(size));
  for (const layout of ["iv12", "leb-first"] as const) {
    const lease = newLease({ layout, maxBytes: texts.join("").length });
    const sealed = values(lease.encryptManySync(texts, "aad")) as string[];
    expect(lease.bytesLeft).toBe(0);
    for (const [i, text] of sealed.entries()) expect(openByHand(text, "aad")).toBe(texts[i]);
    expect(new Set(sealed.map((text) => parseEnvelope(text).nonce.toString())).size).toBe(texts.length);
    const altered = [0, 1, 30, 31];
    const given = sealed.map((text, i) => {
      const bytes = Buffer.from(text, "base64");
      if (altered.includes(i)) bytes[bytes.length - 1]! ^= 1;
      return bytes.toString("base64");
    });
    const expected = texts.map((text, i) => (altered.includes(i) ? "ERR_DECRYPT_FAILED" : text));
    const opened = lease.decryptManySync(given, "aad");
    expect(opened.map((result) => (result.ok ? result.value : codeOf(result.error)))).toEqual(expected);
    const late = lease.encryptManySync([texts[1]!, texts[0]!]);
    expect(late.map((result) => (result.ok ? "" : codeOf(result.error)))).toEqual([
      "ERR_DATA_KEY_EXHAUSTED",
      "ERR_DATA_KEY_EXHAUSTED",
    ]);
  }
});

test("the budget is spent message by message", () => {
  const lease = newLease({ maxMessages: 5, maxBytes: 100 });
  const results = lease.encryptManySync(["a".repeat(60), "b".repeat(60), "c", "d", "e", "f", "g"]);
  expect(results.map((result) => result.ok)).toEqual([true, false, true, true, true, true, false]);
  expect(lease.messagesLeft).toBe(0);
  expect(lease.bytesLeft).toBe(36);
  expect((results[1] as unknown as { error: { code: string } }).error.code).toBe("ERR_DATA_KEY_EXHAUSTED");
});

test("what concerns all items is thrown", async () => {
  const lease = newLease();
  for (const wrong of [undefined, "text", { length: 1 }, 5]) {
    expect((await rejectionOf(() => lease.encryptMany(wrong as never))).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => lease.decryptManySync(wrong as never)).code).toBe("ERR_INVALID_ARGUMENT");
  }
  expect(errorOf(() => lease.encryptManySync(["x"], 5 as never)).code).toBe("ERR_INVALID_ARGUMENT");
  lease.dispose();
  expect((await rejectionOf(() => lease.encryptMany(["x"]))).code).toBe("ERR_DISPOSED");
  expect(errorOf(() => lease.decryptManySync(["x"])).code).toBe("ERR_DISPOSED");
});

test("by Web Crypto, which answers later", async () => {
  const lease = newLease({ provider: "webcrypto" });
  const sealed = values(await lease.encryptMany(["a", "b", 5 as never]));
  expect(sealed[2]).toBeInstanceOf(TypeError);
  expect(values(await lease.decryptMany([sealed[0] as string, "no"]))).toEqual(["a", expect.any(Error)]);
  const now = lease.encryptManySync(["a"]);
  expect((now[0] as unknown as { error: { code: string } }).error.code).toBe("ERR_UNSUPPORTED");
});

test("a provider that is named for one call counts, at once and in batches; else that of the lease", () => {
  const later = newLease({ provider: "webcrypto" });
  const text = newLease().encryptSync("x");
  const codes = (lease: Lease, options: Pick<LocalDecryptOptions, "provider">) => [
    errorOf(() => lease.decryptSync(text, "", options)).code,
    ...lease.decryptManySync([text, text], "", options).map((result) => !result.ok && codeOf(result.error)),
  ];
  expect(codes(later, {})).toEqual(Array(3).fill("ERR_UNSUPPORTED"));
  expect(codes(newLease(), { provider: "webcrypto" })).toEqual(Array(3).fill("ERR_UNSUPPORTED"));
  expect(later.decryptSync(text, "", { provider: "node" })).toBe("x");
  expect(values(later.decryptManySync([text, text], "", { provider: "wasm" }))).toEqual(["x", "x"]);
});

test("what is passed as sync for one call serves that call, and no other", () => {
  const lease = newLease({
    sync: new Ciphers({ ...HERE.parts, rows: [WASM_ROW], makeShortWays: undefined }),
  });
  const text = lease.encryptSync("x");
  const options = { provider: "noble" } as const;
  expect(errorOf(() => lease.decryptSync(text, "", options)).code).toBe("ERR_UNSUPPORTED");
  expect(lease.decryptManySync([text], "", options)[0]!.ok).toBe(false);
  expect(lease.decryptSync(text, "", { ...options, sync: noble })).toBe("x");
  expect(values(lease.decryptManySync([text], "", { ...options, sync: noble }))).toEqual(["x"]);
});

test("options of a lease that there are not are refused", () => {
  expect(errorOf(() => newLease({ maxMesages: 5 } as never)).code).toBe("ERR_INVALID_ARGUMENT");
  expect(errorOf(() => newLease(5 as never)).code).toBe("ERR_INVALID_ARGUMENT");
});

test("items whose properties run code cannot get into the batch", () => {
  const lease = newLease();
  const items = Array.from({ length: 50 }, (_, i) => ({
    get data() {
      lease.encryptManySync(Array.from({ length: 20 }, () => "other".repeat(50)));
      return `item ${i}`;
    },
  }));
  const sealed = values(lease.encryptManySync(items)) as string[];
  expect(sealed.map((text) => lease.decryptSync(text))).toEqual(items.map((_, i) => `item ${i}`));
});

test("a lease that is disposed of while calls are under way: right answers, then ERR_DISPOSED", async () => {
  for (const provider of [undefined, "webcrypto"] as const) {
    const lease = newLease({ provider });
    const calls = Array.from({ length: 100 }, (_, i) => lease.encrypt(`${i}`));
    lease.dispose();
    const results = await Promise.allSettled([...calls, lease.encrypt("late")]);
    for (const [i, result] of results.entries()) {
      if (result.status === "fulfilled") expect(openByHand(result.value, "")).toBe(`${i}`);
      else expect(result.reason.code).toBe("ERR_DISPOSED");
    }
    expect(results.at(-1)!.status).toBe("rejected");
  }
});
