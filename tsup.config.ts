import { writeFileSync } from "node:fs";
import { defineConfig } from "tsup";
import manifest from "./package.json" with { type: "json" };
import { buildModule } from "./tools/wasm/aes-gcm.ts";

// One entry per file that package.json names, so that a new subpath is entered there only. Shared code becomes
// chunks: an error class or a cache exists once whatever subpaths an application imports.
const built = [
  ...Object.values(manifest.exports).map((target) => (typeof target === "string" ? target : target.default)),
  ...Object.values(manifest.bin),
];
const names = built.flatMap((path) => /^\.\/dist\/(.+)\.js$/.exec(path)?.[1] ?? []);

/** Where the AES-GCM module lies by itself, for runtimes that forbid compiling it out of the code. */
const WASM = manifest.exports["./aes-gcm.wasm"];

/** A module compiled ahead of time has no type that all libraries share (src/crypto/aead/choose.ts: WasmModule). */
const WASM_TYPES = [
  "/** A `WebAssembly.Module` where imports of .wasm files give one: pass it to `useWasmModule`. */",
  "declare const module: object;",
  "export default module;",
  "",
].join("\n");

export default defineConfig({
  entry: Object.fromEntries(names.map((name) => [name, `src/${name}.ts`])),
  format: ["esm"],
  target: "node22",
  platform: "neutral",
  dts: true,
  clean: true,
  splitting: true,
  sourcemap: false,
  // tsup strips the node: prefix by default; node:sqlite exists only with it.
  removeNodeProtocol: false,
  // Packages are installed beside this one, never copied into it: also the optional ones, which tsup would bundle
  // because nothing but the tests depends on them.
  skipNodeModulesBundle: true,
  external: [/^node:/],
  onSuccess: async () => {
    writeFileSync(WASM.default, buildModule());
    // Declarations are built beside the code, and when they are written, those that lie there are removed.
    process.once("exit", () => writeFileSync(WASM.types, WASM_TYPES));
  },
});
