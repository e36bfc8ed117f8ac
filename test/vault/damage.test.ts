/** Files that are no vault, or not any more: refused, unchanged; and whatever is wrong, never a wrong answer. */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { isVaultError } from "../../src/errors.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { migrations, SCHEMA_VERSION } from "../../src/vault/storage/schema.ts";
import { SQLITE_TYPES } from "../../src/vault/storage/sqlite/types.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { freshDirectory, freshPath, openTestVault, ROOT_KEY, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1", env: "prod" };

/** What opening answers with, and that the file is left as it was. */
async function refusalOf(path: string, options: { create?: boolean } = {}): Promise<string> {
  const before = readFileSync(path);
  const error = await rejectionOf(() => openVault({ path, rootKey: ROOT_KEY, ...options }));
  expect(isVaultError(error)).toBe(true);
  expect(readFileSync(path).equals(before), "the file was changed").toBe(true);
  return error.code;
}

describe("a file that is no vault", () => {
  test.each([
    ["text", "hello\n"],
    ["a long text", "hello\n".repeat(10_000)],
    ["zeros", "\0".repeat(8192)],
    ["only a header", "SQLite format 3\0"],
    ["a header and nonsense", `SQLite format 3\0${"x".repeat(8192)}`],
  ])("[KEY-17] %s", async (_, content) => {
    const path = freshPath();
    writeFileSync(path, content);
    expect(await refusalOf(path)).toBe("ERR_STORAGE_CORRUPT");
    expect(await refusalOf(path, { create: false })).toBe("ERR_STORAGE_CORRUPT");
  });

  test.each([
    ["another program's tables", "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')"],
    ["tables of the same name", "CREATE TABLE meta (name, value); CREATE TABLE counters (name, value)"],
    ["another application's id", "PRAGMA application_id = 7"],
    ["another program's version", "PRAGMA user_version = 1"],
    [
      "another application's id and version",
      "PRAGMA application_id = 7; PRAGMA user_version = 2; CREATE TABLE t (x)",
    ],
  ])("[KEY-17] an SQLite database with %s", async (_, statements) => {
    const path = freshPath();
    tamper(path, (db) => db.exec(statements));
    expect(await refusalOf(path)).toBe("ERR_STORAGE_CORRUPT");
  });

  test("a directory, a device or a path through a file is ERR_STORAGE_UNAVAILABLE", async () => {
    const directory = freshDirectory();
    const file = join(directory, "file");
    writeFileSync(file, "");
    for (const path of [directory, "/dev/null", join(file, "vault.db")]) {
      for (const create of [true, false]) {
        const error = await rejectionOf(() => openVault({ path, rootKey: ROOT_KEY, create }));
        expect(error.code, path).toBe("ERR_STORAGE_UNAVAILABLE");
      }
    }
  });

  test("an empty file becomes a vault where one may be made, and is none where not", async () => {
    const path = freshPath();
    writeFileSync(path, "");
    expect(await refusalOf(path, { create: false })).toBe("ERR_VAULT_NOT_FOUND");
    const vault = await openTestVault({ path });
    expect(await vault.decrypt(await vault.encrypt("x", CONTEXT))).toBe("x");
  });

  test("a database without a table becomes a vault where one may be made, and is none where not", async () => {
    const path = freshPath();
    tamper(path, (db) => db.exec("PRAGMA journal_mode = WAL; VACUUM"));
    expect((await rejectionOf(() => openVault({ path, rootKey: ROOT_KEY, create: false }))).code).toBe(
      "ERR_VAULT_NOT_FOUND",
    );
    await openTestVault({ path });
  });
});

describe("schema versions", () => {
  const sqliteMigrations = migrations(SQLITE_TYPES);

  test("[KEY-17] there is one migration per version", () => {
    expect(sqliteMigrations).toHaveLength(SCHEMA_VERSION);
  });

  test("[KEY-17] a newer one is refused", async () => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    tamper(path, (db) => db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`));
    expect(await refusalOf(path)).toBe("ERR_STORAGE_SCHEMA");
  });

  test("[KEY-17] an older one is brought to the newest, with everything in it", async () => {
    const path = freshPath();
    // One that an older version made: what is made now has keys that older schemas know nothing of.
    const fixture = join(import.meta.dirname, "../fixtures/vault-0.1");
    writeFileSync(path, gunzipSync(readFileSync(join(fixture, "vault.db.gz"))), { mode: 0o600 });
    const { ciphertexts } = JSON.parse(readFileSync(join(fixture, "file.json"), "utf8"));
    const { text, aad, plaintext } = ciphertexts[0];
    await (await openTestVault({ path })).close();
    for (let version = 1; version < SCHEMA_VERSION; version++) {
      const old = freshPath();
      const db = new DatabaseSync(old);
      db.exec(`PRAGMA application_id = ${0x43465231}; PRAGMA user_version = ${version}`);
      for (const statements of sqliteMigrations.slice(0, version)) db.exec(statements);
      db.exec("DELETE FROM counters");
      db.exec(`ATTACH '${path}' AS new`);
      for (const { name } of db.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'").all()) {
        // Of what there was then.
        const columns = db.prepare("SELECT name FROM pragma_table_info(?, 'main')").all(name as string);
        const list = columns.map((column) => column.name).join(", ");
        db.exec(`INSERT INTO main.${name} (${list}) SELECT ${list} FROM new.${name}`);
      }
      db.close();
      const vault = await openTestVault({ path: old });
      expect(await vault.decrypt(text, aad)).toBe(plaintext);
      expect((await vault.getName({ name: "stripe" })).value).toBe("sk_live_3");
      tamper(old, (raw) => {
        expect(raw.prepare("PRAGMA user_version").get()).toEqual({ user_version: SCHEMA_VERSION });
        const tables = (of: DatabaseSync, schema: string): unknown =>
          of.prepare(`SELECT type, name FROM ${schema}.sqlite_schema ORDER BY name`).all();
        raw.exec(`ATTACH '${path}' AS new`);
        expect(tables(raw, "main")).toEqual(tables(raw, "new"));
      });
    }
  });

  test("[KEY-17] two that bring it to the newest at the same time do it once", async () => {
    const path = freshPath();
    writeFileSync(path, "");
    const vaults = await Promise.all(Array.from({ length: 5 }, () => openTestVault({ path })));
    expect(new Set(vaults.map((vault) => vault.environmentId)).size).toBe(1);
  });
});

describe("an identity that is damaged", () => {
  test.each([
    ["the vault id is gone", "DELETE FROM meta WHERE name = 'vault_id'"],
    ["the check is gone", "DELETE FROM meta WHERE name = 'root_check'"],
    ["both are gone, but KEKs are there", "DELETE FROM meta"],
    ["the vault id is no bytes", "UPDATE meta SET value = 'text' WHERE name = 'vault_id'"],
    ["the vault id is too short", "UPDATE meta SET value = x'00' WHERE name = 'vault_id'"],
    ["the check is no bytes", "UPDATE meta SET value = 7 WHERE name = 'root_check'"],
  ])("[KEY-20] %s", async (_, statement) => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    await vault.encrypt("x", CONTEXT);
    await vault.close();
    tamper(path, (db) => db.exec(statement));
    expect(await refusalOf(path)).toBe("ERR_STORAGE_CORRUPT");
  });

  test.each([
    ["another vault id", "UPDATE meta SET value = zeroblob(16) WHERE name = 'vault_id'"],
    ["another check", "UPDATE meta SET value = zeroblob(72) WHERE name = 'root_check'"],
    ["a short check", "UPDATE meta SET value = x'0102' WHERE name = 'root_check'"],
    ["an empty check", "UPDATE meta SET value = x'' WHERE name = 'root_check'"],
  ])("[KEY-15] %s looks like a wrong root key", async (_, statement) => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    tamper(path, (db) => db.exec(statement));
    expect(await refusalOf(path)).toBe("ERR_ROOT_KEY_WRONG");
  });
});

describe("a file with wrong bytes in it", () => {
  const pristine = freshPath(true);
  let text: string;
  let ids: string[];
  let versionIds: string[];

  beforeAll(async () => {
    const vault = await openTestVault({ path: pristine });
    text = await vault.encrypt("s3cret", CONTEXT);
    ids = [];
    versionIds = [];
    for (let i = 0; i < 6; i++) {
      const keyContext = { ...CONTEXT, n: `${i % 3}` };
      const metadata = await vault.createKv({ name: `name ${i}`, value: `value ${i}`, keyContext });
      ids.push(metadata.id);
      versionIds.push(metadata.versionId);
    }
    await vault.keks.rotate({ name: "env", value: "prod" });
    await vault.close();
  });

  /** Uses everything; each call must be right or fail with a VaultError. Answers how many failed. */
  async function exercise(path: string): Promise<number> {
    let failures = 0;
    const attempt = async (what: string, call: () => Promise<unknown>, right?: unknown): Promise<void> => {
      try {
        const answer = await call();
        if (right !== undefined) expect(answer, what).toEqual(right);
      } catch (error) {
        if (!isVaultError(error)) throw new Error(`${what}: not a VaultError`, { cause: error });
        failures += 1;
      }
    };
    let vault: EmbeddedVault | undefined;
    await attempt("open", async () => {
      vault = await openVault({ path, rootKey: ROOT_KEY, lockWaitMs: 50, cache: { maxAgeMs: 0 } });
    });
    if (vault === undefined) return failures;
    const open = vault;
    try {
      await attempt("decrypt", () => open.decrypt(text), "s3cret");
      for (const [i, id] of ids.entries()) {
        await attempt("getKv", async () => (await open.getKv({ id })).value, `value ${i}`);
        const request = { id, versionId: versionIds[i]! };
        await attempt("an old version", async () => (await open.getKv(request)).value, `value ${i}`);
      }
      await attempt("getName", async () => (await open.getName({ name: "name 3" })).value, "value 3");
      await attempt("versions", () => open.listKvVersions({ id: ids[0]! }));
      await attempt("metadata", () => open.listKvMetadata({ id: ids[0]! }));
      await attempt("list", async () => (await open.listKv({ limit: 100 })).data.length);
      await attempt("keks", () => listKeks(open));
      await attempt("dry run", () => open.keks.shred({ name: "env", value: "prod" }, { dryRun: true }));
      await attempt("round trip", async () => open.decrypt(await open.encrypt("new", { a: "new" })), "new");
      await attempt("update", () => open.updateKv({ id: ids[1]!, value: "updated" }));
      await attempt("create", () => open.createKv({ name: "new", value: "new", keyContext: CONTEXT }));
      await attempt("rewrap", () => open.rewrapKv());
      await attempt("rotate", () => open.keks.rotate({ name: "env", value: "prod" }));
      await attempt("shred", () => open.keks.shred({ name: "n", value: "1" }));
      await attempt("delete", () => open.deleteKv({ id: ids[2]! }));
      await attempt("destroy", () => open.destroyKv({ id: ids[3]! }));
    } finally {
      await attempt("close", () => open.close());
    }
    return failures;
  }

  test("[KEY-20] without a change, nothing fails", async () => {
    const path = freshPath(true);
    copyFileSync(pristine, path);
    expect(await exercise(path)).toBe(0);
  });

  test("[KEY-20] cut off anywhere", async () => {
    const { size } = statSync(pristine);
    const lengths = [1, 15, 16, 99, 100, 512, 4095, 4096, 4097, size - 4096, size - 1];
    for (let at = 8192; at < size; at += 4096 * 7) lengths.push(at, at + 1000);
    let failures = 0;
    for (const length of lengths) {
      const path = freshPath(true);
      copyFileSync(pristine, path);
      truncateSync(path, length);
      failures += await exercise(path);
    }
    expect(failures).toBeGreaterThan(lengths.length);
  });

  test("[KEY-20] changed at random", async () => {
    // The same in every run, so that a failure can be looked at.
    let state = 20260101;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * below);
    };
    const bytes = readFileSync(pristine);
    let failures = 0;
    for (let round = 0; round < 100; round++) {
      const changed = Buffer.from(bytes);
      const changes = 1 + random(4);
      // Every other round hits one page, where the cells of a small table are.
      const page = random(changed.length / 4096) * 4096;
      for (let i = 0; i < changes; i++) {
        const at = round % 2 === 0 ? random(changed.length) : page + random(4096);
        changed[at] = random(256);
      }
      const path = freshPath(true);
      writeFileSync(path, changed);
      try {
        failures += await exercise(path);
      } catch (error) {
        throw new Error(`round ${round}`, { cause: error });
      }
    }
    expect(failures).toBeGreaterThan(0);
  }, 120_000);

  test("[KEY-20] with every stored value of every column of another type", async () => {
    const tables = tamper(pristine, (db) =>
      db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .all()
        .map((row) => ({
          table: row.name as string,
          columns: db
            .prepare(`PRAGMA table_info(${row.name})`)
            .all()
            .map((column) => column.name as string),
        })),
    );
    const used = ["meta", "counters", "environments", "keks", "kek_versions", "contexts", "context_keks"];
    used.push("kv_objects", "kv_versions", "kv_version_keks");
    for (const { table, columns } of tables.filter(({ table: name }) => used.includes(name))) {
      for (const column of columns) {
        for (const value of ["x'ff'", "'text'", "NULL", "-1.5"]) {
          const path = freshPath(true);
          copyFileSync(pristine, path);
          tamper(path, (db) => {
            try {
              db.exec(
                `UPDATE ${table} SET ${column} = ${value} WHERE rowid = (SELECT max(rowid) FROM ${table})`,
              );
            } catch {
              // SQLite itself keeps that out, even where its checks are switched off.
            }
          });
          try {
            await exercise(path);
          } catch (error) {
            throw new Error(`${table}.${column} = ${value}`, { cause: error });
          }
        }
      }
    }
  }, 120_000);

  test("[KEY-20] with a journal of nonsense beside it", async () => {
    for (const content of ["nonsense", "\0".repeat(100_000), readFileSync(pristine)]) {
      const path = freshPath(true);
      copyFileSync(pristine, path);
      writeFileSync(`${path}-wal`, content);
      expect(await exercise(path)).toBe(0);
    }
  });

  test("sqlite3 agrees that an exercised vault is sound", async (context) => {
    const path = freshPath(true);
    copyFileSync(pristine, path);
    await exercise(path);
    tamper(path, (db) => {
      expect(db.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
      expect(db.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
    });
    try {
      execFileSync("sqlite3", ["--version"]);
    } catch {
      context.skip(true, "there is no sqlite3 here");
    }
    expect(execFileSync("sqlite3", [path, "PRAGMA integrity_check"], { encoding: "utf8" })).toBe("ok\n");
  });

  test("a directory where the journal should be is a typed error", async () => {
    const path = freshPath(true);
    copyFileSync(pristine, path);
    mkdirSync(`${path}-wal`);
    expect(await exercise(path)).toBeGreaterThan(0);
  });
});
