import { defineConfig } from "tsup";
import manifest from "./package.json" with { type: "json" };

// One entry per file that package.json names, so that a new subpath is entered there only. Shared code becomes
// chunks: an error class or a cache exists once whatever subpaths an application imports.
const built = [
  ...Object.values(manifest.exports).map((target) => (typeof target === "string" ? target : target.default)),
  ...Object.values(manifest.bin),
];
const names = built.flatMap((path) => /^\.\/dist\/(.+)\.js$/.exec(path)?.[1] ?? []);

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
});
