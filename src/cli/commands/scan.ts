/**
 * `coffer scan`.
 *
 * @module
 */
import { type Stats, statSync } from "node:fs";
import { open } from "node:fs/promises";
import {
  adviceFor,
  type ColumnReport,
  folderScanSource,
  jsonLinesScanSource,
  type PlaceReport,
  postgresScanSource,
  SCAN_SAMPLE_DEFAULT,
  type ScanOptions,
  type ScanReport,
  type ScanSource,
  scan,
  sqliteScanSource,
} from "../../sources/scan/index.ts";
import { type Action, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { CliError, systemReason, usageError } from "../errors.ts";
import { countParser } from "../input/arguments.ts";
import { table } from "../output/format.ts";

interface ScanFlags {
  readonly all?: boolean;
  readonly sample?: number;
  readonly everyColumn?: boolean;
}

const scanTarget: Action<ScanFlags> = async (run, flags, target) => {
  if (flags.all === true && flags.sample !== undefined)
    throw usageError("--all and --sample exclude each other: give one");
  const options: ScanOptions = {
    sample: flags.all === true ? "all" : flags.sample,
    signal: run.signal,
    onProgress: (place, rows, of) => {
      void run.progress(`${place}: ${rows}${of === undefined ? "" : ` of about ${Math.round(of)}`} rows`);
    },
  };
  const report = await scanAny(run, target!, options).finally(() => run.progress());
  for (const { name, unreadable } of report.places) {
    if (unreadable !== undefined) await run.note(`${name} could not be read to its end (${unreadable})`);
  }
  return { view: viewOf(report, flags.everyColumn === true), data: () => withAdvice(report) };
};

/** `coffer scan`. */
export const SCAN: Verb = {
  name: "scan",
  summary: "tell what is encrypted in a database, and under which keys",
  description:
    "Tells which columns of a database hold ciphertexts, under which keys, and what stands beside them.",
  arguments: [["<target>", "postgres://URL, an SQLite file, a .jsonl file, or a folder"]],
  options: [
    option(
      "--sample <rows>",
      `rows of each table to look at (default ${SCAN_SAMPLE_DEFAULT})`,
      countParser("sample", Number.MAX_SAFE_INTEGER),
    ),
    option("--all", "look at every row"),
    option("--every-column", "list columns that hold nothing but plaintext too"),
  ],
  help: `
Reads a database, a file of JSON lines or a folder, and never writes: which
columns hold ciphertexts, of which layouts and keys, what stands beside them as
plaintext, and what looks like another program's format. It needs no vault and no
key, opens no ciphertext and prints no value. What it says is a guess from how
values begin; only ciphertexts of coffer and WorkOS are taken apart.

  postgres://USER@HOST/DB   all tables that the user may read (needs the package pg)
  FILE                      an SQLite database, or a file with JSON on each line
  FOLDER                    all files in it, each as one value

A sample of ${SCAN_SAMPLE_DEFAULT.toLocaleString("en")} rows of each table is looked at, from all over it; of a file of
JSON lines the first ones.

Examples:
  $ coffer scan app.db
  $ coffer scan postgres://reader@db.example/app --all --format json
  $ coffer scan exports/users.jsonl
`,
  needs: "nothing",
  run: scanTarget,
};

async function scanAny(run: CommandRun, target: string, options: ScanOptions): Promise<ScanReport> {
  if (/^postgres(?:ql)?:\/\//i.test(target)) {
    // Loads TLS and the database: not at the start of every command.
    const { withPostgres } = await import("../connect.ts");
    return run.noting((onNotice) =>
      withPostgres(target, onNotice, run.signal, (connection) =>
        scan(postgresScanSource(connection), options),
      ),
    );
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(target))
    throw usageError("the target is no postgres:// URL, file or folder");
  const source = await fileSource(target);
  try {
    return await scan(source, options);
  } finally {
    source.close?.();
  }
}

const unreadable = (error: unknown): CliError =>
  new CliError("ERR_INPUT_UNREADABLE", `the target cannot be read: ${systemReason(error)}`);

/** The first bytes of an SQLite database (sqlite.org/fileformat2.html section 1.3). */
const SQLITE_MAGIC = "SQLite format 3\0";

async function fileSource(path: string): Promise<ScanSource & { close?: () => void }> {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    throw unreadable(error);
  }
  if (stats.isDirectory()) return folderScanSource(path);
  if (!stats.isFile()) throw usageError("the target is neither a file nor a folder");
  if (/\.(?:jsonl|ndjson|json)$/i.test(path)) return jsonLinesScanSource(path);
  const file = await open(path).catch((error) => {
    throw unreadable(error);
  });
  try {
    const { buffer } = await file.read(Buffer.alloc(SQLITE_MAGIC.length), 0, SQLITE_MAGIC.length, 0);
    if (buffer.toString("latin1") !== SQLITE_MAGIC) {
      throw usageError("the target is no SQLite database", "a file of JSON lines is named .jsonl or .ndjson");
    }
  } finally {
    await file.close();
  }
  return sqliteScanSource(path);
}

const withAdvice = (report: ScanReport): unknown => ({
  ...report,
  places: report.places.map((place) => ({
    ...place,
    columns: place.columns.map((column) => ({ ...column, advice: adviceFor(column) })),
  })),
});

const isPlain = ({ ciphertexts, damaged, opaque, foreign }: ColumnReport): boolean =>
  ciphertexts + damaged + opaque === 0 && Object.keys(foreign).length === 0;

function viewOf({ places }: ScanReport, everyColumn: boolean): string {
  const rows: string[][] = [];
  const advice: string[] = [];
  let plain = 0;
  for (const place of places) {
    for (const column of place.columns) {
      if (isPlain(column) && !everyColumn) {
        plain += 1;
        continue;
      }
      rows.push(rowOf(place, column));
      for (const sentence of adviceFor(column)) advice.push(`- ${titleOf(place, column)}: ${sentence}.`);
    }
  }
  const parts: string[] = [];
  if (rows.length > 0) {
    parts.push(table(["COLUMN", "LOOKED AT", "CIPHERTEXTS", "KEKS", "PLAINTEXT", "OTHER", "NULL"], rows));
  }
  if (advice.length > 0) parts.push(["What to do:", ...advice].join("\n"));
  const found = rows.length === 0 ? "no ciphertexts were found" : "";
  const rest = plain === 0 ? "" : `${plain} ${plain === 1 ? "column holds" : "columns hold"} plaintext only`;
  const last = [found, rest].filter((text) => text !== "").join("; ");
  if (last !== "") parts.push(`${last}.`);
  return parts.join("\n\n");
}

const titleOf = (place: PlaceReport, column: ColumnReport): string =>
  column.name === "" ? place.name : `${place.name}${column.name.startsWith("[") ? "" : "."}${column.name}`;

function rowOf(place: PlaceReport, column: ColumnReport): string[] {
  const { ciphertexts, layouts, keks, otherKeks, plaintext, empty, opaque, damaged, foreign, nulls } = column;
  const other = [
    ...Object.entries(foreign).map(([format, count]) => `${count} ${format}`),
    ...(opaque > 0 ? [`${opaque} opaque`] : []),
    ...(damaged > 0 ? [`${damaged} damaged`] : []),
    ...(empty > 0 ? [`${empty} empty`] : []),
  ];
  return [
    titleOf(place, column),
    place.isSample
      ? `${place.looked} of ${place.isEstimate ? "about " : ""}${place.rows ?? "more"}`
      : `${place.looked}`,
    ciphertexts === 0 ? "0" : `${ciphertexts} (${Object.keys(layouts).sort().join(", ")})`,
    otherKeks > 0 ? `${keks.length}+` : String(keks.length),
    String(plaintext),
    other.join(", ") || "0",
    String(nulls),
  ];
}
