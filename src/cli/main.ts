#!/usr/bin/env node
/**
 * The `coffer` command.
 *
 * Owns the process: what happens before anything else and how it ends. Must not know commands.
 *
 * @module
 */
import "./debugger.ts";
import { expectStreamErrors } from "./io.ts";
import { run } from "./run.ts";
import { hideSqliteWarning } from "./warnings.ts";

hideSqliteWarning();
expectStreamErrors();
// Everything has been written by then; what is left, such as a pipe that is still open for reading, must not hold
// the process.
process.exit(await run(process.argv.slice(2)));
