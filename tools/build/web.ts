/**
 * The two builds of the portable rooms: for Node, Bun and Deno, and for everything else.
 *
 * Owns what differs between them. Where the sources import a file `built-in.ts`, that is for the first; in the other build
 * the file `web.ts` beside it takes its place. package.json names both builds by condition. Must not know what is in the
 * files.
 *
 * @module
 */
import { join } from "node:path";
import type { Plugin } from "esbuild";

/** How the sources import such a file. */
const BUILT_IN = /\/built-in\.ts$/;

/** Takes the files for browsers and edge runtimes into a bundle, as their bundlers do. */
export const webBundle: Plugin = {
  name: "web-bundle",
  setup(setup) {
    setup.onResolve({ filter: BUILT_IN }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace(BUILT_IN, "/web.ts")),
      sideEffects: false,
    }));
  },
};

/** The same where every source stays a file. */
export const webFiles: Plugin = {
  name: "web-files",
  setup(setup) {
    setup.onResolve({ filter: BUILT_IN }, ({ path }) => ({
      path: path.replace(BUILT_IN, "/web.js"),
      external: true,
    }));
  },
};

/** Leaves every source a file of its own, which imports the others. */
export const separateFiles: Plugin = {
  name: "separate-files",
  setup(setup) {
    setup.onResolve({ filter: /^\.\.?\// }, ({ kind, path }) =>
      kind === "entry-point" ? undefined : { path: path.replace(/\.ts$/, ".js"), external: true },
    );
  },
};
