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

/** The result of `npm run bench:rekey`. */
export interface RekeyReport extends Pick<Header, "name" | "machine" | "versions"> {
  /** The load average at the end: other processes that wanted the cores. */
  readonly load: number;
  readonly secretBytes: number;
  readonly cells: readonly RekeyCell[];
}

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
  return [
    `# Benchmark ${name}`,
    "",
    `coffer ${of.coffer} (commit ${of.commit ?? "unknown"}${of.isDirty ? " with changes" : ""}), Node ${of.node}, SQLite ${of.sqlite}.`,
    `${on.cpu}, ${on.cores} cores, ${on.memoryGiB} GiB, ${on.system}. Load average ${load}. Secrets of ${secretBytes} bytes.`,
    "",
    ...table([HEAD, ...rows]),
  ].join("\n");
}
