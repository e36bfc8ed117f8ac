/** Programs of different versions on one vault, and a migration that is killed: refused or finished, never half. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { Vault } from "../../../src/index.ts";
import type { VaultHost } from "../../../src/vault/host.ts";
import { STORED_WITH_OLD_LABEL } from "../../../src/vault/kv/old-label.ts";
import { SCHEMA_VERSION } from "../../../src/vault/storage/schema.ts";
import { rejectionOf } from "../../support/errors.ts";
import { describePostgres, freshDatabaseUrl } from "../../support/postgres.ts";
import { freshPath, openTestHost, ROOT_KEY, TEST_ACTOR, tamper } from "../../support/vaults.ts";
import { REPOSITORY_ROOT } from "../../support/vectors.ts";

const FIXTURE = join(REPOSITORY_ROOT, "test/fixtures/vault-0.1");

interface Stored {
  readonly environments: { readonly default: string };
  readonly ciphertexts: readonly { text: string; plaintext: string; aad: string }[];
  readonly apiKeys: { readonly narrow: string };
}

const STORED = JSON.parse(readFileSync(join(FIXTURE, "file.json"), "utf8")) as Stored;
const { default: ENVIRONMENT } = STORED.environments;

/** A vault that a program of before the MACs has made. */
function oldFile(): string {
  const path = freshPath(true);
  writeFileSync(path, gunzipSync(readFileSync(join(FIXTURE, "vault.db.gz"))), { mode: 0o600 });
  return path;
}

const sessionOf = (host: VaultHost) => host.session(ENVIRONMENT, { actor: TEST_ACTOR });

function vaultOf(host: VaultHost): Vault {
  const { keys, kv, keks } = sessionOf(host);
  return new Vault({ keys, kv, keks });
}

type Row = Record<string, string | number | null | Uint8Array>;

/** Takes all stored versions out, and answers how to write them as a program of before does: it knows no other columns. */
function storedByOld(path: string): () => void {
  const names = [
    "id, object_id, number, key_id, key_blob, sealed, size, etag, created_at, created_by_id, created_by_name",
  ];
  const rows = tamper(path, (db) => {
    const found = db.prepare(`SELECT ${names} FROM kv_versions`).all() as Row[];
    db.exec("DELETE FROM kv_versions");
    return found;
  });
  return () =>
    tamper(path, (db) => {
      for (const row of rows) {
        const marks = Object.keys(row).map(() => "?");
        db.prepare(`INSERT INTO kv_versions (${names}) VALUES (${marks.join(", ")})`).run(
          ...Object.values(row),
        );
      }
    });
}

/** The wrapped data keys of stored values. */
function storedKeys(path: string): string[] {
  const rows = tamper(path, (db) =>
    db.prepare("SELECT key_blob FROM kv_versions WHERE key_blob IS NOT NULL").all(),
  );
  return rows.map((row) => Buffer.from(row.key_blob as Uint8Array).toString("base64"));
}

describe("a program of before that has the vault open", () => {
  test("[AUT-14] writes values whose data keys are refused to applications, also by who has opened the vault before", async () => {
    const path = oldFile();
    const write = storedByOld(path);
    const host = await openTestHost({ path });
    expect(host.isAuthenticated).toBe(false);
    write();
    const { keys } = sessionOf(host);
    const codes: string[] = [];
    for (const blob of storedKeys(path)) {
      codes.push((await rejectionOf(() => keys.createDecrypt({ keys: blob }))).code);
    }
    // Those of KEKs that are disabled or destroyed, and of another environment, are refused anyway.
    expect(codes.filter((code) => code === "ERR_DECRYPT_FAILED").length).toBeGreaterThan(1);
    expect(
      codes.every((code) => /^ERR_(DECRYPT_FAILED|KEY_(DISABLED|DESTROYED|NOT_FOUND))$/.test(code)),
    ).toBe(true);
    expect((await vaultOf(host).getName({ name: "stripe" })).value).toBe("sk_live_3");
    await host.close();
  });

  test("[AUT-6] [AUT-18] and writes to it after it was authenticated, is not believed", async () => {
    const path = oldFile();
    const first = await openTestHost({ path });
    await first.authenticate();
    await first.close();
    const write = storedByOld(path);
    write();
    tamper(path, (db) => {
      db.prepare(
        `INSERT INTO api_keys (id, environment_id, name, digest, permissions, constraints, created_at)
         SELECT 'key_of_old', environment_id, 'old', zeroblob(32), permissions, '{}', 1 FROM api_keys LIMIT 1`,
      ).run();
      db.exec("UPDATE counters SET value = value + 1");
    });
    const host = await openTestHost({ path });
    for (const call of [
      () => vaultOf(host).getName({ name: "stripe" }),
      () => host.apiKeys.list(ENVIRONMENT),
    ]) {
      expect((await rejectionOf(call)).code).toBe("ERR_STORAGE_CORRUPT");
    }
    const { text, aad, plaintext } = STORED.ciphertexts[0]!;
    expect(await vaultOf(host).decrypt(text, aad)).toBe(plaintext);
    await host.close();
  });
});

/** Runs in a process of its own: opens the vault, and ends it at a statement of the migration. */
const KILLED = `
  const { DatabaseSync } = await import("node:sqlite");
  const [path, at, root] = process.argv.slice(1);
  const exec = DatabaseSync.prototype.exec;
  DatabaseSync.prototype.exec = function (text) {
    if (!/CREATE TABLE vault_keys|CREATE TABLE recipients|CREATE TABLE senders|PRAGMA user_version =/.test(text)) return exec.call(this, text);
    for (const statement of text.split(";")) {
      globalThis.statements = (globalThis.statements ?? 0) + 1;
      if (globalThis.statements > Number(at)) process.kill(process.pid, "SIGKILL");
      if (statement.trim() !== "") exec.call(this, statement);
    }
  };
  const { openFileHost } = await import("./src/vault/open-vault.ts");
  await (await openFileHost({ path, rootKey: root, onNotice: () => {} })).close();
`;

test.each([1, 3, 12, 19, 22, 25])(
  "a migration that is killed after %i statements leaves the vault as it was, and the next program ends it",
  async (at) => {
    const path = oldFile();
    const version = () =>
      tamper(path, (db) => db.prepare("PRAGMA user_version").get()!.user_version as number);
    const before = version();
    const { signal } = spawnSync(
      process.execPath,
      ["--no-warnings", "--input-type=module", "--eval", KILLED, path, String(at), ROOT_KEY],
      { cwd: REPOSITORY_ROOT, stdio: "ignore" },
    );
    expect([signal, version()]).toEqual(["SIGKILL", before]);
    const host = await openTestHost({ path });
    expect([version(), host.isAuthenticated]).toEqual([SCHEMA_VERSION, false]);
    const { text, aad, plaintext } = STORED.ciphertexts[0]!;
    expect(await vaultOf(host).decrypt(text, aad)).toBe(plaintext);
    await host.authenticate();
    await host.close();
  },
);

describe("the look whether a data key is that of a stored value", () => {
  test("[AUT-14] goes by an index on SQLite", async () => {
    const path = freshPath(true);
    await (await openTestHost({ path })).close();
    const plan = tamper(path, (db) => db.prepare(`EXPLAIN QUERY PLAN ${STORED_WITH_OLD_LABEL}`).all("x"));
    expect(plan.map(({ detail }) => detail)).toEqual([
      expect.stringContaining("INDEX kv_versions_by_old_key (key_id=?)"),
    ]);
  });

  describePostgres("on PostgreSQL", () => {
    test("[AUT-14] goes by an index", async () => {
      const client = new pg.Client({ connectionString: await freshDatabaseUrl() });
      await client.connect();
      // Otherwise an empty table is read whole.
      await client.query("SET enable_seqscan = off");
      const { rows } = await client.query(`EXPLAIN ${STORED_WITH_OLD_LABEL.replace("?", "'x'")}`);
      await client.end();
      const plan = rows.map((row) => row["QUERY PLAN"]).join(" ");
      expect(plan).toMatch(/using kv_versions_by_old_key.*Index Cond: \(key_id = 'x'/);
    });
  });
});
