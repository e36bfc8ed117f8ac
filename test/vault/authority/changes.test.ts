/** Changes of authority while somebody else writes the database: nothing gets a MAC that was not checked. */
import { expect, test } from "vitest";
import { Vault } from "../../../src/index.ts";
import { rejectionOf } from "../../support/errors.ts";
import { freshPath, openTestHost, sessionOf, tamper } from "../../support/vaults.ts";

const ORG = { name: "organization_id", value: "org_1" };

test.each(["rotate", "disable", "enable"] as const)(
  "[AUT-7] a trigger that brings a disabled version back while another is changed gets no MAC for it: %s",
  async (kind) => {
    const path = freshPath(true);
    const host = await openTestHost({ path });
    const session = await sessionOf(host);
    const vault = new Vault({ keys: session.keys, kv: session.kv, keks: session.keks });
    const text = await vault.encrypt("old", { organization_id: "org_1" });
    const { id } = await session.keks.rotate(ORG);
    await session.keks.disable({ ...ORG, version: 1 });
    expect((await rejectionOf(() => vault.decrypt(text))).code).toBe("ERR_KEY_DISABLED");
    tamper(path, (db) =>
      db.exec(`CREATE TRIGGER again AFTER UPDATE ON kek_versions WHEN NEW.version = 2 BEGIN
        UPDATE kek_versions SET state = 'decrypt-only' WHERE version = 1; END`),
    );
    const call = () =>
      kind === "rotate" ? session.keks.rotate(ORG) : session.keks[kind]({ ...ORG, version: 2 });
    const error = await rejectionOf(call);
    expect([error.code, error.message]).toEqual(["ERR_STORAGE_CORRUPT", expect.stringContaining(id)]);
    expect((await rejectionOf(() => vault.decrypt(text))).code).toBe("ERR_KEY_DISABLED");
    tamper(path, (db) => db.exec("DROP TRIGGER again"));
    await call();
    expect((await rejectionOf(() => vault.decrypt(text))).code).toBe("ERR_KEY_DISABLED");
    await host.close();
  },
);

test("[AUT-23] a process refuses a log that is older than what it has seen, and takes it again when it is put right", async () => {
  const path = freshPath(true);
  const host = await openTestHost({ path });
  const session = await sessionOf(host);
  const vault = new Vault({ keys: session.keys, kv: session.kv, keks: session.keks });
  const text = await vault.encrypt("v", { organization_id: "org_1" });
  const read = () =>
    tamper(path, (db) =>
      ["meta", "keks", "kek_versions", "authority_log"].map((table) => ({
        table,
        rows: db.prepare(`SELECT * FROM ${table}`).all(),
      })),
    );
  const write = (tables: ReturnType<typeof read>) =>
    tamper(path, (db) => {
      for (const { table, rows } of tables) {
        db.exec(`DELETE FROM ${table}`);
        for (const row of rows) {
          const marks = Object.keys(row).map(() => "?");
          db.prepare(`INSERT INTO ${table} VALUES (${marks.join(", ")})`).run(...Object.values(row));
        }
      }
      db.exec("UPDATE counters SET value = value + 1");
    });
  const before = read();
  await session.keks.disable(ORG);
  expect((await rejectionOf(() => vault.decrypt(text))).code).toBe("ERR_KEY_DISABLED");
  const after = read();
  write(before);
  for (const call of [
    () => vault.decrypt(text),
    () => session.keks.get(ORG),
    () => session.keks.rotate(ORG),
    () => host.listEnvironments(),
    () => host.apiKeys.list(),
  ]) {
    const error = await rejectionOf(call);
    expect([error.code, error.message]).toEqual([
      "ERR_STORAGE_CORRUPT",
      expect.stringContaining("than what this process has seen"),
    ]);
  }
  write(after);
  expect((await rejectionOf(() => vault.decrypt(text))).code).toBe("ERR_KEY_DISABLED");
  await host.close();
});

test.each(["disable", "shred"] as const)(
  "[AUT-10] a KEK is not made anew after the rows of one were deleted that was changed before: %s",
  async (kind) => {
    const path = freshPath(true);
    const host = await openTestHost({ path });
    const session = await sessionOf(host);
    const vault = new Vault({ keys: session.keys, kv: session.kv, keks: session.keks });
    const context = { organization_id: "org_1" };
    await vault.encrypt("v", context);
    await session.keks[kind](ORG);
    expect((await rejectionOf(() => vault.encrypt("v", context))).code).toMatch(/^ERR_KEY_D/);
    const take = (tables: readonly string[]) =>
      tamper(path, (db) => {
        for (const table of tables) db.exec(`DELETE FROM ${table}`);
        db.exec("UPDATE counters SET value = value + 1");
      });
    take(["context_keks", "kek_versions", "keks"]);
    const fresh = await openTestHost({ path });
    const { keys } = await sessionOf(fresh);
    for (const call of [() => vault.encrypt("v", context), () => keys.createDataKey({ context })]) {
      const error = await rejectionOf(call);
      expect([error.code, error.message]).toEqual([
        "ERR_STORAGE_CORRUPT",
        expect.stringContaining("its rows were deleted"),
      ]);
    }
    expect(tamper(path, (db) => db.prepare("SELECT * FROM keks").all())).toEqual([]);
    await fresh.close();
    await host.close();
  },
);
