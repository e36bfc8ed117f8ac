/**
 * The result of measuring files: the figures that are kept, and the tables for people.
 *
 * Owns both. Must not know how they were measured.
 *
 * @module
 */
import { type Header, table } from "../lib/report.ts";
import { quantile } from "../lib/statistics.ts";
import type { Work } from "./competitors.ts";
import type { Sample } from "./run-one.ts";

const MIB = 2 ** 20;
const MEGABYTE = 1e6;

/** What the samples of one competitor come to. */
export interface NativeFigures {
  /** Megabytes of plaintext per second of processor time, the median. */
  readonly mbPerCpuSecond: number;
  /** The same per second of wall time, the best sample. */
  readonly bestMbPerSecond: number;
  /** Peak memory, and what of it came on top of the warm process, in MiB, medians. */
  readonly peakMiB: number;
  readonly addedMiB: number;
}

export interface NativeCell extends NativeFigures {
  readonly work: Work;
  readonly size: string;
  readonly competitor: string;
}

export interface NativeReport extends Omit<Header, "settings"> {
  /** MB/s of OpenSSL alone, at 16 KiB; undefined where there is no such command. */
  readonly opensslSpeed: number | undefined;
  readonly missing: readonly string[];
  readonly cells: readonly NativeCell[];
}

/** Medians, and the best by the wall's clock. */
export function figures(samples: readonly Sample[]): NativeFigures {
  const median = (pick: (sample: Sample) => number): number => quantile(samples.map(pick), 0.5);
  return {
    mbPerCpuSecond: median((sample) => sample.bytesPerCpuSecond) / MEGABYTE,
    bestMbPerSecond: Math.max(...samples.map((sample) => sample.bytesPerSecond)) / MEGABYTE,
    peakMiB: median((sample) => sample.rssPeak) / MIB,
    addedMiB: median((sample) => sample.rssPeak - sample.rssBefore) / MIB,
  };
}

/** A head, then one table for each work. */
export function nativeMarkdown(report: NativeReport): string {
  const { machine: on, versions: of, load: busy, cells } = report;
  const lines = [
    `# Benchmark ${report.name}, ${report.startedAt.slice(0, 10)}`,
    "",
    `coffer ${of.coffer} (commit ${of.commit ?? "unknown"}${of.isDirty ? " with changes" : ""}), Node ${of.node}, OpenSSL ${of.openssl}.`,
    `${on.cpu}, ${on.cores} cores, ${on.memoryGiB} GiB, ${on.system}. Load average ${busy.before} before, ${busy.after} after.`,
    ...(report.opensslSpeed === undefined
      ? []
      : [`\`openssl speed -evp aes-256-gcm\` at 16 KiB: ${Math.round(report.opensslSpeed)} MB/s.`]),
    ...(report.missing.length === 0 ? [] : [`Not installed, not measured: ${report.missing.join(", ")}.`]),
    "",
    "MB of plaintext per second of processor time, median of the rounds; in brackets the best of wall time; then peak memory,",
    "and in brackets what of it came on top of the warm process, in MiB.",
    "",
  ];
  for (const [work, rows] of Map.groupBy(cells, (cell) => cell.work)) {
    const sizes = [...new Set(rows.map((cell) => cell.size))];
    const body = [...Map.groupBy(rows, (cell) => cell.competitor)].map(([competitor, found]) => [
      competitor,
      ...found.map(cellText),
    ]);
    lines.push(`## ${work}`, "", ...table([["", ...sizes], ...body]), "");
  }
  return lines.join("\n").trimEnd();
}

function cellText(cell: NativeCell): string {
  const [cpu, best, peak, added] = [
    cell.mbPerCpuSecond,
    cell.bestMbPerSecond,
    cell.peakMiB,
    cell.addedMiB,
  ].map(Math.round);
  return `${cpu} (${best}), ${peak} (+${added})`;
}
