/**
 * `npm run bench`: measures, prints tables, writes the result to a file.
 *
 * Owns the options. Timings are never a reason to fail: only outputs that disagree are.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CaseResult, measure, type Settings } from "./lib/harness.ts";
import { fileSystem, load, machine, versions } from "./lib/machine.ts";
import { type Header, REPORT_SCHEMA, type Report, toMarkdown, writeReport } from "./lib/report.ts";
import { measureRuntimes, runtimeNames } from "./runtimes/main.ts";
import { runtimesMarkdown } from "./runtimes/report.ts";
import { envelopeCases } from "./suites/envelope.ts";
import { kvCases } from "./suites/kv.ts";
import { peerCases } from "./suites/peers.ts";

const USAGE = `npm run bench -- [options]

  --quick           a few tiny samples: does it run, do outputs agree? Its numbers mean nothing
  --full            more rounds, more sizes, and all peers and runtimes that are installed
  --only SUITE      envelope, kv, peers or runtimes (see bench/README.md)
  --runtimes LIST   which of them: ${runtimeNames().join(",")}
  --name NAME       name of the result; default quick, default or full
  --out DIRECTORY   where the result goes; default bench/results
  --disk DIRECTORY  where stores are measured; default the directory for temporary files
`;

const SUITES = ["envelope", "kv", "runtimes", "peers"] as const;
/** Without `--only`, in each mode. Peers and runtimes are packages that are not installed with coffer's. */
const SUITES_OF = {
  quick: ["envelope", "kv"],
  default: ["envelope", "kv"],
  full: ["envelope", "kv", "peers", "runtimes"],
} as const;
const SETTINGS = {
  quick: { rounds: 2, sampleMs: 1, warmUpMs: 1 },
  default: { rounds: 11, sampleMs: 30, warmUpMs: 150 },
  full: { rounds: 25, sampleMs: 40, warmUpMs: 300 },
} as const satisfies Record<string, Settings>;

interface Options {
  readonly mode: keyof typeof SETTINGS;
  readonly suites: readonly (typeof SUITES)[number][];
  readonly name: string;
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
    const byDefault =
      values.only === undefined
        ? mode
        : mode === "default" && values.only === "runtimes"
          ? "runtimes"
          : `${mode}-${values.only}`;
    const name = values.name ?? byDefault;
    const runtimes = values.runtimes?.split(",");
    if (suites.length === 0 || (values.quick && values.full) || !/^[\w.-]+$/.test(name)) return undefined;
    if (runtimes?.some((runtime) => !runtimeNames().includes(runtime))) return undefined;
    const out = values.out ?? join(import.meta.dirname, "results");
    return { mode, suites, name, out, disk: values.disk ?? tmpdir(), runtimes };
  } catch {
    return undefined;
  }
}

async function main(options: Options): Promise<void> {
  const { mode, suites, name, out, runtimes } = options;
  if (suites.some((suite) => suite !== "runtimes")) {
    const report = await measureHere(options);
    publish(report, toMarkdown(report), out);
  }
  if (suites.includes("runtimes")) {
    // Beside others it is a result of its own: its cases have another floor on each runtime.
    const own = suites.length > 1 ? `${name}-runtimes` : name;
    const report = await measureRuntimes(mode, own, runtimes, (text) => console.error(text));
    publish(report, runtimesMarkdown(report), out);
  }
}

function publish(report: Header, markdown: string, out: string): void {
  console.log(`\n${markdown}`);
  console.error(`written to ${writeReport(report, markdown, out)}`);
}

/** The suites that run in this process. */
async function measureHere({ mode, suites, name, disk }: Options): Promise<Report> {
  const settings = SETTINGS[mode];
  const startedAt = new Date();
  const before = load();
  const cases: CaseResult[] = [];
  const run = async (subject: Parameters<typeof measure>[0]): Promise<void> => {
    console.error(`${subject.suite}: ${subject.work} ${subject.size}`);
    cases.push(await measure(subject, settings));
  };
  if (suites.includes("envelope")) for (const subject of envelopeCases(mode)) await run(subject);
  if (suites.includes("kv")) for await (const subject of kvCases(mode, disk)) await run(subject);
  if (suites.includes("peers")) for await (const subject of peerCases()) await run(subject);
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
