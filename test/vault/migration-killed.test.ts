/**
 * A migration on PostgreSQL that is killed: of the tables, and of a vault that is authenticated. Whatever packet was its last,
 * the database is as it was before or as it is afterwards, and the next run brings it to its end.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { Vault } from "../../src/index.ts";
import { migratePostgres, type VaultHost } from "../../src/vault/index.ts";
import { SCHEMA_VERSION } from "../../src/vault/storage/schema.ts";
import { rejectionOf } from "../support/errors.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  emptyDatabaseUrl,
  openTestPostgresHost,
} from "../support/postgres.ts";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { eventually, ROOT_KEY, TEST_ACTOR } from "../support/vaults.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const FIXTURE = join(import.meta.dirname, "../fixtures/vault-0.1");
const STORED = JSON.parse(readFileSync(join(FIXTURE, "postgres.json"), "utf8"));
const COMMAND = join(REPOSITORY_ROOT, "src/cli/main.ts");
/** Of more than a hundred packets. */
const POINTS = 12;

/** All that is stored, and how, once nothing is done any more over another connection. */
async function contents(client: pg.Client): Promise<unknown> {
  const rows = async (statement: string) => (await client.query(statement)).rows;
  await eventually(
    async () =>
      (
        await rows(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
        )
      ).length === 0,
    "the end of what was killed",
  );
  const columns = await rows(
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
  );
  const indexes = await rows("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1");
  const tables = [...new Set(columns.map(({ table_name }) => table_name as string))];
  const all = await rows(
    tables.map((name) => `SELECT '${name}', t::text FROM ${name} t`).join(" UNION ALL "),
  );
  return { columns, indexes, rows: all.map((row) => JSON.stringify(row)).sort() };
}

/** Runs `work` with a way past coffer and one that can be cut, to a database that version 0.1 has made. */
async function withOldDatabase(
  work: (direct: pg.Client, proxy: PostgresProxy, urls: { direct: string; cut: string }) => Promise<void>,
): Promise<void> {
  const direct = await emptyDatabaseUrl();
  await adminQuery(readFileSync(join(FIXTURE, "vault.sql"), "utf8"), databaseName(direct));
  const client = new pg.Client({ connectionString: direct });
  await client.connect();
  const { proxy, url } = await PostgresProxy.before(direct);
  try {
    await work(client, proxy, { direct, cut: url });
  } finally {
    await proxy.close();
    await client.end();
  }
}

async function expectWhole(host: VaultHost): Promise<void> {
  const { keys, kv } = host.session(STORED.environments.default, { actor: TEST_ACTOR });
  const vault = new Vault({ keys, kv });
  const { text, aad, plaintext } = STORED.ciphertexts[0];
  expect(await vault.decrypt(text, aad)).toBe(plaintext);
  expect((await vault.getName({ name: "stripe" })).value).toBe("sk_live_3");
}

async function expectAuthenticated(url: string): Promise<void> {
  const host = await openTestPostgresHost(url, { listen: false });
  expect(host.isAuthenticated).toBe(true);
  await expectWhole(host);
  await host.close();
}

describePostgres("a migration on PostgreSQL that is killed", () => {
  test("[KEY-17] of the tables, at every packet: they are as they were, or done", async () => {
    await withOldDatabase(async (client, proxy, { direct, cut }) => {
      const before = await contents(client);
      proxy.cutNext("before", /INSERT INTO coffer_schema/);
      expect((await rejectionOf(() => migratePostgres({ url: cut }))).code).toBe("ERR_OUTCOME_UNKNOWN");
      const { packets } = proxy;
      for (let packet = 1; packet < packets; packet++) {
        proxy.cutAt(packet);
        expect((await rejectionOf(() => migratePostgres({ url: cut }))).code).toBe("ERR_STORAGE_UNAVAILABLE");
        expect(await contents(client)).toEqual(before);
      }
      proxy.cutNext("after", /INSERT INTO coffer_schema/);
      expect((await rejectionOf(() => migratePostgres({ url: cut }))).code).toBe("ERR_OUTCOME_UNKNOWN");
      expect(proxy.cuts).toBe(packets + 1);
      expect(await migratePostgres({ url: cut })).toEqual({ from: SCHEMA_VERSION, to: SCHEMA_VERSION });
      const host = await openTestPostgresHost(direct, { listen: false });
      await expectWhole(host);
      await host.close();
    });
  });

  test("[AUT-17] that authenticates, at packets all along: it is as it was, or authenticated", async () => {
    await withOldDatabase(async (client, proxy, { direct, cut }) => {
      await migratePostgres({ url: direct });
      const host = await openTestPostgresHost(cut, { listen: false });
      const before = await contents(client);
      const start = proxy.packets;
      proxy.cutNext("before", /UPDATE meta/);
      expect((await rejectionOf(() => host.authenticate())).code).toBe("ERR_OUTCOME_UNKNOWN");
      const packets = proxy.packets - start;
      for (let n = 0; n < POINTS; n++) {
        proxy.cutAt(1 + Math.floor((n * packets) / POINTS));
        expect((await rejectionOf(() => host.authenticate())).code).toBe("ERR_STORAGE_UNAVAILABLE");
        expect(await contents(client)).toEqual(before);
      }
      proxy.cutNext("after", /UPDATE meta/);
      expect((await rejectionOf(() => host.authenticate())).code).toBe("ERR_OUTCOME_UNKNOWN");
      expect(proxy.cuts).toBe(POINTS + 2);
      await host.close();
      await expectAuthenticated(direct);
    });
  });

  test("[AUT-17] by the end of its process: what it has changed is gone, and the next run does it", async () => {
    await withOldDatabase(async (client, _proxy, { direct }) => {
      await migratePostgres({ url: direct });
      const before = await contents(client);
      // It stops in the middle, at the first of the last tables.
      await client.query("BEGIN; LOCK TABLE kv_versions IN ACCESS EXCLUSIVE MODE");
      const child = spawn(
        process.execPath,
        ["--no-warnings", COMMAND, "migrate", "--authenticate", "--yes", "--database", direct],
        { stdio: "ignore", env: { ...process.env, COFFER_ROOT_KEY: ROOT_KEY } },
      );
      const ended = new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
      // Within a transaction the database shows what it showed first: another connection looks.
      await eventually(async () => {
        const waiting = await adminQuery(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '${databaseName(direct)}'`,
        );
        return waiting.length === 1;
      }, "a migration that waits");
      child.kill("SIGKILL");
      expect(await ended).toBe("SIGKILL");
      await client.query("ROLLBACK");
      expect(await contents(client)).toEqual(before);
      const host = await openTestPostgresHost(direct, { listen: false });
      expect(host.isAuthenticated).toBe(false);
      await expectWhole(host);
      expect((await host.authenticate()).damaged).toEqual([]);
      await host.close();
      await expectAuthenticated(direct);
    });
  });
});
