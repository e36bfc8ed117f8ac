/**
 * A census of what is encrypted where: reads a source, never writes it, opens nothing.
 *
 * Owns the way through a source, sampling as a request to it, and the report. Must not know any kind of source.
 *
 * @module
 */
import { checkOptions, optionNames } from "../../base/options.ts";
import { invalidRange } from "../../errors.ts";
import { type Cell, type ColumnReport, Tally } from "./tally.ts";

/** Rows of a place that are looked at unless told otherwise. Ours: enough to see one row in a thousand with 99.9 %. */
export const SCAN_SAMPLE_DEFAULT = 10_000;

/** Characters of a text, or bytes, that are looked at: more than the largest key blob with its header (docs/spec/envelope.md). */
export const SCAN_HEAD_MAX = 128 * 1024;

/** A place of a source: a table, a file, a folder. */
export interface ScanPlace {
  readonly name: string;
  /** Rows in it; undefined where that is not known before they are read. */
  readonly rows: number | undefined;
  /** Whether `rows` is the source's estimate. */
  readonly isEstimate: boolean;
  /** Names of the cells of a row. */
  readonly columns: readonly string[];
  /**
   * Reads rows, in pages.
   *
   * @param sample - about how many, spread over the place; undefined for all
   */
  read(sample: number | undefined, signal?: AbortSignal): AsyncIterable<readonly (readonly Cell[])[]>;
}

/** Where values are stored. */
export interface ScanSource {
  readonly kind: string;
  places(signal?: AbortSignal): AsyncIterable<ScanPlace>;
}

/** How a source is read. */
export interface ScanOptions {
  /** Rows of each place: 1 to 2^53 - 1, default 10,000; `"all"` reads every row. */
  readonly sample?: number | "all" | undefined;
  /** Told after each page. */
  readonly onProgress?: ((place: string, rows: number, of: number | undefined) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const SCAN_OPTIONS = optionNames<ScanOptions>({ sample: true, onProgress: true, signal: true });

/** What one place holds. */
export interface PlaceReport {
  readonly name: string;
  readonly rows: number | undefined;
  readonly isEstimate: boolean;
  /** Rows that were looked at. */
  readonly looked: number;
  /** Whether they are some of all. */
  readonly isSample: boolean;
  readonly columns: readonly ColumnReport[];
  /** The source's error, by its code, if the place could not be read to its end. */
  readonly unreadable: string | undefined;
}

/** What a source holds. */
export interface ScanReport {
  readonly kind: string;
  readonly places: readonly PlaceReport[];
}

/**
 * Reads a source and tells which columns hold ciphertexts, under which keys, and what stands beside them.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; the source's errors; the signal's reason
 */
export async function scan(source: ScanSource, options: ScanOptions = {}): Promise<ScanReport> {
  checkOptions(options, SCAN_OPTIONS, "scan");
  const { sample = SCAN_SAMPLE_DEFAULT, onProgress, signal } = options;
  if (sample !== "all" && !(Number.isSafeInteger(sample) && sample >= 1)) {
    throw invalidRange('sample must be a whole number from 1, or "all"');
  }
  const places: PlaceReport[] = [];
  for await (const place of source.places(signal)) {
    signal?.throwIfAborted();
    places.push(await scanPlace(place, sample === "all" ? undefined : sample, onProgress, signal));
  }
  return { kind: source.kind, places };
}

async function scanPlace(
  place: ScanPlace,
  sample: number | undefined,
  onProgress: ScanOptions["onProgress"],
  signal: AbortSignal | undefined,
): Promise<PlaceReport> {
  const { name, rows, isEstimate, columns } = place;
  const tally = new Tally();
  let looked = 0;
  let unreadable: string | undefined;
  try {
    for await (const page of place.read(sample, signal)) {
      signal?.throwIfAborted();
      for (const row of page) {
        for (const [i, column] of columns.entries()) tally.add(column, row[i] ?? null);
      }
      looked += page.length;
      onProgress?.(name, looked, rows);
    }
    signal?.throwIfAborted();
  } catch (error) {
    signal?.throwIfAborted();
    // One table without the right to read it, or one file that is gone, does not end the census.
    const { code } = error as { code?: unknown };
    if (typeof code !== "string") throw error;
    unreadable = code;
  }
  const isSample = sample !== undefined && (rows === undefined ? looked >= sample : looked < rows);
  return { name, rows, isEstimate, looked, isSample, columns: tally.report(), unreadable };
}
