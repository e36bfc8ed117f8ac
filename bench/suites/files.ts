/**
 * The commands `encrypt-file` and `decrypt-file`, each a process of its own that writes a file durably.
 *
 * Owns the competitors: what a process of Node costs that does nothing, the command that does nothing, and the two. The command is
 * the built one (`npm run build`), since sources are compiled at each start.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sampler } from "../lib/harness.ts";

const COMMAND = join(import.meta.dirname, "..", "..", "dist", "node", "cli", "main.js");
const MIB = 2 ** 20;
/** Nanoseconds of a tick of the kernel's count of processor time (`sysconf(_SC_CLK_TCK)` is 100 on Linux). */
const TICK_NS = 1e7;

/** Sizes of files. */
export const FILE_SIZES = [
  { name: "1 MiB", bytes: MIB },
  { name: "256 MiB", bytes: 256 * MIB },
] as const;

/** A sample is one process, however long it takes. */
export const FILE_SETTINGS = { rounds: 7, sampleMs: 1, warmUpMs: 1 } as const;

/** The samplers of one size; `close` takes the files away. */
export interface FileSubject {
  readonly encrypt: readonly [Sampler, ...Sampler[]];
  readonly decrypt: readonly [Sampler, ...Sampler[]];
  close(): void;
}

/** Makes a file and its ciphertext. @param disk - where they lie @throws if the command was not built, or does not read what it wrote */
export function fileSubject(bytes: number, disk: string): FileSubject {
  if (!existsSync(COMMAND)) throw new Error("the command is not built: npm run build");
  const directory = mkdtempSync(join(disk, "coffer-bench-files-"));
  const at = (name: string): string => join(directory, name);
  writeFileSync(at("plain"), "");
  for (let done = 0; done < bytes; done += MIB) writeFileSync(at("plain"), randomBytes(MIB), { flag: "a" });
  const vault = ["--vault", at("vault.db")];
  const encrypt = (out: string): string[] => [
    ...[COMMAND, "encrypt-file", at("plain"), "--context", "organization_id=org_1", "--out", at(out)],
    ...vault,
  ];
  const decrypt = (out: string): string[] => [
    ...[COMMAND, "decrypt-file", at("sealed"), "--out", at(out)],
    ...vault,
  ];
  run(encrypt("sealed"));
  run(decrypt("opened"));
  if (!readFileSync(at("plain")).equals(readFileSync(at("opened")))) throw new Error("outputs disagree");
  const nothing = [
    sampler("node, nothing", ["-e", "0"]),
    sampler("coffer --version", [COMMAND, "--version"]),
  ];
  return {
    encrypt: [nothing[0]!, nothing[1]!, sampler("coffer", encrypt("out"), at("out"))],
    decrypt: [nothing[0]!, nothing[1]!, sampler("coffer", decrypt("out"), at("out"))],
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** @param out - is taken away before each run: to replace a file costs the file system something else */
function sampler(name: string, args: readonly string[], out?: string): Sampler {
  return {
    name,
    async run(calls) {
      let [wall, cpu] = [0, 0];
      for (let i = 0; i < calls; i++) {
        if (out !== undefined) rmSync(out, { force: true });
        const before = childrenNs();
        const start = process.hrtime.bigint();
        run(args);
        wall += Number(process.hrtime.bigint() - start);
        cpu += childrenNs() - before;
      }
      return { wall, cpu: Math.max(1, cpu) };
    },
  };
}

function run(args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore" });
  if (status !== 0) throw new Error(`a process of the bench failed: ${args[1] ?? ""}`);
}

/** Processor time of all children that have ended (proc(5): fields 16 and 17 of `stat`). Its ticks of 10 ms are summed up exactly. */
function childrenNs(): number {
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[13]) + Number(fields[14])) * TICK_NS;
}
