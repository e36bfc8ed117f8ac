/**
 * PostgreSQL for tests: a private cluster per test file, a fresh database per call.
 *
 * Owns the cluster: made in a directory that goes away, on a free port of this machine only, stopped by its own process
 * id. Where PostgreSQL is not installed nothing is started, and tests skip saying so. Must not know what the tests do.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, describe, test } from "vitest";
import { migratePostgres, openPostgresHost, type PostgresHostOptions } from "../../src/vault/index.ts";
import { ROOT_KEY } from "./vaults.ts";

const INSTALLATIONS = "/usr/lib/postgresql";
const START_MS_MAX = 20_000;

/** The newest installation's programs; undefined if there is none. */
const BIN: string | undefined = existsSync(INSTALLATIONS)
  ? readdirSync(INSTALLATIONS)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(INSTALLATIONS, version, "bin"))
      .find((path) => existsSync(join(path, "initdb")))
  : undefined;

/** Whether these tests can run. */
export const hasPostgres: boolean = BIN !== undefined;

const WHY_NOT = `PostgreSQL is not installed (no ${INSTALLATIONS}/*/bin)`;

/** Describes tests that need PostgreSQL; where there is none, one test stands for them and is skipped with the reason. */
export function describePostgres(title: string, body: () => void): void {
  if (hasPostgres) describe(title, body);
  else describe(title, () => test("needs PostgreSQL", (context) => context.skip(true, WHY_NOT)));
}

interface Cluster {
  readonly port: number;
  readonly directory: string;
  readonly process: ChildProcess;
}

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

/** A port that is free at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function start(): Promise<Cluster> {
  if (BIN === undefined) throw new Error(WHY_NOT);
  const directory = mkdtempSync(join(tmpdir(), "coffer-postgres-"));
  const options = ownerOf(directory);
  const data = join(directory, "data");
  const initArgs = ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"];
  execFileSync(join(BIN, "initdb"), initArgs, options);
  return serve(data, directory, options);
}

type RunOptions = { uid?: number; gid?: number; cwd: string; stdio: "ignore" };

/** Whom PostgreSQL runs as, with a directory that is theirs. */
function ownerOf(directory: string): RunOptions {
  // PostgreSQL refuses to run as root: it gets its own user, who must be able to enter the directory. Not by way of
  // runuser: that would stand between, and keep signals to itself.
  let owner: { uid?: number; gid?: number } = {};
  if (process.getuid?.() === 0) {
    const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
    owner = { uid: id("-u"), gid: id("-g") };
    chownSync(directory, owner.uid!, owner.gid!);
  }
  return { ...owner, cwd: "/", stdio: "ignore" };
}

/** Starts a server on a data directory, on a free port. */
async function serve(data: string, directory: string, options: RunOptions): Promise<Cluster> {
  if (BIN === undefined) throw new Error(WHY_NOT);
  const port = await freePort();
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: directory,
    max_connections: "100",
    // What is killed here is coffer, never PostgreSQL: its own disk writes prove nothing to us.
    fsync: "off",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = spawn(join(BIN, "postgres"), ["-D", data, ...args], options);
  // A run that is cut short must not leave it behind: at once, whatever it is doing.
  process.once("exit", () => server.kill("SIGQUIT"));
  const until = performance.now() + START_MS_MAX;
  for (;;) {
    const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return { port, directory, process: server };
    } catch (error) {
      if (server.exitCode !== null || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = new Promise((resolve) => server.once("exit", resolve));
  // PostgreSQL's fast shutdown: it does not wait for clients.
  server.kill("SIGINT");
  await ended;
}
