import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { VAULT_ERROR_CODES } from "../../src/errors.ts";
import { checkPages, makePages } from "../../tools/documents/api/pages.ts";
import { listFiles } from "../../tools/repository/list-files.ts";
import { ROOT } from "../../tools/root.ts";
import { type Files, makeTree } from "./tree.ts";

const built = (name: string) => ({ types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` });
const head = (text: string): string => `/**\n * ${text}\n *\n * More.\n *\n * @module\n */\n`;

/** A package with two entries. */
const FILES: Files = {
  "package.json": JSON.stringify({
    name: "pkg",
    exports: {
      ".": built("index"),
      "./b": built("b/index"),
      "./a.wasm": built("a.wasm"),
      "./package.json": "./package.json",
    },
  }),
  "tsconfig.json": JSON.stringify({
    compilerOptions: { target: "es2022", module: "nodenext", allowImportingTsExtensions: true, noEmit: true },
  }),
  "src/index.ts": `${head("`pkg`: all of it.")}export { Child } from "./classes.ts";\nexport { type Shape } from "./b/b.ts";\n`,
  "src/classes.ts": `
    import type { Hidden } from "./hidden.ts";
    class Base {
      /** What a base says. */
      inherited(): void {}
    }
    /** A class. */
    export class Child extends Base {
      readonly kind = "child";
      #secret = 1;
      constructor(secret: number) { super(); this.#secret = secret; }
      private own(): void {}
      /** Like {@link inherited}, see {@link twice} and {@link gone}. */
      shown(hidden: Hidden): number { return this.#secret + hidden.size; }
    }`,
  "src/hidden.ts": "/** Not exported. */\nexport interface Hidden {\n  readonly size: number;\n}\n",
  "src/b/index.ts": `${head("`pkg/b`: numbers and texts.")}export { LONG, type Shape, SHORT, twice } from "./b.ts";\nexport type * from "./c.ts";\n`,
  "src/b/c.ts": "/** A type. */\nexport type C = 1;\n/** Left behind. */\nexport function left(): void {}\n",
  "src/b/b.ts": `
/** A shape. */
export interface Shape {
  /** At least 3. */
  readonly sides: number;
}
/** Ours. */
export const SHORT = 2;
/** Long. */
export const LONG: readonly number[] = [${"1_000, ".repeat(50)}];
/**
 * Doubles, like {@link SHORT}.
 *
 * @param value - a number or text
 * @returns the double
 * @throws VaultError ERR_OTHER
 */
export function twice(value: number): number;
export function twice(value: string): string;
export function twice(value: number | string): number | string {
  return typeof value === "number" ? value * 2 : value + value;
}
`,
};

function makeFile(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const page = (name: string): string => makePages(makeTree(FILES)).get(`docs/api/${name}.md`) ?? "";

describe("the API reference", () => {
  test("has a page for each entry with types, and an index", () => {
    const root = makeTree(FILES);
    const pages = makePages(root);
    expect([...pages.keys()]).toEqual(["docs/api/README.md", "docs/api/pkg.md", "docs/api/b.md"]);
    expect(pages.get("docs/api/README.md")).toContain("| [`pkg/b`](b.md) | Numbers and texts. |");
  });

  test("tells a function by its overloads, with arguments, answer and errors", () => {
    expect(page("b")).toContain(
      [
        "### twice",
        "```ts\nfunction twice(value: number): number\nfunction twice(value: string): string\n```",
        "Doubles, like [`SHORT`](b.md#short).",
        "- `value`: a number or text\n- **Answers**: the double\n- **Throws**: VaultError `ERR_OTHER`",
      ].join("\n\n"),
    );
  });

  test("tells constants and types as they are declared, and leaves a long value out", () => {
    expect(page("b")).toContain("### SHORT\n\n```ts\nconst SHORT = 2\n```\n\nOurs.");
    expect(page("b")).toContain("```ts\nconst LONG: readonly number[]\n```");
    expect(page("b")).toContain("interface Shape {\n  /** At least 3. */\n  readonly sides: number;\n}");
    expect(page("b")).toContain("### C\n");
    expect(page("b")).not.toContain("left");
  });

  test("tells a class with what it inherits, without what is private", () => {
    const text = page("pkg");
    expect(text.match(/^#+ .*$/gm)).toEqual([
      "# pkg",
      "## Classes",
      "### Child",
      "#### Child.kind",
      "#### Child.shown()",
      "#### Child.inherited()",
      "## Told elsewhere",
      "## Mentioned types",
      "### Hidden",
    ]);
    expect(text).toContain('readonly kind: "child"');
    expect(text).toContain("Like [`inherited`](#childinherited), see [`twice`](b.md#twice) and `gone`.");
    expect(text).toContain("[`Shape`](b.md#shape)");
  });

  test("is compared: a page that is old, gone or too many is a problem", () => {
    const root = makeTree(FILES);
    const pages = makePages(root);
    for (const [path, text] of Object.entries({ ...Object.fromEntries(pages), "docs/api/old.md": "" })) {
      makeFile(root, path, text);
    }
    const problem = (file: string): string =>
      `docs/api/${file}: is not what the docstrings say: npm run api [docs-api]`;
    expect(checkPages(root, listFiles(root))).toEqual([problem("old.md")]);
    rmSync(join(root, "docs/api/old.md"));
    expect(checkPages(root, listFiles(root))).toEqual([]);
    makeFile(root, "docs/api/b.md", "other");
    rmSync(join(root, "docs/api/pkg.md"));
    expect(checkPages(root, listFiles(root))).toEqual([problem("b.md"), problem("pkg.md")]);
  });

  test("says of every error code what it means", () => {
    const text = makePages(ROOT).get("docs/api/errors.md") ?? "";
    const rows = VAULT_ERROR_CODES.map(
      (code) => new RegExp(`^\\| .*\`${code}\` \\| \\S.* \\| \\d{3} \\|$`, "m"),
    );
    expect(rows.filter((row) => !row.test(text))).toEqual([]);
  });
});
