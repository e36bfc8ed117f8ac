/**
 * CSV text and rows of fields.
 *
 * Owns both directions. Must not know what the fields mean.
 *
 * @module
 */
import { parse } from "csv-parse/sync";

/**
 * @returns rows of fields, the header first; empty lines are no rows
 * @throws CsvError, whose message may quote the data: show its `code` and `lines` only
 */
export function parseCsv(text: string): string[][] {
  return parse(text, { skip_empty_lines: true });
}

export function formatCsv(rows: Iterable<readonly string[]>): string {
  let text = "";
  for (const row of rows) text += `${row.map(formatField).join(",")}\n`;
  return text;
}

/** Quoted where it must be, and where a reader might trim it. */
function formatField(field: string): string {
  return /[",\r\n]|^\s|\s$/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
