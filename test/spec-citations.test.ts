/**
 * Specifications and tests name each other: every numbered rule of docs/spec is cited by a test, and every
 * number that a test or a source file cites exists.
 *
 * Owns the check over all pages of docs/spec. Must not know what the rules say.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { REPOSITORY_ROOT } from "./support/vectors.ts";

/** A rule's id: capitals, hyphen, number, in square brackets. */
const RULE_ID = /\[([A-Z]{2,8}-\d+)\]/g;
/** A rule stands where its id is printed bold. */
const RULE_DEFINITION = /\*\*\[([A-Z]{2,8}-\d+)\]\*\*/g;

/** The ids in a text, in order, repeated ones too. */
function idsIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

/** Files below a folder, with their texts. */
function filesIn(folder: string, extension: string): { path: string; text: string }[] {
  return readdirSync(join(REPOSITORY_ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => extname(path) === extension && !path.includes("node_modules"))
    .map((path) => ({
      path: join(folder, path),
      text: readFileSync(join(REPOSITORY_ROOT, folder, path), "utf8"),
    }));
}

const pages = filesIn("docs/spec", ".md");
const tests = filesIn("test", ".ts");
const sources = filesIn("src", ".ts");
const specified = new Set(pages.flatMap((page) => idsIn(page.text, RULE_ID)));
const cited = new Set(tests.flatMap((file) => idsIn(file.text, RULE_ID)));

describe("rules of docs/spec", () => {
  test("the pages and their rules are found", () => {
    expect(pages.map((page) => page.path)).toContain("docs/spec/envelope.md");
    expect(specified.size).toBeGreaterThan(0);
  });

  test("every rule is cited by a test", () => {
    expect([...specified].filter((id) => !cited.has(id))).toEqual([]);
  });

  test.each([
    ["tests", tests],
    ["sources", sources],
  ])("every rule that %s cite exists", (_, files) => {
    const unknown = files.flatMap((file) =>
      idsIn(file.text, RULE_ID)
        .filter((id) => !specified.has(id))
        .map((id) => `${file.path}: ${id}`),
    );
    expect(unknown).toEqual([]);
  });

  test("no rule stands twice", () => {
    const defined = pages.flatMap((page) => idsIn(page.text, RULE_DEFINITION));
    expect(defined.filter((id, index) => defined.indexOf(id) !== index)).toEqual([]);
  });
});
