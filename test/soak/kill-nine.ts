/**
 * Processes that are killed while they write: nothing that a vault has acknowledged may be lost.
 *
 *     node test/soak/kill-nine.ts [--rounds 200 | --short]
 *
 * Each round starts a process that creates and updates stored values, several at a time, and says so on its standard
 * output after each has been acknowledged. At a random moment, now and then before the vault is even open, it is
 * killed with SIGKILL. Then the vault is opened again, and everything that was ever acknowledged must be there and
 * right, and the file sound. The last line says what came out; any loss is an exit code of 1.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";

const SELF = fileURLToPath(import.meta.url);
const ROUNDS_DEFAULT = 200;
const ROUNDS_SHORT = 10;
/** Values that a process writes at the same time. */
const WRITERS = 4;
/** Milliseconds after the first acknowledgement within which a process is killed. */
const KILL_WITHIN_MS = 120;
/** Every so many rounds a process is killed at any moment from its start, opening the vault say. */
const EARLY_KILL_EVERY = 5;
const EARLY_KILL_WITHIN_MS = 600;
/** How many acknowledged values of earlier rounds are read again in each round; in the end, all are. */
const READ_AGAIN = 50;
/** How long a process may take to its first acknowledgement before something is thought to be wrong. */
const PATIENCE_MS = 60_000;

/** A value that was acknowledged. */
interface Put {
  readonly id: string;
  readonly versionId: string;
  /** Decides the value. */
  readonly mark: string;
}

/** Sizes from nothing to several pages, so that writes end in the middle of everything. */
function valueFor(mark: string): string {
  const size = (Number.parseInt(mark.split(" ")[1]!, 10) * 7919) % 9_000;
  return `${mark} ${"x".repeat(size)}`;
}

async function write(path: string, round: string): Promise<never> {
  const vault = await openVault({ path, onNotice: () => {} });
  let next = 0;
  const writer = async (): Promise<never> => {
    for (;;) {
      const keyContext = { tenant: `${next % 3}` };
      const say = (put: Put): void => {
        writeSync(1, `${JSON.stringify(put)}\n`);
      };
      let mark = `${round} ${next++}`;
      let { id, versionId } = await vault.createKv({ name: mark, value: valueFor(mark), keyContext });
      say({ id, versionId, mark });
      for (let updates = next % 3; updates > 0; updates--) {
        mark = `${round} ${next++}`;
        const versionCheck = updates % 2 === 0 ? versionId : null;
        versionId = (await vault.updateKv({ id, value: valueFor(mark), versionCheck })).metadata.versionId;
        say({ id, versionId, mark });
      }
      if (next % 20 === 0) await vault.keks.rotate({ name: "tenant", value: "0" }).catch(() => {});
    }
  };
  return Promise.race(Array.from({ length: WRITERS }, writer));
}

/** Runs one process to its end; answers what it has acknowledged. */
async function killed(path: string, round: number): Promise<Put[]> {
  const child = spawn(process.execPath, [SELF, "--write", path, "--round", `${round}`], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, COFFER_ROOT_KEY: "", NODE_NO_WARNINGS: "1" },
  });
  running = child;
  let output = "";
  const hasSpoken = Promise.withResolvers<void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    hasSpoken.resolve();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const isEarly = round % EARLY_KILL_EVERY === 0;
  const isPatient = new AbortController();
  if (!isEarly) {
    const patience = sleep(PATIENCE_MS, undefined, { signal: isPatient.signal }).catch(() => {});
    await Promise.race([hasSpoken.promise, ended, patience]);
    isPatient.abort();
  }
  await sleep(Math.random() * (isEarly ? EARLY_KILL_WITHIN_MS : KILL_WITHIN_MS));
  child.kill("SIGKILL");
  const code = await ended;
  running = undefined;
  if (code !== null) throw new Error(`round ${round}: the process ended by itself, with ${code}`);
  const lines = output.split("\n");
  lines.pop(); // What comes after the last line's end was cut off, or nothing.
  return lines.map((line) => JSON.parse(line) as Put);
}

/** The puts that are lost: not there, or not what they were. */
async function lost(vault: EmbeddedVault, puts: readonly Put[]): Promise<Put[]> {
  const out: Put[] = [];
  for (const put of puts) {
    try {
      const { value } = await vault.getKv({ id: put.id, versionId: put.versionId });
      const { data } = await vault.listKvVersions({ id: put.id });
      const isListed = data.some((version) => version.id === put.versionId);
      const isCurrentOnce = data.filter((version) => version.currentVersion).length === 1;
      if (value === valueFor(put.mark) && isListed && isCurrentOnce && data[0]!.currentVersion) continue;
    } catch (error) {
      console.log(`kill-nine: ${put.mark}: ${(error as Error).message}`);
    }
    out.push(put);
  }
  return out;
}

function isSound(path: string): boolean {
  const database = new DatabaseSync(path);
  try {
    const integrity = database.prepare("PRAGMA integrity_check").all();
    const foreignKeys = database.prepare("PRAGMA foreign_key_check").all();
    // An object without its current version, or a version without the KEKs it is counted under.
    const orphans = database
      .prepare(
        `SELECT (SELECT count(*) FROM kv_objects o WHERE NOT EXISTS
                   (SELECT 1 FROM kv_versions v WHERE v.id = o.current_version AND v.object_id = o.id))
              + (SELECT count(*) FROM kv_versions v WHERE NOT EXISTS
                   (SELECT 1 FROM kv_version_keks k WHERE k.version_id = v.id)) AS n`,
      )
      .get();
    return (
      integrity.length === 1 &&
      integrity[0]!.integrity_check === "ok" &&
      foreignKeys.length === 0 &&
      orphans!.n === 0
    );
  } finally {
    database.close();
  }
}

let running: ChildProcess | undefined;

async function soak(rounds: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "coffer-kill-nine-"));
  const path = join(directory, "vault.db");
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      running?.kill("SIGKILL");
      process.exit(1);
    });
  }
  const acknowledged: Put[] = [];
  const gone = new Set<string>();
  let unsound = 0;
  for (let round = 1; round <= rounds; round++) {
    const puts = await killed(path, round);
    const older = Array.from({ length: Math.min(READ_AGAIN, acknowledged.length) }, () => {
      return acknowledged[Math.floor(Math.random() * acknowledged.length)]!;
    });
    acknowledged.push(...puts);
    const vault = await openVault({ path, onNotice: () => {} });
    for (const put of await lost(vault, [...puts, ...older])) gone.add(put.mark);
    // Still good for more.
    await vault.createKv({ name: `after ${round}`, value: "v", keyContext: { tenant: "0" } });
    await vault.close();
    if (!isSound(path)) {
      unsound += 1;
      console.log(`kill-nine: round ${round}: the file is not sound`);
    }
    if (round % 50 === 0) console.log(`kill-nine: ${round} rounds, ${acknowledged.length} puts so far`);
  }
  const vault = await openVault({ path, onNotice: () => {} });
  for (const put of await lost(vault, acknowledged)) gone.add(put.mark);
  await vault.close();
  const isWell = gone.size === 0 && unsound === 0 && acknowledged.length > 0;
  if (isWell) rmSync(directory, { recursive: true, force: true });
  else console.log(`kill-nine: the vault is kept in ${directory}`);
  console.log(`kill-nine: ${rounds} rounds, ${acknowledged.length} puts acknowledged, ${gone.size} lost`);
  process.exitCode = isWell ? 0 : 1;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    short: { type: "boolean", default: false },
    write: { type: "string" },
    round: { type: "string" },
  },
});
if (values.write !== undefined) {
  await write(values.write, values.round ?? "0");
} else {
  const rounds = Number(values.rounds ?? (values.short ? ROUNDS_SHORT : ROUNDS_DEFAULT));
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError("--rounds must be a whole number from 1");
  await soak(rounds);
}
