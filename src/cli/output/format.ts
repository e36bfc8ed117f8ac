/**
 * From a result to what is written on standard output: a person's view, JSON, or one field.
 *
 * Owns tables, JSON and the choice between them, and keeps characters that steer a terminal out of it. Must not
 * know vaults or streams.
 *
 * @module
 */
import { fromUtf8, isUint8Array, utf8 } from "../../base/bytes.ts";
import { CliError, usageError } from "../errors.ts";

/** How a result is written. */
export type Format = "table" | "json";
/** The formats by name. */
export const FORMATS: readonly Format[] = ["table", "json"];

/** What a command answers. */
export interface Result {
  /** For people: lines of text, or the bytes of a value, which are written exactly as they are. */
  readonly view: string | Uint8Array;
  /** The same as data, for `--format json` and `--field`. */
  readonly data: () => unknown;
  /** The process ends with it after the result is written; default 0. */
  readonly exitCode?: number | undefined;
}

/** What decides how a result is written. */
export interface RenderOptions {
  readonly format: Format;
  readonly field: string | undefined;
  readonly isTerminal: boolean;
}

/** @throws CliError ERR_OUTPUT_BINARY, ERR_USAGE (no such field) */
export function render(result: Result, { format, field, isTerminal }: RenderOptions): string | Uint8Array {
  if (field !== undefined) return exactly(fieldText(result.data(), field), isTerminal);
  if (format === "json") return `${jsonText(result.data())}\n`;
  if (isUint8Array(result.view)) return exactly(result.view, isTerminal);
  return result.view === "" ? "" : `${result.view}\n`;
}

// Control characters, those that reorder text, line breaks that only some programs see as such, and whatever shows
// nothing (Unicode's Default_Ignorable_Code_Point: zero widths, byte order marks, tags, variation selectors).
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
// Of these, what ordinary text needs: joiners, soft hyphens, and the selectors of text and emoji form. A value may be
// printed with them.
const ORDINARY = /\t|\n|\r|\u00ad|\u200c|\u200d|\ufe0e|\ufe0f/gu;

/** `text` with everything that could steer a terminal, break a line or hide written as `\n`, `\u001b` or `\u{e0041}`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => JSON_SHORT[character] ?? escaped(character));
}

function escaped(character: string): string {
  return character.length === 1 ? unicodeEscape(character) : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

const JSON_SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** JSON that is safe to print: what JSON itself leaves as it is, but a terminal would obey, is escaped as well. */
export function jsonText(value: unknown, indent = 2): string {
  const json = JSON.stringify(value, null, indent);
  // A character of two code units is two escapes there.
  return json.replace(UNSEEN, (character) =>
    character === "\n" ? character : character.split("").map(unicodeEscape).join(""),
  );
}

/** Columns under their headings. Cells are made visible here. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headings, ...rows.map((row) => row.map(visible))];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => width(row[column]!))));
  return cells
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Labels with their values; as rows where a label stands more than once. A label without a value is left out. */
export type Fields =
  | Readonly<Record<string, string | number | undefined>>
  | readonly (readonly [label: string, value: string | number | undefined])[];

/** One line for each property of one thing. */
export function record(fields: Fields): string {
  const rows = isRows(fields) ? fields : Object.entries(fields);
  const shown = rows.filter(([, value]) => value !== undefined);
  const labels = Math.max(0, ...shown.map(([label]) => width(label)));
  return shown.map(([label, value]) => `${pad(label, labels)}  ${visible(String(value))}`).join("\n");
}

const isRows = (fields: Fields): fields is Exclude<Fields, Readonly<Record<string, unknown>>> =>
  Array.isArray(fields);

/** Entries of a context, as they are given on the command line. */
export function entriesText(context: Readonly<Record<string, string>>, separator: string): string {
  return Object.entries(context)
    .map(([name, value]) => `${name}=${value}`)
    .join(separator);
}

function pad(text: string, columns: number): string {
  return text + " ".repeat(columns - width(text));
}

function width(text: string): number {
  return [...text].length;
}

/** A terminal gets a line break of its own, and nothing that would steer it; anything else gets exactly the value. */
function exactly(value: string | Uint8Array, isTerminal: boolean): string | Uint8Array {
  if (!isTerminal) return value;
  const text = typeof value === "string" ? value : fromUtf8(value);
  if (text === undefined || text.replace(ORDINARY, "").search(UNSEEN) >= 0) {
    throw new CliError(
      "ERR_OUTPUT_BINARY",
      "the value is not plain text: it is not printed to a terminal",
      "send it to a file or another program, or ask for --format json",
    );
  }
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** The text of the field at a dotted path. Names that hold dots themselves are found as well. */
function fieldText(data: unknown, path: string): string {
  const found = find(data, path.split("."));
  if (found === undefined) {
    const known = names(data);
    throw usageError(
      "the command was carried out, but its result has no such field",
      ...(known.length === 0 ? [] : [`fields of the result: ${known.map(visible).join(", ")}`]),
    );
  }
  return typeof found.value === "string" ? found.value : jsonText(found.value, 0);
}

function find(data: unknown, parts: readonly string[]): { readonly value: unknown } | undefined {
  if (parts.length === 0) return { value: data };
  if (typeof data !== "object" || data === null) return undefined;
  for (let taken = parts.length; taken > 0; taken--) {
    const name = parts.slice(0, taken).join(".");
    // Own properties only, and of an array only its items.
    if (!Object.hasOwn(data, name) || (Array.isArray(data) && !/^\d+$/.test(name))) continue;
    const found = find((data as Record<string, unknown>)[name], parts.slice(taken));
    if (found !== undefined) return found;
  }
  return undefined;
}

function names(data: unknown): string[] {
  return typeof data === "object" && data !== null ? Object.keys(data) : [];
}

/** The bytes of a value that is text. */
export function valueView(text: string): Uint8Array {
  return utf8(text, "value");
}
