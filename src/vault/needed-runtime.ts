/**
 * Which runtime the vault, its server and the command need, and the one sentence that says so elsewhere.
 *
 * Owns that rule. Imports little and is written so that an old runtime can read it: the command loads it before
 * anything else.
 *
 * @module
 */
import { VaultError } from "../errors.ts";

/** The first Node with `node:sqlite` and no flag for it (Node's changelog, 22.13.0); package.json's `engines`. */
export const NODE_MIN = "22.13";

/** What a runtime says of itself, as far as it is asked. */
interface Versions {
  readonly node?: string | undefined;
  readonly bun?: string | undefined;
  readonly deno?: string | undefined;
}

/**
 * What is wrong with a runtime, as the end of a sentence; undefined if nothing is.
 *
 * @param versions - `process.versions`, or a description of one
 */
export function unsupportedRuntime(versions: Versions): string | undefined {
  // Both name a Node that they are like; what counts there is whether node:sqlite is there.
  if (versions.bun !== undefined || versions.deno !== undefined) return undefined;
  const [major = 0, minor = 0] = (versions.node ?? "0.0").split(".").map(Number);
  const [majorMin = 0, minorMin = 0] = NODE_MIN.split(".").map(Number);
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return undefined;
  return `needs Node ${NODE_MIN} or later, and this is Node ${versions.node}`;
}

/** @throws VaultError ERR_UNSUPPORTED, naming the version that is needed */
export function checkRuntime(): void {
  const problem = unsupportedRuntime(process.versions);
  if (problem !== undefined) throw new VaultError("ERR_UNSUPPORTED", `coffer/vault ${problem}`);
}
