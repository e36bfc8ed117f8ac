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
  "export const a = Promise.withResolvers<void>();",
  'export const a = "".isWellFormed();',
  "export const a = (memory: ArrayBuffer) => memory.transfer(0);",
  "export const a = [1].toSorted();",
  "export const a = Map.groupBy([1], (e) => e);",
  "export const a = AbortSignal.any([]);",
  "export const a = AbortSignal.timeout(1);",
  'export const a = URL.parse("a:");',
  "export const a = new TextDecoder();",
  "export const a = structuredClone(1);",
])("%s fails in a portable room, and passes in others", (text) => {
  const tree = { "src/errors.ts": "export {};\n", "src/vault/a.ts": text };
  expect(checkEngines(makeTree(tree))).toEqual([]);
  const found = checkEngines(makeTree({ ...tree, "src/kv/a.ts": text })).map(formatViolation);
  expect(found.length).toBeGreaterThan(0);
  expect(found.join("\n")).toMatch(
    /^src(\/kv\/a\.ts)?:1: a supported engine lacks it: .* \[engine-feature\]$/m,
  );
});

test("what they all have passes, and so does a comment", () => {
  const text = [
    "// AbortSignal.timeout(1) is newer.",
    "export const a = [1].at(-1);",
    "export const b = Object.hasOwn({}, 'a');",
    "export const c = new AbortController().signal;",
    "export const d = new Error('e', { cause: 1 });",
    "export const f = new TextEncoder();",
  ].join("\n");
  expect(checkEngines(makeTree({ "src/errors.ts": "export {};\n", "src/kv/a.ts": text }))).toEqual([]);
});
