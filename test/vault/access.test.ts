/** Scopes and moves: which contexts a caller sees, and to which ones it may move a data key (docs/spec/authority.md, AUT-19). */
import { describe, expect, test } from "vitest";
import { SEALED_MAGIC } from "../../src/crypto/keys/key-blob.ts";
import { canonicalContext } from "../../src/crypto/keys/key-context.ts";
import { type Access, checkAbsorb, checkMove, inScope, isInScope } from "../../src/vault/access/access.ts";
import { fromBase64 } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { openTestVault } from "../support/vaults.ts";

const accessOf = (scope: Access["scope"], mayRekeyAny = false): Access => ({
  environmentId: "env_1",
  actor: { id: "a", name: "a", source: "api" },
  scope,
  mayRekeyAny,
  absorbsOnly: false,
  events: { note: () => {} } as unknown as Access["events"],
});
const SCOPED = accessOf([
  { name: "tenant", value: "t1" },
  { name: "region", value: "eu" },
]);
const REFUSED = { code: "ERR_CONTEXT_NOT_ALLOWED" };

describe("a scope", () => {
  test("holds contexts that have all of its entries, whatever else they have", () => {
    for (const context of [
      { tenant: "t1", region: "eu" },
      { tenant: "t1", region: "eu", user: "u" },
    ]) {
      const canonical = canonicalContext(context);
      expect(isInScope(SCOPED, canonical.entries)).toBe(true);
      expect(inScope(SCOPED, canonical)).toBe(canonical);
    }
    expect(isInScope(accessOf([]), [])).toBe(true);
  });

  test.each([
    { tenant: "t1" },
    { region: "eu" },
    { tenant: "t1", region: "us" },
    { tenant: "t2", region: "eu" },
    { tenant: "eu", region: "t1" },
    { other: "t1", another: "eu" },
  ])("does not hold %j", (context) => {
    const canonical = canonicalContext(context);
    expect(isInScope(SCOPED, canonical.entries)).toBe(false);
    expect(errorOf(() => inScope(SCOPED, canonical))).toMatchObject(REFUSED);
  });
});

describe("[AUT-19] a rekey", () => {
  const from = canonicalContext({ tenant: "t1", region: "eu" });

  test("that keeps every entry of the context is let through; with all rights every other too", () => {
    for (const to of [
      { tenant: "t1", region: "eu" },
      { tenant: "t1", region: "eu", user: "u" },
    ]) {
      expect(checkMove(accessOf([]), from, canonicalContext(to))).toBeUndefined();
    }
    expect(checkMove(accessOf([], true), from, canonicalContext({ tenant: "t2" }))).toBeUndefined();
  });

  test.each([
    { tenant: "t1" },
    { region: "eu" },
    { tenant: "t1", region: "us" },
    { tenant: "t2", region: "eu" },
    { tenant: "eu", region: "t1" },
    { other: "t1", another: "eu" },
  ])("to %j is refused", (to) => {
    expect(errorOf(() => checkMove(accessOf([]), from, canonicalContext(to)))).toMatchObject(REFUSED);
  });
});

test("[SDK-27] who may only absorb wraps no wrapped data key anew", async () => {
  const vault = await openTestVault();
  const { encryptedKeys } = await vault.createDataKey({ context: { tenant: "t1" } });
  expect(errorOf(() => checkAbsorb(fromBase64(encryptedKeys)))).toMatchObject(REFUSED);
  expect(checkAbsorb(Uint8Array.from([...SEALED_MAGIC, 1, 2, 3]))).toBeUndefined();
});
