/**
 * Projects that are bundled, for browsers and edge runtimes.
 *
 * Owns these rows. Must not know how the package is installed.
 *
 * @module
 */

import { type Command, ESM_MANIFEST, type Kind, node, OK, type Tools } from "./kind.ts";

/** Bundlers, for browsers; the bundle is run. */
export function bundlers(): Kind[] {
  const files = { "package.json": ESM_MANIFEST, "main.js": OK };
  const run = node(["out/main.js"]);
  return [
    {
      name: "esbuild",
      files,
      commands: ({ tool }) => [
        {
          file: tool("esbuild/bin/esbuild"),
          args: [
            "main.js",
            "--bundle",
            "--minify",
            "--format=esm",
            "--platform=browser",
            "--target=es2022",
            "--outfile=out/main.js",
          ],
        },
        run,
      ],
    },
    {
      name: "Vite",
      files: {
        ...files,
        "vite.config.js":
          'export default { build: { outDir: "out", target: "es2022", lib: { entry: "main.js", formats: ["es"], fileName: () => "main.js" } } };\n',
      },
      commands: ({ tool }) => [node([tool("vite/bin/vite.js"), "build"]), run],
    },
    {
      name: "webpack",
      files: {
        ...files,
        "webpack.config.js":
          'export default { mode: "production", entry: "./main.js", target: ["web", "es2022"], experiments: { outputModule: true }, output: { path: import.meta.dirname + "/out", filename: "main.js", module: true } };\n',
      },
      commands: ({ tool }) => [node([tool("webpack/bin/webpack.js")]), run],
    },
    {
      name: "Rollup",
      files: {
        ...files,
        "rollup.config.js":
          'import resolve from "@rollup/plugin-node-resolve";\nexport default { input: "main.js", plugins: [resolve({ browser: true })], output: { file: "out/main.js", format: "es", inlineDynamicImports: true } };\n',
      },
      commands: ({ tool }) => [node([tool("rollup/dist/bin/rollup"), "-c"]), run],
    },
  ];
}

/** The WebAssembly module as a file of its own, by the one line of docs/runtimes.md for each bundler. */
export function modules(): Kind[] {
  const use = [
    'import { localDecryptSync, localEncryptSync } from "coffer/crypto";',
    'import { wasmModule } from "coffer/sync";',
    'import { KEY } from "./smoke.js";',
    "export function use(module) {",
    '  const options = { sync: wasmModule(module), provider: "wasm" };',
    '  const text = localEncryptSync("s3cret", KEY, undefined, options);',
    '  if (localDecryptSync(text, KEY, undefined, options) === "s3cret") console.log("smoke: ok");',
    "}",
  ].join("\n");
  const kind = (
    name: string,
    line: string,
    files: Kind["files"],
    bundle: (tools: Tools) => Command,
  ): Kind => ({
    name: `the module as a file, ${name}`,
    files: {
      "package.json": ESM_MANIFEST,
      "use.js": use,
      "main.js": `import { use } from "./use.js";\n${line}\nuse(module);\n`,
      ...files,
    },
    commands: (tools) => [bundle(tools), node(["out/main.js"])],
  });
  return [
    kind(
      "esbuild",
      'import bytes from "coffer/aes-gcm.wasm";\nconst module = await WebAssembly.compile(bytes);',
      {},
      ({ tool }) => ({
        file: tool("esbuild/bin/esbuild"),
        args: [
          "main.js",
          "--bundle",
          "--format=esm",
          "--target=es2022",
          "--loader:.wasm=binary",
          "--outfile=out/main.js",
        ],
      }),
    ),
    kind(
      "Vite",
      'import url from "coffer/aes-gcm.wasm?url";\nconst module = await WebAssembly.compileStreaming(fetch(url));',
      {
        "vite.config.js":
          'export default { build: { outDir: "out", target: "es2022", lib: { entry: "main.js", formats: ["es"], fileName: () => "main.js" } } };\n',
      },
      ({ tool }) => node([tool("vite/bin/vite.js"), "build"]),
    ),
    kind(
      "webpack",
      'const url = new URL("coffer/aes-gcm.wasm", import.meta.url);\nconst module = await WebAssembly.compileStreaming(fetch(url));',
      {
        // Inlined here alone: Node fetches no file.
        "webpack.config.js":
          'export default { mode: "production", entry: "./main.js", target: ["web", "es2022"], module: { rules: [{ test: /\\.wasm$/, type: "asset/inline" }] }, experiments: { outputModule: true }, output: { path: import.meta.dirname + "/out", filename: "main.js", module: true } };\n',
      },
      ({ tool }) => node([tool("webpack/bin/webpack.js")]),
    ),
  ];
}
