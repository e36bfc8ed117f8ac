/**
 * The examples of the repository, as projects.
 *
 * Owns these rows. Must not know how the package is installed.
 *
 * @module
 */

import { ESM_MANIFEST, type Kind, node, type Tools } from "./kind.ts";

/** Asks the worker to encrypt and to decrypt. */
const ENCRYPT_ENTRY: readonly string[] = [
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
];

/** Has the worker log two requests, and reads with an API key what it has handed over. */
const LOGS_ENTRY: readonly string[] = [
  'import { inspect, Vault } from "coffer";',
  'import app from "./worker.js";',
  "export default {",
  "  async test(controller, { COFFER_BASE_URL: baseUrl, COFFER_API_KEY: apiKey }) {",
  '    const headers = { authorization: "Bearer " + apiKey, "content-type": "application/json" };',
  '    const body = JSON.stringify({ context: { organization_id: "org_logs" } });',
  '    const made = await fetch(baseUrl + "/coffer/v1/recipients", { method: "POST", headers, body });',
  "    const { id } = await made.json();",
  '    const RECIPIENT = await (await fetch(baseUrl + "/coffer/v1/recipients/" + id)).text();',
  "    const lines = [];",
  "    const env = { RECIPIENT, SIGNER: JSON.parse(RECIPIENT).signer, LOGS: { send: async (line) => lines.push(line) } };",
  "    const waits = [];",
  "    const ctx = { waitUntil: (promise) => waits.push(promise) };",
  '    for (const path of ["/a", "/b"]) await app.fetch(new Request("http://worker" + path), env, ctx);',
  "    await Promise.all(waits);",
  '    if (lines.some((line) => inspect(line).keyBlob.format !== "sealed")) throw new Error("not sealed");',
  '    if (new Set(lines.map((line) => inspect(line).encryptedKeys)).size !== 1) throw new Error("no lease");',
  "    const vault = new Vault({ apiKey, baseUrl });",
  '    const read = await Promise.all(lines.map((line) => vault.decryptJson(line, "log")));',
  '    if (read.map(({ path }) => path).sort().join() !== "/a,/b") throw new Error(JSON.stringify(read));',
  "    await vault.close();",
  '    console.log("smoke: ok");',
  "  },",
  "};",
];

/** A worker of workerd that answers requests of its own and ends. */
function workerdFiles(
  entry: readonly string[],
  compatibilityFlags: readonly string[],
): Readonly<Record<string, string>> {
  return {
    "package.json": ESM_MANIFEST,
    "entry.js": entry.join("\n"),
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

const WITHOUT_NODE = ["no_nodejs_compat", "no_nodejs_compat_v2"];

/** The examples, as they stand. */
export function examples(): Kind[] {
  const workerd = (
    example: string,
    name: string,
    entry: readonly string[],
    flags: readonly string[],
  ): Kind => ({
    name: `example ${example}, ${name}`,
    example,
    files: workerdFiles(entry, flags),
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
    workerd("hono-workerd", "with Node's modules", ENCRYPT_ENTRY, []),
    workerd("hono-workerd", "without Node's modules", ENCRYPT_ENTRY, WITHOUT_NODE),
    workerd("sealed-logs", "without Node's modules", LOGS_ENTRY, WITHOUT_NODE),
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
      name: "a page and its Web Worker under a strict policy with trusted types, all layouts and a Vault",
      files: {
        "package.json": ESM_MANIFEST,
        "index.html":
          '<!doctype html><title>strict</title><p id="result">working</p><script type="module" src="page.js"></script>',
        "page.js": [
          'import { smoke } from "./smoke.js";',
          'import { noble as sync } from "coffer/sync";',
          'const tell = (text) => { document.getElementById("result").textContent = text; };',
          'const policy = trustedTypes.createPolicy("worker", { createScriptURL: (url) => url });',
          'const worker = new Worker(policy.createScriptURL("worker.js"), { type: "module" });',
          "const ofWorker = new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });",
          'let refusal = "none";',
          'try { new Function(""); } catch { refusal = "text is no code"; }',
          "const all = [await smoke(), await smoke({ sync }), await ofWorker, refusal];",
          'tell(all.join(", "));',
        ].join("\n"),
        "worker.js":
          'import { smoke } from "./smoke.js";\nsmoke().then(postMessage, (error) => postMessage(error.stack));\n',
      },
      commands: ({ tool, chromium }) => {
        const bundle = ["--bundle", "--format=esm", "--platform=browser", "--target=es2022", "--outdir=dist"];
        const policy =
          "connect-src http://127.0.0.1:9; require-trusted-types-for 'script'; trusted-types worker";
        return chromium === undefined
          ? undefined
          : [
              { file: tool("esbuild/bin/esbuild"), args: ["page.js", "worker.js", ...bundle] },
              node(["--eval", 'require("node:fs").copyFileSync("index.html", "dist/index.html")']),
              node(["browse.js", "dist", chromium, policy]),
            ];
      },
      expected: "smoke: ok, smoke: ok, smoke: ok, text is no code",
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
              node([
                "browse.js",
                "dist",
                chromium,
                "script-src-elem 'self' 'unsafe-inline'; worker-src 'self'",
              ]),
            ],
      expected: "native: 700,000 bytes",
    },
  ];
}
