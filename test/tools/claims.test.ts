/** The check of SECURITY.md's claims: a claim without a test that runs is a problem. */
import { expect, test } from "vitest";
import { BOUNDS, checkClaims, problemsOf, readClaims, readTests } from "../../tools/repository/claims.ts";
import { listFiles } from "../../tools/repository/list-files.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

// Rules are written in angles here: in brackets, the check of the specifications would take them for its own.
const inBrackets = (text: string): string => text.replaceAll(/<([A-Z]{3}-\d)>/g, "[$1]");
const page = (...rows: string[]): string =>
  [
    "# Security",
    "",
    "## Claims",
    "",
    "| | claim | against | tests | not |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    "## After",
    "",
    "| x |",
  ].join("\n");

const SUITE = `
describe("<AAA-1> outer", () => {
  test("inner", () => {});
  test.each([1, 2])("of %i", () => {});
});
describe.skip("left out", () => test("<BBB-1> of it", () => {}));
test.skip("<BBB-2> itself", () => {});
describe.runIf(process.platform === "linux")("here", () => test(\`<CCC-1> \${name} there\`, () => {}));
test.todo("<BBB-3> later");
describePostgres("<DDD-1> database", () => it("works", () => {}));
other("<EEE-1> no test", () => {});
`;

const TESTS = readTests("test/a.test.ts", inBrackets(SUITE));

const problems = (tests: string): string[] =>
  problemsOf(readClaims(page(`| C-1 | a | b | ${inBrackets(tests)} | c |`)), TESTS);

test("a claim is shown by a rule that a test's title cites, or by a test that is named", () => {
  for (const tests of [
    "<AAA-1>",
    "<CCC-1> <DDD-1>",
    "`test/a.test.ts`",
    '`test/a.test.ts` "inner"',
    '`test/a.test.ts` "of %i"',
    '`test/a.test.ts` "<CCC-1> "',
  ]) {
    expect(problems(tests)).toEqual([]);
  }
});

test("a test that is gone, was renamed or is left out everywhere shows nothing", () => {
  expect(problems("–")).toEqual(["SECURITY.md: claim C-1: names no test"]);
  expect(problems("<ZZZ-1>")).toEqual(["SECURITY.md: claim C-1: there is no test of ZZZ-1"]);
  expect(problems("<EEE-1>")).toEqual(["SECURITY.md: claim C-1: there is no test of EEE-1"]);
  for (const rule of ["BBB-1", "BBB-2", "BBB-3"]) {
    expect(problems(`<AAA-1> [${rule}]`)).toEqual([
      `SECURITY.md: claim C-1: test of ${rule} is skipped everywhere`,
    ]);
  }
  expect(problems('`test/a.test.ts` "<BBB-2> itself"')).toEqual([
    inBrackets('SECURITY.md: claim C-1: test "<BBB-2> itself" in test/a.test.ts is skipped everywhere'),
  ]);
  expect(problems('`test/a.test.ts` "outer"')).toHaveLength(1);
  expect(problems("`test/b.test.ts`")).toEqual([
    "SECURITY.md: claim C-1: there is no test in test/b.test.ts",
  ]);
});

test("a table that is missing, a cell that is empty and a number that is taken are problems", () => {
  expect(problemsOf(readClaims("# Security\n"), TESTS)).toHaveLength(1);
  expect(problemsOf(readClaims(page(inBrackets("| C-1 | a | | <AAA-1> | c |"))), TESTS)).toHaveLength(1);
  expect(problemsOf(readClaims(page(inBrackets("| C-1 | a | b | <AAA-1> |"))), TESTS)).toHaveLength(1);
  const row = inBrackets("| C-1 | a | b | <AAA-1> | c |");
  expect(problemsOf(readClaims(page(row, row)), TESTS)).toEqual([
    "SECURITY.md: claim C-1: it stands there twice",
  ]);
});

test("a bound names its test too, and is told by what it bounds", () => {
  const row = (tests: string): string => `| lease | a file | a key | 1 s | ${inBrackets(tests)} |`;
  const bounds = (...rows: string[]): string[] =>
    problemsOf(readClaims(page(...rows).replace("## Claims", BOUNDS.heading), BOUNDS), TESTS, BOUNDS);
  expect(bounds(row('`test/a.test.ts` "inner"'))).toEqual([]);
  const where = "docs/revocation.md: claim lease, a file, a key";
  expect(bounds(row("as above"))).toEqual([`${where}: names no test`]);
  expect(bounds(row("<AAA-1>"), row("<AAA-1>"))).toEqual([`${where}: it stands there twice`]);
});

test("the claims of SECURITY.md and the bounds of revocation are all shown by tests that run", () => {
  expect(checkClaims(REPOSITORY_ROOT, listFiles(REPOSITORY_ROOT))).toEqual([]);
});
