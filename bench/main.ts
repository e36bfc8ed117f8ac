/**
 * `npm run bench`: measures, prints tables, writes the result of each suite to a file.
 *
 * Owns the options. Timings are never a reason to fail: only outputs that disagree are.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Case, type CaseResult, compare, measure, type Settings } from "./lib/harness.ts";
import { fileSystem, load, machine, versions } from "./lib/machine.ts";
import { type Report, toMarkdown } from "./lib/report.ts";
import { REPORT_SCHEMA, readResult, writeResult } from "./lib/result-file.ts";
import { measureRuntimes, runtimeNames } from "./runtimes/main.ts";
import { type RuntimesReport, showRuntimes } from "./runtimes/report.ts";
import { envelopeCases } from "./suites/envelope.ts";
import { FILE_SETTINGS, FILE_SIZES, fileSubject } from "./suites/files.ts";
import { kvCases } from "./suites/kv.ts";
import { peerCases } from "./suites/peers.ts";
import { sealedCases } from "./suites/sealed.ts";
import { wayCases } from "./suites/ways.ts";

const USAGE = `npm run bench -- [options]

  --quick           a few tiny samples: does it run, do outputs agree? Its numbers mean nothing
  --full            more rounds, more sizes, and all peers and runtimes that are installed
  --only SUITE      envelope, ways, kv, files, sealed, peers, runtimes or sealedRuntimes (see bench/README.md)
  --runtimes LIST   which of them: ${runtimeNames().join(",")}
  --name NAME       results are NAME-SUITE.json; default quick or default; SUITE.json with --full
  --out DIRECTORY   where the results go; default bench/results
  --disk DIRECTORY  where stores are measured; default the directory for temporary files
`;

const SUITES = ["envelope", "ways", "kv", "files", "sealed", "runtimes", "sealedRuntimes", "peers"] as const;
/** Without `--only`, in each mode. Peers and runtimes are packages that are not installed with coffer's. */
const SUITES_OF = {
  quick: ["envelope", "kv"],
  default: ["envelope", "kv"],
  full: ["envelope", "ways", "kv", "files", "sealed", "peers", "runtimes", "sealedRuntimes"],
} as const;
const SETTINGS = {
  quick: { rounds: 2, sampleMs: 1, warmUpMs: 1 },
  default: { rounds: 11, sampleMs: 30, warmUpMs: 150 },
  full: { rounds: 25, sampleMs: 40, warmUpMs: 300 },
} as const satisfies Record<string, Settings>;

interface Options {
  readonly mode: keyof typeof SETTINGS;
  readonly suites: readonly (typeof SUITES)[number][];
  /** Of the files, before the suite's name. */
  readonly prefix: string;
  readonly out: string;
  readonly disk: string;
  readonly runtimes: readonly string[] | undefined;
}

/** @returns undefined if the arguments are wrong */
function readOptions(): Options | undefined {
  try {
    const text = { type: "string" } as const;
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      options: { quick: flag, full: flag, only: text, name: text, out: text, disk: text, runtimes: text },
    });
    const mode = values.quick ? "quick" : values.full ? "full" : "default";
    const only = SUITES.filter((suite) => suite === values.only);
    const suites = values.only === undefined ? SUITES_OF[mode] : only;
    const name = values.name ?? (mode === "full" ? undefined : mode);
    const runtimes = values.runtimes?.split(",");
    if (suites.length === 0 || (values.quick && values.full)) return undefined;
    if (name !== undefined && !/^[\w.-]+$/.test(name)) return undefined;
    if (runtimes?.some((runtime) => !runtimeNames().includes(runtime))) return undefined;
    const out = values.out ?? join(import.meta.dirname, "results");
    const prefix = name === undefined ? "" : `${name}-`;
    return { mode, suites, prefix, out, disk: values.disk ?? tmpdir(), runtimes };
  } catch {
    return undefined;
  }
}

/** Suites that run in this process, as the cases that they consist of. */
const HERE = {
  envelope: ({ mode }: Options) => envelopeCases(mode),
  kv: ({ mode, disk }: Options) => kvCases(mode, disk),
  ways: () => wayCases(),
  sealed: () => sealedCases(),
  peers: () => peerCases(),
};

async function main(options: Options): Promise<void> {
  const { mode, suites, prefix, out, runtimes } = options;
  for (const suite of suites) {
    const name = `${prefix}${suite}`;
    const report =
      suite === "runtimes" || suite === "sealedRuntimes"
        ? await measureRuntimes(suite, mode, name, runtimes, (text) => console.error(text))
        : suite === "files"
          ? await reportOf(name, options, FILE_SETTINGS, () => measureFiles(options))
          : await reportOf(name, options, SETTINGS[mode], () =>
              measureHere(HERE[suite](options), SETTINGS[mode]),
            );
    const path = writeResult(report, out);
    // What is printed is what is kept.
    const kept = readResult<Report | RuntimesReport>(path);
    console.log(`\n${"runtimes" in kept ? showRuntimes(kept) : toMarkdown(kept)}`);
    console.error(`written to ${path}`);
  }
}

async function measureHere(
  subjects: Iterable<Case> | AsyncIterable<Case>,
  settings: Settings,
): Promise<CaseResult[]> {
  const cases: CaseResult[] = [];
  for await (const subject of subjects) {
    console.error(`${subject.suite}: ${subject.work} ${subject.size}`);
    cases.push(await measure(subject, settings));
  }
  return cases;
}

/** Processes: each sample is one, so their number is that of the rounds. */
async function measureFiles({ disk }: Options): Promise<CaseResult[]> {
  const cases: CaseResult[] = [];
  for (const { name, bytes } of FILE_SIZES) {
    const subject = fileSubject(bytes, disk);
    try {
      for (const work of ["encrypt", "decrypt"] as const) {
        console.error(`files: ${work}-file ${name}`);
        const of = { suite: "files", work: `${work}-file`, size: name, clock: "cpu" } as const;
        cases.push(await compare(of, subject[work], FILE_SETTINGS));
      }
    } finally {
      subject.close();
    }
  }
  return cases;
}

async function reportOf(
  name: string,
  { disk }: Options,
  settings: Settings,
  measureCases: () => Promise<CaseResult[]>,
): Promise<Report> {
  const startedAt = new Date();
  const before = load();
  const cases = await measureCases();
  return {
    schema: REPORT_SCHEMA,
    name,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    machine: machine(),
    load: { before, after: load() },
    fileSystem: fileSystem(disk),
    versions: versions(),
    settings,
    cases,
  };
}

const options = readOptions();
if (options === undefined) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  // An exit, unlike a signal, lets the suites take their files away.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  await main(options);
}
