/**
 * A rekey job whose workers are killed: no row may be lost or left behind, and no reader may fail.
 *
 *     node test/soak/rekey-data.ts [--rows 1000000] [--kills 100] [--short] [--database postgres://…]
 *     node test/soak/rekey-data.ts --restarts 5 --failovers 3 [--rows 1000000] [--kills 100]
 *
 * An application reads and writes rows with an encrypted column, while processes move its ciphertexts to a new KEK version.
 * At random moments they are killed with SIGKILL, now and then before their first page. In the end every row must have been
 * counted once, nothing may be under the old version, and every row must decrypt to what was written last. A job of another mode
 * that is begun meanwhile must be refused each time.
 *
 * The second form has a PostgreSQL server of its own. While the job runs it crashes and starts again, and its synchronous standby
 * takes its place. The application asks again until the server is back; a worker goes on by itself, or ends and another one goes on.
 *
 * The last line says what came out; any loss is an exit code of 1.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Application, CONTEXT } from "../../examples/rekey-demo/application.ts";
import { isVaultError } from "../../src/index.ts";
import { type CiphertextSource, RekeyJob } from "../../src/rekey/index.ts";
import { openVault } from "../../src/vault/index.ts";
import { hasPostgres, WHY_NOT } from "../support/postgres-cluster.ts";
import { SoakCluster } from "./rekey-cluster.ts";

const WORKER = join(import.meta.dirname, "..", "..", "examples", "rekey-demo", "worker.ts");
const ROWS_DEFAULT = 1_000_000;
const KILLS_DEFAULT = 100;
const ROWS_SHORT = 50_000;
const KILLS_SHORT = 10;
/** Processes that work at the same time. */
const PROCESSES = 2;
/** Milliseconds after which a killed process's range is taken over. */
const LEASE_MS = 700;
/** Milliseconds after the first page within which a process is killed. */
const KILL_WITHIN_MS = 150;
/** Every so many processes are killed at any moment from their start. */
const EARLY_KILL_EVERY = 4;
const EARLY_KILL_WITHIN_MS = 600;
/** Milliseconds between two tries to run another job at the same time. */
const CONFLICT_EVERY_MS = 500;
/** The share of the rows up to which it is tried: later, the first job may end before the other is refused. */
const CONFLICT_SHARE_MAX = 0.8;

const { values } = parseArgs({
  options: {
    rows: { type: "string" },
    kills: { type: "string" },
    database: { type: "string" },
    short: { type: "boolean" },
    restarts: { type: "string", default: "0" },
    failovers: { type: "string", default: "0" },
  },
});
const rows = Number(values.rows ?? (values.short ? ROWS_SHORT : ROWS_DEFAULT));
const kills = Number(values.kills ?? (values.short ? KILLS_SHORT : KILLS_DEFAULT));

const faults = [
  ...Array<"restart">(Number(values.restarts)).fill("restart"),
  ...Array<"failover">(Number(values.failovers)).fill("failover"),
];

if (faults.length > 0 && !hasPostgres) {
  console.log(`rekey soak: skipped: ${WHY_NOT}`);
  process.exit(0);
}
const directory = mkdtempSync(join(tmpdir(), "coffer-rekey-soak-"));
const vaultPath = join(directory, "vault.db");
const cluster = faults.length === 0 ? undefined : await SoakCluster.start();
const target = cluster?.url ?? values.database ?? join(directory, "shop.db");
const running = new Set<ChildProcess>();
/** Workers that ended by themselves before the job did. */
let gaveUp = 0;
try {
  process.exitCode = await soak();
} finally {
  for (const child of running) child.kill("SIGKILL");
  await cluster?.close();
  rmSync(directory, { recursive: true, force: true });
}

async function soak(): Promise<number> {
  const vault = await openVault({ path: vaultPath, onNotice: () => {}, cache: { maxAgeMs: 0 } });
  const application = await Application.create(target, vault, rows);
  await vault.keks.rotate({ name: "app", value: CONTEXT.app });
  const stopTraffic = application.startTraffic();
  const source = application.source();
  const stopConflicting = startConflicting(
    new RekeyJob({ keys: vault.keys, source, mode: "re-encrypt" }),
    source,
  );
  const happening = cluster?.happen(faults, async () => {
    const record = await source.findJob();
    return record === undefined ? 0 : (await source.status(record.id)).counts.rows / rows;
  });
  let left = kills;
  let started = 0;
  const keepOne = async (): Promise<void> => {
    for (;;) {
      const isToDie = left > 0;
      if (isToDie) left -= 1;
      const isDone = await workOnce(isToDie, started++);
      if (isDone) return;
    }
  };
  await Promise.all([happening, ...Array.from({ length: PROCESSES }, keepOne)]);
  const conflicting = await stopConflicting();
  const job = new RekeyJob({ keys: vault.keys, source, mode: "rewrap" });
  const status = (await job.status())!;
  const traffic = await stopTraffic();
  const { keks, unreadable, plaintext } = await job.verify();
  const old = keks.find(({ version }) => version === 1)?.references ?? 0;
  const right = await application.checkAll().catch((error) => `not all: ${(error as Error).message}`);
  const { counts } = status;
  const problems = [
    ...(status.isComplete ? [] : ["the job is not complete"]),
    ...(counts.rows === rows && counts.moved + counts.current === rows
      ? []
      : [`the counts are ${JSON.stringify(counts)}`]),
    ...(old === 0 ? [] : [`${old} rows are under the old version`]),
    ...(unreadable + plaintext === 0 ? [] : [`${unreadable} rows are unreadable, ${plaintext} plaintext`]),
    ...(right === rows ? [] : [`${right} rows are right`]),
    ...traffic.failures,
    ...conflicting.problems,
  ];
  await source.close();
  await application.close();
  await vault.close();
  for (const problem of problems.slice(0, 20)) console.error(problem);
  console.log(
    `rekey soak: ${rows} rows, ${kills - left} processes killed, ${counts.moved} moved, ${counts.current} current, ${counts.conflicts} conflicts, ${traffic.reads} reads and ${traffic.writes} writes meanwhile, ${conflicting.refused} times a job of another mode was refused, restarts of the database: ${values.restarts}, failovers: ${values.failovers}, workers that gave up then: ${gaveUp}, ${problems.length} problems`,
  );
  return problems.length === 0 ? 0 : 1;
}

/** Tries again and again to run a job of another mode while this one is open. @returns what ends it, and tells how it went */
function startConflicting(
  other: RekeyJob,
  source: CiphertextSource,
): () => Promise<{ readonly refused: number; readonly problems: readonly string[] }> {
  let isStopping = false;
  let refused = 0;
  const problems: string[] = [];
  const tryOnce = async (): Promise<void> => {
    const record = await source.findJob();
    // Before the first job is made, or after it is done, the other one would be let in.
    if (record?.state !== "open") return;
    if ((await source.status(record.id)).counts.rows > rows * CONFLICT_SHARE_MAX) return;
    await other.run({ workers: 1 });
    problems.push("a job of another mode has run beside the first one");
    isStopping = true;
  };
  const trying = (async () => {
    for (; !isStopping; await sleep(CONFLICT_EVERY_MS)) {
      await tryOnce().catch((error) => {
        if (isVaultError(error, "ERR_JOB_CONFLICT")) refused += 1;
        else if (cluster !== undefined && isVaultError(error) && error.retryable) return;
        else problems.push(`a job of another mode: ${(error as Error).message}`);
      });
    }
  })();
  return async () => {
    isStopping = true;
    await trying;
    return { refused, problems };
  };
}

/** One process, to its end. @returns whether it said by itself that nothing is left */
async function workOnce(isToDie: boolean, number: number): Promise<boolean> {
  const child = spawn(process.execPath, [WORKER, vaultPath, target, String(LEASE_MS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  const ended = once(child, "close") as Promise<[number | null]>;
  child.stdout.resume();
  if (isToDie) {
    const isEarly = number % EARLY_KILL_EVERY === 0;
    if (!isEarly) await Promise.race([once(child.stdout, "data"), ended]);
    await Promise.race([sleep(Math.random() * (isEarly ? EARLY_KILL_WITHIN_MS : KILL_WITHIN_MS)), ended]);
    child.kill("SIGKILL");
  }
  const [code] = await ended;
  running.delete(child);
  if (code === 0 || isToDie) return code === 0;
  // It has asked a server that is away for as long as it asks.
  if (cluster === undefined) throw new Error(`a worker ended with ${code}`);
  gaveUp += 1;
  return false;
}
