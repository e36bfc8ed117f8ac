import { describe, expect, test } from "vitest";
import { checkBundles } from "../../tools/imports/bundle.ts";
import { ROOMS } from "../../tools/imports/rooms.ts";
import { checkSources, formatViolation } from "../../tools/imports/rules.ts";
import { ROOT } from "../../tools/root.ts";
import { type Files, makeTree } from "./tree.ts";

/** A tree in which every room does what it may. */
const SOUND: Files = {
  "src/errors.ts": "export class VaultError extends Error {}\n",
  "src/base/runtime.ts": [
    'export type Native = typeof import("node:crypto");',
    'export const native = process.getBuiltinModule("node:crypto");',
    "export const web = globalThis.crypto.subtle;",
    "export const buffer = Buffer;",
  ].join("\n"),
  "src/crypto/aead/node.ts":
    'import type { KeyObject } from "node:crypto";\nexport type K = KeyObject;\nexport const n = "node:crypto";\n',
  "src/crypto/aead/noble.ts": 'import { gcm } from "@noble/ciphers/aes.js";\nexport { gcm };\n',
  "src/crypto/ciphers/ciphers.ts":
    'import { gcm } from "../aead/noble.ts";\nexport const f = (web: { subtle?: object }) => web?.subtle ?? gcm;\n',
  "src/crypto/primitives/hash-noble.ts":
    'import { sha256 } from "@noble/hashes/sha2.js";\nexport { sha256 };\n',
  "src/kv/index.ts": [
    'import { VaultError } from "../errors.ts";',
    'import type { Readable } from "node:stream";',
    "export type Native = typeof globalThis.Buffer | typeof process;",
    "export interface Globals { process?: object; Buffer?: Native }",
    "export const f = (globals: Globals, crypto: string, require = 1) => [globals.Buffer, crypto, require];",
    "export const literal = { process: 1, Buffer() {} };",
    "export const { process: renamed } = literal;",
    "export const g = (process: Readable) => ({ process, VaultError });",
  ].join("\n"),
  "src/index.ts":
    'export * from "./kv/index.ts";\nexport { f as selected } from "./crypto/ciphers/ciphers.ts";\n',
  "src/vault/index.ts":
    'import { DatabaseSync } from "node:sqlite";\nimport "../index.ts";\nexport const b = Buffer.alloc(1);\nexport { DatabaseSync };\n',
  "src/vault/storage/postgres/options.ts":
    'import type { Pool } from "pg";\nexport const f = () => import("pg") as Promise<Pool>;\n',
  "src/server/index.ts": 'import "node:http";\nimport "zod";\nimport "../vault/index.ts";\n',
  "src/cli/main.ts":
    'import { Command } from "commander";\nimport "../server/index.ts";\nimport pkg from "../../package.json" with { type: "json" };\nexport { Command, pkg };\n',
};

/** What each rule must catch: a file, its text, and the whole message. */
const WRONG: readonly (readonly [rule: string, file: string, text: string, message: string])[] = [
  [
    "layer",
    "src/keys/a.ts",
    '\nimport "../vault/index.ts";',
    'src/keys/a.ts:2: keys may not import vault, which lies above it: "../vault/index.ts"',
  ],
  [
    "layer",
    "src/crypto/a.ts",
    'export type { F } from "../kv/index.ts";',
    'src/crypto/a.ts:1: crypto may not import kv, which lies above it: "../kv/index.ts"',
  ],
  [
    "layer",
    "src/http/a.ts",
    'export type V = import("../index.ts").V;',
    'src/http/a.ts:1: http may not import entry, which lies above it: "../index.ts"',
  ],
  [
    "layer",
    "src/vault/a.ts",
    'export const f = () => import("../server/index.ts");',
    'src/vault/a.ts:1: vault may not import server, which lies above it: "../server/index.ts"',
  ],
  [
    "cycle",
    "src/rekey/a.ts",
    'import { type A } from "./a.ts";',
    "src/rekey/a.ts:1: files import each other in a circle: rekey/a.ts -> rekey/a.ts",
  ],
  [
    "cycle",
    "src/rekey/a.ts",
    'import type { A } from "./a.ts";',
    "src/rekey/a.ts:1: files import each other in a circle: rekey/a.ts -> rekey/a.ts",
  ],
  [
    "inner-layer",
    "src/crypto/primitives/a.ts",
    'import "../aead/noble.ts";',
    'src/crypto/primitives/a.ts:1: crypto/primitives may not import crypto/aead, which lies above it: "../aead/noble.ts"',
  ],
  [
    "inner-layer",
    "src/crypto/aead/a.ts",
    'export type { F } from "../x.ts";\n',
    'src/crypto/aead/a.ts:1: crypto/aead may not import crypto/x.ts, which lies above it: "../x.ts"',
  ],
  [
    "inner-layer",
    "src/crypto/envelope/a.ts",
    'import "./fast/a.ts";',
    'src/crypto/envelope/a.ts:1: crypto/envelope may not import crypto/envelope/fast, which lies above it: "./fast/a.ts"',
  ],
  [
    "unknown-room",
    "src/attic/a.ts",
    "export {};",
    `src/attic/a.ts:1: belongs to no room; there are ${ROOMS.map(({ name, files }) => files?.join(" ") ?? `${name}/`).join(" < ")} (tools/imports/rooms.ts)`,
  ],
  [
    "outside-src",
    "src/vault/a.ts",
    'import "../../test/support/a.ts";',
    'src/vault/a.ts:1: src/ may not import what lies outside of it: "../../test/support/a.ts"',
  ],
  [
    "outside-src",
    "src/vault/a.ts",
    'import "../../package.json" with { type: "json" };',
    'src/vault/a.ts:1: src/ may not import what lies outside of it: "../../package.json"',
  ],
  [
    "unresolved",
    "src/kv/a.ts",
    'import "./index.js";',
    'src/kv/a.ts:1: there is no file "./index.js" (imports name it with .ts)',
  ],
  [
    "computed-import",
    "src/vault/a.ts",
    "export const f = (name: string) => import(name);",
    "src/vault/a.ts:1: the imported module is computed: name it, so that it can be checked",
  ],
  [
    "package",
    "src/crypto/aead/webcrypto.ts",
    'import "@noble/ciphers/aes.js";',
    'src/crypto/aead/webcrypto.ts:1: crypto may not import the package "@noble/ciphers/aes.js" here',
  ],
  [
    "package",
    "src/crypto/x-noble.ts",
    'import "@noble/curves/ed25519.js";',
    'src/crypto/x-noble.ts:1: crypto may not import the package "@noble/curves/ed25519.js" here',
  ],
  [
    "package",
    "src/server/a.ts",
    'import "commander";',
    'src/server/a.ts:1: server may not import the package "commander" here',
  ],
  [
    "package",
    "src/vault/app.ts",
    'import "pg";',
    'src/vault/app.ts:1: vault may not import the package "pg" here',
  ],
  [
    "package",
    "src/vault/a.ts",
    'const pg = require("pg");\nexport { pg };',
    'src/vault/a.ts:1: vault may not import the package "pg" here',
  ],
  [
    "portable-node",
    "src/kv/a.ts",
    'import { type Stats } from "node:fs";\nexport type S = Stats;',
    'src/kv/a.ts:1: kv is portable and may not import the Node module "node:fs" at run time',
  ],
  [
    "portable-node",
    "src/facade/vault.ts",
    'export const f = () => import("path");',
    'src/facade/vault.ts:1: facade is portable and may not import the Node module "path" at run time',
  ],
  [
    "provider",
    "src/vault/a.ts",
    'import { createHash } from "node:crypto";\nexport { createHash };',
    'src/vault/a.ts:1: only provider files of crypto/ may name "node:crypto"',
  ],
  [
    "provider",
    "src/vault/a.ts",
    'import { createHash } from "crypto";\nexport { createHash };',
    'src/vault/a.ts:1: only provider files of crypto/ may name Node\'s "crypto"',
  ],
  [
    "provider",
    "src/crypto/a.ts",
    "export const name = `node:crypto`;",
    'src/crypto/a.ts:1: only provider files of crypto/ may name "node:crypto"',
  ],
  [
    "provider",
    "src/keys/a.ts",
    'export type C = import("node:crypto").KeyObject;',
    'src/keys/a.ts:1: only provider files of crypto/ may name "node:crypto"',
  ],
  [
    "provider",
    "src/cli/a.ts",
    "export const id = crypto.randomUUID();",
    "src/cli/a.ts:1: only provider files of crypto/ may use the global crypto",
  ],
  [
    "provider",
    "src/crypto/aead/choose.ts",
    "export const web = globalThis.crypto;",
    "src/crypto/aead/choose.ts:1: only provider files of crypto/ may use the global crypto",
  ],
  [
    "provider",
    "src/http/a.ts",
    "export const f = (web: { subtle: 1 }) => web.subtle;",
    "src/http/a.ts:1: only provider files of crypto/ may use Web Crypto's .subtle",
  ],
  [
    "provider",
    "src/http/a.ts",
    'export const f = (web: { subtle: 1 }) => web["subtle"];',
    "src/http/a.ts:1: only provider files of crypto/ may use Web Crypto's .subtle",
  ],
  [
    "provider",
    "src/http/a.ts",
    "export const f = ({ subtle: s }: { subtle: 1 }) => s;",
    "src/http/a.ts:1: only provider files of crypto/ may use Web Crypto's .subtle",
  ],
];

/** Ways to reach a global of Node that a portable file may not go. */
const GLOBAL_USES: readonly (readonly [name: string, text: string])[] = [
  ["process", "export const env = process.env;"],
  ["process", 'export const isNode = typeof process !== "undefined";'],
  ["process", "export const o = { process };"],
  ["process", "declare const process: { env: object };\nexport const env = process.env;"],
  ["process", "declare global { var process: any }\nexport const env = process.env;"],
  ["process", "export const p = (globalThis as any).process;"],
  ["process", 'export const p = globalThis!["process"];'],
  ["process", "export const { process: p } = (globalThis satisfies object);"],
  ["Buffer", "export class B<T> extends Buffer<T> {}"],
  ["Buffer", "export const f = Buffer.from<string>;"],
  ["Buffer", "export const f = Buffer<string>;"],
  ["Buffer", "export const b: typeof Buffer = self.Buffer;"],
  ["require", "export const r = require;"],
  ["__dirname", 'export const d = __dirname + "/a";'],
];

describe("the import rules", () => {
  test("pass this repository", () => {
    expect(checkSources(ROOT).map(formatViolation)).toEqual([]);
  });

  test("pass a sound tree", () => {
    expect(checkSources(makeTree(SOUND)).map(formatViolation)).toEqual([]);
  });

  test.each(WRONG)("%s: %s", (rule, file, text, message) => {
    const others = {
      "src/crypto/x.ts": "export type F = 1;\n",
      "src/crypto/envelope/fast/a.ts": "export {};\n",
    };
    const violations = checkSources(makeTree({ ...SOUND, ...others, [file]: `${text}\n` }));
    expect(violations.map(formatViolation)).toContain(`${message} [${rule}]`);
  });

  test.each(GLOBAL_USES)("portable-global %s: %s", (name, text) => {
    const violations = checkSources(makeTree({ ...SOUND, "src/rekey/a.ts": `${text}\n` }));
    const line = text.split("\n").length;
    expect(violations.map(formatViolation)).toEqual([
      `src/rekey/a.ts:${line}: rekey is portable and may not use the global ${name}: ask src/base/runtime.ts [portable-global]`,
    ]);
  });

  test("let the rooms above the entry use what only Node has", () => {
    const uses = GLOBAL_USES.map(([, text], index) => [`src/vault/${index}.ts`, text]);
    expect(checkSources(makeTree({ ...SOUND, ...Object.fromEntries(uses) })).map(formatViolation)).toEqual(
      [],
    );
  });

  test("report the shortest circle of each file that lies on one, but no circle twice", () => {
    const violations = checkSources(
      makeTree({
        "src/kv/a.ts": 'import "./b.ts";\n',
        "src/kv/b.ts": 'import "./c.ts";\nimport "./d.ts";\n',
        "src/kv/c.ts": '\nexport * from "./a.ts";\n',
        "src/kv/d.ts": 'import "./c.ts";\n',
      }),
    );
    expect(violations.map(formatViolation)).toEqual([
      "src/kv/a.ts:1: files import each other in a circle: kv/a.ts -> kv/b.ts -> kv/c.ts -> kv/a.ts [cycle]",
      "src/kv/d.ts:1: files import each other in a circle: kv/d.ts -> kv/c.ts -> kv/a.ts -> kv/b.ts -> kv/d.ts [cycle]",
    ]);
  });
});

describe("the browser bundles", () => {
  const manifest = (...subpaths: string[]): Files => ({
    "package.json": JSON.stringify(
      { exports: Object.fromEntries(subpaths.map((s) => [s, "./x.js"])) },
      null,
      2,
    ),
  });

  test("of this repository hold no Node module", async () => {
    expect((await checkBundles(ROOT)).map(formatViolation)).toEqual([]);
  });

  test("fail on a Node module, wherever it is imported", async () => {
    const root = makeTree({
      ...manifest(".", "./kv"),
      "src/index.ts": 'export * from "./kv/index.ts";\n',
      "src/kv/index.ts": '\nimport "node:fs";\n',
    });
    expect((await checkBundles(root)).map(formatViolation)).toEqual([
      'src/kv/index.ts:2: src/index.ts does not bundle for browsers: Could not resolve "node:fs" [browser-bundle]',
      'src/kv/index.ts:2: src/kv/index.ts does not bundle for browsers: Could not resolve "node:fs" [browser-bundle]',
    ]);
  });

  test("fail on what the bundler would leave to the runtime", async () => {
    const root = makeTree({
      ...manifest("./kv"),
      "src/kv/index.ts": 'export const f = () => import("node:fs").catch(() => {});\n',
    });
    expect((await checkBundles(root)).map(formatViolation)).toEqual([
      'src/kv/index.ts:1: src/kv/index.ts does not bundle for browsers: "node:fs" is left to the runtime [browser-bundle]',
    ]);
  });

  test("may lack an entry only if the package does not export it", async () => {
    const root = makeTree({ ...manifest("./errors", "./keys"), "src/errors.ts": "export {};\n" });
    expect((await checkBundles(root)).map(formatViolation)).toEqual([
      'package.json:4: exports name "./keys", but there is no src/keys/index.ts [browser-bundle]',
    ]);
  });
});
