/**
 * `npm run bench:rekey`: a rekey job beside the loop that users write and a bare UPDATE of the same bytes.
 *
 *     npm run bench:rekey [-- --rows 20000] [-- --database postgres://…] [-- --loop-rows 2000] [-- --process-rows 200000]
 *       [-- --out DIR]
 *
 * On SQLite, and on PostgreSQL where a URL is given; each with the vault in this process and behind a coffer server in another
 * one. Then processes run the job alone, over a tenth of `--process-rows` and over all of them, and one that is killed is followed by
 * another. Owns the processes, the tables and the rounds. A timing is never a reason to fail: only counts that are wrong are.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { Vault } from "../src/index.ts";
import type { KeyService } from "../src/keys/index.ts";
import { type CiphertextSource, RekeyJob, type RekeyJobOptions } from "../src/rekey/index.ts";
import { postgresTable, sqliteTable } from "../src/sources/index.ts";
import { openVault } from "../src/vault/index.ts";
import { load, machine, versions } from "./lib/machine.ts";
import { REPORT_SCHEMA, writeResult } from "./lib/result-file.ts";
import type { RekeyCell, RekeyProcess } from "./rekey-report.ts";

const ROWS_DEFAULT = 20_000;
const LOOP_ROWS_DEFAULT = 2_000;
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
const ROWS_AT_ONCE = 1_000;
const MAIN = join(import.meta.dirname, "..", "src", "cli", "main.ts");

const { values } = parseArgs({
  options: {
    rows: { type: "string" },
    "loop-rows": { type: "string" },
    database: { type: "string" },
    "process-rows": { type: "string" },
    out: { type: "string" },
    name: { type: "string" },
  },
});
const rows = Number(values.rows ?? ROWS_DEFAULT);
const loopRows = Math.min(rows, Number(values["loop-rows"] ?? LOOP_ROWS_DEFAULT));
const processRows = Number(values["process-rows"] ?? PROCESS_ROWS_DEFAULT);
const directory = mkdtempSync(join(tmpdir(), "coffer-bench-rekey-"));
const vaultPath = join(directory, "vault.db");

/** A table of ciphertexts. */
interface Store {
  readonly name: string;
  /** Path or URL. */
  readonly target: string;
  /** Puts these rows in the place of all. */
  fill(texts: readonly string[]): Promise<void>;
  get(id: number): Promise<string>;
  set(id: number, text: string): Promise<void>;
  /** Writes the same bytes again, without any cryptography, as fast as the database can from this process. */
  bareUpdate(texts: readonly string[]): Promise<void>;
  source(): CiphertextSource;
  close(): Promise<void>;
}

const cells: RekeyCell[] = [];
const processes: RekeyProcess[] = [];
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
    sqliteStore(),
    ...(values.database === undefined ? [] : [await postgresStore(values.database)]),
  ];
  for (const store of stores) {
    await store.fill(texts);
    await measure(store, "none", "bare UPDATE of the same bytes", 1, rows, () => store.bareUpdate(texts));
    for (const [where, through] of [
      ["embedded", vault],
      ["over HTTP", remote],
    ] as const) {
      await measure(store, where, "loop: decrypt, encrypt, UPDATE", 1, loopRows, async () => {
        for (let id = 1; id <= loopRows; id++)
          await store.set(id, await through.encrypt(await through.decrypt(await store.get(id)), CONTEXT));
      });
      for (const workers of [1, 2, 3, 4]) {
        await store.fill(texts);
        await vault.keks.rotate(KEK);
        await job(store, where, through.keys, { mode: "rewrap", check: "none" }, "rewrap", workers);
      }
      await store.fill(texts);
      await job(store, where, through.keys, { mode: "rewrap" }, "rewrap, check: sample", 2);
      await store.fill(shared);
      await job(
        store,
        where,
        through.keys,
        { mode: "rewrap", check: "none" },
        "rewrap, one data key for all",
        2,
      );
      await store.fill(texts);
      await job(store, where, through.keys, { mode: "re-encrypt" }, "re-encrypt", 2);
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
    cells,
    processes,
  };
  const path = writeResult(result, values.out ?? join(import.meta.dirname, "results"));
  console.log(`written to ${path}`);
}

async function job(
  store: Store,
  where: string,
  keys: KeyService,
  options: Pick<RekeyJobOptions, "mode" | "check">,
  work: string,
  workers: number,
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
    calls,
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
  calls?: () => number,
): Promise<void> {
  const [cpu, begun, callsBefore] = [process.cpuUsage(), performance.now(), calls?.() ?? 0];
  await run();
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const cell: RekeyCell = {
    database: store.name,
    vault,
    work,
    rows: count,
    workers,
    rowsPerSecond: Math.round(count / seconds),
    cpuPerRow: (user + system) / count,
    callsPerMillion:
      calls === undefined ? undefined : Math.round(((calls() - callsBefore) * 1_000_000) / count),
    rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  cells.push(cell);
  console.log(
    `${cell.database.padEnd(10)} ${vault.padEnd(9)} ${work.padEnd(31)} ${workers} worker(s) ${String(cell.rowsPerSecond).padStart(7)} rows/s ${cell.cpuPerRow.toFixed(1).padStart(7)} µs cpu/row ${String(cell.callsPerMillion ?? "-").padStart(8)} calls/M ${cell.rssMiB} MiB`,
  );
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

function sqliteStore(): Store {
  const path = join(directory, "app.db");
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
  const insert = database.prepare("INSERT INTO t VALUES (?, ?)");
  const update = database.prepare("UPDATE t SET body = ? WHERE id = ?");
  const get = database.prepare("SELECT body FROM t WHERE id = ?");
  const inPages = (texts: readonly string[], write: (id: number, text: string) => void): void => {
    for (let from = 0; from < texts.length; from += ROWS_AT_ONCE) {
      database.exec("BEGIN");
      for (const [i, text] of texts.slice(from, from + ROWS_AT_ONCE).entries()) write(from + i + 1, text);
      database.exec("COMMIT");
    }
  };
  return {
    name: "SQLite",
    target: path,
    fill: async (texts) => {
      database.exec("DELETE FROM t");
      inPages(texts, (id, text) => insert.run(id, text));
    },
    get: async (id) => get.get(id)!.body as string,
    set: async (id, text) => void update.run(text, id),
    bareUpdate: async (texts) => inPages(texts, (id, text) => update.run(text, id)),
    source: () => sqliteTable({ database: path, table: "t", columns: ["body"] }),
    close: async () => database.close(),
  };
}

async function postgresStore(url: string): Promise<Store> {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  await pool.query("DROP TABLE IF EXISTS coffer_bench");
  await pool.query("CREATE TABLE coffer_bench (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
  const inPages = async (texts: readonly string[], statement: string): Promise<void> => {
    for (let from = 0; from < texts.length; from += ROWS_AT_ONCE) {
      const part = texts.slice(from, from + ROWS_AT_ONCE);
      await pool.query(statement, [part.map((_, i) => from + i + 1), part]);
    }
  };
  return {
    name: "PostgreSQL",
    target: url,
    fill: async (texts) => {
      await pool.query("TRUNCATE coffer_bench");
      await inPages(texts, "INSERT INTO coffer_bench SELECT * FROM unnest($1::int[], $2::text[])");
      await pool.query("ANALYZE coffer_bench");
    },
    get: async (id) => (await pool.query("SELECT body FROM coffer_bench WHERE id = $1", [id])).rows[0].body,
    set: async (id, text) =>
      void (await pool.query("UPDATE coffer_bench SET body = $1 WHERE id = $2", [text, id])),
    bareUpdate: (texts) =>
      inPages(
        texts,
        "UPDATE coffer_bench AS t SET body = v.b FROM unnest($1::int[], $2::text[]) AS v(i, b) WHERE t.id = v.i",
      ),
    source: () => postgresTable({ pool, table: "coffer_bench", columns: ["body"] }),
    close: async () => {
      await pool.query("DROP TABLE coffer_bench");
      await pool.end();
    },
  };
}
