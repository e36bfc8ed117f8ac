import { globSync, rmSync, writeFileSync } from "node:fs";
import { defineConfig, type Options } from "tsup";
import manifest from "./package.json" with { type: "json" };
import { lazyPackages } from "./tools/build/lazy-packages.ts";
import { writeNotices } from "./tools/build/notices.ts";
import { separateFiles, webFiles } from "./tools/build/web.ts";
import { ROOMS } from "./tools/imports/rooms.ts";
import { buildModule } from "./tools/wasm/aes-gcm.ts";

/** What package.json exports, by subpath: a new one is entered there only. */
const exported = Object.values(manifest.exports).flatMap((target) =>
  typeof target === "string" ? [] : Object.values(target),
);

/** Sources by the names of the entries that are built of them for Node. */
function entriesOf(paths: readonly string[]): Record<string, string> {
  const names = paths.flatMap((path) => /^\.\/dist\/node\/(.+)\.js$/.exec(path)?.[1] ?? []);
  return Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]));
}

/** Where the AES-GCM module lies by itself, for runtimes that forbid compiling it out of the code. */
const WASM = manifest.exports["./aes-gcm.wasm"];

/** A module compiled ahead of time has no type that all libraries share (src/crypto/aead/wasm.ts: WasmModule). */
const WASM_TYPES = [
  "/** A `WebAssembly.Module` where imports of .wasm files give one: pass it to `wasmModule` of `coffer/sync`. */",
  "declare const module: object;",
  "export default module;",
  "",
].join("\n");

/** What the server and the command need, and applications need not install: no declaration names it. */
export const BUNDLED = ["zod", "commander"];

/** What the command loads when it is used first: pure JavaScript, for what a runtime lacks. */
const LAZY_PACKAGES = /^(?:@noble\/|tweetnacl$)/;

const common: Options = {
  format: ["esm"],
  sourcemap: false,
  // The builds run side by side, in one folder.
  clean: false,
  // tsup strips the node: prefix by default; node:sqlite exists only with it.
  removeNodeProtocol: false,
  platform: "neutral",
  external: [/^node:/],
  // Packages are installed beside this one, never copied into it: also the optional ones, which tsup would bundle
  // because nothing but the tests depends on them.
  skipNodeModulesBundle: true,
};

rmSync("dist", { recursive: true, force: true });

export default defineConfig([
  {
    ...common,
    // Shared code becomes chunks: an error class or a cache exists once whatever subpaths an application imports.
    entry: entriesOf(exported),
    outDir: "dist/node",
    target: "node22",
    splitting: true,
    dts: false,
    noExternal: BUNDLED,
    onSuccess: async () => writeNotices(process.cwd(), BUNDLED),
  },
  {
    ...common,
    // The command is a process of its own, and shares no object with what applications import: few files load in less time, and
    // packages that a run has no use for are not loaded.
    entry: entriesOf(Object.values(manifest.bin)),
    outDir: "dist/node",
    target: "node22",
    splitting: true,
    dts: false,
    noExternal: [...BUNDLED, LAZY_PACKAGES],
    esbuildPlugins: [lazyPackages(LAZY_PACKAGES)],
  },
  {
    ...common,
    // For bundlers, browsers and edge runtimes: a file for each of the sources, so that what is not used is left out.
    entry: globSync(
      ROOMS.filter(({ portable }) => portable).flatMap(({ name, files }) => files ?? [`${name}/**/*.ts`]),
      {
        cwd: "src",
      },
    )
      .filter((path) => !path.endsWith("/built-in.ts"))
      .map((path) => `src/${path}`),
    outDir: "dist",
    target: "es2022",
    splitting: false,
    dts: { entry: entriesOf(exported) },
    esbuildPlugins: [webFiles, separateFiles],
    onSuccess: async () => {
      writeFileSync(WASM.default, buildModule());
      // Declarations are built beside the code, and when they are written, those that lie there are removed.
      process.once("exit", () => writeFileSync(WASM.types, WASM_TYPES));
    },
  },
]);
