/**
 * `npm run bench:load`: a coffer server under load, beside a bare echo server and the storage engine alone.
 *
 * Owns the processes and the rounds. Timings are never a reason to fail: only requests that fail are.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { openFileHost } from "../../src/vault/index.ts";
import { machine, load as machineLoad, versions } from "../lib/machine.ts";
import { REPORT_SCHEMA, readResult, writeResult } from "../lib/result-file.ts";
import { quantile } from "../lib/statistics.ts";
import { load, type MakeRequest, requestBytes } from "./client.ts";
import { type LoadCell, type LoadReport, loadMarkdown, type Measure } from "./report.ts";
import { processorNs, rssMiB, type Server, start, stopAll } from "./servers.ts";
import { soak } from "./soak.ts";

const USAGE = `npm run bench:load -- [options]

  --quick        short rounds: does it run? Its numbers mean nothing
  --soak N       N mixed requests at 16 connections instead, watching memory and descriptors of the server's processes
  --workers N    processes that serve; default 1
  --name NAME    name of the result; default load, or quick-load
  --out DIR      where the result goes; default bench/results
`;

const SETTINGS = {
  quick: { rounds: 1, roundMs: 200, connections: [1, 16] },
  default: { rounds: 5, roundMs: 1_500, connections: [1, 16, 64] },
} as const;

/** Objects in the store before reads begin. */
const OBJECTS = 500;
const CONTEXT = { organization_id: "org_1" };

interface Operation {
  readonly name: string;
  readonly make: (server: "coffer" | "echo", key: string) => MakeRequest;
  /** It ends in a commit: the engine alone is measured beside it. */
  readonly isWrite: boolean;
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      soak: text,
      workers: text,
      name: text,
      out: text,
    },
  });
  const settings = values.quick ? SETTINGS.quick : SETTINGS.default;
  const directory = mkdtempSync(join(tmpdir(), "coffer-load-"));
  process.once("exit", () => {
    stopAll("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  const startedAt = new Date();
  const before = machineLoad();
  const vault = join(directory, "vault.db");
  const host = await openFileHost({ path: vault, onNotice: () => {} });
  const environment = await host.environment("default");
  const { key } = await host.apiKeys.create(environment.id, {
    name: "bench",
    permissions: ["encrypt", "decrypt", "kv:read", "kv:write"],
  });
  const session = host.session(environment.id, { actor: { id: "bench", name: "bench", source: "api" } });
  const ids: string[] = [];
  for (let i = 0; i < OBJECTS; i++) {
    ids.push(
      (await session.kv.createKv({ name: `object-${i}`, value: `value ${i}`, keyContext: CONTEXT })).id,
    );
  }
  const blob = (await session.keys.createDataKey({ context: CONTEXT })).encryptedKeys;
  await host.close();

  const serve = ["src/cli/main.ts", "server", "--vault", vault, "--port", "0", "--log", "none"];
  const coffer = await start([...serve, "--workers", values.workers ?? "1"]);
  const echo = await start(["bench/load/echo.ts"]);
  const operations = describeOperations(ids, blob);

  if (values.soak !== undefined) {
    const makes = operations.map(({ isWrite, make }) => ({ isWrite, make: make("coffer", key) }));
    await soak(coffer, makes, Number(values.soak));
    return stopAll();
  }

  const engine = new Engine(join(directory, "engine.db"));
  const cells: LoadCell[] = [];
  for (const operation of operations) {
    for (const connections of settings.connections) {
      console.error(`${operation.name}, ${connections} connections`);
      cells.push(await measure(operation, connections, { coffer, echo }, engine, key, settings));
    }
  }
  engine.close();
  const report: LoadReport = {
    schema: REPORT_SCHEMA,
    name: values.name ?? (values.quick ? "quick-load" : "load"),
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    machine: machine(),
    load: { before, after: machineLoad() },
    versions: versions(),
    settings,
    rssMiB: { coffer: rssMiB(coffer), echo: rssMiB(echo) },
    cells,
  };
  const path = writeResult(report, values.out ?? join(import.meta.dirname, "..", "results"));
  console.log(loadMarkdown(readResult(path)));
  stopAll();
}

function describeOperations(ids: readonly string[], blob: string): Operation[] {
  const simple = (
    name: string,
    method: string,
    path: (i: number) => string,
    body?: (i: number) => unknown,
    bytes = 300,
  ) => ({
    name,
    isWrite: name === "kv put",
    make: (server: "coffer" | "echo", key: string): MakeRequest => {
      const headers: Record<string, string> = { authorization: `Bearer ${key}` };
      if (server === "echo") headers["x-answer-bytes"] = String(bytes);
      return (i) =>
        requestBytes(
          // The echo answers anything; a body-less method stays one.
          method,
          path(i),
          headers,
          body === undefined ? undefined : JSON.stringify(body(i)),
        );
    },
  });
  let puts = 0;
  return [
    simple(
      "create data key",
      "POST",
      () => "/vault/v1/keys/data-key",
      () => ({ context: CONTEXT }),
      420,
    ),
    simple(
      "decrypt data key",
      "POST",
      () => "/vault/v1/keys/decrypt",
      () => ({ keys: blob }),
      110,
    ),
    simple("kv get", "GET", (i) => `/vault/v1/kv/${ids[(i * 7) % ids.length]}`, undefined, 400),
    simple("kv list", "GET", () => "/vault/v1/kv?limit=10", undefined, 1_200),
    simple(
      "kv put",
      "POST",
      () => "/vault/v1/kv",
      () => ({ name: `put-${process.pid}-${puts++}`, value: "value", key_context: CONTEXT }),
      340,
    ),
  ];
}

async function measure(
  operation: Operation,
  connections: number,
  servers: { readonly coffer: Server; readonly echo: Server },
  engine: Engine,
  key: string,
  settings: { readonly rounds: number; readonly roundMs: number },
): Promise<LoadCell> {
  const rounds = { coffer: [] as Round[], echo: [] as Round[] };
  const engineRounds: number[] = [];
  for (let round = 0; round <= settings.rounds; round++) {
    // In turns, and each first in turn.
    for (const name of round % 2 === 0 ? (["coffer", "echo"] as const) : (["echo", "coffer"] as const)) {
      const server = servers[name];
      const cpuBefore = processorNs(server);
      const result = await load(
        server.port,
        connections,
        { ms: settings.roundMs },
        operation.make(name, key),
      );
      if (result.failures > 0) throw new Error(`${operation.name}: ${result.failures} requests failed`);
      const cpu = processorNs(server) - cpuBefore;
      if (round === 0) continue; // warm-up
      rounds[name].push({
        perSecond: result.requests / result.seconds,
        p50Ms: quantile(result.latencies, 0.5),
        p99Ms: quantile(result.latencies, 0.99),
        cpuUs: cpu / result.requests / 1e3,
      });
    }
    if (operation.isWrite && round > 0) engineRounds.push(engine.putsPerSecond(settings.roundMs / 3));
  }
  const ratios = rounds.coffer.map((round, i) => round.perSecond / rounds.echo[i]!.perSecond);
  const engineRatios = engineRounds.map((perSecond, i) => rounds.coffer[i]!.perSecond / perSecond);
  return {
    operation: operation.name,
    connections,
    coffer: median(rounds.coffer),
    echo: median(rounds.echo),
    ratioToEcho: middle(ratios),
    ...(operation.isWrite
      ? { enginePerSecond: middle(engineRounds), ratioToEngine: middle(engineRatios) }
      : {}),
  };
}

type Round = Measure;

function middle(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

function median(rounds: readonly Round[]): Measure {
  const of = (field: keyof Round): number => middle(rounds.map((round) => round[field]));
  return { perSecond: of("perSecond"), p50Ms: of("p50Ms"), p99Ms: of("p99Ms"), cpuUs: of("cpuUs") };
}

/** The engine alone: one row per commit, WAL, synchronous=FULL. */
class Engine {
  readonly #database: DatabaseSync;
  #count = 0;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE puts (id TEXT PRIMARY KEY, value BLOB)",
    );
  }

  putsPerSecond(ms: number): number {
    const insert = this.#database.prepare("INSERT INTO puts VALUES (?, ?)");
    const startedAt = performance.now();
    const before = this.#count;
    while (performance.now() < startedAt + ms) {
      insert.run(`put-${this.#count}`, new Uint8Array(200).fill(this.#count));
      this.#count += 1;
    }
    return ((this.#count - before) / (performance.now() - startedAt)) * 1000;
  }

  close(): void {
    this.#database.close();
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 1;
  stopAll();
});
