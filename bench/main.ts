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
import { REPORT_SCHEMA, type Report, toMarkdown, writeReport } from "./lib/report.ts";
import { envelopeCases } from "./suites/envelope.ts";
import { kvCases } from "./suites/kv.ts";
import { peerCases } from "./suites/peers.ts";

const USAGE = `npm run bench -- [options]

  --quick           a few tiny samples: does it run, do outputs agree? Its numbers mean nothing
  --full            more rounds and more sizes
  --only SUITE      envelope, kv, or peers (only then; see bench/README.md)
  --name NAME       name of the result; default quick, default or full
  --out DIRECTORY   where the result goes; default bench/results
  --disk DIRECTORY  where stores are measured; default the directory for temporary files
`;

const SUITES = ["envelope", "kv", "peers"] as const;
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
}

/** @returns undefined if the arguments are wrong */
function readOptions(): Options | undefined {
  try {
    const text = { type: "string" } as const;
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      options: { quick: flag, full: flag, only: text, name: text, out: text, disk: text },
    });
    // The peers are packages that are not installed with coffer's.
    const suites = SUITES.filter((suite) =>
      values.only === undefined ? suite !== "peers" : values.only === suite,
    );
    const mode = values.quick ? "quick" : values.full ? "full" : "default";
    const name = values.name ?? (values.only === undefined ? mode : `${mode}-${values.only}`);
    if (suites.length === 0 || (values.quick && values.full) || !/^[\w.-]+$/.test(name)) return undefined;
    const out = values.out ?? join(import.meta.dirname, "results");
    return { mode, suites, name, out, disk: values.disk ?? tmpdir() };
  } catch {
    return undefined;
  }
}

async function main({ mode, suites, name, out, disk }: Options): Promise<void> {
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
  const report: Report = {
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
  console.log(`\n${toMarkdown(report)}`);
  console.error(`written to ${writeReport(report, out)}`);
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
