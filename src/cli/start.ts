/**
 * The command on a runtime that can run it.
 *
 * Owns what happens before the first argument is looked at. Must not know commands.
 *
 * @module
 */
import { expectStreamErrors } from "./io.ts";
import { run } from "./run.ts";
import { hideSqliteWarning } from "./warnings.ts";

/** Runs the command that the arguments of this process name. @returns its exit code */
export async function start(): Promise<number> {
  hideSqliteWarning();
  expectStreamErrors();
  return await run(process.argv.slice(2));
}
