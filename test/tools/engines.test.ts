import { expect, test } from "vitest";
import { checkEngines } from "../../tools/imports/engines.ts";
import { formatViolation } from "../../tools/imports/rules.ts";
import { ROOT } from "../../tools/root.ts";
import { makeTree } from "./tree.ts";

test("the portable rooms use what all supported engines have", () => {
  expect(checkEngines(ROOT).map(formatViolation)).toEqual([]);
});

test.each([
  "export const a = { [Symbol.dispose]: () => {} };",
  "export const a = { [Symbol.asyncDispose]: async () => {} };",
  "export function a(held: { dispose(): void }) { using b = held as never; return b; }",
  "export const a = () => new DisposableStack();",
  "export const a = Array.fromAsync;",
  "export const a = Promise.try(() => 1);",
  "export const a = (bytes: Uint8Array) => bytes.toBase64();",
  "export const a = Uint8Array.fromBase64;",
  "export const a = new Set([1]).union(new Set([2]));",
  "export const a = [1].values().map((b) => b);",
  "export const a = RegExp.escape;",
  "export const a = Error.isError;",
  "export const a = ReadableStream.from;",
])("%s fails in a portable room, and passes in others", (text) => {
  const tree = { "src/errors.ts": "export {};\n", "src/vault/a.ts": text };
  expect(checkEngines(makeTree(tree))).toEqual([]);
  const found = checkEngines(makeTree({ ...tree, "src/kv/a.ts": text })).map(formatViolation);
  expect(found.length).toBeGreaterThan(0);
  expect(found.join("\n")).toMatch(
    /^src(\/kv\/a\.ts)?:1: a supported engine lacks it: .* \[engine-feature\]$/m,
  );
});

test("what they all have passes", () => {
  const text = [
    "export const a = Promise.withResolvers<void>();",
    'export const b = "".isWellFormed();',
    "export const c = AbortSignal.any([AbortSignal.timeout(1)]);",
    "export const d = Map.groupBy([1], (e) => e);",
    "export const f = structuredClone(1);",
  ].join("\n");
  expect(checkEngines(makeTree({ "src/errors.ts": "export {};\n", "src/kv/a.ts": text }))).toEqual([]);
});
