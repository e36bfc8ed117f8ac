#!/usr/bin/env node
/**
 * The `coffer` command.
 *
 * Owns the process: what happens before anything else and how it ends. Must not know commands.
 *
 * @module
 */
import "./debugger.ts";
import { unsupportedRuntime } from "../vault/needed-runtime.ts";
import { EXIT_LOCAL } from "./output/exit-codes.ts";

const problem = unsupportedRuntime(process.versions);
if (problem !== undefined) {
  console.error(`coffer ${problem}`);
  process.exit(EXIT_LOCAL);
}
// Only now: an older Node fails at the import of what it does not know.
const { start } = await import("./start.ts");
// Everything has been written by then; what is left, such as a pipe that is still open for reading, must not hold
// the process.
process.exit(await start());
