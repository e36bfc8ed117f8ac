/**
 * What a bundler makes of a few imports, in bytes as a browser downloads them.
 *
 * Owns how bundles are measured: esbuild, es2022, minified, gzipped. Must not know what is imported.
 *
 * @module
 */
import { builtinModules } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";
import { webBundle } from "../build/web.ts";

/** gzip's best level, as content delivery networks store files. */
const GZIP_LEVEL = 9;

/** One bundle. */
export interface Bundle {
  readonly minifiedBytes: number;
  readonly gzippedBytes: number;
  /** Bytes of each source file in the bundle, the largest first. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

/**
 * Bundles a program.
 *
 * @param code - an ES module
 * @param directory - from where its imports are resolved
 */
export async function bundle(code: string, directory: string, plugins: Plugin[] = []): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: directory, loader: "js" },
    absWorkingDir: directory,
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    // Some peers import Node's modules; what stands for them in a browser is not counted.
    external: ["node:*", ...builtinModules],
    logLevel: "silent",
    plugins,
  });
  const { inputs } = Object.values(metafile.outputs)[0]!;
  const files = Object.entries(inputs)
    .map(([path, { bytesInOutput }]) => ({ path, bytes: bytesInOutput }))
    .sort((a, b) => b.bytes - a.bytes);
  const [file] = outputFiles;
  const { contents } = file!;
  return {
    minifiedBytes: contents.length,
    gzippedBytes: gzipSync(contents, { level: GZIP_LEVEL }).length,
    files,
  };
}

/** Entries that are files, not folders. */
const TOP_FILES = ["errors", "sync"];

/** Takes `coffer/x` from the sources of a repository, for browsers: the package has the same files, compiled. */
export function cofferSources(root: string): Plugin[] {
  const sources: Plugin = {
    name: "coffer-sources",
    setup(setup) {
      setup.onResolve({ filter: /^coffer(?:\/|$)/ }, async ({ path, resolveDir }) => {
        const entry = path === "coffer" ? "index.ts" : path.slice("coffer/".length);
        const file = TOP_FILES.includes(entry) || entry.endsWith(".ts") ? entry : `${entry}/index.ts`;
        const source = join(root, "src", file.endsWith(".ts") ? file : `${file}.ts`);
        return setup.resolve(source, { kind: "import-statement", resolveDir });
      });
    },
  };
  return [sources, webBundle];
}
