/**
 * The house: which rooms there are, which lies above which, and what each may bring in.
 *
 * Owns the tables of the import check; a new room, package or provider file is entered here and nowhere else.
 * Must not know how source files are read.
 *
 * @module
 */

/** One room of `src/`: a directory, or named files at the top. */
export interface Room {
  readonly name: string;
  /** Files at the top of `src/` that make up the room; without them it is the directory of its name. */
  readonly files?: readonly string[];
  /** Runs in browsers and on edge runtimes as well: no `node:` module and no Node global at run time. */
  readonly portable: boolean;
  /** External packages that the room may import. */
  readonly packages: readonly AllowedPackage[];
}

export interface AllowedPackage {
  readonly name: string;
  /** Only these files of the room; without it, all. Paths are relative to `src/`. */
  readonly files?: RegExp;
}

const NOBLE_FILES = /^crypto\/(?:aead\/noble|primitives\/hash-noble)\.ts$/;

/** From low to high: a room may import itself and the rooms before it. */
export const ROOMS: readonly Room[] = [
  { name: "errors", files: ["errors.ts", "version.ts"], portable: true, packages: [] },
  { name: "base", portable: true, packages: [] },
  {
    name: "crypto",
    portable: true,
    packages: [
      { name: "@noble/ciphers", files: NOBLE_FILES },
      { name: "@noble/hashes", files: NOBLE_FILES },
    ],
  },
  { name: "keys", portable: true, packages: [] },
  { name: "keks", portable: true, packages: [] },
  { name: "kv", portable: true, packages: [] },
  { name: "rekey", portable: true, packages: [] },
  { name: "wire", portable: true, packages: [] },
  { name: "http", portable: true, packages: [] },
  { name: "facade", portable: true, packages: [] },
  { name: "entry", files: ["index.ts"], portable: true, packages: [] },
  { name: "workos", portable: true, packages: [] },
  {
    name: "vault",
    portable: false,
    packages: [{ name: "pg", files: /^vault\/storage\/postgres\/(options|connection)\.ts$/ }],
  },
  {
    name: "server",
    portable: false,
    packages: [{ name: "zod" }],
  },
  { name: "cli", portable: false, packages: [{ name: "commander" }] },
];

/** The room that the file belongs to, by its path relative to `src/`; undefined if the house has none for it. */
export function roomOf(path: string): Room | undefined {
  const slash = path.indexOf("/");
  if (slash < 0) return ROOMS.find((room) => room.files?.includes(path));
  const directory = path.slice(0, slash);
  return ROOMS.find((room) => room.files === undefined && room.name === directory);
}

export const isAbove = (room: Room, other: Room): boolean => ROOMS.indexOf(room) > ROOMS.indexOf(other);

/** The files that may name a cipher implementation: `@noble/*`, `node:crypto`, Web Crypto. */
export const PROVIDER_FILES =
  /^(?:crypto\/aead\/(?:node|webcrypto|noble)|crypto\/primitives\/hash-(?:node|noble)|crypto\/envelope\/fast\/envelope-node|base\/runtime)\.ts$/;

/** The one file that may look at Node's globals in the portable rooms. */
export const RUNTIME_FILE = "base/runtime.ts";

/** May ask whether there is a `subtle`, to choose a provider; may not use it. */
export const SUBTLE_FILES = /^crypto\/aead\/choose\.ts$/;

/** Globals that only some runtimes have. Portable files ask {@link RUNTIME_FILE} instead. */
export const NODE_GLOBALS: ReadonlySet<string> = new Set([
  "process",
  "Buffer",
  "require",
  "module",
  "exports",
  "__dirname",
  "__filename",
  "global",
  "setImmediate",
  "clearImmediate",
]);

/** A package subpath that must bundle for browsers, and its source relative to `src/`. */
export interface BrowserEntry {
  readonly subpath: string;
  readonly source: string;
}

export const BROWSER_ENTRIES: readonly BrowserEntry[] = [
  { subpath: ".", source: "index.ts" },
  { subpath: "./errors", source: "errors.ts" },
  { subpath: "./crypto", source: "crypto/index.ts" },
  { subpath: "./keys", source: "keys/index.ts" },
  { subpath: "./keks", source: "keks/index.ts" },
  { subpath: "./kv", source: "kv/index.ts" },
  { subpath: "./rekey", source: "rekey/index.ts" },
  { subpath: "./http", source: "http/index.ts" },
  { subpath: "./workos", source: "workos/index.ts" },
];
