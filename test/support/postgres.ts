/**
 * PostgreSQL for tests: a private cluster per test file, a fresh database per call.
 *
 * Owns which cluster a file's tests have; postgres-cluster.ts makes it. Where PostgreSQL is not installed nothing is started,
 * and tests skip saying so. Must not know what the tests do.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, describe, test } from "vitest";
import { migratePostgres, openPostgresHost, type PostgresHostOptions } from "../../src/vault/index.ts";
import { BIN, type Cluster, hasPostgres, ownerOf, serve, start, stop, WHY_NOT } from "./postgres-cluster.ts";
import { ROOT_KEY } from "./vaults.ts";

/** Describes tests that need PostgreSQL; where there is none, one test stands for them and is skipped with the reason. */
export function describePostgres(title: string, body: () => void): void {
  if (hasPostgres) describe(title, body);
  else describe(title, () => test("needs PostgreSQL", (context) => context.skip(true, WHY_NOT)));
}

export { freePort, hasPostgres } from "./postgres-cluster.ts";

let cluster: Promise<Cluster> | undefined;
let databases = 0;

afterAll(async () => {
  if (cluster === undefined) return;
  const { process: server, directory } = await cluster;
  cluster = undefined;
  await stop(server);
  rmSync(directory, { recursive: true, force: true });
});

/** The URL of a new database with coffer's tables. */
export async function freshDatabaseUrl(): Promise<string> {
  const url = await emptyDatabaseUrl();
  await migratePostgres({ url });
  return url;
}

/** The URL of a new database without tables. */
export async function emptyDatabaseUrl(): Promise<string> {
  cluster ??= start();
  const { port } = await cluster;
  const name = `test_${++databases}`;
  await adminQuery(`CREATE DATABASE ${name}`);
  return `postgres://postgres@127.0.0.1:${port}/${name}`;
}

/** Starts a standby of the cluster, which may only be read; the test stops it. */
export async function startStandby(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  cluster ??= start();
  const primary = await cluster;
  const directory = mkdtempSync(join(tmpdir(), "coffer-standby-"));
  const options = ownerOf(directory);
  const data = join(directory, "data");
  const from = ["-h", "127.0.0.1", "-p", String(primary.port), "-U", "postgres", "-c", "fast"];
  execFileSync(join(BIN!, "pg_basebackup"), ["-D", data, "-R", "--no-sync", ...from], options);
  const { port, process: server } = await serve(data, directory, options);
  return {
    port,
    stop: async () => {
      await stop(server);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Runs a statement as the cluster's owner, past coffer. */
export async function adminQuery(
  statement: string,
  database = "postgres",
): Promise<Record<string, unknown>[]> {
  cluster ??= start();
  const { port } = await cluster;
  const client = new pg.Client({ connectionString: `postgres://postgres@127.0.0.1:${port}/${database}` });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

/** Makes calls that use KEKs or objects wait for a lock, until the function that it answers is called. */
export async function stallDatabase(url: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  await client.query("BEGIN");
  await client.query("LOCK TABLE keks, kek_versions, kv_objects IN ACCESS EXCLUSIVE MODE");
  return async () => {
    await client.query("ROLLBACK");
    await client.end();
  };
}

/** The name of a database in its URL. */
export function databaseName(url: string): string {
  return new URL(url).pathname.slice(1);
}

/** The URL of the same database for a role that may read its tables, and change none but that of events. */
export async function readerUrl(url: string): Promise<string> {
  const role = `reader_${databaseName(url)}`;
  await adminQuery(`CREATE ROLE ${role} LOGIN`);
  await adminQuery(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`, databaseName(url));
  // Opening puts restored events in order.
  await adminQuery(`GRANT UPDATE ON events TO ${role}`, databaseName(url));
  const reading = new URL(url);
  reading.username = role;
  return reading.href;
}

/** Opens a host on a database with the tests' root key; the test closes it. */
export function openTestPostgresHost(url: string, options: Partial<PostgresHostOptions> = {}) {
  return openPostgresHost({ url, rootKey: ROOT_KEY, ...options });
}
