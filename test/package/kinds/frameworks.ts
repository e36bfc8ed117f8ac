/**
 * Projects of frameworks and test runners.
 *
 * Owns these rows. Must not know how the package is installed.
 *
 * @module
 */

import { ESM_MANIFEST, type Kind, node } from "./kind.ts";

/** Frameworks and test runners. */
export function frameworks(): Kind[] {
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
      name: "Jest, jsdom",
      files: {
        ...runner,
        "package.json": JSON.stringify({
          private: true,
          type: "module",
          jest: { transform: {}, testEnvironment: "jsdom", setupFiles: ["./setup.js"] },
        }),
        // As docs/runtimes.md has it.
        "setup.js": [
          'import { webcrypto } from "node:crypto";',
          'import { TextEncoder } from "node:util";',
          "Object.assign(globalThis, { TextEncoder });",
          'Object.defineProperty(globalThis, "crypto", { value: webcrypto });',
        ].join("\n"),
        "smoke.test.js":
          'import { smoke } from "./smoke.js";\ntest("works", async () => { expect(await smoke({ streams: false })).toBe("smoke: ok"); });\n',
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
