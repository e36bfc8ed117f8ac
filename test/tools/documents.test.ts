import { describe, expect, test } from "vitest";
import { readBlocks } from "../../tools/documents/blocks.ts";
import { readDocuments } from "../../tools/documents/coverage.ts";
import { listFiles } from "../../tools/repository/list-files.ts";
import { type Files, makeTree } from "./tree.ts";

const markdown = (...lines: string[]): string => lines.join("\n");

describe("a block of code", () => {
  test("is told with its place and language; text is none", () => {
    const text = markdown(
      "# A",
      "```",
      "text",
      "```",
      "```ts",
      "a();",
      "",
      "b();",
      "```",
      "~~~sh",
      "c",
      "~~~",
    );
    const found = { document: "a.md", before: "", after: "", coverage: [] };
    expect(readBlocks("a.md", text)).toEqual({
      blocks: [
        { ...found, line: 5, language: "ts", code: "a();\n\nb();" },
        { ...found, line: 10, language: "sh", code: "c" },
      ],
      problems: [],
    });
  });

  test("has what comments right above it say", () => {
    const above = [
      '<!-- covered by: a.ts: "one" -->',
      "<!-- before:",
      "x();",
      "y();",
      "-->",
      "<!-- after: z(); -->",
    ];
    const { blocks } = readBlocks("a.md", markdown(...above, "", "```js", "a();", "```"));
    expect(blocks).toMatchObject([
      { before: "x();\ny();", after: "z();", coverage: [{ file: "a.ts", text: "one" }] },
    ]);
  });

  test("has nothing of comments above other text, or above another block", () => {
    const text = markdown(
      "<!-- before: x(); -->",
      "Words.",
      "```js",
      "a();",
      "```",
      "",
      "```js",
      "b();",
      "```",
    );
    expect(readBlocks("a.md", text).blocks).toMatchObject([{ before: "" }, { before: "" }]);
  });

  test("in another language, or with a comment that names no test, is a problem", () => {
    const text = markdown("```python", "a", "```", "<!-- covered by a.ts -->", "```js", "a();", "```");
    expect(readBlocks("a.md", text).problems).toEqual([
      "a.md:1: blocks are ts, js, sh or plain text, not python",
      'a.md:5: write <!-- covered by: FILE: "TEXT" -->',
    ]);
  });
});

describe("the test that covers a block", () => {
  const problems = (files: Files): readonly string[] => {
    const root = makeTree(files);
    return readDocuments(root, listFiles(root)).problems;
  };
  const block = (file: string, text: string): string =>
    markdown(`<!-- covered by: ${file}: "${text}" -->`, "```js", "a();", "```");

  test("is there and holds the text", () => {
    expect(problems({ "docs/b.md": block("test/a.ts", "works"), "test/a.ts": 'test("works")' })).toEqual([]);
  });

  test("that is gone, or no longer holds the text, is a problem", () => {
    const files = { "README.md": block("test/gone.ts", "works"), "docs/b.md": block("test/a.ts", "works") };
    expect(problems({ ...files, "test/a.ts": "other" })).toEqual([
      "README.md:2: covered by test/gone.ts, which is not there",
      'docs/b.md:2: covered by test/a.ts, which does not hold "works"',
    ]);
  });

  test("is asked for in documents, not in the generated reference or elsewhere", () => {
    const text = block("gone.ts", "works");
    expect(problems({ "docs/api/a.md": text, "test/notes.md": text })).toEqual([]);
  });
});
