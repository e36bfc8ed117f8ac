/**
 * The vault on Node 22.13, whose node:sqlite does not tell whether a connection is open or within a transaction.
 *
 * Owns a DatabaseSync that has lost what later versions of Node have added.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { openVault } from "../../src/vault/open-vault.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { rejectionOf } from "../support/errors.ts";

for (const name of ["isOpen", "isTransaction"]) {
  Object.defineProperty(DatabaseSync.prototype, name, { get: () => undefined, configurable: true });
}

function temporaryPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "coffer-old-node-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "vault.db");
}

test("refused calls leave no transaction behind, and closing lets go of the file", async () => {
  const path = temporaryPath();
  const context = { organization_id: "org_1" };
  const vault = await openVault({ path, onNotice: () => {} });
  const ciphertext = await vault.encrypt("text", context);
  const { id } = await vault.createKv({ name: "name", value: "1", keyContext: context });
  // At the same time; either may be refused first.
  const refused = await Promise.all([
    rejectionOf(() => vault.createKv({ name: "name", value: "2", keyContext: context })),
    rejectionOf(() => vault.updateKv({ id, value: "2", versionCheck: "other" })),
  ]);
  expect(refused).toMatchObject([{ code: "ERR_KV_EXISTS" }, { code: "ERR_KV_VERSION_CONFLICT" }]);
  await vault.updateKv({ id, value: "2" });
  await vault.close();
  await vault.close();
  const again = await openVault({ path, create: false });
  expect(await again.decrypt(ciphertext)).toBe("text");
  expect((await again.getKv({ id })).value).toBe("2");
  await again.close();
});

test("a write that fails takes nothing of those that share its transaction; one that SQLite ends takes all", async () => {
  const database = await openSqlite(temporaryPath(), { create: true, lockWaitMs: 100 });
  const insert = (name: string) =>
    database.write((sql) => sql.run("INSERT INTO meta (name, value) VALUES (?, ?)", name, new Uint8Array(1)));
  const names = () =>
    database.read(async (sql) =>
      (await sql.all("SELECT name FROM meta ORDER BY name")).map((row) => row.name),
    );
  const failing = database.write(async (sql) => {
    await sql.run("INSERT INTO meta (name, value) VALUES ('b', x'00')");
    throw new Error("refused");
  });
  const [a, b, c] = await Promise.allSettled([insert("a"), failing, insert("c")]);
  expect([a.status, b.status, c.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await names()).toEqual(["a", "c"]);
  const swept = insert("e");
  const ended = database.write(async (sql) => {
    await sql.run("INSERT INTO meta (name, value) VALUES ('d', x'00')");
    await sql.run("ROLLBACK");
    throw new Error("the disk is full");
  });
  expect((await Promise.allSettled([swept, ended])).map(({ status }) => status)).toEqual([
    "rejected",
    "rejected",
  ]);
  await insert("f");
  expect(await names()).toEqual(["a", "c", "f"]);
  await database.close();
});
