/**
 * The verbs of `coffer rekey-data`: plan, run, status, verify, abort.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { LAYOUTS, layoutRow, type WritableLayout } from "../../crypto/envelope/layouts.ts";
import { abortJob, type JobReport, jobStatus, RekeyJob } from "../../rekey/job/job.ts";
import { PAGE_ROWS_MAX, WORKERS_DEFAULT, WORKERS_MAX } from "../../rekey/job/limits.ts";
import type { JobMode } from "../../rekey/job/mode.ts";
import { JOB_MODES } from "../../rekey/job/modes.ts";
import type { Counts, Finding } from "../../rekey/job/outcomes.ts";
import type { CheckShare } from "../../rekey/job/page.ts";
import { patiently, type RunWait } from "../../rekey/job/patience.ts";
import type { JobProgress } from "../../rekey/job/progress.ts";
import type { CiphertextSource } from "../../rekey/job/source.ts";
import type { VerifyReport } from "../../rekey/job/verify.ts";
import { type Action, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { choiceParser, countParser, entryParser } from "../input/arguments.ts";
import { openSource, rowRules, type SourceFlags } from "../job-source.ts";
import { EXIT_INTEGRITY, EXIT_SIGNAL } from "../output/exit-codes.ts";
import { type Result, record, table } from "../output/format.ts";

interface JobFlags extends SourceFlags {
  readonly mode?: JobMode;
  readonly layout?: WritableLayout;
  readonly check?: CheckShare;
}

interface RunFlags extends JobFlags {
  readonly workers?: number;
  readonly rate?: number;
  readonly pageRows?: number;
  readonly pauseFile?: string;
}

interface VerifyFlags extends SourceFlags {
  readonly open?: CheckShare;
}

const WRITABLE = LAYOUTS.filter((layout): layout is WritableLayout => layoutRow(layout).isWritable);
const SHARES: readonly CheckShare[] = ["none", "sample", "all"];
/** The signal's number of SIGINT; the command tells of others by its own exit code. */
const SIGINT = 2;
/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 200;

const repeated = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

const SOURCE: readonly (readonly [string, string])[] = [
  ["<source>", "postgres://USER@HOST/DB, a SQLite file, a .jsonl file, or a folder of .coffer files"],
];
const TABLE_FLAGS = [
  option("--table <name>", "the table that holds ciphertexts"),
  option("--schema <name>", "its schema (PostgreSQL; default by the search path)"),
  option(
    "--column <name>",
    "a column of ciphertexts, or NAME:/A/0/B for a place within JSON; repeat it for more",
    repeated,
  ),
  option("--key <column>", "a column of the key, if that is not the primary key; repeat it", repeated),
];
const ROW_FLAGS = [
  option(
    "--context <name=value>",
    "an entry of a row's key context; {COLUMN} stands for the row's value",
    entryParser("context"),
  ),
  option("--aad <text>", "a row's associated data; {COLUMN} stands for the row's value"),
];
const JOB_FLAGS = [
  ...TABLE_FLAGS,
  option("--mode <mode>", `${JOB_MODES.join(", ")} (default rewrap)`, choiceParser("mode", JOB_MODES)),
  ...ROW_FLAGS,
  option(
    "--layout <layout>",
    "the layout to write, for upgrade, re-encrypt and bind",
    choiceParser("layout", WRITABLE),
  ),
  option(
    "--check <share>",
    "how many moved values are unwrapped before they are written: none, sample (1 of 100, the default) or all",
    choiceParser("check", SHARES),
  ),
];

const plan: Action<JobFlags> = async (run, flags, target) => {
  return withJob(run, target, flags, ONE, async (job) => {
    const found = await job.plan({ signal: run.signal });
    const { openJob, sample, ...rest } = found;
    return {
      view: parts(
        record({
          source: found.source,
          mode: found.mode,
          rows: found.rows,
          sample: countsText(sample.counts),
          growth: `${found.growth} characters at most in the sample`,
          job: openJob === undefined ? "none is open: run begins one" : "one is open: run goes on with it",
        }),
        found.warnings.map((warning) => `- ${warning}.`).join("\n"),
        findingsText(sample.findings),
      ),
      data: () => ({ ...rest, openJob: openJob ?? null, sample }),
    };
  });
};

/** `coffer rekey-data plan`. */
export const REKEY_DATA_PLAN: Verb = {
  name: "plan",
  summary: "say what a run would do, and write nothing",
  description: "Counts, looks for what would get in the way, and moves a sample without writing it.",
  arguments: SOURCE,
  options: JOB_FLAGS,
  run: plan,
};

const runJob: Action<RunFlags> = async (run, flags, target) => {
  const { workers = WORKERS_DEFAULT, rate, pageRows, pauseFile } = flags;
  const stop = new AbortController();
  const ended = Promise.withResolvers<void>();
  run.onInterrupt = async () => {
    stop.abort();
    await ended.promise;
    return EXIT_SIGNAL + SIGINT;
  };
  let toldUntil = 0;
  const onWait = (wait: RunWait): void => {
    // Workers wait for the same thing.
    if (performance.now() < toldUntil) return;
    toldUntil = performance.now() + wait.waitMs / 2;
    void run.progress().then(() => run.note(waitText(wait)));
  };
  const isStopping = (): boolean => stop.signal.aborted;
  const opening = <T>(work: () => Promise<T>): Promise<T> =>
    patiently(work, { isStopping, signal: undefined, onWait });
  try {
    // A connection for each worker, and one for what is common to them.
    return await withJob(run, target, flags, { connections: workers + 1, opening }, async (job) => {
      let shownAt = 0;
      const report = await job
        .run({
          workers,
          rate,
          pageRows,
          stop: stop.signal,
          isPaused: pauseFile === undefined ? undefined : () => existsSync(pauseFile),
          onWait,
          onProgress: (progress) => {
            if (performance.now() - shownAt < PROGRESS_MS) return;
            shownAt = performance.now();
            void run.progress(progressText(progress));
          },
        })
        .finally(() => run.progress());
      if (stop.signal.aborted && !report.isComplete) {
        await run.note(`${report.counts.rows} of ${report.record.rows} rows are done: run it again to go on`);
      }
      return reportResult(report);
    });
  } finally {
    ended.resolve();
  }
};

/** `coffer rekey-data run`. */
export const REKEY_DATA_RUN: Verb = {
  name: "run",
  summary: "move the ciphertexts; again, to go on",
  description: "Moves the ciphertexts of a table, and goes on where an earlier run stopped.",
  arguments: SOURCE,
  options: [
    ...JOB_FLAGS,
    option(
      "--workers <count>",
      `ranges that are worked on at once (default ${WORKERS_DEFAULT})`,
      countParser("workers", WORKERS_MAX),
    ),
    option("--rate <rows>", "rows a second at most", countParser("rate", 1_000_000)),
    option("--page-rows <count>", "rows of a page at most", countParser("page-rows", PAGE_ROWS_MAX)),
    option("--pause-file <path>", "no page is begun while there is such a file"),
  ],
  help: `
Ctrl-C ends it after the pages under way. It ends with 3 if there are values that
it could not move; they are listed, stay as they are and do not stop it.

A database that does not answer is waited for, half a minute at a time, also when
the run begins.
`,
  run: runJob,
};

/** `coffer rekey-data status`. */
export const REKEY_DATA_STATUS: Verb = {
  name: "status",
  summary: "say how far the job on a table has come",
  description: "Says how far the newest job on a table has come, of all its workers.",
  arguments: SOURCE,
  options: TABLE_FLAGS,
  needs: "nothing",
  run: (run: CommandRun, flags: SourceFlags, target?: string) =>
    withSource(run, target, flags, [], ONE, async (source) => {
      const report = await jobStatus(source);
      return report === undefined
        ? { view: "no job has run on this table", data: () => null }
        : reportResult(report);
    }),
};

const verify: Action<VerifyFlags> = async (run, flags, target) => {
  return withJob(run, target, flags, ONE, async (job) => {
    const report = await job
      .verify({
        open: flags.open,
        signal: run.signal,
        onProgress: (rows) => void run.progress(`${rows} rows`),
      })
      .finally(() => run.progress());
    return { view: verifyText(report), data: () => report, exitCode: exitCodeOf(report.unreadable) };
  });
};

/** `coffer rekey-data verify`. */
export const REKEY_DATA_VERIFY: Verb = {
  name: "verify",
  summary: "read every value again, and count what is under which key",
  description: "Reads every value again: how many are under which KEK version, and which cannot be read.",
  arguments: SOURCE,
  options: [
    ...TABLE_FLAGS,
    option("--aad <text>", "a row's associated data; {COLUMN} stands for the row's value"),
    option(
      "--open <share>",
      "values that are decrypted: none, sample (1 of 100, the default) or all",
      choiceParser("open", SHARES),
    ),
  ],
  run: verify,
};

/** `coffer rekey-data abort`. */
export const REKEY_DATA_ABORT: Verb = {
  name: "abort",
  summary: "end the open job; what was written stays",
  description: "Ends the open job on a table without moving what is left. What was written stays.",
  arguments: SOURCE,
  options: TABLE_FLAGS,
  needs: "nothing",
  run: (run: CommandRun, flags: SourceFlags, target?: string) =>
    withSource(run, target, flags, [], ONE, async (source) => reportResult(await abortJob(source))),
};

/** How a source is opened. */
interface Opening {
  /** At most. */
  readonly connections: number;
  /** Tries it, or tries it more than once. */
  readonly opening: <T>(work: () => Promise<T>) => Promise<T>;
}

const ONE: Opening = { connections: 1, opening: (work) => work() };

async function withJob(
  run: CommandRun,
  target: string | undefined,
  flags: JobFlags,
  opened: Opening,
  work: (job: RekeyJob) => Promise<Result>,
): Promise<Result> {
  const { mode = "rewrap", layout, check } = flags;
  const { context, associatedData, fields } = rowRules(flags);
  return withSource(run, target, flags, fields, opened, async (source) => {
    const vault = await run.open();
    return work(new RekeyJob({ keys: vault.keys, source, mode, layout, check, context, associatedData }));
  });
}

async function withSource(
  run: CommandRun,
  target: string | undefined,
  flags: SourceFlags,
  fields: readonly string[],
  { connections, opening }: Opening,
  work: (source: CiphertextSource) => Promise<Result>,
): Promise<Result> {
  if (target === undefined || target === "") throw usageError("no source was given");
  return run.noting(async (onNotice) => {
    const source = await opening(() => openSource(target, flags, fields, onNotice, connections));
    try {
      return await work(source);
    } finally {
      await source.close();
    }
  });
}

function reportResult(report: JobReport): Result {
  const { counts, record: job, ranges } = report;
  return {
    view: parts(
      record([
        ["source", report.source],
        ["mode", report.mode],
        ["state", job.state],
        ["rows", `${counts.rows} of ${job.rows}`],
        ["values", countsText(counts)],
        ["conflicts", String(counts.conflicts)],
        ...(job.state === "open"
          ? ([["ranges", `${ranges.done} done, ${ranges.leased} under way, ${ranges.open} open`]] as const)
          : []),
      ]),
      findingsText(report.findings),
    ),
    data: () => report,
    exitCode: exitCodeOf(report.leftBehind),
  };
}

const exitCodeOf = (unreadable: number): number => (unreadable > 0 ? EXIT_INTEGRITY : 0);

/** Such as `9,998 moved, 1 empty, 1 plaintext`. */
function countsText(counts: Counts): string {
  const { moved, current, empty, plaintext, foreign, unreadable, refused } = counts;
  const named = Object.entries({ moved, current, empty, plaintext, foreign, unreadable, refused });
  return (
    named
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ") || "none"
  );
}

function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const rows = findings.map(({ key, slot, outcome, reason }) => [key, slot, outcome, reason]);
  return table(["KEY", "COLUMN", "OUTCOME", "REASON"], rows);
}

function verifyText(report: VerifyReport): string {
  const { ciphertexts, layouts, keks, findings } = report;
  return parts(
    record({
      rows: report.rows,
      ciphertexts: `${ciphertexts} (${Object.keys(layouts).sort().join(", ") || "none"})`,
      opened: report.opened,
      empty: report.empty,
      plaintext: report.plaintext,
      unreadable: report.unreadable,
      unbound: report.unbound,
    }),
    keks.length === 0
      ? ""
      : table(
          ["KEK", "VERSION", "REFERENCES"],
          keks.map(({ id, version, references }) => [id, String(version ?? "-"), String(references)]),
        ),
    findingsText(findings),
  );
}

/** Such as `61000 of 100000 rows (61%), 8120 rows/s, 5 s left, 2 conflicts, 0 unreadable`. */
function progressText({ counts, rows, rate, remainingMs }: JobProgress): string {
  const percent = rows === 0 ? 100 : Math.min(100, Math.floor((100 * counts.rows) / rows));
  const left = remainingMs === undefined ? "" : `, ${Math.ceil(remainingMs / 1_000)} s left`;
  const unreadable = counts.unreadable + counts.foreign + counts.refused;
  return `${counts.rows} of ${rows} rows (${percent}%), ${Math.round(rate)} rows/s${left}, ${counts.conflicts} conflicts, ${unreadable} unreadable`;
}

/** Such as `the database is not available (ERR_STORAGE_UNAVAILABLE): trying again in 2 s, 4 tries are left`. */
function waitText({ error, waitMs, triesLeft }: RunWait): string {
  const tries = triesLeft === 1 ? "this is the last try" : `${triesLeft} tries are left`;
  return `${error.message} (${error.code}): trying again in ${waitMs / 1_000} s, ${tries}`;
}

const parts = (...texts: readonly string[]): string => texts.filter((text) => text !== "").join("\n\n");
