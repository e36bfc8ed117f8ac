/**
 * A vault that version 0.1 stored is read by this version: its ciphertexts, its values, its keys, its answers.
 *
 * Owns what must hold of test/fixtures/vault-0.1, on SQLite and on PostgreSQL. Must not know how a vault is stored.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { Vault } from "../../src/index.ts";
import { createApp } from "../../src/server/index.ts";
import { migratePostgres, type VaultHost } from "../../src/vault/index.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  emptyDatabaseUrl,
  openTestPostgresHost,
} from "../support/postgres.ts";
import { freshPath, openTestHost, TEST_ACTOR } from "../support/vaults.ts";

const FIXTURE = join(import.meta.dirname, "../fixtures/vault-0.1");

interface Stored {
  readonly environments: { readonly default: string; readonly other: string };
  readonly ciphertexts: readonly { name: string; text: string; plaintext: string; aad: string }[];
  readonly refused: { readonly shredded: string; readonly disabled: string };
  readonly apiKeys: { readonly all: string; readonly narrow: string; readonly revoked: string };
  readonly webhookId: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  readonly answers: readonly { target: string; status: number; body: any }[];
}

describe("a vault of version 0.1 in a file", () => {
  storedVault("file.json", async () => {
    const path = freshPath();
    writeFileSync(path, gunzipSync(readFileSync(join(FIXTURE, "vault.db.gz"))), { mode: 0o600 });
    return openTestHost({ path });
  });
});

describePostgres("a vault of version 0.1 in PostgreSQL", () => {
  storedVault("postgres.json", async () => {
    const url = await emptyDatabaseUrl();
    await adminQuery(readFileSync(join(FIXTURE, "vault.sql"), "utf8"), databaseName(url));
    await migratePostgres({ url });
    return openTestPostgresHost(url);
  });
});

function storedVault(file: string, open: () => Promise<VaultHost>): void {
  const stored: Stored = JSON.parse(readFileSync(join(FIXTURE, file), "utf8"));
  let opened: Promise<VaultHost> | undefined;
  const host = (): Promise<VaultHost> => (opened ??= open());
  afterAll(async () => (await opened)?.close());

  const vaultOf = async (environmentId: string): Promise<Vault> => {
    const session = (await host()).session(environmentId, { actor: TEST_ACTOR });
    return new Vault({ keys: session.keys, kv: session.kv });
  };
  const ask = async (target: string, key: string): Promise<{ status: number; body: unknown }> => {
    const app = createApp({ host: await host(), log: () => {} });
    const headers = { authorization: `Bearer ${key}` };
    const response = await app.fetch(new Request(`http://127.0.0.1${target}`, { headers }));
    return { status: response.status, body: await response.json() };
  };

  for (const { name, text, plaintext, aad } of stored.ciphertexts) {
    it(`opens a ciphertext: ${name}`, async () => {
      const { environments } = stored;
      const vault = await vaultOf(name === "another environment" ? environments.other : environments.default);
      expect(await vault.decrypt(text, aad)).toBe(plaintext);
    });
  }

  it("keeps what was destroyed destroyed, and what was disabled disabled", async () => {
    const vault = await vaultOf(stored.environments.default);
    await expect(vault.decrypt(stored.refused.shredded)).rejects.toMatchObject({ code: "ERR_KEY_DESTROYED" });
    await expect(vault.decrypt(stored.refused.disabled)).rejects.toMatchObject({ code: "ERR_KEY_DISABLED" });
  });

  for (const { target, status, body } of stored.answers) {
    it(`answers as before, if more: GET ${target.replace(/kvo?_\w+/, "{id}")}`, async () => {
      const answer = await ask(target, stored.apiKeys.all);
      expect(answer.status).toBe(status);
      expect(answer.body).toMatchObject(body);
    });
  }

  it("knows its API keys, their limits, and which was revoked", async () => {
    expect((await ask("/vault/v1/kv/name/empty", stored.apiKeys.narrow)).status).toBe(200);
    expect((await ask("/vault/v1/kv/name/stripe", stored.apiKeys.narrow)).status).toBe(404);
    expect((await ask("/coffer/v1/keks", stored.apiKeys.narrow)).status).toBe(403);
    expect((await ask("/vault/v1/kv", stored.apiKeys.revoked)).status).toBe(401);
  });

  it("knows its webhook", async () => {
    const { body } = await ask("/coffer/v1/webhooks", stored.apiKeys.all);
    expect(JSON.stringify(body)).toContain(stored.webhookId);
  });

  it("goes on: reads an old version, writes a new one, rotates, rewraps", async () => {
    const session = (await host()).session(stored.environments.default, { actor: TEST_ACTOR });
    const vault = new Vault({ keys: session.keys, kv: session.kv });
    const { id, value } = await vault.getName({ name: "stripe" });
    expect(value).toBe("sk_live_3");
    const versions = (await vault.listKvVersions({ id })).data;
    const values = await Promise.all(
      versions.map(async ({ id: versionId }) => (await vault.getKv({ id, versionId })).value),
    );
    expect(values.toSorted()).toEqual(["sk_live_1", "sk_live_2", "sk_live_3"]);
    await vault.updateKv({ id, value: "sk_live_4" });
    await session.keks.rotate({ name: "organization_id", value: "org_2" });
    await session.kv.rewrapKv({});
    expect((await vault.getName({ name: "empty" })).value).toBe("");
    expect((await vault.getKv({ id, versionId: versions.at(-1)!.id })).value).toBe("sk_live_1");
  });
}
