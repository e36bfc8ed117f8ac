/**
 * What can happen to a PostgreSQL server under those that use it: it crashes, or its standby takes its place.
 *
 * Owns the crash, the making of a synchronous standby, and the take-over. Must not know who uses the server.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { BIN, type Cluster, type RunOptions, serve } from "../support/postgres-cluster.ts";

const SYNCHRONOUS_MS_MAX = 120_000;
const POLL_MS = 50;

/** The URL of a cluster's own database. */
export const urlOf = (port: number): string => `postgres://postgres@127.0.0.1:${port}/postgres`;

/** PostgreSQL's immediate stop: as if it had crashed. */
export async function crash({ process: server }: Cluster): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const crashed = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGQUIT");
  await crashed;
}

/**
 * A standby of a server, which answers a commit from now on only when the standby has it too.
 *
 * @param directory - where its data goes, under `name`
 */
export async function standbyOf(
  primary: Cluster,
  directory: string,
  name: string,
  options: RunOptions,
  fsync: "on" | "off",
): Promise<Cluster> {
  const data = join(directory, name);
  const copy = ["-D", data, "-R", "-X", "stream", "-c", "fast", "-h", "127.0.0.1", "-U", "postgres"];
  execFileSync(join(BIN!, "pg_basebackup"), [...copy, "-p", String(primary.port)], options);
  const standby = await serve(data, directory, options, { fsync });
  await ask(primary.port, "ALTER SYSTEM SET synchronous_standby_names = '*'");
  await ask(primary.port, "SELECT pg_reload_conf()");
  const until = performance.now() + SYNCHRONOUS_MS_MAX;
  const whether = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'";
  while ((await ask(primary.port, whether)) !== 1) {
    if (performance.now() > until) throw new Error("the standby does not become synchronous");
    await sleep(POLL_MS);
  }
  return standby;
}

/** Makes a standby a server that can be written. It waits for no standby of its own. */
export async function promote(standby: Cluster): Promise<void> {
  await ask(standby.port, "SELECT pg_promote(true, 60)");
  await ask(standby.port, "ALTER SYSTEM RESET synchronous_standby_names");
  await ask(standby.port, "SELECT pg_reload_conf()");
}

/** @returns how many rows are answered */
async function ask(port: number, statement: string): Promise<number> {
  const client = new pg.Client({ connectionString: urlOf(port) });
  await client.connect();
  try {
    return (await client.query(statement)).rows.length;
  } finally {
    await client.end();
  }
}
