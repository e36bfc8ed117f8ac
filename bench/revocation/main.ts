/**
 * `npm run bench:revocation`: how fast a disable is behind writers, how soon those who hold keys hear of it, and what their
 * looks cost.
 *
 * Owns the rounds. Timings are never a reason to fail: only a lease that outlives its bound by far is, since then nothing was
 * measured.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Vault } from "../../src/index.ts";
import { migratePostgres, openFileHost, openPostgresHost, openVault } from "../../src/vault/index.ts";
import { BIN, ownerOf, serve, stop, WHY_NOT } from "../../test/support/postgres-cluster.ts";
import { disableUnderLoad, type RevocationUnderLoad } from "../../test/support/revocation-races.ts";
import { machine, load as machineLoad, versions } from "../lib/machine.ts";
import { REPORT_SCHEMA, readResult, writeResult } from "../lib/result-file.ts";
import { quantile } from "../lib/statistics.ts";
import {
  type BehindWriters,
  type LookCost,
  type Reach,
  type RevocationReport,
  revocationMarkdown,
} from "./report.ts";

const USAGE = `npm run bench:revocation -- [options]

  --quick        few rounds: does it run? Its numbers mean nothing
  --name NAME    name of the result; default revocation, or quick-revocation
  --out DIR      where the result goes; default bench/results
`;

const SETTINGS = {
  quick: { rounds: 1, reachRounds: 1, costCalls: 2_000, writers: [0, 4] },
  default: { rounds: 15, reachRounds: 5, costCalls: 100_000, writers: [0, 30, 64] },
} as const;
type Settings = (typeof SETTINGS)[keyof typeof SETTINGS];

/** Connections of each of the two servers that write. PostgreSQL allows 100 in all. */
const CONNECTIONS = 32;
/** Milliseconds between two uses of a holder. */
const USE_EVERY_MS = 5;
/** Milliseconds after which a holder that still goes on is no measurement. */
const REACH_MS_MAX = 30_000;
const COST_PASSES = 5;
const CONTEXT = { organization_id: "org_1" };
const KEK = { name: "organization_id", value: "org_1" };
const ROOT_KEY = Buffer.alloc(32, 9).toString("base64");
const ACTOR = { id: "bench", name: "bench", source: "api" } as const;

const children = new Set<ChildProcess>();

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, name: text, out: text },
  });
  if (BIN === undefined) throw new Error(WHY_NOT);
  const settings = values.quick ? SETTINGS.quick : SETTINGS.default;
  const directory = mkdtempSync(join(tmpdir(), "coffer-revocation-"));
  process.once("exit", () => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  const startedAt = new Date();
  const before = machineLoad();
  const behindWriters = await measureWriters(BIN, directory, settings);
  const reach = [...(await reachInProcess(settings)), ...(await reachOverHttp(directory, settings))];
  const cost = await measureCost(directory, settings);
  const report: RevocationReport = {
    schema: REPORT_SCHEMA,
    name: values.name ?? (values.quick ? "quick-revocation" : "revocation"),
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    machine: machine(),
    load: { before, after: machineLoad() },
    versions: versions(),
    settings: {
      rounds: settings.rounds,
      reachRounds: settings.reachRounds,
      costCalls: settings.costCalls,
      fsync: "on",
    },
    postgres: versionOf(BIN),
    behindWriters,
    reach,
    cost,
  };
  const path = writeResult(report, values.out ?? join(import.meta.dirname, "..", "results"));
  console.log(revocationMarkdown(readResult(path)));
  for (const child of children) child.kill("SIGTERM");
}

/** "postgres (PostgreSQL) 15.8 …": the name and the number. */
function versionOf(bin: string): string {
  const told = execFileSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" });
  return `PostgreSQL ${/\d+(\.\d+)*/.exec(told)?.[0] ?? "of an unknown version"}`;
}

async function measureWriters(bin: string, directory: string, settings: Settings): Promise<BehindWriters[]> {
  const home = mkdtempSync(join(directory, "postgres-"));
  const options = ownerOf(home);
  // PostgreSQL's own user must be able to get there.
  execFileSync("chmod", ["711", directory]);
  const data = join(home, "data");
  execFileSync(join(bin, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"], options);
  const cluster = await serve(data, home, options, { fsync: "on" });
  const url = `postgres://postgres@127.0.0.1:${cluster.port}/postgres`;
  await migratePostgres({ url });
  const open = (create: boolean, maxConnections: number) =>
    openPostgresHost({ url, rootKey: ROOT_KEY, create, maxConnections, onNotice: () => {} });
  const hosts = [await open(true, 10)];
  while (hosts.length < 3) hosts.push(await open(false, CONNECTIONS));
  const { id } = await hosts[0]!.environment("default");
  const [admin, ...sessions] = hosts.map((host) => host.session(id, { actor: ACTOR }));
  const cells: BehindWriters[] = [];
  for (const writers of settings.writers) {
    console.error(`disables behind ${writers} writers`);
    const met: RevocationUnderLoad[] = [];
    for (let round = 0; round <= settings.rounds; round++) {
      const label = `${writers} ${round}`;
      // Without writers there is no KEK yet either.
      if (writers === 0) await admin!.keys.createDataKey({ context: { organization_id: label } });
      const one = await disableUnderLoad(sessions, admin!, writers, label);
      if (round > 0) met.push(one); // The first warms up.
    }
    const of = (pick: (one: RevocationUnderLoad) => number): number[] => met.map(pick);
    cells.push({
      writers,
      writesPerSecond: quantile(
        of((one) => one.writesPerSecond),
        0.5,
      ),
      medianMs: quantile(
        of((one) => one.milliseconds),
        0.5,
      ),
      maxMs: Math.max(...of((one) => one.milliseconds)),
      writesMeanwhileMax: Math.max(...of((one) => one.acknowledgedMeanwhile)),
    });
  }
  for (const host of hosts) await host.close();
  await stop(cluster.process);
  return cells;
}

/** How long a use goes on to succeed; each use is a moment after the one before. */
async function lastUse(use: () => unknown): Promise<number> {
  const startedAt = performance.now();
  let last = 0;
  while (performance.now() - startedAt < REACH_MS_MAX) {
    const at = performance.now() - startedAt;
    try {
      await use();
    } catch {
      return last;
    }
    last = at;
    await sleep(USE_EVERY_MS);
  }
  throw new Error("a holder went on after a revocation");
}

const reachOf = (holder: string, bound: string, samples: readonly number[]): Reach => ({
  holder,
  bound,
  medianMs: quantile(samples, 0.5),
  maxMs: Math.max(...samples),
});

async function reachInProcess(settings: Settings): Promise<Reach[]> {
  const vault = await openVault({ path: ":memory:", rootKey: ROOT_KEY });
  const samples: number[] = [];
  for (let round = 0; round < settings.reachRounds; round++) {
    using lease = await vault.lease(CONTEXT);
    lease.encryptSync("x");
    await vault.keks.disable(KEK);
    samples.push(await lastUse(() => lease.encryptSync("x")));
    await vault.keks.enable(KEK);
  }
  await vault.close();
  return [reachOf("lease, vault in the same process", "100 ms and a look", samples)];
}

interface Server {
  readonly url: string;
  readonly key: string;
  readonly child: ChildProcess;
}

async function startServer(directory: string, name: string): Promise<Server> {
  const path = join(directory, `${name}.db`);
  const host = await openFileHost({ path, onNotice: () => {} });
  const { id } = await host.environment("default");
  const permissions = ["encrypt", "decrypt", "kv:read", "kv:write", "admin"] as const;
  const { key } = await host.apiKeys.create(id, { name: "bench", permissions });
  await host.close();
  const args = ["src/cli/main.ts", "server", "--vault", path, "--port", "0", "--log", "none"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (part: Buffer) => {
      text += part.toString();
      const url = /listening on (http:\/\/[^\s]+)/.exec(text)?.[1];
      if (url !== undefined) resolve({ url, key, child });
    });
    child.once("exit", (code) => {
      children.delete(child);
      reject(new Error(`a server ended with ${code}`));
    });
  });
}

async function reachOverHttp(directory: string, settings: Settings): Promise<Reach[]> {
  const { url, key, child } = await startServer(directory, "reach");
  // Another client disables: the holder hears of it by its own looks only.
  const admin = new Vault({ baseUrl: url, apiKey: key });
  const samples = { lease: [] as number[], cache: [] as number[], silent: [] as number[] };
  for (let round = 0; round < settings.reachRounds; round++) {
    console.error(`reach over HTTP, round ${round + 1}`);
    const vault = new Vault({ baseUrl: url, apiKey: key, maxRetries: 0 });
    const cached = new Vault({ baseUrl: url, apiKey: key });
    using lease = await vault.lease(CONTEXT);
    const text = await cached.encrypt("x", CONTEXT);
    await cached.decrypt(text);
    await admin.keks.disable(KEK);
    const [byLease, byCache] = await Promise.all([
      lastUse(() => lease.encryptSync("x")),
      lastUse(() => cached.decrypt(text)),
    ]);
    samples.lease.push(byLease);
    samples.cache.push(byCache);
    await admin.keks.enable(KEK);
    samples.silent.push(await silence(vault, child));
    for (const each of [vault, cached]) await each.close();
  }
  await admin.close();
  child.kill("SIGTERM");
  return [
    reachOf("lease in use, coffer over HTTP", "5 s and two requests", samples.lease),
    reachOf("decrypt cache in use, coffer over HTTP", "5 s and two requests", samples.cache),
    reachOf("lease in use, coffer over HTTP that stands still", "15 s", samples.silent),
  ];
}

/** The last message that a lease seals while its server stands still. */
async function silence(vault: Vault, server: ChildProcess): Promise<number> {
  using lease = await vault.lease(CONTEXT);
  server.kill("SIGSTOP");
  try {
    return await lastUse(() => lease.encryptSync("x"));
  } finally {
    server.kill("SIGCONT");
  }
}

async function measureCost(directory: string, settings: Settings): Promise<LookCost[]> {
  const { url, key, child } = await startServer(directory, "cost");
  const vaults = [true, false].map((extensions) => new Vault({ baseUrl: url, apiKey: key, extensions }));
  const leases = await Promise.all(vaults.map((vault) => vault.lease(CONTEXT)));
  const texts = await Promise.all(vaults.map((vault) => vault.encrypt("a message", CONTEXT)));
  const calls: [string, (which: number) => unknown][] = [
    ["lease.encryptSync, 9 bytes", (which) => leases[which]!.encryptSync("a message")],
    ["vault.decrypt of a cached key, 9 bytes", (which) => vaults[which]!.decrypt(texts[which]!)],
  ];
  const cost: LookCost[] = [];
  for (const [call, run] of calls) {
    const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let pass = 0; pass <= COST_PASSES; pass++) {
      for (const which of [0, 1]) {
        const startedAt = performance.now();
        for (let n = 0; n < settings.costCalls; n++) await run(which);
        const us = ((performance.now() - startedAt) / settings.costCalls) * 1e3;
        if (pass > 0) best[which] = Math.min(best[which]!, us); // The first warms up.
      }
    }
    cost.push({ call, withUs: best[0]!, withoutUs: best[1]! });
  }
  for (const lease of leases) lease.dispose();
  for (const vault of vaults) await vault.close();
  child.kill("SIGTERM");
  return cost;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exit(1);
});
