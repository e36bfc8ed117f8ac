/**
 * The result of measuring rekey jobs: the figures that are kept, and the table for people.
 *
 * Owns both. Must not know how they were measured.
 *
 * @module
 */
import { type Header, table } from "./lib/report.ts";

/** One measurement. */
export interface RekeyCell {
  readonly database: string;
  readonly vault: string;
  readonly work: string;
  readonly rows: number;
  readonly workers: number;
  readonly rowsPerSecond: number;
  /** Of the process that runs the job, microseconds a row. */
  readonly cpuPerRow: number;
  /** Requests to the key service for a million rows; undefined where none are counted. */
  readonly callsPerMillion?: number | undefined;
  /** Largest memory of that process so far, MiB. */
  readonly rssMiB: number;
}

/** A process that ran the job by itself. */
export interface RekeyProcess {
  readonly database: string;
  /** Of the job. */
  readonly rows: number;
  /** Of this process, from its start. */
  readonly rowsPerSecond: number;
  /** Its largest memory, MiB. */
  readonly memoryMiB: number;
  /** Rows that a process before it had done when it was killed; undefined where there was none. */
  readonly resumedAt?: number | undefined;
  /** Milliseconds from its start to its first page, after that. */
  readonly resumeMs?: number | undefined;
}

/** The result of `npm run bench:rekey`. */
export interface RekeyReport extends Pick<Header, "name" | "machine" | "versions"> {
  /** The load average at the end: other processes that wanted the cores. */
  readonly load: number;
  readonly secretBytes: number;
  readonly cells: readonly RekeyCell[];
  /** Rewraps of two workers, embedded, each in a process of its own. */
  readonly processes: readonly RekeyProcess[];
}

const PROCESS_HEAD = ["database", "rows", "rows/s", "peak MiB", "after a kill at", "first page after ms"];

const HEAD = [
  "database",
  "vault",
  "work",
  "workers",
  "rows",
  "rows/s",
  "µs of CPU a row",
  "requests a million rows",
  "peak MiB",
];

/** A head and a table. */
export function rekeyMarkdown({
  name,
  machine: on,
  versions: of,
  load,
  secretBytes,
  cells,
  processes,
}: RekeyReport): string {
  const rows = cells.map((cell) => [
    cell.database,
    cell.vault,
    cell.work,
    String(cell.workers),
    String(cell.rows),
    String(cell.rowsPerSecond),
    cell.cpuPerRow.toFixed(1),
    cell.callsPerMillion === undefined ? "" : String(cell.callsPerMillion),
    String(cell.rssMiB),
  ]);
  const alone = processes.map((row) => [
    row.database,
    String(row.rows),
    String(row.rowsPerSecond),
    String(row.memoryMiB),
    String(row.resumedAt ?? ""),
    String(row.resumeMs ?? ""),
  ]);
  return [
    `# Benchmark ${name}`,
    "",
    `coffer ${of.coffer} (commit ${of.commit ?? "unknown"}${of.isDirty ? " with changes" : ""}), Node ${of.node}, SQLite ${of.sqlite}.`,
    `${on.cpu}, ${on.cores} cores, ${on.memoryGiB} GiB, ${on.system}. Load average ${load}. Secrets of ${secretBytes} bytes.`,
    "",
    ...table([HEAD, ...rows]),
    "",
    "Processes of their own, `rewrap` with two workers:",
    "",
    ...table([PROCESS_HEAD, ...alone]),
  ].join("\n");
}
