/**
 * Packages that the command loads when one of them is first used: most runs use none, and loading all takes a fifth of its start.
 *
 * Owns what stands in the place of such a package. Only for the command: it is installed beside its packages, and bundled by nobody
 * else. Must not know what the packages do.
 *
 * @module
 */
import { createRequire } from "node:module";
import type { Plugin } from "esbuild";

const NAMESPACE = "lazy-package";

/** The text of a module that has the exports of a package, each of which loads it when it is called or looked into. */
function standIn(name: string, exports: readonly string[]): string {
  return [
    'import { createRequire } from "node:module";',
    "let loaded;",
    `const load = () => (loaded ??= createRequire(import.meta.url)(${JSON.stringify(name)}));`,
    "const lazy = (of) => new Proxy(() => {}, {",
    "  apply: (_, self, args) => Reflect.apply(of(), self, args),",
    "  get: (_, key) => Reflect.get(of(), key),",
    "  has: (_, key) => Reflect.has(of(), key),",
    "});",
    ...exports.map((each) => `export const ${each} = /* @__PURE__ */ lazy(() => load().${each});`),
    "export default /* @__PURE__ */ lazy(load);",
  ].join("\n");
}

/** @param packages - as they are imported; what they export are functions, or objects of functions */
export function lazyPackages(packages: RegExp): Plugin {
  return {
    name: "lazy-packages",
    setup(setup) {
      setup.onResolve({ filter: packages }, ({ path, resolveDir }) => ({
        path,
        namespace: NAMESPACE,
        pluginData: resolveDir,
        sideEffects: false,
      }));
      setup.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path, pluginData }) => {
        const found = createRequire(`${pluginData as string}/x.js`)(path) as object;
        const names = Object.keys(found).filter(
          (name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== "default",
        );
        return { contents: standIn(path, names), resolveDir: pluginData as string };
      });
    },
  };
}
