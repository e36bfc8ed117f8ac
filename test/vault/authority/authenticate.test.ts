/** A vault that an older coffer made: works as before, is authenticated by hand only, and then for good. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { Vault } from "../../../src/index.ts";
import { migratePostgres, type VaultHost } from "../../../src/vault/index.ts";
import { workplace } from "../../support/cli.ts";
import { rejectionOf } from "../../support/errors.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  emptyDatabaseUrl,
  openTestPostgresHost,
} from "../../support/postgres.ts";
import { freshPath, openTestHost, ROOT_KEY, TEST_ACTOR, tamper } from "../../support/vaults.ts";

const FIXTURE = join(import.meta.dirname, "../../fixtures/vault-0.1");

interface Stored {
  readonly environments: { readonly default: string };
  readonly ciphertexts: readonly { name: string; text: string; plaintext: string; aad: string }[];
  readonly apiKeys: { readonly all: string; readonly narrow: string };
}

function stored(file: string): Stored {
  return JSON.parse(readFileSync(join(FIXTURE, file), "utf8")) as Stored;
}

function oldFile(): string {
  const path = freshPath(true);
  writeFileSync(path, gunzipSync(readFileSync(join(FIXTURE, "vault.db.gz"))), { mode: 0o600 });
  return path;
}

const vaultOf = (host: VaultHost, environmentId: string): Vault => {
  const { keys, kv, keks } = host.session(environmentId, { actor: TEST_ACTOR });
  return new Vault({ keys, kv, keks });
};

function suite(file: string, make: () => Promise<() => Promise<VaultHost>>): void {
  const { environments, ciphertexts, apiKeys } = stored(file);
  const hosts: VaultHost[] = [];
  afterAll(async () => {
    for (const host of hosts) await host.close();
  });

  test("[AUT-16] [AUT-17] [AUT-18] what was found is believed, everything works as before, and who had it open is told", async () => {
    const open = await make();
    const before = await open();
    const running = await open();
    hosts.push(before, running);
    expect(before.isAuthenticated).toBe(false);
    const { code } = await rejectionOf(() => running.environment("../"));
    expect(code).toBe("ERR_ENVIRONMENT_INVALID");
    const findings = await before.authorityFindings();
    expect(findings).toMatchObject({ isAuthenticated: false, rekeyLimited: [] });
    expect(findings.apiKeys.map(({ name }) => name)).toEqual(["all", "narrow", "revoked"]);
    expect(findings.kekVersions.destroyed).toBe(1);
    expect(before.isAuthenticated).toBe(false);
    expect((await before.authenticate()).damaged).toEqual([]);

    const host = await open();
    hosts.push(host);
    expect(host.isAuthenticated).toBe(true);
    const vault = vaultOf(host, environments.default);
    for (const { name, text, plaintext, aad } of ciphertexts) {
      if (name !== "another environment") expect(await vault.decrypt(text, aad), name).toBe(plaintext);
    }
    const { id } = await vault.getName({ name: "stripe" });
    for (const { id: versionId } of (await vault.listKvVersions({ id })).data) {
      expect((await vault.getKv({ id, versionId })).value).toMatch(/^sk_live_\d$/);
    }
    expect((await host.callers("changes").authenticate(apiKeys.narrow))?.apiKey.name).toBe("narrow");
    expect(await host.webhooks.list(environments.default)).toHaveLength(1);

    // Whoever has it open from before can neither wrap nor write.
    const old = vaultOf(running, environments.default);
    const refused = ["ERR_STORAGE_UNAVAILABLE", "ERR_STORAGE_CORRUPT"];
    for (const call of [
      () => old.createKv({ name: "new", value: "v", keyContext: { organization_id: "org_9" } }),
      () => old.keks!.rotate({ name: "organization_id", value: "org_1" }),
      () => old.deleteKv({ id }),
      () => running.apiKeys.create(environments.default, { name: "new", permissions: ["admin"] }),
      () => running.webhooks.create(environments.default, { url: "https://hooks.example/" }),
      () => running.environment("made-by-the-old-one"),
      () => running.authenticate(),
    ]) {
      expect(refused).toContain((await rejectionOf(call)).code);
    }
    expect((await rejectionOf(() => host.authenticate())).code).toBe("ERR_UNSUPPORTED");
    expect((await vault.getName({ name: "stripe" })).value).toBe("sk_live_3");
  });

  test("[AUT-14] [AUT-15] values from before are read, their data keys refused to applications until they are rewrapped", async () => {
    const open = await make();
    const first = await open();
    await first.authenticate();
    await first.close();
    const host = await open();
    hosts.push(host);
    const vault = vaultOf(host, environments.default);
    const session = host.session(environments.default, { actor: TEST_ACTOR });
    expect((await vault.getName({ name: "empty" })).value).toBe("");
    const report = await session.kv.rewrapKv({});
    expect(report.rewrapped).toBeGreaterThan(0);
    expect(await session.kv.rewrapKv({})).toMatchObject({ rewrapped: 0 });
    expect((await vault.getName({ name: "stripe" })).value).toBe("sk_live_3");
    await vault.updateKv({ id: (await vault.getName({ name: "stripe" })).id, value: "sk_live_4" });
    expect((await vault.getName({ name: "stripe" })).value).toBe("sk_live_4");
  });
}

describe("in a file", () => {
  suite("file.json", async () => {
    const path = oldFile();
    return () => openTestHost({ path });
  });

  test("[AUT-3] a database that is presented as not authenticated afterwards opens no KEK", async () => {
    const path = oldFile();
    const { environments, ciphertexts } = stored("file.json");
    const first = await openTestHost({ path });
    await first.close();
    const rows = tamper(path, (db) => db.prepare("SELECT * FROM meta").all());
    const second = await openTestHost({ path });
    await second.authenticate();
    await second.close();
    tamper(path, (db) => {
      db.exec("DELETE FROM meta; DELETE FROM vault_keys; DELETE FROM authority_log");
      for (const { name, value } of rows) {
        db.prepare("INSERT INTO meta (name, value) VALUES (?, ?)").run(name as string, value as Uint8Array);
      }
    });
    const host = await openTestHost({ path });
    expect(host.isAuthenticated).toBe(false);
    const vault = vaultOf(host, environments.default);
    const { text, aad } = ciphertexts[0]!;
    expect((await rejectionOf(() => vault.decrypt(text, aad))).code).toBe("ERR_STORAGE_CORRUPT");
    await host.close();
  });

  test("[AUT-17] a KEK that no key opens stays refused, and does not keep the others from being authenticated", async () => {
    const path = oldFile();
    const id = tamper(path, (db) => {
      const row = db.prepare("SELECT kek_id FROM kek_versions WHERE state = 'disabled'").get()!;
      db.prepare("UPDATE kek_versions SET wrapped = zeroblob(104) WHERE kek_id = ?").run(
        row.kek_id as string,
      );
      return row.kek_id as string;
    });
    const first = await openTestHost({ path });
    expect((await first.authenticate()).damaged).toEqual([id]);
    await first.close();
    const host = await openTestHost({ path });
    const vault = vaultOf(host, stored("file.json").environments.default);
    expect((await rejectionOf(() => vault.keks!.enable({ kekId: id }))).code).toBe("ERR_STORAGE_CORRUPT");
    expect((await vault.getName({ name: "stripe" })).value).toBe("sk_live_3");
    await host.close();
  });

  test("[AUT-17] the write that fails leaves the vault as it was", async () => {
    const path = oldFile();
    const first = await openTestHost({ path });
    // As if the process ended in the middle: the last tables cannot be written.
    tamper(path, (db) => {
      db.exec("CREATE TRIGGER stop BEFORE UPDATE ON kv_objects BEGIN SELECT RAISE(ABORT, 'stop'); END");
    });
    await rejectionOf(() => first.authenticate());
    await first.close();
    tamper(path, (db) => db.exec("DROP TRIGGER stop"));
    const host = await openTestHost({ path });
    expect(host.isAuthenticated).toBe(false);
    const { environments, ciphertexts } = stored("file.json");
    const { text, aad, plaintext } = ciphertexts[0]!;
    expect(await vaultOf(host, environments.default).decrypt(text, aad)).toBe(plaintext);
    await host.authenticate();
    await host.close();
  });

  test("[AUT-16] [AUT-17] coffer status tells, and coffer migrate --authenticate asks", async () => {
    const path = oldFile();
    const env = { COFFER_ROOT_KEY: ROOT_KEY };
    const { run, json } = workplace();
    const status = await run(["status", "--vault", path], { env });
    expect(status.out).toContain("coffer migrate --authenticate");
    const unasked = await run(["migrate", "--authenticate", "--vault", path], { env });
    expect(unasked.code).not.toBe(0);
    expect(await json(["status", "--vault", path], { env })).toMatchObject({ authenticated: false });
    const done = await run(["migrate", "--authenticate", "--yes", "--vault", path], { env });
    expect([done.code, done.err]).toEqual([0, ""]);
    expect(done.out).toContain("narrow: decrypt kv:read organization_id=org_2");
    expect(await json(["status", "--vault", path], { env })).toMatchObject({ authenticated: true });
    const again = await run(["migrate", "--authenticate", "--yes", "--vault", path], { env });
    expect(again.out).toContain("authenticated already");
  });
});

describePostgres("in PostgreSQL", () => {
  suite("postgres.json", async () => {
    const url = await emptyDatabaseUrl();
    await adminQuery(readFileSync(join(FIXTURE, "vault.sql"), "utf8"), databaseName(url));
    await migratePostgres({ url });
    return () => openTestPostgresHost(url, { listen: false });
  });
});
