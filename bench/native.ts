/**
 * `npm run bench:native`: files of 64 KiB to 1 GiB through the native format and through what others use.
 *
 * Owns the order. Each sample is a process of its own (bench/native/run-one.ts),
 * because peak memory belongs to a process; competitors take turns in a random order. Timings are never a reason to fail.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load, machine, versions } from "./lib/machine.ts";
import { REPORT_SCHEMA, readResult, writeResult } from "./lib/result-file.ts";
import { shuffled } from "./lib/statistics.ts";
import { competitorNamed, NAMES, someBytes, type Work } from "./native/competitors.ts";
import { figures, type NativeReport, nativeMarkdown } from "./native/report.ts";
import type { Sample } from "./native/run-one.ts";

const MIB = 2 ** 20;
const SIZES = [
  { name: "64 KiB", bytes: 64 * 1024, rounds: 4 },
  { name: "1 MiB", bytes: MIB, rounds: 4 },
  { name: "256 MiB", bytes: 256 * MIB, rounds: 3 },
  { name: "1 GiB", bytes: 1024 * MIB, rounds: 2 },
] as const;
const WORKS: readonly Work[] = ["encrypt", "decrypt"];

/** Milliseconds that a sample takes at least. */
const SAMPLE_MS = 400;

interface Cell {
  readonly work: Work;
  readonly size: string;
  readonly competitor: string;
  readonly samples: Sample[];
}

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    out: { type: "string" },
    disk: { type: "string" },
    name: { type: "string" },
  },
});
const name = values.name ?? (values.quick ? "quick-native" : "native");
const directory = mkdtempSync(join(values.disk ?? tmpdir(), "coffer-bench-"));
process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const missing: string[] = [];
const present: string[] = [];
for (const candidate of NAMES) {
  try {
    await competitorNamed(candidate);
    present.push(candidate);
  } catch {
    missing.push(candidate);
  }
}

const startedAt = new Date();
const before = load();
const cells: Cell[] = [];
const warmUp = makeFiles("warm-up", 256 * 1024);
for (const { name: size, bytes, rounds } of values.quick ? SIZES.slice(0, 1) : SIZES) {
  const files = makeFiles(size.replace(" ", "-"), bytes);
  for (const work of WORKS) {
    const here = present.map((competitor): Cell => ({ work, size, competitor, samples: [] }));
    for (let round = 0; round < (values.quick ? 1 : rounds); round++) {
      for (const cell of shuffled(here)) {
        console.error(`${work} ${size}: ${cell.competitor}, round ${round + 1}`);
        cell.samples.push(sampleOf(cell, files, bytes));
      }
    }
    cells.push(...here);
  }
  for (const path of Object.values(files)) rmSync(path, { force: true });
}

const report: NativeReport = {
  schema: REPORT_SCHEMA,
  name,
  startedAt: startedAt.toISOString(),
  seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
  machine: machine(),
  load: { before, after: load() },
  versions: versions(),
  opensslSpeed: opensslSpeed(),
  missing,
  cells: cells.map(({ samples, ...cell }) => ({ ...cell, ...figures(samples) })),
};
const out = values.out ?? join(import.meta.dirname, "results");
const path = writeResult(report, out);
console.log(`\n${nativeMarkdown(readResult(path))}`);
console.error(`written to ${path}`);

type Files = Readonly<Record<string, string>>;

/** A plaintext, and what each competitor makes of it. */
function makeFiles(label: string, bytes: number): Files {
  const plain = join(directory, `${label}.plain`);
  writeFileSync(plain, "");
  for (let done = 0; done < bytes; done += MIB) {
    writeFileSync(plain, someBytes(Math.min(MIB, bytes - done)), { flag: "a" });
  }
  const files: Record<string, string> = { plain };
  for (const competitor of present) {
    const path = join(directory, `${label}.${competitor.replaceAll(" ", "-")}`);
    runOne(competitor, "make", plain, plain, bytes, path);
    files[competitor] = path;
  }
  return files;
}

function sampleOf(cell: Cell, files: Files, bytes: number): Sample {
  const which = cell.work === "encrypt" ? "plain" : cell.competitor;
  return JSON.parse(runOne(cell.competitor, cell.work, files[which]!, warmUp[which]!, bytes)) as Sample;
}

function runOne(
  competitor: string,
  work: string,
  path: string,
  warmUpPath: string,
  bytes: number,
  outPath = "",
): string {
  const script = join(import.meta.dirname, "native", "run-one.ts");
  const args = [script, competitor, work, path, warmUpPath, String(bytes), String(SAMPLE_MS), outPath];
  return execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** MB/s of OpenSSL alone, at 16 KiB; undefined where there is no such command. */
function opensslSpeed(): number | undefined {
  try {
    const args = ["speed", "-seconds", "1", "-evp", "aes-256-gcm", "-bytes", "16384"];
    const text = execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const kilobytes = /^AES-256-GCM\s+([\d.]+)k/im.exec(text)?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1000;
  } catch {
    return undefined;
  }
}
