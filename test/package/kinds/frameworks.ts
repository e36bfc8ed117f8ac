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
  // Code that waits by itself, as in docs/testing.md: only the runner's clock moves.
  const withTestVault = [
    'import { createTestVault } from "coffer/testing";',
    "async function keep(vault) {",
    "  for (;;) {",
    "    try {",
    '      return await vault.encrypt("s3cret", { organization_id: "org_1" });',
    "    } catch (error) {",
    '      if (error.code !== "ERR_SERVICE_RATE_LIMITED") throw error;',
    "      await new Promise((resolve) => setTimeout(resolve, 1_000));",
    "    }",
    "  }",
    "}",
    "export async function useTestVault(advance) {",
    '  const vault = createTestVault({ seed: "package" });',
    "  vault.control.throttle({ times: 2 });",
    "  const kept = keep(vault);",
    "  await advance(2_000);",
    '  if ((await vault.decrypt(await kept)) !== "s3cret") throw new Error("wrong");',
    '  const lease = await vault.lease({ organization_id: "org_1" }, { maxAgeMs: 60_000 });',
    '  await lease.encrypt("x");',
    "  await advance(60_000);",
    '  const code = await lease.encrypt("x").catch((error) => error.code);',
    '  if (code !== "ERR_LEASE_EXPIRED") throw new Error(String(code));',
    "  await vault.close();",
    "}",
  ].join("\n");
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
    {
      name: "coffer/testing: vitest, fake timers",
      files: {
        "package.json": ESM_MANIFEST,
        "use.js": withTestVault,
        "use.test.js": [
          'import { test, vi } from "vitest";',
          'import { useTestVault } from "./use.js";',
          'test("works with fake timers", async () => {',
          "  vi.useFakeTimers();",
          "  await useTestVault((ms) => vi.advanceTimersByTimeAsync(ms));",
          "});",
        ].join("\n"),
      },
      commands: ({ tool }) => [node([tool("vitest/vitest.mjs"), "run"])],
      expected: "1 passed",
    },
    {
      name: "coffer/testing: Jest, fake timers",
      files: {
        "package.json": JSON.stringify({ private: true, type: "module", jest: { transform: {} } }),
        "use.js": withTestVault,
        "use.test.js": [
          'import { jest, test } from "@jest/globals";',
          'import { useTestVault } from "./use.js";',
          'test("works with fake timers", async () => {',
          "  jest.useFakeTimers();",
          "  await useTestVault((ms) => jest.advanceTimersByTimeAsync(ms));",
          "});",
        ].join("\n"),
      },
      commands: ({ tool }) => [node(["--experimental-vm-modules", tool("jest/bin/jest.js")])],
      expected: "1 passed",
    },
    {
      name: "coffer/testing: node:test, mock timers",
      files: {
        "package.json": ESM_MANIFEST,
        "use.js": withTestVault,
        "use.test.js": [
          'import { test } from "node:test";',
          'import { useTestVault } from "./use.js";',
          'test("works with mock timers", async ({ mock }) => {',
          '  mock.timers.enable({ apis: ["setTimeout", "Date"] });',
          "  await useTestVault(async (ms) => {",
          "    // One second at a time: what waits is set between them.",
          "    for (let left = ms; left > 0; left -= 1_000) {",
          "      await new Promise((resolve) => setImmediate(resolve));",
          "      mock.timers.tick(1_000);",
          "    }",
          "  });",
          "});",
        ].join("\n"),
      },
      commands: () => [node(["--test"])],
      expected: "pass 1",
    },
  ];
}
