/** encryptMany and decryptMany of a vault: one data-key call per group, every error at its index. */
import { expect, test } from "vitest";
import type { ItemResult } from "../../src/base/item-result.ts";
import type { KeyContext } from "../../src/crypto/keys/key-context.ts";
import { VaultError } from "../../src/errors.ts";
import type { VaultBehaviour } from "../../src/facade/options.ts";
import { Vault } from "../../src/facade/vault.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";

const CONTEXT: KeyContext = { organization_id: "org_1" };

function newVault(behaviour: VaultBehaviour = {}): { vault: Vault; keys: MemoryKeyService } {
  const keys = new MemoryKeyService();
  return { vault: new Vault({ ...behaviour, keys, kv: {} as KvService }), keys };
}

const outcomes = (results: readonly ItemResult<unknown>[]): unknown[] =>
  results.map((result) => (result.ok ? result.value : (result.error as { code?: string }).code));

test.each(["iv12", "leb-first", "dotnet", "native"] as const)(
  "a thousand messages of three contexts cost three data keys: %s",
  async (layout) => {
    const { vault, keys } = newVault({ layout });
    const count = layout === "native" ? 60 : 1000;
    const items = Array.from({ length: count }, (_, i) => ({
      data: `message ${i}`,
      associatedData: i % 2 === 0 ? undefined : `aad ${i}`,
      context: i % 3 === 0 ? undefined : { organization_id: `org_${i % 3}`, kind: "x" },
    }));
    const sealed = (await vault.encryptMany(items, CONTEXT, "common")).map((result) => {
      if (!result.ok) throw result.error;
      return result.value;
    });
    expect(keys.count("createDataKey")).toBe(3);
    const opened = await vault.decryptMany(
      sealed.map((ciphertext, i) => ({ ciphertext, associatedData: items[i]!.associatedData })),
      "common",
    );
    expect(outcomes(opened)).toEqual(items.map((item) => item.data));
    expect(keys.count("createDecrypt")).toBe(3);
    // Each alone as well, and in a batch of mixed data keys in any order.
    expect(await vault.decrypt(sealed[1]!, "aad 1")).toBe("message 1");
    const bytes = await vault.decryptMany([sealed[2]!, sealed[0]!], "common", { as: "bytes" });
    expect(outcomes(bytes).map(String)).toEqual(
      ["message 2", "message 0"].map((text) => String(new TextEncoder().encode(text))),
    );
    // The keys of the batch are gone; those of the decrypt cache stay.
    expect(keys.handedOut.filter((key) => !key.isDisposed)).toHaveLength(3);
    vault.dispose();
    await new Promise((done) => setImmediate(done));
    expect(keys.handedOut.every((key) => key.isDisposed)).toBe(true);
  },
);

test("texts and bytes, and nothing at all", async () => {
  const { vault, keys } = newVault();
  expect(await vault.encryptMany([], CONTEXT)).toEqual([]);
  expect(await vault.decryptMany([])).toEqual([]);
  expect(keys.requests).toEqual([]);
  const sealed = outcomes(await vault.encryptMany(["text", Uint8Array.of(98)], CONTEXT)) as string[];
  expect(outcomes(await vault.decryptMany(sealed))).toEqual(["text", "b"]);
});

test("an item's error is its own", async () => {
  const { vault } = newVault();
  const items = ["good", 5, "\ud800", { data: "x", context: {} }, { data: "x", context: { a: "" } }, "good"];
  const sealed = await vault.encryptMany(items as string[], CONTEXT);
  const codes = outcomes(sealed);
  expect(codes.slice(1, 5)).toEqual([
    "ERR_INVALID_ARGUMENT",
    "ERR_TEXT_MALFORMED",
    "ERR_KEY_CONTEXT_INVALID",
    "ERR_KEY_CONTEXT_INVALID",
  ]);
  const [first, last] = [codes[0], codes[5]] as [string, string];
  const altered = Buffer.from(first, "base64");
  altered[altered.length - 1]! ^= 1;
  const other = outcomes(await newVault().vault.encryptMany(["other"], CONTEXT))[0] as string;
  const opened = await vault.decryptMany([first, altered.toString("base64"), "no", other, last, 5 as never]);
  expect(outcomes(opened)).toEqual([
    "good",
    "ERR_DECRYPT_FAILED",
    "ERR_NOT_CIPHERTEXT",
    expect.stringMatching(/^ERR_/),
    "good",
    "ERR_INVALID_ARGUMENT",
  ]);
});

test("a data key that cannot be had is the error of its group only", async () => {
  const { vault, keys } = newVault();
  const a = outcomes(await vault.encryptMany(["a1", "a2"], CONTEXT)) as string[];
  expect(outcomes(await vault.decryptMany(a))).toEqual(["a1", "a2"]);
  const b = outcomes(await vault.encryptMany(["b"], CONTEXT)) as string[];
  keys.failure = new VaultError("ERR_KEY_DISABLED", "disabled");
  expect(outcomes(await vault.decryptMany([a[0]!, b[0]!, a[1]!]))).toEqual(["a1", "ERR_KEY_DISABLED", "a2"]);
  expect(outcomes(await vault.encryptMany(["x", "y"], CONTEXT))).toEqual([
    "ERR_KEY_DISABLED",
    "ERR_KEY_DISABLED",
  ]);
});

test("with reuse, batches share the data key of single messages, and take another when its budget ends", async () => {
  const { vault, keys } = newVault();
  const reuse = { maxMessages: 4 };
  await vault.encrypt("first", CONTEXT, undefined, { reuse });
  const sealed = await vault.encryptMany(["a", "b", "c", "d", "e", "f", "g", "h", "i"], CONTEXT, undefined, {
    reuse,
  });
  expect(sealed.every((result) => result.ok)).toBe(true);
  expect(keys.count("createDataKey")).toBe(3);
  expect(outcomes(await vault.encryptMany(["x"], CONTEXT, undefined, { reuse: true }))[0]).toBeTypeOf(
    "string",
  );
  // A message larger than any budget is not tried for ever.
  const large = await vault.encryptMany(["too large", "ok"], CONTEXT, undefined, { reuse: { maxBytes: 5 } });
  expect(outcomes(large)).toEqual(["ERR_DATA_KEY_EXHAUSTED", expect.any(String)]);
});

test("policy and expected context hold for each item", async () => {
  const { vault } = newVault();
  const sealed = outcomes(await vault.encryptMany(["a"], CONTEXT)) as string[];
  expect(outcomes(await vault.decryptMany(sealed, undefined, { requireCommitment: true }))).toEqual([
    "ERR_LAYOUT_NOT_ALLOWED",
  ]);
  expect(
    outcomes(await vault.decryptMany(sealed, undefined, { context: { organization_id: "org_2" } })),
  ).toEqual(["ERR_DECRYPT_FAILED"]);
  expect(outcomes(await vault.decryptMany(sealed, undefined, { context: CONTEXT }))).toEqual(["a"]);
});

test("what concerns all items is thrown: arguments, an aborted signal, a closed vault", async () => {
  const { vault } = newVault();
  expect((await rejectionOf(() => vault.encryptMany("text" as never, CONTEXT))).code).toBe(
    "ERR_INVALID_ARGUMENT",
  );
  expect((await rejectionOf(() => vault.encryptMany([], {}))).code).toBe("ERR_KEY_CONTEXT_INVALID");
  expect((await rejectionOf(() => vault.decryptMany(5 as never))).code).toBe("ERR_INVALID_ARGUMENT");
  const signal = AbortSignal.abort(new Error("enough"));
  expect((await rejectionOf(() => vault.encryptMany(["x"], CONTEXT, undefined, { signal }))).message).toBe(
    "enough",
  );
  expect((await rejectionOf(() => vault.decryptMany(["x"], undefined, { signal }))).message).toBe("enough");
  vault.dispose();
  expect((await rejectionOf(() => vault.encryptMany(["x"], CONTEXT))).code).toBe("ERR_DISPOSED");
});

test("contexts are those of the call, whatever becomes of them while it waits", async () => {
  const { vault, keys } = newVault();
  const release = keys.hold();
  const items = Array.from({ length: 40 }, (_, i) => ({
    data: `${i}`,
    context: { organization_id: `org_${i}` },
  }));
  const sealing = vault.encryptMany(items, CONTEXT);
  for (const item of items) item.context.organization_id = "org_of_another";
  release();
  const sealed = outcomes(await sealing) as string[];
  for (const [i, text] of sealed.entries()) {
    const context = { organization_id: `org_${i}` };
    expect(await vault.decrypt(text, undefined, { context })).toBe(`${i}`);
  }
});

test("a list that reading an item makes longer is taken as it was", async () => {
  const { vault } = newVault();
  const items: { data: string }[] = [
    {
      get data() {
        items.push({ data: "more" });
        return "x";
      },
    },
  ];
  expect(outcomes(await vault.encryptMany(items, CONTEXT))).toEqual([expect.any(String)]);
});

test("a context that answers differently each time is taken as it was read first", async () => {
  const { vault } = newVault();
  let reads = 0;
  const context = {
    get organization_id() {
      reads += 1;
      return `org_${reads}`;
    },
  };
  const [sealed] = outcomes(await vault.encryptMany([{ data: "x", context }], CONTEXT)) as string[];
  expect(await vault.decrypt(sealed!, undefined, { context: { organization_id: "org_1" } })).toBe("x");
  reads = 0;
  const [shared] = outcomes(await vault.encryptMany(["x"], context)) as string[];
  expect(await vault.decrypt(shared!, undefined, { context: { organization_id: "org_1" } })).toBe("x");
});

test("keys that a batch asks for after the vault was disposed of go with the batch", async () => {
  const { vault, keys } = newVault();
  const sealed: string[] = [];
  for (let n = 0; n < 20; n++) sealed.push(await vault.encrypt("x", { organization_id: `org_${n}` }));
  const release = keys.hold();
  const opening = vault.decryptMany(sealed);
  vault.dispose();
  release();
  expect(outcomes(await opening)).toEqual(sealed.map(() => "x"));
  await new Promise((done) => setImmediate(done));
  expect(keys.count("createDecrypt")).toBe(20);
  expect(keys.handedOut.filter((key) => !key.isDisposed)).toEqual([]);
});

test("null and undefined pass through at their index, and cost nothing", async () => {
  const { vault, keys } = newVault();
  const items = [null, "a", undefined, { data: "b" }, null];
  const sealed = await vault.encryptMany(items, CONTEXT);
  const texts = sealed.map((result) => (result.ok ? result.value : "failed"));
  expect(texts).toEqual([null, expect.any(String), undefined, expect.any(String), null]);
  const opened = await vault.decryptMany(texts);
  expect(outcomes(opened)).toEqual([null, "a", undefined, "b", null]);
  expect(outcomes(await vault.decryptMany([null, texts[1]], "", { as: "bytes" }))).toEqual([
    null,
    Uint8Array.of(97),
  ]);
  keys.requests.length = 0;
  expect(outcomes(await vault.encryptMany([null, undefined], CONTEXT))).toEqual([null, undefined]);
  expect(keys.requests).toEqual([]);
});

test("with nullish: refuse they are errors at their index; no other word is taken", async () => {
  const { vault } = newVault();
  const refuse = { nullish: "refuse" } as const;
  const sealed = outcomes(await vault.encryptMany([null, "a", undefined], CONTEXT, "", refuse));
  expect(sealed).toEqual(["ERR_INVALID_ARGUMENT", expect.any(String), "ERR_INVALID_ARGUMENT"]);
  const opened = await vault.decryptMany([undefined, sealed[1] as string], "", refuse);
  expect(outcomes(opened)).toEqual(["ERR_INVALID_ARGUMENT", "a"]);
  const wrong = { nullish: "skip" } as never;
  expect(await rejectionOf(() => vault.encryptMany(["a"], CONTEXT, "", wrong))).toBeInstanceOf(RangeError);
  expect(await rejectionOf(() => vault.decryptMany([], "", wrong))).toBeInstanceOf(RangeError);
});
