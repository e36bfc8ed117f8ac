/**
 * Faults of file work, for a process that is tested: loaded before it by `--import`.
 *
 * Owns the count of calls that change files, and what happens at the one that COFFER_TEST_FAULT names: `kill:N` ends
 * the process by SIGKILL before call N, `tear:N` after half of what call N was to write, `CODE:NAME:N` fails call N
 * of one function with that error, `CODE:NAME` every one.
 *
 * @module
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

type Call = (...args: unknown[]) => unknown;

const functions = fs as unknown as Record<string, Call>;
const [fault = "", ...rest] = (process.env.COFFER_TEST_FAULT ?? "").split(":");
const isEnd = fault === "kill" || fault === "tear";
const name = isEnd ? undefined : rest[0];
const at = Number(isEnd ? rest[0] : (rest[1] ?? 0));
let count = 0;

for (const changed of [
  "openSync",
  "writeSync",
  "write",
  "fsyncSync",
  "fsync",
  "linkSync",
  "renameSync",
  "rmSync",
]) {
  const original = functions[changed]!;
  functions[changed] = Object.assign((...args: unknown[]): unknown => {
    if (name !== undefined && name !== changed) return original(...args);
    // What is only read is no step.
    if (changed === "openSync" && (args[1] === "r" || args[1] === undefined)) return original(...args);
    count += 1;
    if (at !== 0 && count !== at) return original(...args);
    if (isEnd) end(original, changed, args);
    const error = Object.assign(new Error(`${fault}: injected`), { code: fault, syscall: changed });
    const callback = args.at(-1);
    if (typeof callback !== "function") throw error;
    process.nextTick(callback as () => void, error);
    return undefined;
  }, original);
}
syncBuiltinESMExports();

function end(original: Call, changed: string, args: unknown[]): never {
  if (fault === "tear" && changed === "writeSync") {
    const bytes = args[1] as Uint8Array;
    original(args[0], bytes, 0, bytes.length >> 1, args[4] ?? null);
  }
  process.kill(process.pid, "SIGKILL");
  // The signal comes at once, but the call behind it might be on its way.
  for (;;);
}
