/**
 * On what a benchmark ran: the machine and its load, the versions of everything that took part.
 *
 * Owns the look-up. Names no host, user or path: results are published.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { readFileSync, statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const GIB = 2 ** 30;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
}

export interface Versions {
  readonly node: string;
  readonly v8: string;
  readonly openssl: string;
  readonly sqlite: string;
  readonly coffer: string;
  /** Undefined outside a git checkout. */
  readonly commit: string | undefined;
  /** Whether `src/` differed from the commit. */
  readonly isDirty: boolean | undefined;
  readonly peers: Readonly<Record<string, string>>;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / GIB),
    system: `${type()} ${release()} ${arch()}`,
  };
}

/** Processes that wanted to run, on average over the last minute. */
export function load(): number {
  return Math.round(loadavg()[0]! * 100) / 100;
}

export function versions(): Versions {
  const { node, v8, openssl, sqlite } = process.versions;
  const own = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { version: string };
  const peer = createRequire(import.meta.url)("workos-node-11/package.json") as {
    name: string;
    version: string;
  };
  const changed = git("status", "--porcelain", "--", "src");
  return {
    node,
    v8,
    openssl: openssl ?? "unknown",
    sqlite: sqlite ?? "unknown",
    coffer: own.version,
    commit: git("rev-parse", "--short=12", "HEAD"),
    isDirty: changed === undefined ? undefined : changed !== "",
    peers: { [peer.name]: peer.version },
  };
}

function git(...args: string[]): string | undefined {
  try {
    const stdio = ["ignore", "pipe", "ignore"] as const;
    return execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: [...stdio] }).trim();
  } catch {
    return undefined;
  }
}

/** Kinds of file systems by their magic number (statfs(2) on Linux); a store on tmpfs measures no disk. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: "ext4",
  16914836: "tmpfs",
  1481003842: "xfs",
  2435016766: "btrfs",
  2035054128: "overlayfs",
};

export function fileSystem(path: string): string {
  const magic = statfsSync(path).type;
  return FILE_SYSTEMS[magic] ?? `0x${magic.toString(16)}`;
}
