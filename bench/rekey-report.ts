/**
 * The result of measuring rekey jobs: the figures that are kept, and the table for people.
 *
 * Owns both. Must not know how they were measured.
 *
 * @module
 */
import { type Header, table } from "./lib/report.ts";

/** The loop that programs contain otherwise. */
export const LOOP = "loop: decrypt, encrypt, UPDATE";
/** A job over rows with a data key each. */
export const REWRAP = "rewrap";
/** A job over rows that share one. */
export const SHARED = "rewrap, one data key for all";
/** Workers of the cells that are compared with aims: the engine's default. */
const WORKERS = 2;

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

/** A census beside a bare SELECT of the same values. */
export interface RekeyScan {
  readonly database: string;
  readonly rows: number;
  readonly rowsPerSecond: number;
  readonly bareRowsPerSecond: number;
  /** The bare SELECT's time by the census's: 1 is as fast, 0.5 half as fast. Median of pairs of rounds. */
  readonly share: number;
  /** The same of this process's time of processors. */
  readonly cpuShare: number;
}

/** The result of `npm run bench:rekey`. */
export interface RekeyReport extends Pick<Header, "name" | "machine" | "versions"> {
  /** The load average at the end: other processes that wanted the cores. */
  readonly load: number;
  readonly secretBytes: number;
  /** Times that each cell was measured; it has the medians. Undefined in results of before: once. */
  readonly rounds?: number | undefined;
  readonly cells: readonly RekeyCell[];
  /** Undefined in results of before. */
  readonly scans?: readonly RekeyScan[] | undefined;
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

/** What the engine aims at, in the order of the table. */
const AIMS: readonly {
  readonly text: string;
  readonly wanted: string;
  /** Whether it is reached. */
  readonly reaches: (value: number) => boolean;
  readonly show: (value: number) => string;
  readonly of: (report: Measured, database: string) => number | undefined;
}[] = [
  {
    text: "rewrap over HTTP, in times the loop's rows a second",
    wanted: "20 (PostgreSQL)",
    reaches: (value) => value >= 20,
    show: (value) => value.toFixed(1),
    of: (report, database) => timesLoop(report, database, "over HTTP"),
  },
  {
    text: "rewrap embedded, in times the loop's rows a second",
    wanted: "8",
    reaches: (value) => value >= 8,
    show: (value) => value.toFixed(1),
    of: (report, database) => timesLoop(report, database, "embedded"),
  },
  {
    text: "µs of CPU a row, embedded, a data key per row",
    wanted: "60 at most",
    reaches: (value) => value <= 60,
    show: (value) => value.toFixed(1),
    of: (report, database) => cellOf(report, database, "embedded", REWRAP, WORKERS)?.cpuPerRow,
  },
  {
    text: "µs of CPU a row, embedded, one data key for all",
    wanted: "15 at most",
    reaches: (value) => value <= 15,
    show: (value) => value.toFixed(1),
    of: (report, database) => cellOf(report, database, "embedded", SHARED, WORKERS)?.cpuPerRow,
  },
  {
    text: "a census, in % of a bare SELECT's rows a second",
    wanted: "50",
    reaches: (value) => value >= 0.5,
    show: (value) => (100 * value).toFixed(0),
    of: ({ scans }, database) => scans?.find((one) => one.database === database)?.share,
  },
];

type Measured = Pick<RekeyReport, "cells" | "scans">;

function cellOf(
  { cells }: Measured,
  database: string,
  vault: string,
  work: string,
  workers: number,
): RekeyCell | undefined {
  return cells.find(
    (one) => one.database === database && one.vault === vault && one.work === work && one.workers === workers,
  );
}

function timesLoop(report: Measured, database: string, vault: string): number | undefined {
  const [job, loop] = [
    cellOf(report, database, vault, REWRAP, WORKERS),
    cellOf(report, database, vault, LOOP, 1),
  ];
  return job && loop && job.rowsPerSecond / loop.rowsPerSecond;
}

/** The aims, and whether they are reached, as a table: one run can be judged by itself. */
export function aimsText(report: Measured): string {
  const databases = [...new Set(report.cells.map(({ database }) => database))];
  const rows = AIMS.flatMap(({ text, wanted, reaches, show, of }) =>
    databases.flatMap((database) => {
      const value = of(report, database);
      return value === undefined
        ? []
        : [[text, database, wanted, show(value), reaches(value) ? "yes" : "no"]];
    }),
  );
  return table([["aim", "database", "wanted", "measured", "reached"], ...rows]).join("\n");
}

/** A head and a table. */
export function rekeyMarkdown({
  name,
  machine: on,
  versions: of,
  load,
  secretBytes,
  cells,
  scans,
  rounds = 1,
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
    `${on.cpu}, ${on.cores} cores, ${on.memoryGiB} GiB, ${on.system}. Load average ${load}. Secrets of ${secretBytes} bytes. Medians of ${rounds} round(s).`,
    "",
    aimsText({ cells, scans }),
    "",
    ...table([HEAD, ...rows]),
    "",
    "Processes of their own, `rewrap` with two workers:",
    "",
    ...table([PROCESS_HEAD, ...alone]),
  ].join("\n");
}
