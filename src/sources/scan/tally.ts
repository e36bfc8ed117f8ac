/**
 * Counts of what stands in the columns of a place.
 *
 * Owns the counting and the shape of a report. A report holds names of columns and ids of keys, never a value: members of JSON
 * objects are named only where they look like names. Must not know how values are read.
 *
 * @module
 */
import { isUint8Array } from "../../base/bytes.ts";
import { kekReferences, keyBlobFormatAt } from "../../crypto/keys/key-blob.ts";
import { inspectKeyBlob } from "../../crypto/keys/key-blob-info.ts";
import { isVaultError } from "../../errors.ts";
import { type ForeignFormat, type Recognised, recognise } from "./recognise.ts";

/** A column's cell as a source reads it: of a long text or long bytes the beginning, with the size of the whole. */
export type Cell =
  | null
  | string
  | number
  | bigint
  | Uint8Array
  | { readonly head: string | Uint8Array; readonly size: number }
  | { readonly json: unknown };

type PlainCell = Exclude<Cell, { json: unknown }>;

/** Sets of KEK versions that are counted by themselves in a column; the rest is counted together. Ours. */
export const KEKS_MAX = 1_000;

/** Places within the JSON of a column that are counted by themselves; the rest is counted together. Ours. */
export const PATHS_MAX = 100;

/** Levels of JSON that are looked into. Ours; deeper values are not counted. */
export const JSON_DEPTH_MAX = 32;

/** What a column holds. */
export interface ColumnReport {
  /** The column, and for a value within JSON its path: `settings.smtp.password`, `keys[]`. `*` stands for other names. */
  readonly name: string;
  readonly nulls: number;
  readonly empty: number;
  readonly plaintext: number;
  /** Digits of base64 or hexadecimal, or bytes, of no known format: tokens, digests, or another program's ciphertexts. */
  readonly opaque: number;
  /** Ciphertexts by their magic, which are cut off or changed. */
  readonly damaged: number;
  readonly ciphertexts: number;
  /** Ciphertexts by layout. */
  readonly layouts: Readonly<Record<string, number>>;
  /** Ciphertexts by who wrapped their data key: `coffer` or `workos`. */
  readonly wrappedBy: Readonly<Record<string, number>>;
  /** Ciphertexts by version of KEK, the most used first. One with a context of several entries counts for each. */
  readonly keks: readonly {
    readonly id: string;
    readonly version: number | undefined;
    readonly ciphertexts: number;
  }[];
  /** Ciphertexts under further sets of KEKs, which are not among `keks` and `wrappedBy`. */
  readonly otherKeks: number;
  /** Values by other programs' formats. */
  readonly foreign: Readonly<Partial<Record<ForeignFormat, number>>>;
}

/** The counts of one place. */
export class Tally {
  readonly #columns = new Map<string, ColumnCounts>();
  readonly #paths = new Map<string, Set<string>>();

  /** Counts one cell; of a text that is JSON what is in it. */
  add(column: string, cell: Cell): void {
    const json = jsonIn(cell);
    if (json === undefined) this.#column(column).add(cell as PlainCell);
    else this.#addJson(column, column, json.value, 0);
  }

  /** What was counted, in the order in which the columns were first seen. */
  report(): ColumnReport[] {
    return [...this.#columns].map(([name, counts]) => counts.report(name));
  }

  #addJson(column: string, path: string, value: unknown, depth: number): void {
    if (depth > JSON_DEPTH_MAX) return;
    if (Array.isArray(value)) {
      for (const item of value) this.#addJson(column, `${path}[]`, item, depth + 1);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, member] of Object.entries(value)) {
        this.#addJson(column, this.#pathOf(column, path, name), member, depth + 1);
      }
    } else if (typeof value === "string") {
      this.#column(path).add(value);
    } else {
      this.#column(path).add(value === null || value === undefined ? null : String(value));
    }
  }

  /** A member's path. A name that does not look like one may be a value. */
  #pathOf(column: string, path: string, name: string): string {
    const isName = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/.test(name) && recognise(name).kind === "plaintext";
    const found = `${path}${path === "" ? "" : "."}${isName ? name : "*"}`;
    const known = this.#paths.get(column) ?? new Set();
    this.#paths.set(column, known);
    if (!known.has(found)) {
      if (known.size >= PATHS_MAX) return `${column}.*`;
      known.add(found);
    }
    return found;
  }

  #column(name: string): ColumnCounts {
    let counts = this.#columns.get(name);
    if (counts === undefined) {
      counts = new ColumnCounts();
      this.#columns.set(name, counts);
    }
    return counts;
  }
}

/** The counts of one column. */
class ColumnCounts {
  #nulls = 0;
  readonly #kinds = { empty: 0, plaintext: 0, opaque: 0, damaged: 0, ciphertext: 0, foreign: 0 };
  readonly #layouts = new Map<string, number>();
  /** By what names the KEKs in a key blob, with one blob of each. */
  readonly #blobs = new Map<string, { keyBlob: Uint8Array; count: number }>();
  readonly #foreign = new Map<ForeignFormat, number>();
  #otherKeks = 0;

  add(cell: PlainCell): void {
    if (cell === null) {
      this.#nulls += 1;
      return;
    }
    if (typeof cell === "number" || typeof cell === "bigint") {
      this.#kinds.plaintext += 1;
      return;
    }
    const isWhole = typeof cell === "string" || isUint8Array(cell);
    const found = isWhole ? recognise(cell) : recognise(cell.head, cell.size);
    const key = found.kind === "ciphertext" ? blobKey(found.keyBlob) : undefined;
    if (found.kind === "ciphertext" && key === undefined) {
      this.#kinds.damaged += 1;
      return;
    }
    this.#kinds[found.kind] += 1;
    if (found.kind === "foreign") increment(this.#foreign, found.format);
    if (found.kind === "ciphertext") this.#addCiphertext(found, key!);
  }

  #addCiphertext({ layout, keyBlob }: Extract<Recognised, { kind: "ciphertext" }>, key: string): void {
    increment(this.#layouts, layout);
    const counted = this.#blobs.get(key);
    if (counted !== undefined) counted.count += 1;
    else if (this.#blobs.size < KEKS_MAX) this.#blobs.set(key, { keyBlob: keyBlob.slice(), count: 1 });
    else this.#otherKeks += 1;
  }

  report(name: string): ColumnReport {
    const { ciphertext, empty, plaintext, opaque, damaged } = this.#kinds;
    const wrappedBy = new Map<string, number>();
    const keks = new Map<string, { id: string; version: number | undefined; ciphertexts: number }>();
    for (const { keyBlob, count } of this.#blobs.values()) {
      const info = inspectKeyBlob(keyBlob);
      increment(wrappedBy, info.format, count);
      for (const { id, version } of info.keks) {
        const counted = keks.get(`${id} ${version}`) ?? { id, version, ciphertexts: 0 };
        counted.ciphertexts += count;
        keks.set(`${id} ${version}`, counted);
      }
    }
    return {
      name,
      nulls: this.#nulls,
      empty,
      plaintext,
      opaque,
      damaged,
      ciphertexts: ciphertext,
      layouts: Object.fromEntries(this.#layouts),
      wrappedBy: Object.fromEntries(wrappedBy),
      keks: [...keks.values()].sort((a, b) => b.ciphertexts - a.ciphertexts),
      otherKeks: this.#otherKeks,
      foreign: Object.fromEntries(this.#foreign),
    };
  }
}

/** The JSON that a cell holds: given as such, or as the text of an object or list that is no other program's format. */
function jsonIn(cell: Cell): { readonly value: unknown } | undefined {
  if (typeof cell === "object") {
    return cell !== null && !isUint8Array(cell) && "json" in cell ? { value: cell.json } : undefined;
  }
  if (typeof cell !== "string") return undefined;
  const first = cell.charCodeAt(0);
  if ((first !== 0x7b && first !== 0x5b) || recognise(cell).kind !== "plaintext") return undefined;
  try {
    return { value: JSON.parse(cell) };
  } catch {
    return undefined;
  }
}

/** What names the KEKs in a key blob, the same for all blobs of these; undefined for one that is malformed. */
function blobKey(keyBlob: Uint8Array): string | undefined {
  try {
    if (keyBlobFormatAt(keyBlob, 0) === "coffer") return latin1(kekReferences(keyBlob));
    return JSON.stringify(inspectKeyBlob(keyBlob).keks);
  } catch (error) {
    if (!isVaultError(error)) throw error;
    return undefined;
  }
}

const latin1 = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString("latin1");

function increment<K>(counts: Map<K, number>, key: K, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
