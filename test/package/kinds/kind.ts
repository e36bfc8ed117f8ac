/**
 * The shape of a kind of project, and what several kinds have in common.
 *
 * Owns both. Must not know any kind.
 *
 * @module
 */

/** What the programs of projects are found under. */
export interface Tools {
  /** A program of the pinned tools, by its path in node_modules. */
  tool(path: string): string;
  /** A runtime of test/runtimes by the path in its node_modules, or undefined if it is not on this machine. */
  runtime(path: string): string | undefined;
  /** A browser that takes Chromium's arguments, or undefined if it is not on this machine. */
  readonly chromium: string | undefined;
}

/** One command of a project. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/** A kind of project. */
export interface Kind {
  /** As the table shows it. */
  readonly name: string;
  /** Costs more than CI has: with `--full` only. */
  readonly isSlow?: boolean;
  /** A folder of examples/ that is copied into the project. */
  readonly example?: string;
  /** Texts by path, beside the programs of projects/. */
  readonly files: Readonly<Record<string, string>>;
  /** In order; undefined if a program is not on this machine. */
  readonly commands: (tools: Tools) => readonly Command[] | undefined;
  /** In the output of the last command; default the smoke program's word. */
  readonly expected?: string;
}

/** The smoke program, and calls that answer at once by what is passed for them. */
export const OK = [
  'import { localDecryptSync, localEncryptSync } from "coffer/crypto";',
  'import { wasm as sync } from "coffer/sync";',
  'import { KEY, smoke } from "./smoke.js";',
  'const text = localEncryptSync("at once", KEY, undefined, { sync });',
  'if (localDecryptSync(text, KEY, undefined, { sync }) !== "at once") throw new Error("sync");',
  "console.log(await smoke());",
].join("\n");
/** A project of ES modules. */
export const ESM_MANIFEST = JSON.stringify({ private: true, type: "module" });

/** A program of the Node that runs this. */
export const node = (args: readonly string[]): Command => ({ file: process.execPath, args });
