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
  /**
   * Folders and files of the room from low to high, by path relative to the room: each may import itself and those before
   * it. A file that no row holds is above them all. Without it the room has no inner order.
   */
  readonly order?: readonly string[];
  /** External packages that the room may import. */
  readonly packages: readonly AllowedPackage[];
}

export interface AllowedPackage {
  readonly name: string;
  /** Only these files of the room; without it, all. Paths are relative to `src/`. */
  readonly files?: RegExp;
}

const NOBLE_FILES = /^crypto\/(?:aead\/noble|primitives\/(?:hash-noble|hmac-sha256)|hpke\/ml-kem-peer)\.ts$/;

/** From low to high: a room may import itself and the rooms before it. */
export const ROOMS: readonly Room[] = [
  { name: "errors", files: ["errors.ts", "version.ts"], portable: true, packages: [] },
  { name: "base", portable: true, packages: [] },
  {
    name: "crypto",
    portable: true,
    order: [
      "limits.ts",
      "associated-data.ts",
      "primitives",
      "aead",
      "curves",
      "hpke",
      "keys",
      "native/format.ts",
      "native/derivation.ts",
      "envelope",
      "envelope/fast",
      "ciphers",
      "sealed",
      "native",
    ],
    packages: [
      { name: "@noble/ciphers", files: NOBLE_FILES },
      { name: "@noble/hashes", files: NOBLE_FILES },
      { name: "tweetnacl", files: /^crypto\/curves\/tweetnacl\.ts$/ },
    ],
  },
  { name: "keys", portable: true, packages: [] },
  { name: "keks", portable: true, packages: [] },
  { name: "kv", portable: true, packages: [] },
  { name: "rekey", portable: true, order: ["job"], packages: [] },
  { name: "wire", portable: true, packages: [] },
  { name: "http", portable: true, packages: [] },
  { name: "facade", portable: true, packages: [] },
  { name: "sealed", portable: true, packages: [] },
  { name: "entry", files: ["index.ts", "events.ts", "sync.ts"], portable: true, packages: [] },
  { name: "workos", portable: true, packages: [] },
  { name: "testing", portable: true, packages: [] },
  { name: "sources", portable: false, order: ["sql"], packages: [] },
  {
    name: "vault",
    portable: false,
    order: [
      "limits.ts",
      "needed-runtime.ts",
      "ids.ts",
      "root/key-text.ts",
      "files/atomic-file.ts",
      "files/vault-path.ts",
      "storage",
      "files",
      "root",
      "authority",
      "events",
      "access",
      "events/webhooks.ts",
      "keks",
      "recipients",
      "kv",
      "authenticate.ts",
      "anchor.ts",
      "replace-vault-keys.ts",
      "rotate-root.ts",
      "environments.ts",
      "host.ts",
      "open-host.ts",
      "open-vault.ts",
    ],
    packages: [{ name: "pg", files: /^vault\/storage\/postgres\/(options|connection|pipeline)\.ts$/ }],
  },
  {
    name: "server",
    portable: false,
    order: ["limits.ts", "core", "operations", "app.ts", "webhooks", "node", "processes"],
    packages: [{ name: "zod" }],
  },
  {
    name: "cli",
    portable: false,
    order: [
      "errors.ts",
      "io.ts",
      "output",
      "input",
      "files",
      "open.ts",
      "connect.ts",
      "job-source.ts",
      "command-run.ts",
      "command.ts",
      "commands",
      "bind.ts",
      "parser.ts",
      "program.ts",
      "run.ts",
    ],
    packages: [{ name: "commander" }],
  },
];

/** The room that the file belongs to, by its path relative to `src/`; undefined if the house has none for it. */
export function roomOf(path: string): Room | undefined {
  const slash = path.indexOf("/");
  if (slash < 0) return ROOMS.find((room) => room.files?.includes(path));
  const directory = path.slice(0, slash);
  return ROOMS.find((room) => room.files === undefined && room.name === directory);
}

/**
 * Where in its room's order a file stands; the longest row that holds it counts.
 *
 * @param path - relative to `src/`
 * @returns its place from 0, one behind the last for a file that no row holds; undefined if the room has no order
 */
export function placeInRoom(room: Room, path: string): { place: number; row: string } | undefined {
  const { order } = room;
  if (order === undefined) return undefined;
  const inside = path.slice(room.name.length + 1);
  let found = { place: order.length, row: inside };
  let length = -1;
  for (const [place, row] of order.entries()) {
    const holds = row === inside || inside.startsWith(`${row}/`);
    if (holds && row.length > length) {
      found = { place, row };
      length = row.length;
    }
  }
  return found;
}

/** Whether a room lies above another. */
export const isAbove = (room: Room, other: Room): boolean => ROOMS.indexOf(room) > ROOMS.indexOf(other);

/** The files that may name a cipher implementation: `@noble/*`, `node:crypto`, Web Crypto. */
export const PROVIDER_FILES =
  /^(?:crypto\/aead\/(?:node|webcrypto|noble)|crypto\/primitives\/(?:hash-(?:node|noble|webcrypto)|hmac-sha256)|crypto\/curves\/(?:node|webcrypto|webcrypto-signing|tweetnacl)|crypto\/hpke\/ml-kem-(?:node|peer)|crypto\/envelope\/fast\/envelope-node|base\/runtime)\.ts$/;

/** The one file that may look at Node's globals in the portable rooms. */
export const RUNTIME_FILE = "base/runtime.ts";

/** May ask whether there is a `subtle`, to choose a provider; may not use it. */
export const SUBTLE_FILES = /^crypto\/ciphers\/ciphers\.ts$/;

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
  { subpath: "./sync", source: "sync.ts" },
  { subpath: "./crypto", source: "crypto/index.ts" },
  { subpath: "./keys", source: "keys/index.ts" },
  { subpath: "./testing", source: "testing/index.ts" },
  { subpath: "./keks", source: "keks/index.ts" },
  { subpath: "./kv", source: "kv/index.ts" },
  { subpath: "./rekey", source: "rekey/index.ts" },
  { subpath: "./http", source: "http/index.ts" },
  { subpath: "./sealed", source: "sealed/index.ts" },
  { subpath: "./workos", source: "workos/index.ts" },
];
