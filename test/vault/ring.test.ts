/** What a ring is made of is looked at before anything is wrapped under it. */
import { expect, test } from "vitest";
import { assembleRing } from "../../src/vault/keks/ring.ts";
import type { Roots } from "../../src/vault/root/roots.ts";
import { errorOf } from "../support/errors.ts";

test("a KEK whose id is none is damage, before a data key is made under it", () => {
  const roots = { unwrap: () => new Uint8Array(32) } as unknown as Roots;
  const entry = { name: "organization_id", value: "org_1" };
  const rows = [{ id: "no uuid", version: 1, entry, wrapped: new Uint8Array(0) }];
  const error = errorOf(() => assembleRing(roots, "e", { rows }));
  expect([error.code, error.message]).toEqual([
    "ERR_STORAGE_CORRUPT",
    "a KEK's id is damaged in the vault's file",
  ]);
});
