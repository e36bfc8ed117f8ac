/** The short way of `decrypt` to a key in the cache: the same answers as the long one, and never a stale key. */
import { beforeEach, expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService, noStore } from "../support/memory-service.ts";

const CONTEXT = { organization_id: "org_1" };
let keys: MemoryKeyService;
let time: number;
let vault: Vault;

beforeEach(() => {
  keys = new MemoryKeyService();
  time = 1_000_000;
  vault = new Vault({ keys, kv: noStore(), cache: { now: () => time } });
});

const asked = (): number => keys.count("createDecrypt");

test("ciphertexts of many keys, again and again, each key asked for once", async () => {
  const ciphertexts = await Promise.all(
    Array.from({ length: 30 }, (_, i) => vault.encrypt(`message ${i}`, CONTEXT, `${i % 2}`)),
  );
  for (let round = 0; round < 4; round++) {
    for (const [i, ciphertext] of ciphertexts.entries()) {
      expect(await vault.decrypt(ciphertext, `${i % 2}`)).toBe(`message ${i}`);
      const bytes = await vault.decrypt(ciphertext, `${i % 2}`, { as: "bytes" });
      expect(Buffer.from(bytes).toString()).toBe(`message ${i}`);
    }
  }
  expect(asked()).toBe(30);
});

test("several ciphertexts of one key, in all layouts and sizes", async () => {
  using lease = await vault.lease(CONTEXT);
  for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const) {
    for (const size of [0, 1, 500, 3000, 200_000]) {
      const ciphertext = lease.encryptSync("x".repeat(size), undefined, { layout });
      for (let n = 0; n < 3; n++) expect(await vault.decrypt(ciphertext)).toBe("x".repeat(size));
    }
  }
  expect(asked()).toBe(1);
});

test("altered ciphertexts, other associated data and texts that are none: the errors of the long way", async () => {
  const ciphertext = await vault.encrypt("message", CONTEXT, "aad");
  await vault.decrypt(ciphertext, "aad");
  expect((await rejectionOf(() => vault.decrypt(ciphertext, "other"))).code).toBe("ERR_DECRYPT_FAILED");
  const bytes = Buffer.from(ciphertext, "base64");
  bytes[bytes.length - 1]! ^= 1;
  expect((await rejectionOf(() => vault.decrypt(bytes.toString("base64"), "aad"))).code).toBe(
    "ERR_DECRYPT_FAILED",
  );
  expect((await rejectionOf(() => vault.decrypt(`${ciphertext} `, "aad"))).code).toBe("ERR_NOT_CIPHERTEXT");
  expect((await rejectionOf(() => vault.decrypt("x", "aad"))).code).toBe("ERR_NOT_CIPHERTEXT");
  expect((await rejectionOf(() => vault.decrypt(5 as never))).code).toBe("ERR_INVALID_ARGUMENT");
  expect(await vault.decrypt(ciphertext, "aad")).toBe("message");
});

test("a key that is too old, revoked or let go of is not used", async () => {
  const ciphertext = await vault.encrypt("message", CONTEXT);
  await vault.decrypt(ciphertext);
  await vault.decrypt(ciphertext);
  expect(asked()).toBe(1);
  time += 60_000;
  await vault.decrypt(ciphertext);
  expect(asked()).toBe(2);
  keys.revoke();
  await vault.decrypt(ciphertext);
  expect(asked()).toBe(3);
  vault.dispose();
  expect((await rejectionOf(() => vault.decrypt(ciphertext))).code).toBe("ERR_DISPOSED");
});

test("policy, layouts and an expected context are looked at, and an aborted signal ends the call", async () => {
  const ciphertext = await vault.encrypt("message", CONTEXT);
  await vault.decrypt(ciphertext);
  const wrong = [
    [{ requireCommitment: true }, "ERR_LAYOUT_NOT_ALLOWED"],
    [{ layouts: ["native"] as const }, "ERR_LAYOUT_NOT_ALLOWED"],
    [{ context: { organization_id: "org_2" } }, "ERR_DECRYPT_FAILED"],
  ] as const;
  for (const [options, code] of wrong) {
    expect((await rejectionOf(() => vault.decrypt(ciphertext, undefined, options))).code).toBe(code);
  }
  const signal = AbortSignal.abort(new Error("enough"));
  expect((await rejectionOf(() => vault.decrypt(ciphertext, undefined, { signal }))).message).toBe("enough");
});

test("without a cache every call asks; with a small one marks do not pile up", async () => {
  const without = new Vault({ keys, kv: noStore(), cache: { maxAgeMs: 0 } });
  const ciphertext = await without.encrypt("message", CONTEXT);
  for (let n = 0; n < 3; n++) expect(await without.decrypt(ciphertext)).toBe("message");
  expect(asked()).toBe(3);
  const small = new Vault({ keys, kv: noStore(), cache: { maxEntries: 2 } });
  for (let n = 0; n < 30; n++) {
    const text = await small.encrypt(`${n}`, CONTEXT);
    for (let again = 0; again < 3; again++) expect(await small.decrypt(text)).toBe(`${n}`);
  }
  expect(asked()).toBe(33);
});
