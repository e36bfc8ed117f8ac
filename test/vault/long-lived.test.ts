/** A vault that is held open for long: delayed shreds are done without opening it anew; `using` lets the file go. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isVaultError } from "../../src/errors.ts";
import { openFileHost, openVault } from "../../src/vault/index.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "coffer-long-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test("[KEY-8] a host that looks from time to time destroys what is due, and not before", async () => {
  let now = 1_000_000;
  const host = await openFileHost({ path: join(directory, "vault.db"), onNotice: () => {}, now: () => now });
  const environment = await host.environment("default");
  const { keys, keks } = host.session(environment.id, { actor: { id: "a", name: "a", source: "api" } });
  (await keys.createDataKey({ context: { tenant: "a" } })).dispose();
  const kek = { name: "tenant", value: "a" };
  await keks.shred(kek, { delayMs: 1_000 });
  now += 999;
  await host.destroyDue();
  expect((await keks.get(kek)).state).toBe("pending-destroy");
  now += 1;
  await host.destroyDue();
  expect((await keks.get(kek)).state).toBe("destroyed");
  await host.close();
});

test("`using` closes a vault", async () => {
  const path = join(directory, "vault.db");
  let outer: Awaited<ReturnType<typeof openVault>>;
  {
    using vault = await openVault({ path, onNotice: () => {} });
    outer = vault;
    await vault.encrypt("x", { tenant: "a" });
  }
  const error = await outer.encrypt("x", { tenant: "a" }).catch((e: unknown) => e);
  expect(isVaultError(error, "ERR_DISPOSED")).toBe(true);
  await expect.poll(() => openVaultAlone(path)).toBe(true);
});

/** Whether no other connection holds the file: SQLite then removes the journal when it closes. */
async function openVaultAlone(path: string): Promise<boolean> {
  const vault = await openVault({ path, create: false });
  await vault.close();
  const { existsSync } = await import("node:fs");
  return !existsSync(`${path}-wal`);
}
