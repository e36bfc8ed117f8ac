/**
 * Projects of other runtimes than Node.
 *
 * Owns these rows. Must not know how the package is installed.
 *
 * @module
 */

import { ESM_MANIFEST, type Kind, node, OK } from "./kind.ts";

/** Other runtimes, from the folder as it was installed. */
export function runtimes(): Kind[] {
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
