/** The face that applications use: what it asks of a service and when, with a service that counts. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { parseEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { localDecrypt, localEncrypt } from "../../src/crypto/local.ts";
import type { EncryptOptions } from "../../src/facade/options.ts";
import { Vault } from "../../src/facade/vault.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { anyAssociatedData, anyData, keyContext, writableLayout } from "../support/arbitraries.ts";
import { base64, flipBit, fromBase64, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { MemoryKeyService, noStore } from "../support/memory-service.ts";
import { SAMPLE_ENVELOPES } from "../support/samples.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { openTestVault, TestClock } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };

let service: MemoryKeyService;
let vault: Vault;

beforeEach(() => {
  service = new MemoryKeyService();
  vault = new Vault({ keys: service, kv: noStore() });
});

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;
const blobOf = (text: string): string => base64(parseEnvelope(text).keyBlob);

describe("round trips", () => {
  test("what went in comes out, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyData,
        keyContext,
        anyAssociatedData,
        writableLayout,
        fc.constantFrom(undefined, true, { maxMessages: 2 }),
        async (data, context, associatedData, layout, reuse) => {
          const text = await vault.encrypt(data, context, associatedData, { layout, reuse });
          const bytes = await vault.decrypt(text, associatedData, { as: "bytes", context });
          expect(bytes).toEqual(typeof data === "string" ? utf8Bytes(data) : Uint8Array.from(data));
          if (typeof data === "string") expect(await vault.decrypt(text, associatedData)).toBe(data);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a fresh data key for each message, gone when it is written", async () => {
    const texts = [];
    for (let i = 0; i < 5; i++) texts.push(await vault.encrypt("x", CONTEXT));
    expect(new Set(texts.map(blobOf)).size).toBe(5);
    expect(service.requests).toEqual(Array.from({ length: 5 }, () => "createDataKey"));
    expect(service.handedOut.every((key) => key.isDisposed)).toBe(true);
  });

  test("one decryption asks once for each data key, however often it is read", async () => {
    const text = await vault.encrypt("x", CONTEXT);
    for (let i = 0; i < 10; i++) expect(await vault.decrypt(text)).toBe("x");
    expect(service.count("createDecrypt")).toBe(1);
    expect(await Promise.all(Array.from({ length: 50 }, () => vault.decrypt(text)))).toEqual(
      Array.from({ length: 50 }, () => "x"),
    );
    expect(service.count("createDecrypt")).toBe(1);
  });

  test("[KEY-42] the cache has the limits that it is given", async () => {
    const clock = new TestClock();
    const limited = new Vault({
      keys: service,
      kv: noStore(),
      cache: { maxAgeMs: 1_000, maxEntries: 2, now: clock.now },
    });
    const text = await limited.encrypt("x", CONTEXT);
    await limited.decrypt(text);
    clock.advance(999);
    await limited.decrypt(text);
    expect(service.count("createDecrypt")).toBe(1);
    clock.advance(1);
    await limited.decrypt(text);
    expect(service.count("createDecrypt")).toBe(2);
    for (let i = 0; i < 2; i++) await limited.decrypt(await limited.encrypt("y", CONTEXT));
    await limited.decrypt(text);
    expect(service.count("createDecrypt")).toBe(5);
    const off = new Vault({ keys: service, kv: noStore(), cache: { maxEntries: 0 } });
    await off.decrypt(text);
    await off.decrypt(text);
    expect(service.count("createDecrypt")).toBe(7);
  });

  test("[KEY-45] reuse encrypts many messages under one data key, and each can be decrypted", async () => {
    const texts = await Promise.all(
      Array.from({ length: 200 }, (_, i) => vault.encrypt(`${i}`, CONTEXT, undefined, { reuse: true })),
    );
    expect(service.count("createDataKey")).toBe(1);
    for (const [i, text] of texts.entries()) expect(await vault.decrypt(text)).toBe(`${i}`);
    expect(service.count("createDecrypt")).toBe(1);
    await vault.encrypt("x", CONTEXT, undefined, { reuse: false });
    expect(service.count("createDataKey")).toBe(2);
  });

  test("[KEY-45] thousands with reuse, over many contexts, at the same time", async () => {
    const embedded = await openTestVault();
    const count = 3_000;
    const texts = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        embedded.encrypt(`${i}`, { tenant: `${i % 1_100}` }, "aad", { reuse: { maxMessages: 2 } }),
      ),
    );
    expect(new Set(texts.map(blobOf)).size).toBeGreaterThanOrEqual(count / 2);
    const plain = await Promise.all(texts.map((text) => embedded.decrypt(text, "aad")));
    expect(plain).toEqual(Array.from({ length: count }, (_, i) => `${i}`));
  });

  test("[KEY-45] a message larger than its whole budget fails and does not loop", async () => {
    const reuse = { maxBytes: 3 };
    expect(await codeOf(() => vault.encrypt("four", CONTEXT, undefined, { reuse }))).toBe(
      "ERR_DATA_KEY_EXHAUSTED",
    );
    expect(service.requests).toEqual([]);
    await vault.encrypt("abc", CONTEXT, undefined, { reuse });
  });
});

describe("no request on bad input", () => {
  const good = { data: "x", context: CONTEXT as unknown, aad: undefined as unknown, options: {} as unknown };
  const encrypts: readonly (readonly [string, Partial<typeof good> & { data?: unknown }, string])[] = [
    ["a lone surrogate", { data: "\ud800" }, "ERR_TEXT_MALFORMED"],
    ["a number", { data: 7 as never }, "ERR_INVALID_ARGUMENT"],
    ["nothing", { data: undefined as never }, "ERR_INVALID_ARGUMENT"],
    ["an array", { data: [1, 2] as never }, "ERR_INVALID_ARGUMENT"],
    ["an ArrayBuffer", { data: new ArrayBuffer(2) as never }, "ERR_INVALID_ARGUMENT"],
    ["too much text", { data: "x".repeat(64 * 1024 * 1024 + 1) }, "ERR_PLAINTEXT_TOO_LARGE"],
    ["no context", { context: undefined }, "ERR_KEY_CONTEXT_INVALID"],
    ["an empty context", { context: {} }, "ERR_KEY_CONTEXT_INVALID"],
    ["a context of numbers", { context: { n: 1 } }, "ERR_KEY_CONTEXT_INVALID"],
    ["a context in an array", { context: ["a"] }, "ERR_KEY_CONTEXT_INVALID"],
    [
      "11 entries",
      { context: Object.fromEntries([..."abcdefghijk"].map((n) => [n, n])) },
      "ERR_KEY_CONTEXT_INVALID",
    ],
    ["__proto__", { context: JSON.parse('{"__proto__":"x"}') }, "ERR_KEY_CONTEXT_INVALID"],
    ["associated data of numbers", { aad: 7 }, "ERR_INVALID_ARGUMENT"],
    ["associated data with a lone surrogate", { aad: "\udfff" }, "ERR_TEXT_MALFORMED"],
    ["too much associated data", { aad: new Uint8Array(1024 * 1024 + 1) }, "ERR_INVALID_ARGUMENT"],
    ["an unknown layout", { options: { layout: "none" } }, "ERR_INVALID_ARGUMENT"],
    ["a layout that is only read", { options: { layout: "iv32" } }, "ERR_LAYOUT_NOT_ALLOWED"],
    ["bad limits", { options: { reuse: { maxMessages: 0 } } }, "ERR_INVALID_ARGUMENT"],
    [
      "limits above the ceiling",
      { options: { reuse: { maxMessages: 2 ** 32 + 1 } } },
      "ERR_INVALID_ARGUMENT",
    ],
  ];

  test.each(encrypts)("encrypt: %s", async (_, change, code) => {
    const { data, context, aad, options } = { ...good, ...change };
    const call = () => vault.encrypt(data, context as never, aad as never, options as EncryptOptions);
    expect(await codeOf(call)).toBe(code);
    expect(service.requests).toEqual([]);
  });

  test.each([
    ["no ciphertext", "hello", {}, "ERR_NOT_CIPHERTEXT"],
    ["nothing", "", {}, "ERR_NOT_CIPHERTEXT"],
    ["a number", 7, {}, "ERR_INVALID_ARGUMENT"],
    ["undefined", undefined, {}, "ERR_INVALID_ARGUMENT"],
    ["a magic that is cut off", base64(utf8Bytes("\x0bCFR.EKM.v1\0")), {}, "ERR_ENVELOPE_MALFORMED"],
    [
      "line breaks",
      `${SAMPLE_ENVELOPES.iv12.slice(0, 8)}\n${SAMPLE_ENVELOPES.iv12.slice(8)}`,
      {},
      "ERR_NOT_CIPHERTEXT",
    ],
    [
      "a layout that is not accepted",
      SAMPLE_ENVELOPES.iv12,
      { layouts: ["leb-first"] },
      "ERR_LAYOUT_NOT_ALLOWED",
    ],
    [
      "a layout that does not commit",
      SAMPLE_ENVELOPES.iv12,
      { requireCommitment: true },
      "ERR_LAYOUT_NOT_ALLOWED",
    ],
    ["a bad expected context", SAMPLE_ENVELOPES.iv12, { context: {} }, "ERR_KEY_CONTEXT_INVALID"],
    ["a bad result type", SAMPLE_ENVELOPES.iv12, { as: "json" }, "ERR_INVALID_ARGUMENT"],
  ])("decrypt: %s", async (_, text, options, code) => {
    expect(await codeOf(() => vault.decrypt(text as string, undefined, options as { as: "bytes" }))).toBe(
      code,
    );
    expect(service.requests).toEqual([]);
  });

  test("decrypt: bad associated data", async () => {
    for (const [aad, code] of [
      [7, "ERR_INVALID_ARGUMENT"],
      ["\ud800", "ERR_TEXT_MALFORMED"],
      [new Uint8Array(1024 * 1024 + 1), "ERR_INVALID_ARGUMENT"],
    ] as const) {
      expect(await codeOf(() => vault.decrypt(SAMPLE_ENVELOPES.iv12, aad as never))).toBe(code);
    }
    expect(service.requests).toEqual([]);
  });

  test("rekey, rewrap and leases", async () => {
    for (const [call, code] of [
      [() => vault.rekey("bad", CONTEXT), "ERR_NOT_CIPHERTEXT"],
      [() => vault.rekey(SAMPLE_ENVELOPES.iv12, {} as never), "ERR_KEY_CONTEXT_INVALID"],
      [() => vault.rekeyMany([], {} as never), "ERR_KEY_CONTEXT_INVALID"],
      [() => vault.rekeyMany("bad" as never, CONTEXT), "ERR_INVALID_ARGUMENT"],
      [() => vault.rewrap("bad"), "ERR_NOT_CIPHERTEXT"],
      [() => vault.lease(CONTEXT, { maxBytes: -1 }), "ERR_INVALID_ARGUMENT"],
      [() => vault.lease(CONTEXT, { layout: "iv32" as never }), "ERR_LAYOUT_NOT_ALLOWED"],
    ] as const) {
      expect(await codeOf(call)).toBe(code);
    }
    expect(service.requests).toEqual([]);
  });

  test("the vault's own options", () => {
    for (const [options, code] of [
      [{ layout: "none" }, "ERR_INVALID_ARGUMENT"],
      [{ layout: "iv32" }, "ERR_LAYOUT_NOT_ALLOWED"],
      [{ cache: { maxAgeMs: -1 } }, "ERR_INVALID_ARGUMENT"],
    ] as const) {
      expect(errorOf(() => new Vault({ keys: service, kv: noStore(), ...(options as object) })).code).toBe(
        code,
      );
    }
  });
});

describe("the expected context", () => {
  test("must be the ciphertext's own; the same in another order is the same", async () => {
    const context = { organization_id: "org_1", env: "prod" };
    const text = await vault.encrypt("x", context);
    expect(await vault.decrypt(text, undefined, { context })).toBe("x");
    expect(await vault.decrypt(text, undefined, { context: { env: "prod", organization_id: "org_1" } })).toBe(
      "x",
    );
    for (const other of [
      { organization_id: "org_1" },
      { organization_id: "org_1", env: "Prod" },
      { organization_id: "org_1", env: "prod", more: "1" },
      { env: "org_1", organization_id: "prod" },
    ]) {
      const error = await rejectionOf(() => vault.decrypt(text, undefined, { context: other }));
      expect(error.code).toBe("ERR_DECRYPT_FAILED");
      // No different from any other failed decryption.
      expect(error.message).toBe((await rejectionOf(() => vault.decrypt(text, "wrong aad"))).message);
      expect(error.cause).toBeUndefined();
    }
  });

  test("is also checked against the cache", async () => {
    const text = await vault.encrypt("x", CONTEXT);
    await vault.decrypt(text);
    const call = () => vault.decrypt(text, undefined, { context: { organization_id: "org_2" } });
    expect(await codeOf(call)).toBe("ERR_DECRYPT_FAILED");
    expect(service.count("createDecrypt")).toBe(1);
  });

  test("cannot be expected of a service that does not tell contexts", async () => {
    service = new MemoryKeyService({ tellsContext: false });
    vault = new Vault({ keys: service, kv: noStore() });
    const text = await vault.encrypt("x", CONTEXT);
    expect(await vault.decrypt(text)).toBe("x");
    expect(await codeOf(() => vault.decrypt(text, undefined, { context: CONTEXT }))).toBe("ERR_UNSUPPORTED");
  });
});

describe("layouts", () => {
  test("are the vault's, or the call's", async () => {
    const other = new Vault({ keys: service, kv: noStore(), layout: "leb-first" });
    const layoutOf = async (text: Promise<string>) => parseEnvelope(await text).layout;
    expect(await layoutOf(vault.encrypt("x", CONTEXT))).toBe("iv12");
    expect(await layoutOf(other.encrypt("x", CONTEXT))).toBe("leb-first");
    expect(await layoutOf(other.encrypt("x", CONTEXT, undefined, { layout: "dotnet" }))).toBe("dotnet");
    for (const layout of ["iv12", "dotnet", "leb-first"] as const) {
      const reused = other.encrypt("x", CONTEXT, undefined, { layout, reuse: true });
      expect(await layoutOf(reused)).toBe(layout);
    }
    expect(service.count("createDataKey")).toBe(4);
    using lease = await other.lease(CONTEXT);
    expect(parseEnvelope(lease.encryptSync("x")).layout).toBe("leb-first");
  });

  test("that are not accepted stop every call before a request", async () => {
    const text = await vault.encrypt("x", CONTEXT);
    service.requests.length = 0;
    const layouts = ["leb-first", "dotnet"] as const;
    for (const call of [
      () => vault.decrypt(text, undefined, { layouts }),
      () => vault.rekey(text, CONTEXT, { layouts }),
      () => vault.rewrap(text, { layouts }),
    ]) {
      expect(await codeOf(call)).toBe("ERR_LAYOUT_NOT_ALLOWED");
    }
    const [result] = await vault.rekeyMany([text], CONTEXT, { layouts });
    expect(result).toMatchObject({ ok: false, error: { code: "ERR_LAYOUT_NOT_ALLOWED" } });
    expect(service.requests).toEqual([]);
    expect(await vault.decrypt(text, undefined, { layouts: ["iv12"] })).toBe("x");
  });
});

describe("decryption fails alike", () => {
  test("for a wrong key, wrong associated data, altered data and a wrong context", async () => {
    const text = await vault.encrypt("secret", CONTEXT, "aad");
    const other = await vault.encrypt("secret", CONTEXT, "aad");
    const bytes = fromBase64(text);
    const { keyBlob } = parseEnvelope(other);
    const swapped = Uint8Array.from(bytes);
    swapped.set(keyBlob, 30);
    const errors = await Promise.all(
      [
        () => vault.decrypt(text, "other"),
        () => vault.decrypt(text),
        () => vault.decrypt(base64(flipBit(bytes, 0)), "aad"),
        () => vault.decrypt(base64(flipBit(bytes, bytes.length * 8 - 1)), "aad"),
        () => vault.decrypt(base64(flipBit(bytes, 13 * 8)), "aad"),
        () => vault.decrypt(base64(swapped), "aad"),
        () => vault.decrypt(text, "aad", { context: { a: "b" } }),
      ].map(rejectionOf),
    );
    for (const error of errors) {
      expect(error).toMatchObject({
        code: "ERR_DECRYPT_FAILED",
        message: errors[0]!.message,
        retryable: false,
      });
      expect(error.cause).toBeUndefined();
      expectNoTrace(error, [utf8Bytes("secret")]);
    }
  });

  test("and text that is none can still be had as bytes", async () => {
    const text = await vault.encrypt(Uint8Array.of(255, 254), CONTEXT);
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_PLAINTEXT_NOT_TEXT");
    expect(await vault.decrypt(text, undefined, { as: "bytes" })).toEqual(Uint8Array.of(255, 254));
  });
});

describe("[KEY-49] signals", () => {
  const calls: readonly (readonly [string, (signal: AbortSignal, text: string) => Promise<unknown>])[] = [
    ["encrypt", (signal) => vault.encrypt("x", CONTEXT, undefined, { signal })],
    ["encrypt with reuse", (signal) => vault.encrypt("x", CONTEXT, undefined, { signal, reuse: true })],
    ["encryptMany", (signal) => vault.encryptMany(["x"], CONTEXT, undefined, { signal })],
    ["decrypt", (signal, text) => vault.decrypt(text, undefined, { signal })],
    ["decryptMany", (signal, text) => vault.decryptMany([text], undefined, { signal })],
    ["lease", (signal) => vault.lease(CONTEXT, { signal })],
    ["rekey", (signal, text) => vault.rekey(text, CONTEXT, { signal })],
    ["rekeyMany", (signal, text) => vault.rekeyMany([text], CONTEXT, { signal })],
    ["rewrap", (signal, text) => vault.rewrap(text, { signal })],
    ["rewrapMany", (signal, text) => vault.rewrapMany([text], { signal })],
    ["createDataKey", (signal) => vault.createDataKey({ context: CONTEXT }, { signal })],
    ["createDecrypt", (signal, text) => vault.createDecrypt({ keys: blobOf(text) }, { signal })],
    ["decryptDataKey", (signal, text) => vault.decryptDataKey({ keys: blobOf(text) }, { signal })],
    [
      "createRekey",
      (signal, text) => vault.createRekey({ context: CONTEXT, encryptedKeys: blobOf(text) }, { signal }),
    ],
  ];

  test.each(calls)("%s does nothing if aborted before", async (_, call) => {
    const text = await vault.encrypt("x", CONTEXT);
    const before = service.handedOut.length;
    const reason = new Error("no");
    expect(await rejectionOf(() => call(AbortSignal.abort(reason), text))).toBe(reason);
    expect(service.handedOut).toHaveLength(before);
  });

  test.each(calls)("%s ends its wait when aborted", async (_, call) => {
    const text = await vault.encrypt("x", CONTEXT);
    const release = service.hold();
    const controller = new AbortController();
    const pending = rejectionOf(() => call(controller.signal, text));
    await settle();
    const reason = new Error("gave up");
    controller.abort(reason);
    expect(await pending).toBe(reason);
    release();
    await settle();
    // And the vault is as usable as before.
    expect(await vault.decrypt(text)).toBe("x");
  });
});

describe("disposal", () => {
  test("[KEY-48] lets go of every key, after the calls that use one", async () => {
    const [text, other] = [await vault.encrypt("x", CONTEXT), await vault.encrypt("z", CONTEXT)];
    await vault.decrypt(text);
    await vault.encrypt("x", CONTEXT, undefined, { reuse: true });
    const release = service.hold();
    const pending = [
      vault.encrypt("y", CONTEXT),
      vault.encrypt("y", { other: "1" }, undefined, { reuse: true }),
      vault.decrypt(other),
    ];
    await settle();
    vault.dispose();
    vault.dispose();
    release();
    expect((await Promise.all(pending))[2]).toBe("z");
    await settle();
    expect(service.handedOut.filter((key) => !key.isDisposed)).toEqual([]);
    expect(await codeOf(() => vault.encrypt("x", CONTEXT))).toBe("ERR_DISPOSED");
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_DISPOSED");
  });

  test("comes with `using`", async () => {
    let kept: Vault;
    {
      using scoped = new Vault({ keys: service, kv: noStore() });
      kept = scoped;
    }
    expect(await codeOf(() => kept.encrypt("x", CONTEXT))).toBe("ERR_DISPOSED");
  });
});

describe("data keys by hand", () => {
  test("are made and unwrapped for use with coffer/crypto", async () => {
    using key = await vault.createDataKey({ context: CONTEXT });
    const text = await localEncrypt("x", key, "aad");
    using back = await vault.createDecrypt({ keys: key.encryptedKeys });
    expect(await localDecrypt(text, back, "aad")).toBe("x");
    using alias = await vault.decryptDataKey({ keys: key.encryptedKeys });
    expect(alias.dataKey).toBe(key.dataKey);
    using moved = await vault.createRekey({ context: { a: "b" }, encryptedKeys: key.encryptedKeys });
    expect(moved.dataKey).toBe(key.dataKey);
    expect(await vault.decrypt(text, "aad")).toBe("x");
  });
});

describe("the store", () => {
  test("that cannot undelete or destroy is ERR_UNSUPPORTED", async () => {
    const bare = new Vault({ keys: service, kv: {} as KvService });
    expect(await codeOf(() => bare.undeleteKv({ id: "x" }))).toBe("ERR_UNSUPPORTED");
    expect(await codeOf(() => bare.destroyKv({ id: "x" }))).toBe("ERR_UNSUPPORTED");
  });

  test("is given every request and signal as it is", async () => {
    const { signal } = new AbortController();
    const seen: [string, unknown, unknown][] = [];
    const kv = new Proxy({} as KvService, {
      get: (_, name: string) => async (request: unknown, options: { signal: AbortSignal }) => {
        seen.push([name, request, options.signal]);
        return { data: [], listMetadata: { before: null, after: null } };
      },
    });
    const stored = new Vault({ keys: service, kv });
    const request = {
      id: "x",
      name: "n",
      value: "v",
      keyContext: CONTEXT,
      versionCheck: null,
      versionId: "y",
    };
    const methods = ["createKv", "getKv", "getName", "updateKv", "deleteKv", "listKvVersions"] as const;
    for (const method of [...methods, "listKvMetadata", "undeleteKv", "destroyKv"] as const) {
      await (stored[method] as (r: object, o: object) => Promise<unknown>)(request, { signal });
      expect(seen.pop()).toEqual([method, request, signal]);
    }
    await stored.listKv({ limit: 5 }, { signal });
    expect(seen.pop()).toEqual(["listKv", { limit: 5 }, signal]);
  });
});

test("[KEY-46] a vault shows no key and no context", async () => {
  const text = await vault.encrypt("canary-of-a-plaintext", { organization_id: "canary-of-a-tenant" });
  await vault.decrypt(text);
  await vault.encrypt("x", { organization_id: "canary-of-a-tenant" }, undefined, { reuse: true });
  const keys = service.handedOut.filter((key) => !key.isDisposed).map((key) => fromBase64(key.dataKey));
  expect(keys).toHaveLength(2);
  expectNoTrace(vault, [...keys, utf8Bytes("canary-of-a-plaintext"), utf8Bytes("canary-of-a-tenant")]);
});

test("[KEY-47] no error shows a plaintext, associated data or context", async () => {
  const canary = "canary-of-something-secret";
  const text = await vault.encrypt(canary, { organization_id: canary }, canary);
  for (const call of [
    () => vault.encrypt(`${canary}\ud800`, CONTEXT),
    () => vault.encrypt("x", { [canary]: `${canary}\ud800` }),
    () => vault.encrypt("x", CONTEXT, `${canary}\ud800`),
    () => vault.decrypt(text, "wrong"),
    () => vault.decrypt(text, canary, { context: { organization_id: `${canary}!` } }),
    () => vault.decrypt(canary),
    () => vault.rekey(text, { [canary]: "" }),
    () => vault.encrypt(canary, { organization_id: canary }, canary, { reuse: { maxBytes: 1 } }),
  ]) {
    expectNoTrace(await rejectionOf(call), [utf8Bytes(canary)]);
  }
});
