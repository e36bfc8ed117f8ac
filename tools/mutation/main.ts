/**
 * `npm run mutation -- [PATH ...] [--hours H] [--again | --left] [--slow MS] [--verbose]`: mutants of the sources that decide, one at a time.
 * `--named [--sample N]`: those of named.ts; `--sample N [--seed S]`: some of all, by chance; `--table`: the table of docs/evidence.md out of the kept results.
 *
 * `--left` asks only for survivors without a reason, after tests were added.
 *
 * Owns the order: which tests enter which block is measured first, then each mutant is run against those. What is done
 * is kept for each file, so a run that was ended goes on where it was. A sample keeps nothing. It fails on a survivor
 * without a written reason (reasons.json).
 *
 * @module
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../root.ts";
import { countBlocks, isSound, type Mutant, mutate, type ParsedFile, parseMutants } from "./mutants.ts";
import { NAMED } from "./named.ts";
import { hashOf, keepResult, readReasons, readResults } from "./results.ts";
import { Runner, whyUnconfined } from "./runner.ts";
import { LEFT_OUT, TARGETS, type Target } from "./targets.ts";

const MS_PER_HOUR = 3_600_000;
const MS_PER_MINUTE = 60_000;
/** A mutant has timed out after this and so many times what its tests take otherwise. */
const PATIENCE_MS = 6_000;
const PATIENCE_FACTOR = 4;
/** A mutant is first asked of its likeliest tests, up to so much of their time; then those that are left, together. */
const QUICK_MS = 2_500;
/** Mutants that are asked about at once. */
const TOGETHER_MAX = 12;
/** For all tests that are named with a mutant. */
const NAMED_MS_MAX = 3 * MS_PER_MINUTE;
/** Test files that take longer are not asked: each survivor would wait for all of them. Ours; --slow sets another. */
const SLOW_MS_DEFAULT = 30_000;
const MEASURE_MS_MAX = 30 * MS_PER_MINUTE;
const HOURS_DEFAULT = 8;
/** Another one each day. */
const SEED_DEFAULT = Math.floor(Date.now() / 86_400_000);

interface Source {
  readonly path: string;
  readonly code: string;
  readonly parsed: ParsedFile;
}

interface TestFile {
  readonly path: string;
  readonly milliseconds: number;
  /** `path block`. */
  readonly hits: ReadonlySet<string>;
  kills: number;
}

type Outcome = "killed" | "timed out" | "survived" | "not reached";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    hours: { type: "string" },
    again: { type: "boolean", default: false },
    left: { type: "boolean", default: false },
    sample: { type: "string" },
    seed: { type: "string" },
    slow: { type: "string" },
    named: { type: "boolean", default: false },
    table: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});
const until = Date.now() + Number(values.hours ?? HOURS_DEFAULT) * MS_PER_HOUR;
const reasons = readReasons();
/** The only place that mutants can write to. */
const folder = mkdtempSync(join(tmpdir(), "coffer-mutation-"));
let runner: Runner | undefined;
process.once("exit", () => {
  runner?.end();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
const why = values.table ? undefined : whyUnconfined();
if (why !== undefined) {
  console.log(`mutation: skipped: mutants must not run where they could write anywhere: ${why}`);
  process.exit(values.named || values.sample !== undefined ? 0 : 1);
}

if (values.table) printTable();
else if (values.named) await runNamed();
else if (values.sample !== undefined)
  await sample(Number(values.sample), Number(values.seed ?? SEED_DEFAULT));
else await runAll();

/** The `.ts` files below folders, and files themselves. */
function filesIn(paths: readonly string[]): string[] {
  return paths
    .flatMap((path) => {
      if (!statSync(join(ROOT, path)).isDirectory()) return [path];
      const names = readdirSync(join(ROOT, path), { recursive: true, encoding: "utf8" });
      return names.filter((name) => name.endsWith(".ts")).map((name) => join(path, name));
    })
    .filter((path) => !LEFT_OUT.includes(path))
    .sort();
}

function sourceAt(path: string): Source {
  const code = readFileSync(join(ROOT, path), "utf8");
  return { path, code, parsed: parseMutants(path, code) };
}

function testNameOf(source: string): string {
  return basename(source).replace(/\.ts$/, ".test.ts");
}

/** Which blocks of these sources each test file enters, and how long it takes. */
async function measure(target: Target, sources: readonly Source[]): Promise<TestFile[]> {
  const hitsPath = join(folder, "hits");
  runner = new Runner(folder, { COFFER_MUTATION_HITS: hitsPath });
  try {
    const tests = filesIn(target.tests).filter((path) => path.endsWith(".test.ts"));
    const replaced = Object.fromEntries(
      sources.map(({ path, code, parsed }) => [join(ROOT, path), countBlocks(path, code, parsed.blocks)]),
    );
    const answer = await runner.run(
      { tests: tests.map((path) => join(ROOT, path)), replaced },
      MEASURE_MS_MAX,
    );
    if (answer === undefined) throw new Error("the tests do not end");
    for (const path of answer.failed)
      console.log(`left out, it fails without a mutant: ${relative(ROOT, path)}`);
    const lines = readFileSync(hitsPath, "utf8").trim().split("\n");
    const slow = Number(values.slow ?? SLOW_MS_DEFAULT);
    // The test of a file of the same name is asked however long it takes.
    const own = new Set(sources.map(({ path }) => testNameOf(path)));
    return lines
      .map((line) => JSON.parse(line) as { test: string; hits: string[] })
      .filter(({ test }) => !answer.failed.includes(test))
      .filter(({ test }) => (answer.durations[test] ?? 0) <= slow || own.has(basename(test)))
      .map(({ test, hits }) => ({
        path: test,
        milliseconds: answer.durations[test] ?? 0,
        hits: new Set(hits),
        kills: 0,
      }));
  } finally {
    runner.end();
    rmSync(hitsPath, { force: true });
  }
}

/** The tests that reach a mutant, the likeliest and quickest first. */
function reaching(source: Source, mutant: Mutant, tests: readonly TestFile[]): TestFile[] {
  const own = testNameOf(source.path);
  const rank = (test: TestFile): number =>
    (test.milliseconds + 300) / (1 + test.kills + (basename(test.path) === own ? 20 : 0));
  return tests
    .filter(({ hits }) => hits.has(`${source.path} ${mutant.block}`))
    .sort((a, b) => rank(a) - rank(b));
}

/** Runs mutants of one file together against tests, one after the other, up to the first that notices. */
async function ask(
  worker: Runner,
  source: Source,
  mutants: readonly Mutant[],
  tests: readonly TestFile[],
): Promise<Outcome> {
  if (tests.length === 0) return "not reached";
  // From the end on, so that places before stay as they are.
  const code = mutants
    .toSorted((a, b) => b.start - a.start)
    .reduce((changed, mutant) => mutate(changed, mutant), source.code);
  const replaced = { [join(ROOT, source.path)]: code };
  for (const test of tests) {
    const limit = PATIENCE_MS + PATIENCE_FACTOR * test.milliseconds;
    const answer = await worker.run({ tests: [test.path], replaced }, limit);
    if (answer !== undefined && answer.failed.length === 0) continue;
    test.kills += 1;
    return answer === undefined ? "timed out" : "killed";
  }
  return "survived";
}

/** Runs one mutant against all tests that reach it. */
async function judge(
  worker: Runner,
  source: Source,
  mutant: Mutant,
  tests: readonly TestFile[],
): Promise<Outcome> {
  return ask(worker, source, [mutant], reaching(source, mutant, tests));
}

/** The likeliest tests of a mutant, up to {@link QUICK_MS}; at least one. */
function quickest(tests: readonly TestFile[]): TestFile[] {
  let sum = 0;
  return tests.filter(({ milliseconds }, index) => {
    sum += milliseconds;
    return index === 0 || sum <= QUICK_MS;
  });
}

/**
 * Judges mutants of one file. Most are killed by their likeliest tests. The others are run together against all the rest, and in
 * halves where one of these fails: what no test notices together, none would notice alone, but for mutants that hide each other,
 * which count as survivors.
 */
async function judgeAll(
  worker: Runner,
  source: Source,
  mutants: readonly Mutant[],
  tests: readonly TestFile[],
  onOutcome: (mutant: Mutant, outcome: Outcome) => void,
): Promise<void> {
  const left: Mutant[] = [];
  for (const mutant of mutants) {
    if (Date.now() > until) return;
    const mine = reaching(source, mutant, tests);
    const outcome = await ask(worker, source, [mutant], quickest(mine));
    if (outcome === "survived" && quickest(mine).length < mine.length) left.push(mutant);
    else onOutcome(mutant, outcome);
  }
  const split = async (group: readonly Mutant[]): Promise<void> => {
    if (Date.now() > until) return;
    const all = new Set(group.flatMap((mutant) => reaching(source, mutant, tests)));
    const outcome = await ask(worker, source, group, [...all]);
    if (outcome === "survived" || group.length === 1) {
      for (const mutant of group) onOutcome(mutant, outcome);
      return;
    }
    const half = Math.ceil(group.length / 2);
    await split(group.slice(0, half));
    await split(group.slice(half));
  };
  for (const group of apart(left)) await split(group);
}

/** Groups of mutants of which none stands within another. */
function apart(mutants: readonly Mutant[]): Mutant[][] {
  const groups: Mutant[][] = [];
  for (const mutant of mutants) {
    const isApart = (other: Mutant): boolean => mutant.end <= other.start || other.end <= mutant.start;
    const group = groups.find((found) => found.length < TOGETHER_MAX && found.every(isApart));
    if (group === undefined) groups.push([mutant]);
    else group.push(mutant);
  }
  return groups;
}

async function runAll(): Promise<void> {
  const results = readResults();
  const wanted = positionals.length === 0 ? undefined : new Set(filesIn(positionals));
  for (const target of TARGETS) {
    const open = filesIn(target.sources)
      .filter((path) => wanted === undefined || wanted.has(path))
      .map(sourceAt)
      .filter(({ path, code }) => {
        const isDone = results[path]?.hash === hashOf(code);
        return values.left ? isDone && results[path]!.survivors.length > 0 : values.again || !isDone;
      })
      .filter(({ parsed }) => parsed.mutants.length > 0)
      // What is done is kept by file.
      .sort((a, b) => a.parsed.mutants.length - b.parsed.mutants.length);
    if (open.length === 0 || Date.now() > until) continue;
    const tests = await measure(target, open);
    runner = new Runner(folder);
    for (const source of open) {
      const before = values.left ? results[source.path]! : undefined;
      const explained = reasons[source.path] ?? {};
      const isLeft = (id: string): boolean => before!.survivors.includes(id) && explained[id] === undefined;
      const left = source.parsed.mutants.filter(({ id }) => before === undefined || isLeft(id));
      const counts = { killed: before?.killed ?? 0, timedOut: before?.timedOut ?? 0, notReached: 0 };
      const survivors = before?.survivors.filter((id) => !isLeft(id)) ?? [];
      await judgeAll(runner, source, left, tests, (mutant, outcome) => {
        if (values.verbose) console.log(`${outcome}: ${source.path}:${mutant.line} ${mutant.id}`);
        if (outcome === "killed" || outcome === "timed out") counts.killed += 1;
        else survivors.push(mutant.id);
        if (outcome === "timed out") counts.timedOut += 1;
        if (outcome === "not reached") counts.notReached += 1;
      });
      if (Date.now() > until) {
        console.log(`the time is over; not done: ${source.path} and what comes after it`);
        break;
      }
      const mutants = source.parsed.mutants.length;
      keepResult(source.path, { hash: hashOf(source.code), mutants, ...counts, survivors });
      console.log(`${source.path}: ${counts.killed} of ${mutants} killed`);
      for (const id of survivors) {
        if (reasons[source.path]?.[id] === undefined) console.log(`  survives: ${id}`);
      }
    }
    runner.end();
  }
}

/** The mutants of named.ts: each must be killed by its tests. */
async function runNamed(): Promise<void> {
  let survived = 0;
  runner = new Runner(folder);
  const seed = Number(values.seed ?? SEED_DEFAULT);
  const chosen = values.sample === undefined ? new Set(NAMED) : draw(NAMED, Number(values.sample), seed);
  for (const { file, find, replace, tests } of chosen) {
    const code = readFileSync(join(ROOT, file), "utf8");
    const what = `${file}: ${`${find} -> ${replace}`.replaceAll(/\s+/g, " ")}`;
    const changed = code.replace(find, () => replace);
    if (code.split(find).length !== 2 || !isSound(file, changed)) {
      console.log(`is no mutant any more: ${what}`);
      survived += 1;
      continue;
    }
    const replaced = { [join(ROOT, file)]: changed };
    const answer = await runner.run({ tests: tests.map((path) => join(ROOT, path)), replaced }, NAMED_MS_MAX);
    const isKilled = answer === undefined || answer.failed.length > 0;
    if (!isKilled) survived += 1;
    console.log(
      `${isKilled ? "killed" : "SURVIVES"}: ${what}${isKilled ? ` (${answer?.first ?? "time"})` : ""}`,
    );
  }
  runner.end();
  const which = values.sample === undefined ? "" : `seed ${seed}, `;
  console.log(`mutation: ${which}${chosen.size} of ${NAMED.length} named mutants, ${survived} survive`);
  process.exitCode = survived === 0 ? 0 : 1;
}

/** Mutants of files that are done, drawn by a seed: what was killed still is, and what is new is killed or has its reason. */
async function sample(count: number, seed: number): Promise<void> {
  const results = readResults();
  let survived = 0;
  let drawn = 0;
  const done = TARGETS.map((target) => ({
    target,
    sources: filesIn(target.sources)
      .filter((path) => results[path] !== undefined)
      .map(sourceAt),
  }));
  const all = done.flatMap(({ sources }) =>
    sources.flatMap((source) =>
      source.parsed.mutants
        .filter(({ id }) => !results[source.path]!.survivors.includes(id))
        .map((mutant) => ({ source, mutant })),
    ),
  );
  const chosen = draw(all, count, seed);
  for (const { target, sources } of done) {
    const mine = [...chosen].filter(({ source }) => sources.includes(source));
    if (mine.length === 0) continue;
    const tests = await measure(target, [...new Set(mine.map(({ source }) => source))]);
    runner = new Runner(folder);
    for (const { source, mutant } of mine) {
      drawn += 1;
      const outcome = await judge(runner, source, mutant, tests);
      if (outcome === "killed" || outcome === "timed out") continue;
      if (reasons[source.path]?.[mutant.id] !== undefined) continue;
      survived += 1;
      console.log(`${outcome}: ${source.path}:${mutant.line} ${mutant.id}`);
    }
    runner.end();
  }
  console.log(`mutation: seed ${seed}, ${drawn} mutants, ${survived} survive without a reason`);
  process.exitCode = survived === 0 && drawn > 0 ? 0 : 1;
}

/** Draws up to so many by a seed. */
function draw<T>(all: readonly T[], count: number, seed: number): Set<T> {
  const random = numbers(seed);
  return new Set(Array.from({ length: count }, () => all[Math.floor(random() * all.length)]!));
}

/** Mulberry32: small, and the same everywhere. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function printTable(): void {
  console.log("| file | mutants | killed | of these timed out | survive, with a reason | survive, without |");
  console.log("|---|--:|--:|--:|--:|--:|");
  const sums = [0, 0, 0, 0, 0];
  for (const [path, result] of Object.entries(readResults())) {
    const explained = result.survivors.filter((id) => reasons[path]?.[id] !== undefined).length;
    const open = result.survivors.length - explained;
    const row = [result.mutants, result.killed, result.timedOut, explained, open];
    row.forEach((value, index) => {
      sums[index]! += value;
    });
    const isNow = existsSync(join(ROOT, path)) && hashOf(sourceAt(path).code) === result.hash;
    console.log(`| \`${path}\`${isNow ? "" : " (as it was)"} | ${row.join(" | ")} |`);
  }
  console.log(`| all | ${sums.join(" | ")} |`);
}
