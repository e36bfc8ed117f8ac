import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { listFiles } from "../../tools/repository/list-files.ts";
import {
  checkDependencyRanges,
  checkImportTable,
  checkNamedImports,
  checkPackedFiles,
  type PackageManifest,
} from "../../tools/repository/package.ts";
import { ROOT } from "../../tools/root.ts";

const MANIFEST: PackageManifest = {
  name: "pkg",
  exports: {
    ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
    "./a": { types: "./dist/a.d.ts", default: "./dist/a.js" },
    "./package.json": "./package.json",
  },
  bin: { pkg: "./dist/main.js" },
  dependencies: { a: "^1.2.3" },
  peerDependencies: { b: "^8.16.3" },
  devDependencies: { c: "1.2.3", d: "npm:e@2.0.0-rc.1", f: "npm:@g/e@2.0.0", h: "file:tools/h" },
};
const README =
  "# pkg\n\n| import | what |\n|---|---|\n| `pkg` | x |\n| `pkg/a` | y `z` |\n\n| `other` | no row |\n";
const FILES = [
  "package.json",
  "dist/index.d.ts",
  "dist/index.js",
  "dist/a.d.ts",
  "dist/a.js",
  "dist/main.js",
];

/** The pages of docs/api hold declarations, which are no programs. */
const documents = listFiles(ROOT).filter(
  (path) => path.endsWith(".md") && path !== "CHANGELOG.md" && !path.startsWith("docs/api/"),
);
const blocks = documents.flatMap((path) =>
  [...readFileSync(join(ROOT, path), "utf8").matchAll(/```(?:ts|js)\n(.*?)```/gs)].map((match, i) => ({
    name: `${path}, block ${i + 1}`,
    text: match[1]!,
  })),
);

test.each(blocks)("$name is code that Node 22.13 parses", ({ text }) => {
  const { outputText, diagnostics } = ts.transpileModule(text, {
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
  });
  expect(diagnostics?.map((d) => ts.flattenDiagnosticMessageText(d.messageText, "\n"))).toEqual([]);
  expect(outputText).not.toMatch(/^\s*(?:await )?using /m);
});

test("a package that keeps its promises passes", () => {
  expect(checkImportTable(MANIFEST, README)).toEqual([]);
  expect(checkPackedFiles(MANIFEST, FILES)).toEqual([]);
  expect(checkDependencyRanges(MANIFEST)).toEqual([]);
});

test("a row of README that is not exported, and an export without a row, fail", () => {
  expect(checkImportTable(MANIFEST, README.replace("`pkg/a`", "`pkg/b`"))).toEqual([
    "README.md: its table names pkg/b, which package.json does not export [package-exports]",
    "README.md: its table lacks pkg/a, which package.json exports [package-exports]",
  ]);
  expect(checkImportTable(MANIFEST, "no table")).toHaveLength(2);
});

test("an export that llms.txt does not name fails", () => {
  expect(checkNamedImports(MANIFEST, "- `pkg`\n- `pkg/a`: x")).toEqual([]);
  expect(checkNamedImports(MANIFEST, "- `pkg`\n- pkg/a")).toEqual([
    "llms.txt: lacks pkg/a, which package.json exports [package-exports]",
  ]);
});

test.each(FILES)("a tarball without %s fails", (file) => {
  expect(
    checkPackedFiles(
      MANIFEST,
      FILES.filter((other) => other !== file),
    ),
  ).toEqual([`package.json: names ${file}, which the packed tarball lacks [package-files]`]);
});

describe("versions", () => {
  test.each([
    ["dependencies", "1.2.3", "a caret range"],
    ["dependencies", ">=1.2.3", "a caret range"],
    ["peerDependencies", "8.23.1", "a caret range"],
    ["peerDependencies", "*", "a caret range"],
    ["devDependencies", "^1.2.3", "an exact version"],
    ["devDependencies", "npm:@g/e@^2.0.0", "an exact version"],
    ["devDependencies", "latest", "an exact version"],
  ])("%s of %s fail", (kind, version, must) => {
    expect(checkDependencyRanges({ ...MANIFEST, [kind]: { x: version } })).toEqual([
      `package.json: ${kind} x is ${version}: it must be ${must} [package-ranges]`,
    ]);
  });
});
