/** The embedded vault's KEKs fulfil the contract of all KekServices: a session's, on a file and in memory, and `vault.keks`. */
import { expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import type { KekService } from "../../src/keks/index.ts";
import { kekServiceContract } from "../contract/kek-service.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { freshPath, openTestHost, openTestVault, sessionOf, stallFile } from "../support/vaults.ts";

for (const where of ["a file", "memory"] as const) {
  kekServiceContract(`embedded, in ${where}`, async () => {
    const path = where === "memory" ? undefined : freshPath();
    const host = await openTestHost(path === undefined ? {} : { path });
    const { keks, keys, kv } = await sessionOf(host);
    const { keks: foreign } = await sessionOf(host, "other");
    return {
      keks,
      keys,
      kv,
      foreign,
      erasure: "physical",
      stall: path === undefined ? undefined : () => stallFile(path),
      close: () => host.close(),
    };
  });
}

kekServiceContract("vault.keks", async () => {
  const path = freshPath();
  const vault = await openTestVault({ path });
  const other = await openTestVault({ path, environment: "other" });
  // A listing is awaited for a page.
  const portOf = ({ keks }: Vault): KekService => ({
    list: async (request, options) => await keks.list(request, options),
    get: (selector, options) => keks.get(selector, options),
    rotate: (selector, options) => keks.rotate(selector, options),
    disable: (selector, options) => keks.disable(selector, options),
    enable: (selector, options) => keks.enable(selector, options),
    shred: (selector, options) => keks.shred(selector, options),
  });
  return {
    keks: portOf(vault),
    stall: () => stallFile(path),
    keys: vault as never,
    kv: vault as never,
    foreign: portOf(other),
    erasure: "physical",
    close: async () => {
      await vault.close();
      await other.close();
    },
  };
});

test("vault.keks lists all by iterating", async () => {
  const vault = await openTestVault();
  for (let i = 0; i < 25; i++) (await vault.createDataKey({ context: { tenant: `${100 + i}` } })).dispose();
  const seen: string[] = [];
  for await (const { value } of vault.keks.list()) seen.push(value);
  expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `${100 + i}`));
  await vault.close();
});

test("a vault over ports without KEKs says so, and a disposed one that it is disposed of", async () => {
  const vault = new Vault({ keys: new MemoryKeyService(), kv: {} as never });
  const kek = { name: "a", value: "b" };
  expect(await rejectionOf(() => vault.keks.rotate(kek))).toMatchObject({ code: "ERR_UNSUPPORTED" });
  vault.dispose();
  expect(await rejectionOf(() => vault.keks.rotate(kek))).toMatchObject({ code: "ERR_DISPOSED" });
});
