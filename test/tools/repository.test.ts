import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { checkDocstrings } from "../../tools/repository/docstrings.ts";
import { checkLinks } from "../../tools/repository/links.ts";
import { listFiles } from "../../tools/repository/list-files.ts";
import { checkLockFile, checkTexts } from "../../tools/repository/texts.ts";
import { type Files, makeTree } from "./tree.ts";

const links = (files: Files): string[] => {
  const root = makeTree(files);
  return checkLinks(root, listFiles(root));
};

describe("links", () => {
  test("to files, directories, headings, anchors and other hosts pass", () => {
    const text = [
      "# A title, with `code` & a [link](docs/a.md)",
      "## Twice",
      "## Twice",
      '<a id="Here"></a>',
      '[a](docs/a.md) [b](./docs/a.md#über-uns "title") [c](docs) [d](docs/) [e](#twice-1) [f](#here)',
      "[g](#a-title-with-code--a-link) [h](https://example.com/x) [i](mailto:a@example.com) [j](<docs/b c.md>)",
      "![k](docs/b%20c.md)",
      "[label]: docs/a.md",
      "`[not a link](gone.md)` and ``[nor ` this](gone.md)``",
      "```ts",
      "[nor](gone.md)",
      "```",
    ].join("\n");
    const files = { "README.md": text, "docs/a.md": "# Über uns!\n[up](../README.md)\n", "docs/b c.md": "" };
    expect(links({ ...files, "docs/.keep": "" })).toEqual([]);
  });

  test.each([
    ["[a](gone.md)", "gone.md", "there is no such file in the repository"],
    ["![a](docs/gone.png)", "docs/gone.png", "there is no such file in the repository"],
    ["[a]: gone.md", "gone.md", "there is no such file in the repository"],
    ['<img src="gone.png">', "gone.png", "there is no such file in the repository"],
    ["[a](#gone)", "#gone", "README.md has no such heading"],
    ["[a](docs/a.md#gone)", "docs/a.md#gone", "docs/a.md has no such heading"],
    ["[a](/docs/a.md)", "/docs/a.md", "write it relative to the document"],
    ["[a](dist/index.js)", "dist/index.js", "there is no such file in the repository"],
  ])("%s fails", (text, target, problem) => {
    const files = { "README.md": `\n${text}\n`, "docs/a.md": "# A\n", "dist/index.js": "" };
    expect(links(files)).toEqual([`README.md:2: link to "${target}": ${problem} [docs-link]`]);
  });

  test("are read in the documents only", () => {
    expect(links({ "test/notes.md": "[a](gone.md)", "docs/x.txt": "[a](gone.md)" })).toEqual([]);
  });
});

describe("docstrings", () => {
  const check = (text: string): string[] => checkDocstrings(makeTree({ "src/a.ts": text }), ["src/a.ts"]);

  test.each([
    "/** Says it. */\nexport const a = 1;",
    "/** Says it. */\nexport function f(a: string): void;\nexport function f(a: number): void;\nexport function f(): void {}",
    "const a = 1;\nexport { a };",
    "/** Says it. */\nexport default class A {}",
  ])("%j passes", (text) => {
    expect(check(text)).toEqual([]);
  });

  test.each([
    ["export const a = 1, b = 2;", "a", "b"],
    ["// Says it.\nexport function f() {}", "f"],
    ["export interface A {}", "A"],
    ["export type A = 1;", "A"],
    ["export abstract class A {}", "A"],
  ])("%j fails", (text, ...names) => {
    const line = text.split("\n").length;
    expect(check(text)).toEqual(
      names.map((name) => `src/a.ts:${line}: ${name} is exported without a docstring [docstring]`),
    );
  });

  test("are asked for in src/ only", () => {
    const files = { "test/a.ts": "export const a = 1;", "src/a.d.ts": "export const a: 1;" };
    expect(checkDocstrings(makeTree(files), Object.keys(files))).toEqual([]);
  });
});

describe("texts", () => {
  const check = (text: string): string[] => checkTexts(makeTree({ "a.txt": text }), ["a.txt"]);
  // Put together here, so that this file passes the check itself.
  const host = (...labels: string[]): string => labels.join(".");
  const path = (...names: string[]): string => `/${names.join("/")}`;

  test.each([
    `see ${host("registry", "npmjs", "org")}`,
    `https://${host("registry", "example", "com")}/a`,
    `https://user@${host("npm", "pkg", "github", "com")}`,
    host("Proxy", "golang", "org"),
    `https://${host("static", "crates", "io")}/x`,
  ])("a registry's host fails: %s", (text) => {
    expect(check(`\n${text}\n`)).toEqual(["a.txt:2: names the host of a package registry [files-text]"]);
  });

  test.each([
    path("work", "main"),
    `file://${path("work", "x")}`,
    path("root", ".npmrc"),
    `"${path("home", "ada", "coffer")}"`,
    path("Users", "ada", "x"),
  ])("a machine's path fails: %s", (text) => {
    expect(check(text)).toEqual(["a.txt:1: names a path of one machine [files-text]"]);
  });

  test.each([
    "the framework/work/x of registry.ts",
    `https://example.com${path("work", "x")}`,
    "https://www.npmjs.com/package/coffer",
    `/var/lib/coffer ~${"/home"}`,
    `\0 binary ${path("work", "main")}`,
  ])("others pass: %s", (text) => {
    expect(check(text)).toEqual([]);
  });

  test("a lock file with download addresses fails", () => {
    const lock = (resolved: string): Files => ({ "package-lock.json": `{\n  "resolved": "${resolved}"\n}` });
    expect(checkLockFile(makeTree(lock("https://example.com/a.tgz")))).toEqual([
      "package-lock.json:2: names a download address [lock-file]",
    ]);
    expect(checkLockFile(makeTree(lock("tools/toolchain")))).toEqual([]);
  });
});

test("files are what git tracks or would track; without git, all but what is built", () => {
  const files = { "b/c.ts": "", "a.ts": "", "node_modules/x.js": "", "dist/x.js": "" };
  const root = makeTree({ ...files, ".gitignore": "ignored.txt\nnode_modules/\ndist/\n", "ignored.txt": "" });
  expect(listFiles(root)).toEqual([".gitignore", "a.ts", "b/c.ts", "ignored.txt"]);
  execFileSync("git", ["init", "-q"], { cwd: root });
  expect(listFiles(root)).toEqual([".gitignore", "a.ts", "b/c.ts"]);
});
