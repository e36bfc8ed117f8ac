/**
 * `npm run soak -- [--short] [--only kills|faults|postgres] [--rounds N] [--seed S]`: a vault under faults, and the account of
 * what it had acknowledged.
 *
 * - kills: processes on one file, killed by SIGKILL at any moment while they put, update, delete, rotate, shred and rewrap;
 *   the clock of every second one jumps by years;
 * - faults: every k-th write, sync or open of the vault's files fails, with EIO or ENOSPC (a shim for LD_PRELOAD, which is
 *   built with `cc`; without a compiler that part is named as skipped);
 * - postgres: processes on one database, and PostgreSQL crashes (an immediate stop) under them; some of them are killed.
 *
 * After each round the vault is opened, and everything that was ever said is compared: values, data keys, events, states.
 * Exit code 1 if anything is lost or wrong.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { migratePostgres, openFileHost, openPostgresHost, type VaultHost } from "../../src/vault/index.ts";
import { numbers } from "../support/crafted-envelopes.ts";
import { BIN, type Cluster, ownerOf, serve, stop, WHY_NOT } from "../support/postgres-cluster.ts";
import { Account } from "./account.ts";
import type { Line, WriterOrder } from "./writer.ts";

const ROOT_KEY = Buffer.alloc(32, 9).toString("base64");
const WRITER = join(import.meta.dirname, "writer.ts");
const SHIM = join(import.meta.dirname, "faults", "failing-calls.c");
const PARTS = ["kills", "faults", "postgres"] as const;
const ROUNDS = { kills: 60, faults: 1, postgres: 20 };
const ROUNDS_SHORT = { kills: 2, faults: 1, postgres: 1 };
const WRITERS = 3;
const FAULTS_SHORT = 3;
/** Milliseconds within which a process is killed, and which a process with faults lives. */
const KILL_WITHIN_MS = 900;
const FAULTS_MS = { short: 500, long: 3_000 };
/** Every so many rounds processes are killed at any moment from their start. */
const EARLY_EVERY = 5;
/** How long a process may live at most. */
const LIFE_MS_MAX = 30_000;
const DOWN_MS_MAX = 600;
const PROCESSES = 3;

/**
 * Opening a vault opens three files, and nothing does later: there the vault cannot be opened, and must say so. Likewise where
 * each write of its opening meets a failing call.
 *
 * Which calls fail, how, and each how-manyeth; the short form has the first three.
 */
const FAULTS = [
  ["fsync", "EIO", 7],
  ["write", "ENOSPC", 41],
  ["open", "EMFILE", 2],
  ["fsync", "EIO", 2],
  ["fsync", "EIO", 23],
  ["write", "EIO", 5],
  ["write", "EIO", 97],
  ["write", "ENOSPC", 19],
  ["open", "EIO", 3],
] as const;

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    seed: { type: "string" },
  },
});
const seed = values.seed === undefined ? Date.now() % 2 ** 32 : Number(values.seed);
const pick = numbers(seed);
const running = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill("SIGKILL");
    process.exit(1);
  });
}

/** A writer under way. */
interface Writing {
  readonly child: ChildProcess;
  /** When it has said something, or has ended. */
  readonly spoke: Promise<unknown>;
  /** What it has said, once it has ended. */
  readonly said: Promise<Line[]>;
}

function write(order: Partial<WriterOrder> & { where: string; label: string }, env: object = {}): Writing {
  const whole = { rootKey: ROOT_KEY, writers: WRITERS, forMs: LIFE_MS_MAX, ...order };
  const child = spawn(process.execPath, [WRITER, JSON.stringify(whole)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
  });
  running.add(child);
  let output = "";
  const spoke = new Promise<void>((resolve) => {
    child.stdout!.once("data", () => resolve());
    child.once("close", () => resolve());
  });
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const said = new Promise<Line[]>((resolve) => {
    child.once("close", () => {
      running.delete(child);
      const lines = output.split("\n");
      lines.pop(); // What comes after the last line's end was cut off, or nothing.
      resolve(lines.map((line) => JSON.parse(line) as Line));
    });
  });
  return { child, spoke, said };
}

/** Opens what writers have left, compares all of it, and closes it again. */
async function compare(account: Account, open: () => Promise<VaultHost>): Promise<void> {
  const host = await open();
  try {
    const { id } = await host.environment("default");
    await account.compare(host, host.session(id, { actor: { id: "soak", name: "soak", source: "api" } }));
  } finally {
    await host.close();
  }
}

const openFile = (path: string) => () => openFileHost({ path, rootKey: ROOT_KEY, onNotice: () => {} });

/** What SQLite itself says of a file. */
function checkFile(account: Account, path: string): void {
  const database = new DatabaseSync(path);
  try {
    const integrity = database.prepare("PRAGMA integrity_check").all();
    const keys = database.prepare("PRAGMA foreign_key_check").all();
    if (integrity.length === 1 && integrity[0]!.integrity_check === "ok" && keys.length === 0) return;
    account.wrong += 1;
    console.log(`soak: wrong: the file is not sound: ${path}`);
  } finally {
    database.close();
  }
}

async function kills(rounds: number): Promise<Account> {
  const account = new Account();
  await inDirectory(account, async (directory) => {
    const path = join(directory, "vault.db");
    await (await openFile(path)()).close();
    for (let round = 0; round < rounds; round++) {
      const writing = Array.from({ length: PROCESSES }, (_, n) =>
        write({
          where: path,
          label: `r${round}p${n}`,
          ...(n % 2 === 1 ? { clockSeed: seed + round } : {}),
        }),
      );
      // Now and then they are killed before they have done anything: while they open the vault, say.
      if (round % EARLY_EVERY !== EARLY_EVERY - 1) await Promise.all(writing.map(({ spoke }) => spoke));
      for (const { child } of writing) {
        await sleep(pick(KILL_WITHIN_MS));
        child.kill("SIGKILL");
      }
      for (const { said } of writing) account.note(await said);
      // Comparing everything after every round would soon be all that is done.
      if (round % 10 === 9) await compare(account, openFile(path));
      checkFile(account, path);
    }
    await compare(account, openFile(path));
  });
  return account;
}

async function faults(rounds: number): Promise<Account | string> {
  const account = new Account();
  let injected = 0;
  let problem: string | undefined;
  await inDirectory(account, async (directory) => {
    const shim = join(directory, "shim.so");
    const built = spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", shim, SHIM, "-ldl"], {
      encoding: "utf8",
    });
    if (built.status !== 0) {
      problem = `no C compiler to make calls fail with: ${built.stderr ?? built.error?.message}`;
      return;
    }
    for (let round = 0; round < rounds; round++) {
      for (const [call, errno, every] of values.short ? FAULTS.slice(0, FAULTS_SHORT) : FAULTS) {
        const label = `${call}-${errno}-${every}-${round}`;
        const path = join(directory, `${label}.db`);
        const count = join(directory, `${label}.count`);
        await (await openFile(path)()).close();
        const { said } = write(
          { where: path, label, forMs: values.short ? FAULTS_MS.short : FAULTS_MS.long },
          {
            LD_PRELOAD: shim,
            COFFER_FAIL_CALL: call,
            COFFER_FAIL_EVERY: String(every),
            COFFER_FAIL_ERRNO: String(constants.errno[errno]),
            COFFER_FAIL_PART: `${label}.db`,
            COFFER_FAIL_COUNT: count,
          },
        );
        const own = new Account();
        own.note(await said);
        await compare(own, openFile(path));
        checkFile(own, path);
        const failed = existsSync(count) ? statSync(count).size : 0;
        injected += failed;
        console.log(`soak: every ${every}th ${call} ${errno}: ${failed} made to fail, ${own}`);
        for (const part of ["acknowledged", "refused", "lost", "wrong", "unclear"] as const) {
          account[part] += own[part];
        }
        for (const [code, n] of own.codes) account.codes.set(code, (account.codes.get(code) ?? 0) + n);
      }
    }
    if (injected === 0) {
      account.wrong += 1;
      console.log("soak: wrong: not one call was made to fail");
    }
  });
  return problem ?? account;
}

async function postgres(rounds: number): Promise<Account | string> {
  if (BIN === undefined) return WHY_NOT;
  const bin = BIN;
  const account = new Account();
  await inDirectory(account, async (directory) => {
    const options = ownerOf(directory);
    const data = join(directory, "data");
    execFileSync(join(bin, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"], options);
    let cluster: Cluster = await serve(data, directory, options, { fsync: "on" });
    const { port } = cluster;
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    await migratePostgres({ url });
    const open = () => openPostgresHost({ url, rootKey: ROOT_KEY });
    // The vault itself is made before anything crashes.
    await (await openPostgresHost({ url, rootKey: ROOT_KEY, create: true, onNotice: () => {} })).close();
    for (let round = 0; round < rounds; round++) {
      const writing = Array.from({ length: PROCESSES }, (_, n) =>
        write({ where: url, label: `r${round}p${n}` }),
      );
      await sleep(KILL_WITHIN_MS + pick(KILL_WITHIN_MS));
      // PostgreSQL's immediate stop: as if it had crashed.
      const crashed = new Promise((resolve) => cluster.process.once("exit", resolve));
      cluster.process.kill("SIGQUIT");
      await crashed;
      await sleep(pick(DOWN_MS_MAX));
      cluster = await serve(data, directory, options, { port, fsync: "on" });
      await sleep(KILL_WITHIN_MS + pick(KILL_WITHIN_MS));
      for (const { child } of writing) child.kill("SIGKILL");
      for (const { said } of writing) account.note(await said);
    }
    await compare(account, open);
    await stop(cluster.process);
  });
  return account;
}

/** Runs with a directory, which is kept if something came out badly. */
async function inDirectory(account: Account, work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "coffer-soak-"));
  await work(directory);
  if (account.lost + account.wrong > 0) console.log(`soak: what is left is in ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
}

const runs = { kills, faults, postgres };
let isWell = true;
for (const part of PARTS) {
  if (values.only !== undefined && values.only !== part) continue;
  const rounds = Number(values.rounds ?? (values.short ? ROUNDS_SHORT : ROUNDS)[part]);
  const start = performance.now();
  const result = await runs[part](rounds);
  const seconds = ((performance.now() - start) / 1_000).toFixed(0);
  if (typeof result === "string") {
    console.log(`soak: ${part}: skipped: ${result}`);
    continue;
  }
  const codes = [...result.codes].map(([code, n]) => `${code} ${n}`).join(", ");
  console.log(
    `soak: ${part}: seed ${seed}, ${rounds} rounds, ${seconds} s: ${result}${codes && ` (${codes})`}`,
  );
  isWell &&= result.lost === 0 && result.wrong === 0 && result.acknowledged > 0;
}
process.exit(isWell ? 0 : 1);
