/**
 * Rows under old keys, found inside the database (docs/spec/rekey-job.md section 7).
 *
 * Owns the way from a KEK and a version to the characters that a ciphertext's text has at fixed places. Must not know
 * databases: what it answers is plain SQL, of comparisons and `substr` only.
 *
 * @module
 */

import { encodeBase64 } from "../base/base64.ts";
import { ascii, concatBytes, u32 } from "../base/bytes.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import { checkLayouts, LAYOUTS, type Layout } from "../crypto/envelope/layouts.ts";
import { CONTEXT_ENTRIES_MAX } from "../crypto/limits.ts";
import { uuidFromText } from "../crypto/primitives/uuid.ts";
import { invalidType } from "../errors.ts";

/** What `staleWhere` takes. */
export interface StaleOptions {
  /** Layouts that the column may hold; default all. Fewer make a shorter condition. */
  readonly layouts?: readonly Layout[] | undefined;
  /** Entries that the key contexts have at most: 1 to 10, default 1. The KEK is looked for at each place. */
  readonly entries?: number | undefined;
}

/** How rows under old versions of a KEK are found. */
export interface StaleWhere {
  /** A condition over the column, for a WHERE. */
  readonly where: string;
  /** A partial index over the rows for which it is true, on a table and its key. */
  readonly index: (name: string, table: string, key: string) => string;
}

const STALE_OPTIONS = optionNames<StaleOptions>({ layouts: true, entries: true });

/** Versions that are older at most. Ours: each is a text in the condition. */
export const STALE_VERSIONS_MAX = 200;

/** Bytes before the first KEK reference of a coffer blob: magic, data-key id, count (docs/spec/keyring.md section 4). */
const REFERENCES_AT = 11 + 16 + 1;
/** Bytes of a reference: id and version. */
const REFERENCE_BYTES = 16 + 4;
/** Where the blob begins in an envelope, in bytes; all coffer blobs are so long that their length takes two bytes. */
const BLOB_AT: Readonly<Record<Layout, number>> = {
  iv12: 12 + 16 + 2,
  iv32: 32 + 16 + 2,
  "leb-first": 2,
  dotnet: 12 + 16 + 2,
  native: 4 + 1 + 1 + 2,
};
/** The layout whose blob is embedded as base64 text. */
const TEXT_LAYOUT: Layout = "dotnet";

/**
 * The SQL that finds ciphertexts under versions of a KEK that are older than `version`, without a key and without a function of
 * coffer's. It is the same on SQLite and PostgreSQL.
 *
 * @param column - the name of a text column, which is quoted
 * @param kekId - the KEK's id, a UUID
 * @param version - the oldest version that is not stale: 1 to 201
 * @returns a condition, and a partial index for it
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
 */
export function staleWhere(
  column: string,
  kekId: string,
  version: number,
  options: StaleOptions = {},
): StaleWhere {
  checkOptions(options, STALE_OPTIONS, "staleWhere");
  const { layouts = LAYOUTS, entries = 1 } = options;
  const id = typeof kekId === "string" ? uuidFromText(kekId) : undefined;
  if (id === undefined) throw invalidType("kekId must be a UUID");
  checkWhole(version, 1, STALE_VERSIONS_MAX + 1, "version");
  checkWhole(entries, 1, CONTEXT_ENTRIES_MAX, "entries");
  checkLayouts(layouts);
  const name = quoted(column);
  const conditions = new Set<string>();
  for (const layout of layouts) {
    for (let place = 0; place < entries; place++) {
      const at = REFERENCES_AT + place * REFERENCE_BYTES;
      const tested = new Map<string, Set<string>>();
      for (let older = 1; older < version; older++) {
        const reference = concatBytes(id, u32(older));
        for (const found of textsAt(layout, at, reference)) {
          const key = `substr(${name}, ${found.at + 1}, ${found.length})`;
          const texts = tested.get(key) ?? new Set();
          tested.set(key, texts);
          for (const text of found.texts) texts.add(text);
        }
      }
      for (const [expression, texts] of tested)
        conditions.add(`${expression} IN (${[...texts].map((text) => `'${text}'`).join(", ")})`);
    }
  }
  const where = conditions.size === 0 ? "1 = 0" : `(${[...conditions].join(" OR ")})`;
  return {
    where,
    index: (index, table, key) =>
      `CREATE INDEX ${quoted(index)} ON ${quoted(table)} (${quoted(key)}) WHERE ${where}`,
  };
}

/** Texts that stand at a place of an envelope's base64. */
interface TextsAt {
  /** The first character, from 0. */
  readonly at: number;
  readonly length: number;
  readonly texts: readonly string[];
}

/** What the text of an envelope has where its blob has `bytes`, `at` bytes behind its beginning. */
function textsAt(layout: Layout, at: number, bytes: Uint8Array): TextsAt[] {
  const blobAt = BLOB_AT[layout];
  if (layout !== TEXT_LAYOUT) return [charactersAt(blobAt + at, bytes)];
  // The blob's own base64 is text within the envelope, whose bytes are coded once more.
  const inner = charactersAt(at, bytes);
  return inner.texts.map((text) => charactersAt(blobAt + inner.at, ascii(text)));
}

/**
 * The characters of base64 that bytes at an offset decide. The first one is left out where a neighbour has bits in it: more than
 * 120 bits of the KEK's id are compared all the same. The last one holds bits of the version, so that it is kept, with whatever
 * the neighbour behind may have in it.
 */
function charactersAt(offset: number, bytes: Uint8Array): TextsAt {
  const before = offset % 3;
  const behind = (3 - ((offset + bytes.length) % 3)) % 3;
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor((offset * 8 + bytes.length * 8 - 1) / 6);
  const groupAt = ((offset - before) / 3) * 4;
  const bits = (behind * 8) % 6;
  const texts = Array.from({ length: 2 ** bits }, (_, value) => {
    const right = new Uint8Array(behind);
    if (behind > 0) right[0] = value << (8 - bits);
    const text = encodeBase64(concatBytes(new Uint8Array(before), bytes, right));
    return text.slice(first - groupAt, last - groupAt + 1);
  });
  return { at: first, length: last - first + 1, texts };
}

/** A name in double quotes, as SQL has it. */
function quoted(name: string): string {
  if (typeof name !== "string" || name === "" || name.includes("\0"))
    throw invalidType("the name of a table or column must be a text without NUL");
  return `"${name.replaceAll('"', '""')}"`;
}
