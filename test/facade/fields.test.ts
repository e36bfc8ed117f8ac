/** Encrypted fields (docs/spec/fields.md): paths, values, associated data byte for byte, keys, and the caller's object. */
import { describe, expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { openTestVault } from "../support/vaults.ts";

const KEY_CONTEXT = { organization_id: "org_1" };
/** FLD-6, as its page has it. */
const STREET_AAD = Buffer.from(
  "636f666665722f76312f6669656c6400020761646472657373" + "06737472656574",
  "hex",
);

const user = () => ({
  id: 7,
  email: "a@example.com",
  address: { street: "Main St", city: "X" },
  phones: ["1", "2"],
  age: 41.5,
  isAdmin: false,
  note: null,
  "a.b": "dotted",
});

function counted(): { vault: Vault; keys: MemoryKeyService } {
  const keys = new MemoryKeyService();
  return { vault: new Vault({ keys, kv: {} as KvService }), keys };
}

test("[FLD-8] [FLD-9] fields become ciphertexts under one data key, and come back; the objects stay as they are", async () => {
  const { vault, keys } = counted();
  const paths = ["email", "address.street", "phones.1", "age", "isAdmin", "note", ["a.b"]];
  const object = user();
  const row = await vault.encryptFields(object, paths, KEY_CONTEXT, { associatedData: "user:7" });
  expect(object).toEqual(user());
  expect(keys.count("createDataKey")).toBe(1);
  expect(row).toMatchObject({ id: 7, address: { city: "X" } });
  expect(row.phones[0]).toBe("1");
  const sealed = [row.email, row.address.street, row.phones[1], row.age, row.isAdmin, row.note, row["a.b"]];
  for (const text of sealed) expect(text).toMatch(/^[A-Za-z0-9+/]{60,}=*$/);
  const before = structuredClone(row);
  const back = await vault.decryptFields(row, paths, { associatedData: "user:7" });
  expect(row).toEqual(before);
  expect(back).toEqual(user());
  expect(keys.count("createDecrypt")).toBe(1);
});

test("[FLD-6] the associated data is what the page says, to the byte", async () => {
  const vault = await openTestVault();
  const row = await vault.encryptFields(user(), ["address.street"], KEY_CONTEXT);
  expect(await vault.decrypt(row.address.street, STREET_AAD)).toBe('"Main St"');
  const bound = await vault.encryptFields(user(), [["address", "street"]], KEY_CONTEXT, {
    associatedData: "user:7",
  });
  const aad = Buffer.concat([STREET_AAD, Buffer.from("user:7")]);
  expect(await vault.decrypt(bound.address.street, aad)).toBe('"Main St"');
  const phone = await vault.encryptFields(user(), ["phones.1"], KEY_CONTEXT);
  const phoneAad = Buffer.from("coffer/v1/field\0\x02\x06phones\x011", "latin1");
  expect(await vault.decrypt(phone.phones[1]!, phoneAad)).toBe('"2"');
});

test("[FLD-7] a ciphertext that changed its place or its row is refused, and so is the whole call", async () => {
  const vault = await openTestVault();
  const one = { associatedData: "user:7" };
  const row = await vault.encryptFields({ a: "1", b: "2", "a.b": "3" }, ["a", "b"], KEY_CONTEXT, one);
  const failed = { code: "ERR_DECRYPT_FAILED" };
  const swapped = { a: row.b, b: row.a };
  expect(await rejectionOf(() => vault.decryptFields(swapped, ["a"], one))).toMatchObject(failed);
  const other = { associatedData: "user:8" };
  expect(await rejectionOf(() => vault.decryptFields(row, ["a", "b"], other))).toMatchObject(failed);
  const mixed = { a: row.a, b: row.a };
  expect(await rejectionOf(() => vault.decryptFields(mixed, ["a", "b"], one))).toMatchObject(failed);
  const moved = { a: { b: row.a } };
  expect(await rejectionOf(() => vault.decryptFields(moved, ["a.b"], one))).toMatchObject(failed);
});

describe("what is refused before any key is asked for", () => {
  const inherited = Object.create({ a: "1" });
  test.each([
    ["[FLD-1] an empty path", { a: "1" }, [""], "ERR_INVALID_ARGUMENT"],
    ["[FLD-1] an empty list", { a: "1" }, [[]], "ERR_INVALID_ARGUMENT"],
    ["[FLD-1] an empty segment", { a: "1" }, ["a."], "ERR_INVALID_ARGUMENT"],
    ["[FLD-1] a lone surrogate", { "\ud800": "1" }, ["\ud800"], "ERR_TEXT_MALFORMED"],
    ["[FLD-1] a path twice", { a: "1" }, ["a", ["a"]], "ERR_INVALID_ARGUMENT"],
    ["a path that is no text", { a: "1" }, [5], "ERR_INVALID_ARGUMENT"],
    ["paths that are no list", { a: "1" }, "a", "ERR_INVALID_ARGUMENT"],
    ["no object", "text", ["length"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-2] an index with a zero before it", ["1", "2"], ["01"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-2] an index beyond the end", ["1", "2"], ["2"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-2] an array's length", ["1", "2"], ["length"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-2] an inherited property", inherited, ["a"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-2] the prototype", { a: "1" }, ["__proto__"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-3] nothing", { a: "1" }, ["b.c"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-3] undefined", { a: undefined }, ["a"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-3] below a text", { a: "1" }, ["a.0"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-4] an object", { a: {} }, ["a"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-4] an array", { a: [] }, ["a"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-4] a date", { a: new Date(0) }, ["a"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-4] no number", { a: Number.NaN }, ["a"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-4] a bigint", { a: 1n }, ["a"], "ERR_INVALID_ARGUMENT"],
    ["[FLD-4] a function", { a: () => 1 }, ["a"], "ERR_INVALID_ARGUMENT"],
  ])("%s", async (_, object, paths, code) => {
    const { vault, keys } = counted();
    const error = await rejectionOf(() =>
      vault.encryptFields(object as object, paths as string[], KEY_CONTEXT),
    );
    expect(error).toMatchObject({ code });
    expect(keys.requests).toEqual([]);
  });
});

test("[FLD-3] missing fields are left out where the caller asks for it, and are not made", async () => {
  const vault = await openTestVault();
  const object = { a: "1", b: undefined };
  const paths = ["a", "b", "c", "d.e"];
  const row = await vault.encryptFields(object, paths, KEY_CONTEXT, { missing: "skip" });
  expect(Object.keys(row)).toEqual(["a", "b"]);
  expect(await vault.decryptFields(row, paths, { missing: "skip" })).toEqual(object);
  const wrong = { missing: "ignore" } as never;
  expect(await rejectionOf(() => vault.decryptFields(row, paths, wrong))).toBeInstanceOf(RangeError);
});

test("[FLD-5] what is no field's text is refused without telling it", async () => {
  const vault = await openTestVault();
  for (const text of ["canary", "[1]", '{"canary":1}']) {
    const street = await vault.encrypt(text, KEY_CONTEXT, STREET_AAD);
    const error = await rejectionOf(() => vault.decryptFields({ address: { street } }, ["address.street"]));
    expect(error.code).toBe("ERR_JSON_INVALID");
    expect(`${error.stack}`).not.toContain("canary");
  }
  for (const street of [null, 5, true]) {
    const error = await rejectionOf(() => vault.decryptFields({ address: { street } }, ["address.street"]));
    expect(error).toBeInstanceOf(TypeError);
  }
});

test("an object at two places has two copies; own properties named __proto__ stay own", async () => {
  const vault = await openTestVault();
  const shared = { x: "1" };
  const row = await vault.encryptFields({ a: shared, b: shared }, ["a.x", "b.x"], KEY_CONTEXT);
  expect(row.a.x).not.toBe(row.b.x);
  expect(await vault.decryptFields(row, ["a.x", "b.x"])).toEqual({ a: shared, b: shared });
  const odd = JSON.parse('{"__proto__":{"x":"1"}}') as object;
  const sealed = await vault.encryptFields(odd, ["__proto__.x"], KEY_CONTEXT);
  expect(Object.getPrototypeOf(sealed)).toBe(Object.prototype);
  expect(JSON.stringify(await vault.decryptFields(sealed, ["__proto__.x"]))).toBe(JSON.stringify(odd));
});

test("what the caller changes after the call is not seen", async () => {
  const vault = await openTestVault();
  const object = user();
  const pending = vault.encryptFields(object, ["email", "address.street"], KEY_CONTEXT);
  object.email = "changed";
  object.address.street = "changed";
  object.address.city = "changed";
  const back = await vault.decryptFields(await pending, ["email", "address.street"]);
  expect(back).toEqual(user());
});

test("no paths ask for no key", async () => {
  const { vault, keys } = counted();
  const object = user();
  expect(await vault.encryptFields(object, [], KEY_CONTEXT)).toEqual(object);
  expect(keys.requests).toEqual([]);
});
