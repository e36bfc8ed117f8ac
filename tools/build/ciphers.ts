/**
 * The two builds of the portable rooms: for Node, Bun and Deno, and for everything else.
 *
 * Owns what differs between them. In the sources `src/crypto/ciphers/of-call.ts` imports `built-in.ts`, which is for the
 * first; in the other build `web.ts` takes its place. package.json names both by condition. Must not know what is in them.
 *
 * @module
 */
import { join } from "node:path";
import type { Plugin } from "esbuild";

/** How the sources import it. */
const BUILT_IN = /\/built-in\.ts$/;

/** Takes the file for browsers and edge runtimes into a bundle, as their bundlers do. */
export const ciphersOfWeb: Plugin = {
  name: "ciphers-of-web",
  setup(setup) {
    setup.onResolve({ filter: BUILT_IN }, ({ resolveDir }) => ({
      path: join(resolveDir, "web.ts"),
      sideEffects: false,
    }));
  },
};

/** The same where every source stays a file. */
export const ciphersOfWebFiles: Plugin = {
  name: "ciphers-of-web-files",
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
