/**
 * PostgreSQL clusters: made in a directory that goes away, on a free port of this machine only, stopped by their own process
 * id.
 *
 * Owns the programs and the processes. Must not know test runners: soaks use it too.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

const INSTALLATIONS = "/usr/lib/postgresql";
const START_MS_MAX = 20_000;

/** The newest installation's programs; undefined if there is none. */
export const BIN: string | undefined = existsSync(INSTALLATIONS)
  ? readdirSync(INSTALLATIONS)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(INSTALLATIONS, version, "bin"))
      .find((path) => existsSync(join(path, "initdb")))
  : undefined;

/** Whether these tests can run. */
export const hasPostgres: boolean = BIN !== undefined;

/** Why tests that need it are skipped. */
export const WHY_NOT = `PostgreSQL is not installed (no ${INSTALLATIONS}/*/bin)`;

/** A cluster that runs. */
export interface Cluster {
  readonly port: number;
  readonly directory: string;
  readonly process: ChildProcess;
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

/** Makes a new cluster and starts it. */
export async function start(): Promise<Cluster> {
  if (BIN === undefined) throw new Error(WHY_NOT);
  const directory = mkdtempSync(join(tmpdir(), "coffer-postgres-"));
  const options = ownerOf(directory);
  const data = join(directory, "data");
  const initArgs = ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"];
  execFileSync(join(BIN, "initdb"), initArgs, options);
  return serve(data, directory, options);
}

/** As whom and where PostgreSQL runs. */
export type RunOptions = { uid?: number; gid?: number; cwd: string; stdio: "ignore" };

/** Whom PostgreSQL runs as, with a directory that is theirs. */
export function ownerOf(directory: string): RunOptions {
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

/**
 * Starts a server on a data directory.
 *
 * @param again - the port to listen on, and whether what it commits is on the disk; default a free one, and not
 */
export async function serve(
  data: string,
  directory: string,
  options: RunOptions,
  again: { readonly port?: number; readonly fsync?: "on" | "off" } = {},
): Promise<Cluster> {
  if (BIN === undefined) throw new Error(WHY_NOT);
  const port = again.port ?? (await freePort());
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: directory,
    max_connections: "100",
    // What tests kill is coffer, not PostgreSQL: its own disk writes prove nothing to them.
    fsync: again.fsync ?? "off",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = spawn(join(BIN, "postgres"), ["-D", data, ...args], options);
  // A run that is cut short must not leave it behind: at once, whatever it is doing.
  const end = (): void => void server.kill("SIGQUIT");
  process.once("exit", end);
  server.once("exit", () => process.off("exit", end));
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

/** Stops a server as PostgreSQL's fast shutdown does, and waits for its end. */
export async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = new Promise((resolve) => server.once("exit", resolve));
  // PostgreSQL's fast shutdown: it does not wait for clients.
  server.kill("SIGINT");
  await ended;
}
