/**
 * Soaks of a vault in a file: its processes are killed, its calls fail, its disk is full, and its processes stand still.
 *
 * Owns what goes wrong. Must not judge what came of it: account.ts.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, statSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Account } from "./account.ts";
import { fill, mount } from "./small-disk.ts";
import { standStill } from "./standing-still.ts";
import { checkFile, compare, inDirectory, openFile, PROCESSES, type Run, write } from "./writing.ts";

const SHIM = join(import.meta.dirname, "faults", "failing-calls.c");
const FAULTS_SHORT = 3;
/** Milliseconds within which a process is killed, and which a process with faults lives. */
const KILL_WITHIN_MS = 900;
const FAULTS_MS = { short: 500, long: 3_000 };
/** Every so many rounds processes are killed at any moment from their start. */
const EARLY_EVERY = 5;

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

/**
 * Processes on one file, killed by SIGKILL at any moment while they put, update, delete, rotate, shred and rewrap; the clock of
 * every second one jumps by years.
 */
export async function kills({ rounds, seed, pick }: Run): Promise<Account> {
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

/**
 * Every k-th write, sync or open of the vault's files fails, with EIO, ENOSPC or EMFILE: by a shim for LD_PRELOAD, which is
 * built with `cc`.
 */
export async function faults({ rounds, isShort }: Run): Promise<Account | string> {
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
      for (const [call, errno, every] of isShort ? FAULTS.slice(0, FAULTS_SHORT) : FAULTS) {
        const label = `${call}-${errno}-${every}-${round}`;
        const path = join(directory, `${label}.db`);
        const count = join(directory, `${label}.count`);
        await (await openFile(path)()).close();
        const { said } = write(
          { where: path, label, forMs: isShort ? FAULTS_MS.short : FAULTS_MS.long },
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
        account.add(own);
      }
    }
    if (injected === 0) {
      account.wrong += 1;
      console.log("soak: wrong: not one call was made to fail");
    }
  });
  return problem ?? account;
}

/** The disk of a vault's file, in KiB, and what of it is taken now and then; ours: a vault of some rounds and its journal fit. */
const DISK_KIB = 8 * 1_024;
const BALLAST_BYTES = 5 * 1_024 * 1_024;
const DISK_PHASE_MS = 700;
const DISK_PHASES = { short: 3, long: 9 };

/** The file system is full, has room again, is full again, and the processes go on. It is a small one in memory: for root. */
export async function disk({ rounds, isShort, pick }: Run): Promise<Account | string> {
  const account = new Account();
  let problem: string | undefined;
  await inDirectory(account, async (directory) => {
    for (let round = 0; round < rounds; round++) {
      const mounted = mount(join(directory, `disk${round}`), DISK_KIB);
      if (mounted instanceof Error) {
        problem = mounted.message;
        return;
      }
      try {
        const path = join(mounted.at, "vault.db");
        const ballast = join(mounted.at, "ballast");
        await (await openFile(path)()).close();
        const writing = Array.from({ length: PROCESSES }, (_, n) =>
          write({ where: path, label: `r${round}p${n}` }),
        );
        await Promise.all(writing.map(({ spoke }) => spoke));
        for (let phase = 0; phase < (isShort ? DISK_PHASES.short : DISK_PHASES.long); phase++) {
          await sleep(DISK_PHASE_MS / 2 + pick(DISK_PHASE_MS));
          if (phase % 2 === 0) fill(ballast, BALLAST_BYTES);
          else rmSync(ballast);
        }
        for (const { child } of writing) child.kill("SIGKILL");
        const own = new Account();
        for (const { said } of writing) own.note(await said);
        rmSync(ballast, { force: true });
        await compare(own, openFile(path));
        checkFile(own, path);
        account.add(own);
      } finally {
        mounted.end();
      }
    }
    if ((account.codes.get("ERR_STORAGE_FULL") ?? 0) === 0) {
      account.wrong += 1;
      console.log("soak: wrong: the disk was never full");
    }
  });
  return problem ?? account;
}

const STILLS = { short: 4, long: 12 };

/** Processes stand still at any moment, with whatever locks they hold, for up to 2.5 seconds, and go on: as if starved. */
export async function starvation({ rounds, isShort, pick }: Run): Promise<Account> {
  const account = new Account();
  await inDirectory(account, async (directory) => {
    const path = join(directory, "vault.db");
    await (await openFile(path)()).close();
    for (let round = 0; round < rounds; round++) {
      const writing = Array.from({ length: PROCESSES }, (_, n) =>
        write({ where: path, label: `r${round}p${n}` }),
      );
      await Promise.all(writing.map(({ spoke }) => spoke));
      await standStill(writing, isShort ? STILLS.short : STILLS.long, pick);
      for (const { child } of writing) child.kill("SIGKILL");
      for (const { said } of writing) account.note(await said);
      await compare(account, openFile(path));
      checkFile(account, path);
    }
  });
  return account;
}
