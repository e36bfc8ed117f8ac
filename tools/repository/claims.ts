/**
 * The claims of SECURITY.md and the bounds of docs/revocation.md: each names the tests that show it, and these are there and run.
 *
 * Owns reading the tables, and what counts as a test that runs: one that is called `test` or `it`, in `test/`, which
 * neither itself nor a `describe` around it leaves out everywhere. Must not know what the claims say.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** A table whose rows each name tests. */
interface ClaimTable {
  readonly page: string;
  readonly heading: string;
  /** Of a row. */
  readonly cells: number;
  /** The cells that tell a row from all others. */
  readonly name: readonly number[];
  /** The cell with the tests. */
  readonly tests: number;
}

/** Number, claim, against whom, tests, what it does not cover. */
export const CLAIMS: ClaimTable = {
  page: "SECURITY.md",
  heading: "## Claims",
  cells: 5,
  name: [0],
  tests: 3,
};

/** Holder, kind of service, what is revoked, how long, test. */
export const BOUNDS: ClaimTable = {
  page: "docs/revocation.md",
  heading: "## Bounds",
  cells: 5,
  name: [0, 1, 2],
  tests: 4,
};

const RULE = /\[([A-Z]{2,8}-\d+)\]/g;
/** A file, and the title of a test in it or the beginning of one. */
const NAMED = /`(test\/[^`]+\.ts)`(?: "([^"]+)")?/g;
const LEFT_OUT = new Set(["skip", "todo"]);

/** A test of the suite. */
export interface FoundTest {
  readonly file: string;
  /** With the titles of what stands around it. */
  readonly title: string;
  /** Its own title. */
  readonly name: string;
  readonly isSkipped: boolean;
}

/** A row of a table. */
export interface Claim {
  /** Its number, or what else tells it from the others. */
  readonly name: string;
  readonly rules: readonly string[];
  readonly named: readonly { readonly file: string; readonly title: string | undefined }[];
  readonly isWhole: boolean;
}

/** @returns one message for each claim that is not shown by a test that runs */
export function checkClaims(root: string, files: readonly string[]): string[] {
  return [CLAIMS, BOUNDS].flatMap((table) => checkTable(table, root, files));
}

function checkTable(table: ClaimTable, root: string, files: readonly string[]): string[] {
  const claims = readClaims(readFileSync(join(root, table.page), "utf8"), table);
  const rules = claims.flatMap((claim) => claim.rules.map((rule) => `[${rule}]`));
  const named = new Set(claims.flatMap((claim) => claim.named.map(({ file }) => file)));
  const tests = files
    .filter((file) => file.startsWith("test/") && file.endsWith(".ts"))
    .flatMap((file) => {
      const code = readFileSync(join(root, file), "utf8");
      // Parsing takes its time: only what a claim names can show one.
      return named.has(file) || rules.some((rule) => code.includes(rule)) ? readTests(file, code) : [];
    });
  return problemsOf(claims, tests, table);
}

/** The rows of the table below the heading. */
export function readClaims(page: string, table: ClaimTable = CLAIMS): Claim[] {
  const start = page.indexOf(`\n${table.heading}\n`);
  const section = start < 0 ? "" : page.slice(start + table.heading.length + 2).split(/\n## /)[0]!;
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  // The heads of the columns, and the line below them.
  return rows.slice(2).map((row) => {
    const cells = row
      .slice(1, row.lastIndexOf("|"))
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    const tests = cells[table.tests] ?? "";
    return {
      name: table.name.map((index) => cells[index] ?? "").join(", "),
      rules: [...tests.replaceAll(NAMED, "").matchAll(RULE)].map((match) => match[1]!),
      named: [...tests.matchAll(NAMED)].map((match) => ({ file: match[1]!, title: match[2] })),
      isWhole: cells.length === table.cells && cells.every((cell) => cell !== ""),
    };
  });
}

/** What is wrong with claims, given the tests that there are. */
export function problemsOf(
  claims: readonly Claim[],
  tests: readonly FoundTest[],
  { page, heading }: ClaimTable = CLAIMS,
): string[] {
  if (claims.length === 0) return [`${page}: no table of claims below "${heading}"`];
  const running = tests.filter((test) => !test.isSkipped);
  const says = (isThere: boolean, what: string): string =>
    isThere ? `${what} is skipped everywhere` : `there is no ${what}`;
  return claims.flatMap((claim, index) => {
    const where = `${page}: claim ${claim.name || index + 1}`;
    const problems: string[] = [];
    if (!claim.isWhole) problems.push(`${where}: a cell is empty, or one is too many or missing`);
    if (claims.findIndex(({ name }) => name === claim.name) !== index) {
      problems.push(`${where}: it stands there twice`);
    }
    if (claim.rules.length + claim.named.length === 0) problems.push(`${where}: names no test`);
    for (const rule of claim.rules) {
      const isCited = (test: FoundTest): boolean => test.title.includes(`[${rule}]`);
      if (!running.some(isCited)) problems.push(`${where}: ${says(tests.some(isCited), `test of ${rule}`)}`);
    }
    for (const { file, title } of claim.named) {
      const isIt = (test: FoundTest): boolean =>
        test.file === file && (title === undefined || test.name.startsWith(title));
      const what = title === undefined ? `test in ${file}` : `test "${title}" in ${file}`;
      if (!running.some(isIt)) problems.push(`${where}: ${says(tests.some(isIt), what)}`);
    }
    return problems;
  });
}

/** The tests of a file, by its syntax. */
export function readTests(file: string, code: string): FoundTest[] {
  const found: FoundTest[] = [];
  const visit = (node: ts.Node, around: string, isSkipped: boolean): void => {
    const call = ts.isCallExpression(node) ? titledCall(node) : undefined;
    if (call === undefined) {
      ts.forEachChild(node, (child) => visit(child, around, isSkipped));
      return;
    }
    const title = `${around}${call.title}`;
    const skipped = isSkipped || call.modifiers.some((modifier) => LEFT_OUT.has(modifier));
    if (call.isTest) found.push({ file, title, name: call.title, isSkipped: skipped });
    ts.forEachChild(node, (child) => visit(child, `${title} > `, skipped));
  };
  visit(ts.createSourceFile(file, code, ts.ScriptTarget.Latest, true), "", false);
  return found;
}

/** `test("title", …)`, `describe.runIf(…)("title", …)`, `test.each(…)("title", …)`; undefined for other calls. */
function titledCall(
  call: ts.CallExpression,
): { title: string; isTest: boolean; modifiers: readonly string[] } | undefined {
  const title = call.arguments[0] === undefined ? undefined : textOf(call.arguments[0]);
  if (title === undefined) return undefined;
  const modifiers: string[] = [];
  let called: ts.Expression = call.expression;
  while (!ts.isIdentifier(called)) {
    if (ts.isCallExpression(called)) called = called.expression;
    else if (ts.isTaggedTemplateExpression(called)) called = called.tag;
    else if (ts.isPropertyAccessExpression(called)) {
      modifiers.push(called.name.text);
      called = called.expression;
    } else return undefined;
  }
  const isTest = called.text === "test" || called.text === "it";
  return isTest || called.text.startsWith("describe") ? { title, isTest, modifiers } : undefined;
}

/** The text of a title; what is put in stands as it is written. */
function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  return ts.isTemplateExpression(node) ? node.getText().slice(1, -1) : undefined;
}
