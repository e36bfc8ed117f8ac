/**
 * Realms inside of Node that are poorer than Node: the programs that make them.
 *
 * Owns what each has and lacks. A program is given `given`: the file of a package, the script to run, and the call that
 * runs it. Must not know what the script does.
 *
 * @module
 */

/** The realm in which Next and others run code for the edge. */
export const EDGE_RUNTIME: string = [
  'import { readFileSync } from "node:fs";',
  "const { EdgeRuntime } = (await import(given.file)).default;",
  "const runtime = new EdgeRuntime();",
  'runtime.evaluate(readFileSync(given.script, "utf8"));',
  "await runtime.evaluate(given.call);",
].join("\n");

/** What an engine like Hermes lacks of the language is taken away inside of the context. */
const LACKING = [
  "delete globalThis.WebAssembly;",
  "delete globalThis.FinalizationRegistry;",
  "delete Promise.withResolvers;",
  "delete Symbol.dispose;",
  "delete Symbol.asyncDispose;",
  'for (const name of ["isWellFormed", "toWellFormed"]) delete String.prototype[name];',
  'for (const name of ["transfer", "transferToFixedLength", "resizable"]) delete ArrayBuffer.prototype[name];',
  'for (const name of ["toSorted", "toReversed", "toSpliced", "with", "findLast"]) delete Array.prototype[name];',
  'for (const name of ["toBase64", "toHex", "setFromBase64", "toSorted"]) delete Uint8Array.prototype[name];',
  'for (const name of ["fromBase64", "fromHex"]) delete Uint8Array[name];',
  "delete Object.groupBy;",
  "delete Map.groupBy;",
  "delete Array.fromAsync;",
].join(" ");

/**
 * What a host lacks is not handed in: no `Buffer`, `process`, streams, `Blob`, `TextDecoder`, `structuredClone`, and of
 * Web Crypto the generator alone.
 */
export const STRIPPED_CONTEXT: string = [
  'import { readFileSync } from "node:fs";',
  'import { createContext, runInContext } from "node:vm";',
  "const context = createContext({",
  "  crypto: { getRandomValues: (array) => crypto.getRandomValues(array) },",
  "  TextEncoder, AbortController, URL, Headers, fetch, setTimeout, clearTimeout, performance,",
  "});",
  `runInContext(${JSON.stringify(LACKING)}, context);`,
  'runInContext(readFileSync(given.script, "utf8"), context);',
  "await runInContext(given.call, context);",
].join("\n");
