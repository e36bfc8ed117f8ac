/**
 * `npm run bench:rekey`: a rekey job beside the loop that users write and a bare UPDATE of the same bytes.
 *
 *     npm run bench:rekey [-- --rows 20000] [-- --database postgres://…] [-- --loop-rows 2000] [-- --process-rows 200000]
 *       [-- --rounds 3] [-- --out DIR]
 *
 * On SQLite, and on PostgreSQL where a URL is given; each with the vault in this process and behind a coffer server in another
 * one. Then processes run the job alone, over a tenth of `--process-rows` and over all of them, and one that is killed is followed by
 * another. A census of the table is measured beside a bare SELECT. In the end the run says
 * which aims it reaches. Owns the processes and the rounds. A timing is never a reason to fail: only counts that are wrong are.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Vault } from "../src/index.ts";
import type { KeyService } from "../src/keys/index.ts";
import { RekeyJob, type RekeyJobOptions } from "../src/rekey/index.ts";
import { openVault } from "../src/vault/index.ts";
import { load, machine, versions } from "./lib/machine.ts";
import { REPORT_SCHEMA, writeResult } from "./lib/result-file.ts";
import { quantile } from "./lib/statistics.ts";
import {
  aimsText,
  LOOP,
  REWRAP,
  type RekeyCell,
  type RekeyProcess,
  type RekeyScan,
  SHARED,
} from "./rekey-report.ts";
import { measureScan } from "./rekey-scan.ts";
import { postgresStore, ROWS_AT_ONCE, type Store, sqliteStore } from "./rekey-stores.ts";

const ROWS_DEFAULT = 20_000;
const LOOP_ROWS_DEFAULT = 2_000;
/** Times that what the aims name is done: the median counts. */
const ROUNDS_DEFAULT = 3;
const PROCESS_ROWS_DEFAULT = 200_000;
/** Milliseconds of a lease in the processes: what a killed one holds is free after that. */
const LEASE_MS = 1_000;
/** Rows that a process has done when it is killed, as a part of all. */
const KILL_AT = 0.3;
const WORKER = join(import.meta.dirname, "rekey-worker.ts");
/** Bytes of a secret. */
const SECRET = "x".repeat(200);
const CONTEXT = { app: "bench" };
const KEK = { name: "app", value: "bench" };
const MAIN = join(import.meta.dirname, "..", "src", "cli", "main.ts");

const { values } = parseArgs({
  options: {
    rows: { type: "string" },
    "loop-rows": { type: "string" },
    database: { type: "string" },
    "process-rows": { type: "string" },
    rounds: { type: "string" },
    out: { type: "string" },
    name: { type: "string" },
  },
});
const rows = Number(values.rows ?? ROWS_DEFAULT);
const loopRows = Math.min(rows, Number(values["loop-rows"] ?? LOOP_ROWS_DEFAULT));
const processRows = Number(values["process-rows"] ?? PROCESS_ROWS_DEFAULT);
const rounds = Number(values.rounds ?? ROUNDS_DEFAULT);
const directory = mkdtempSync(join(tmpdir(), "coffer-bench-rekey-"));
const vaultPath = join(directory, "vault.db");

const cells: RekeyCell[] = [];
const processes: RekeyProcess[] = [];
const scans: RekeyScan[] = [];
let server: ChildProcess | undefined;
try {
  await bench();
} finally {
  server?.kill("SIGTERM");
  rmSync(directory, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  const vault = await openVault({ path: vaultPath, onNotice: () => {}, cache: { maxAgeMs: 0 } });
  const remote = await startServer();
  const all: string[] = [];
  while (all.length < Math.max(rows, processRows)) {
    const part = Math.min(ROWS_AT_ONCE, Math.max(rows, processRows) - all.length);
    all.push(...(await Promise.all(Array.from({ length: part }, () => vault.encrypt(SECRET, CONTEXT)))));
  }
  const texts = all.slice(0, rows);
  const shared: string[] = [];
  for (const result of await vault.encryptMany(Array<string>(rows).fill(SECRET), CONTEXT))
    if (result.ok && typeof result.value === "string") shared.push(result.value);
  const stores = [
    sqliteStore(join(directory, "app.db")),
    ...(values.database === undefined ? [] : [await postgresStore(values.database)]),
  ];
  for (const store of stores) {
    await store.fill(texts);
    await measure(store, "none", "bare UPDATE of the same bytes", 1, rows, () => store.bareUpdate(texts));
    scans.push(toldScan(await measureScan(store, rows)));
    for (const [where, through] of [
      ["embedded", vault],
      ["over HTTP", remote],
    ] as const) {
      await measure(store, where, LOOP, 1, loopRows, async () => {
        for (let id = 1; id <= loopRows; id++)
          await store.set(id, await through.encrypt(await through.decrypt(await store.get(id)), CONTEXT));
      });
      const moving = (
        all: readonly string[],
        options: Pick<RekeyJobOptions, "mode" | "check">,
        work: string,
        workers: number,
      ): Promise<void> =>
        job(store, where, through.keys, { options, work, workers }, async () => {
          await store.fill(all);
          await vault.keks.rotate(KEK);
        });
      for (const workers of [1, 2, 3, 4])
        await moving(texts, { mode: "rewrap", check: "none" }, REWRAP, workers);
      await moving(texts, { mode: "rewrap" }, "rewrap, check: sample", 2);
      await moving(shared, { mode: "rewrap", check: "none" }, SHARED, 2);
      await moving(texts, { mode: "re-encrypt" }, "re-encrypt", 2);
    }
    for (const count of [processRows / 10, processRows]) {
      await store.fill(all.slice(0, count));
      await vault.keks.rotate(KEK);
      processes.push(await alone(store, count));
    }
    await store.fill(all.slice(0, processRows));
    await vault.keks.rotate(KEK);
    processes.push(await killed(store));
    await store.close();
  }
  await remote.close();
  await vault.close();
  const result = {
    name: values.name ?? "rekey",
    schema: REPORT_SCHEMA,
    machine: machine(),
    load: load(),
    versions: versions(),
    secretBytes: SECRET.length,
    rounds,
    cells,
    scans,
    processes,
  };
  console.log(aimsText(result));
  const path = writeResult(result, values.out ?? join(import.meta.dirname, "results"));
  console.log(`written to ${path}`);
}

/** What a job does. */
interface Work {
  readonly options: Pick<RekeyJobOptions, "mode" | "check">;
  readonly work: string;
  readonly workers: number;
}

async function job(
  store: Store,
  where: string,
  keys: KeyService,
  { options, work, workers }: Work,
  ready: () => Promise<void>,
): Promise<void> {
  const { service, calls } = counted(keys);
  const source = store.source();
  const made = new RekeyJob({ keys: service, source, ...options });
  await measure(
    store,
    where,
    work,
    workers,
    rows,
    async () => {
      const { counts } = await made.run({ workers });
      if (counts.moved !== rows) throw new Error(`only ${counts.moved} of ${rows} rows were moved`);
    },
    { ready, calls },
  );
  await source.close();
}

/** A process over the whole job. */
async function alone({ name, target }: Store, count: number): Promise<RekeyProcess> {
  const { ended } = worker(target);
  const { rows: done, ms, memoryKib } = await ended;
  if (done !== count) throw new Error(`only ${done} of ${count} rows were done`);
  return told({
    database: name,
    rows: count,
    rowsPerSecond: Math.round((count * 1_000) / ms),
    memoryMiB: Math.round(memoryKib! / 1_024),
  });
}

/** A process that is killed in the middle, and one that goes on. */
async function killed({ name, target, source }: Store): Promise<RekeyProcess> {
  const first = worker(target, (done) => done >= processRows * KILL_AT);
  const { rows: before } = await first.ended;
  const second = worker(target);
  const { rows: done, ms, firstPageMs, memoryKib } = await second.ended;
  const looking = source();
  const record = (await looking.findJob())!;
  const { counts } = await looking.status(record.id);
  await looking.close();
  if (counts.rows !== processRows || counts.moved !== processRows)
    throw new Error(`after a kill ${counts.moved} of ${processRows} rows were moved`);
  return told({
    database: name,
    rows: processRows,
    rowsPerSecond: Math.round(((done - before) * 1_000) / ms),
    memoryMiB: Math.round(memoryKib! / 1_024),
    resumedAt: before,
    resumeMs: Math.round(firstPageMs!),
  });
}

function told(row: RekeyProcess): RekeyProcess {
  console.log(
    `${row.database.padEnd(10)} a process over ${row.rows} rows: ${row.rowsPerSecond} rows/s, ${row.memoryMiB} MiB at most${row.resumeMs === undefined ? "" : `; begun ${row.resumeMs} ms before its first page, after another was killed at ${row.resumedAt}`}`,
  );
  return row;
}

/** What a process has said: rows of the whole job, and how long it took from its start. */
interface Said {
  readonly rows: number;
  readonly ms: number;
  readonly firstPageMs: number | undefined;
  readonly memoryKib: number | undefined;
}

/** Starts a process on the job. @param isToDie - asked after each page whether it is killed */
function worker(
  target: string,
  isToDie: (rows: number) => boolean = () => false,
): { readonly ended: Promise<Said> } {
  const begun = performance.now();
  const child = spawn(process.execPath, [WORKER, vaultPath, target, String(LEASE_MS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let [done, firstPageMs, memoryKib]: [number, number | undefined, number | undefined] = [
    0,
    undefined,
    undefined,
  ];
  const lines = createInterface(child.stdout);
  lines.on("line", (line) => {
    const [word, number] = line.split(" ") as [string, string];
    if (word === "memory") memoryKib = Number(number);
    else {
      firstPageMs ??= performance.now() - begun;
      done = Number(number);
      if (isToDie(done)) child.kill("SIGKILL");
    }
  });
  const ended = once(child, "close").then(() => ({
    rows: done,
    ms: performance.now() - begun,
    firstPageMs,
    memoryKib,
  }));
  return { ended };
}

async function measure(
  store: Store,
  vault: string,
  work: string,
  workers: number,
  count: number,
  run: () => Promise<void>,
  { ready, calls }: { ready?: () => Promise<void>; calls?: () => number } = {},
): Promise<void> {
  const [seconds, cpus]: [number[], number[]] = [[], []];
  const callsBefore = calls?.() ?? 0;
  for (let round = 0; round < rounds; round++) {
    await ready?.();
    const [cpu, begun] = [process.cpuUsage(), performance.now()];
    await run();
    seconds.push((performance.now() - begun) / 1_000);
    const { user, system } = process.cpuUsage(cpu);
    cpus.push((user + system) / count);
  }
  const cell: RekeyCell = {
    database: store.name,
    vault,
    work,
    rows: count,
    workers,
    rowsPerSecond: Math.round(count / quantile(seconds, 0.5)),
    cpuPerRow: quantile(cpus, 0.5),
    callsPerMillion:
      calls === undefined ? undefined : Math.round(((calls() - callsBefore) * 1_000_000) / (count * rounds)),
    rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  cells.push(cell);
  console.log(
    `${cell.database.padEnd(10)} ${vault.padEnd(9)} ${work.padEnd(31)} ${workers} worker(s) ${String(cell.rowsPerSecond).padStart(7)} rows/s ${cell.cpuPerRow.toFixed(1).padStart(7)} µs cpu/row ${String(cell.callsPerMillion ?? "-").padStart(8)} calls/M ${cell.rssMiB} MiB`,
  );
}

function toldScan(one: RekeyScan): RekeyScan {
  console.log(
    `${one.database.padEnd(10)} a census: ${one.rowsPerSecond} rows/s, a bare SELECT ${one.bareRowsPerSecond}: ${(100 * one.share).toFixed(0)} % of it by time, ${(100 * one.cpuShare).toFixed(0)} % by processor time`,
  );
  return one;
}

/** A key service that counts what it is asked. */
function counted(keys: KeyService): { service: KeyService; calls: () => number } {
  let calls = 0;
  const service = new Proxy(keys, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function" || name === "revocations") return value;
      return (...args: unknown[]) => {
        calls += 1;
        return value.apply(target, args);
      };
    },
  });
  return { service, calls: () => calls };
}

async function startServer(): Promise<Vault> {
  const run = (...args: string[]): string =>
    execFileSync(process.execPath, [MAIN, ...args, "--vault", vaultPath, "--format", "json"], {
      encoding: "utf8",
    });
  const permissions = ["encrypt", "decrypt", "rekey"].flatMap((name) => ["--permission", name]);
  const made = JSON.parse(run("api-keys", "create", "bench", ...permissions)) as Record<string, string>;
  const apiKey = Object.values(made).find((value) => typeof value === "string" && value.startsWith("sk_"));
  const started = spawn(
    process.execPath,
    [
      MAIN,
      "server",
      "--vault",
      vaultPath,
      "--port",
      "0",
      "--log",
      "none",
      "--events",
      "changes",
      "--format",
      "json",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  server = started;
  let said = "";
  while (!/http:\/\/[^\s"]+/.test(said)) said += String((await once(started.stdout, "data"))[0]);
  const [baseUrl] = /http:\/\/[^\s"]+/.exec(said)!;
  return new Vault({ apiKey, baseUrl, extensions: true, cache: { maxAgeMs: 0 } });
}
