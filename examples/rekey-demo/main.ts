/**
 * `npm run demo:rekey`: a database of encrypted rows moved to a new KEK version while it is in use.
 *
 *     npm run demo:rekey [-- --rows 100000] [-- --database postgres://…]
 *
 * Owns the steps and what is said about them. On SQLite it needs no set-up; a PostgreSQL database is given by its URL, and gets
 * a table `customers` and a schema `coffer_rekey`.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RekeyJob } from "../../src/rekey/index.ts";
import { openVault } from "../../src/vault/index.ts";
import { Application, CONTEXT } from "./application.ts";

const ROWS_DEFAULT = 100_000;
/** Milliseconds after which the range of a killed worker is taken over: short, so that nobody has to wait. */
const LEASE_MS = 1_000;
/** The shares of the rows at which the worker is killed. */
const KILLS_AT = [0.2, 0.5];
const KEK = { name: "app", value: CONTEXT.app };

const { values } = parseArgs({ options: { rows: { type: "string" }, database: { type: "string" } } });
const rows = Number(values.rows ?? ROWS_DEFAULT);
if (!Number.isInteger(rows) || rows < 1) throw new RangeError("--rows takes a whole number of at least 1");

const begun = performance.now();
const directory = mkdtempSync(join(tmpdir(), "coffer-rekey-demo-"));
const vaultPath = join(directory, "vault.db");
const target = values.database ?? join(directory, "shop.db");
let child: ChildProcess | undefined;
try {
  await demo();
} finally {
  child?.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
}

async function demo(): Promise<void> {
  const vault = await openVault({ path: vaultPath, onNotice: () => {}, cache: { maxAgeMs: 0 } });
  say(
    `A shop's database on ${values.database === undefined ? "SQLite" : "PostgreSQL"} gets ${count(rows)} encrypted rows.`,
  );
  const application = await Application.create(target, vault, rows);
  const source = application.source();
  const job = new RekeyJob({ keys: vault.keys, source, mode: "rewrap" });
  const show = async (): Promise<number> => {
    const { keks, ciphertexts } = await job.verify();
    const all = keks.map(({ version, references }) => `version ${version}: ${count(references)}`).join(", ");
    say(`  ${count(ciphertexts)} ciphertexts; under the KEK's ${all}`);
    return keks.find(({ version }) => version === 1)?.references ?? 0;
  };
  await show();

  say("\nThe key may have leaked. Its KEK is rotated: from now on, new ciphertexts are under version 2.");
  await vault.keks.rotate(KEK);
  const stopTraffic = application.startTraffic();
  const plan = await job.plan();
  say(
    `  plan: ${count(plan.rows)} rows, ${count(plan.sample.counts.moved)} of a sample of ${count(plan.sample.counts.rows)} would move`,
  );

  say("\nA reader and a writer go on, and a worker moves the ciphertexts. It is killed twice with kill -9.");
  for (const share of KILLS_AT) {
    const done = await workUntil(Math.floor(rows * share));
    say(`  killed at ${count(done)} rows. It starts again and goes on.`);
  }
  await workUntil(Number.POSITIVE_INFINITY);
  const { counts } = (await job.status())!;
  say(
    `  done: ${count(counts.moved)} moved, ${count(counts.current)} were under version 2 already, ${count(counts.conflicts)} conflicts with the writer`,
  );
  expect(
    counts.rows === rows && counts.moved + counts.current === rows,
    "every row has been dealt with once",
  );

  say("\nEverything is read again.");
  expect((await show()) === 0, "nothing is left under version 1");
  say("The old version is shredded.");
  await vault.keks.shred({ ...KEK, version: 1 });
  const traffic = await stopTraffic();
  for (const failure of traffic.failures.slice(0, 5)) say(`  ${failure}`);
  expect(
    traffic.failures.length === 0,
    `the application's ${count(traffic.reads)} reads and ${count(traffic.writes)} writes all succeeded`,
  );
  expect((await application.checkAll()) === rows, `all ${count(rows)} rows decrypt to what was written last`);
  await source.close();
  await application.close();
  await vault.close();
  say(`\nAll of it took ${((performance.now() - begun) / 1_000).toFixed(0)} s.`);
  say(
    "A rewrap does not evict a data key that has leaked itself: for that, the mode re-encrypt makes new ones.",
  );
}

/** Starts a worker, and kills it when so many rows are done. @returns how many were */
async function workUntil(goal: number): Promise<number> {
  const worker = join(import.meta.dirname, "worker.ts");
  const started = spawn(process.execPath, [worker, vaultPath, target, String(LEASE_MS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child = started;
  const ended = once(started, "close");
  let done = 0;
  for await (const chunk of started.stdout) {
    done = Number(String(chunk).trim().split("\n").at(-1));
    if (done >= goal) started.kill("SIGKILL");
  }
  const [code] = (await ended) as [number | null];
  child = undefined;
  if (code !== 0 && done < goal) throw new Error(`the worker ended with ${code}`);
  return done;
}

function expect(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`This does not hold: ${what}.`);
  say(`  ✓ ${what}`);
}

function say(text: string): void {
  console.log(text);
}

function count(number: number): string {
  return number.toLocaleString("en");
}
