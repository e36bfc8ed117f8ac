/**
 * The demo's files: secrets of a .env file, cells of a CSV file, and the CSV file with ciphertexts in their place.
 *
 * Owns reading and writing them, and what a usable file is. Messages name places, never values. Must not know the
 * vault.
 *
 * @module
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { getSystemErrorMessage, parseEnv } from "node:util";
import { isCiphertext } from "../../src/index.ts";
import { formatCsv, parseCsv } from "./csv.ts";

/** What is held in memory at once: fields to encrypt, and bytes of a file to encrypt. */
const CELLS_MAX = 500_000;
const INPUT_BYTES_MAX = 64 * 2 ** 20;

/** A file that cannot be used; the message says which, where and why. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** A field to encrypt. */
export interface Cell {
  readonly tenant: string;
  /** `table:row id:column`, no two cells the same: the associated data that nails the ciphertext to its place. */
  readonly place: string;
  readonly plain: string;
  /** The ciphertext, once there is one. */
  sealed: string;
}

export interface Table {
  /** Of the file, without its extension. */
  readonly name: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Positions of the columns to encrypt: all but row id and tenant. */
  readonly secretColumns: readonly number[];
  /** Row by row, each in the order of `secretColumns`. */
  readonly cells: readonly Cell[];
  readonly tenants: readonly string[];
}

export async function readSecrets(path: string): Promise<[name: string, value: string][]> {
  const secrets = Object.entries(parseEnv(await readText(path, INPUT_BYTES_MAX))) as [string, string][];
  if (secrets.length === 0) throw new InputError(`${path} holds no NAME=value line`);
  return secrets;
}

export async function readTable(path: string, idColumn: string, tenantColumn: string): Promise<Table> {
  const [header, ...rows] = await readRows(path, INPUT_BYTES_MAX);
  if (header === undefined || rows.length === 0) throw new InputError(`${path} holds no rows`);
  const position = (column: string, option: string): number => {
    const index = header.indexOf(column);
    if (index >= 0) return index;
    throw new InputError(`${path} has no column "${column}", only ${header.join(", ")}: give ${option} NAME`);
  };
  const id = position(idColumn, "--id-column");
  const tenant = position(tenantColumn, "--tenant-column");
  const secretColumns = [...header.keys()].filter((index) => index !== id && index !== tenant);
  if (secretColumns.length === 0) throw new InputError(`${path} has no column left to encrypt`);
  if (secretColumns.length * rows.length > CELLS_MAX)
    throw new InputError(`${path} has more than ${CELLS_MAX} fields: too large for this demo`);

  // A place must mean one cell only, or two cells could be swapped unnoticed.
  if (new Set(header).size < header.length) throw new InputError(`${path} has two columns of the same name`);
  if (header.some((column) => column.includes(":")))
    throw new InputError(`${path} has a colon in a column's name`);
  if (new Set(rows.map((row) => row[id])).size < rows.length)
    throw new InputError(`${path} has two rows of the same "${idColumn}": give --id-column NAME`);

  const name = basename(path, extname(path));
  const cells = rows.flatMap((row, index) => {
    if (row[tenant] === "") throw new InputError(`${path}: row ${index + 1} has no ${tenantColumn}`);
    return secretColumns.map((column): Cell => {
      if (isCiphertext(row[column])) throw new InputError(`${path}: row ${index + 1} is encrypted already`);
      const place = `${name}:${row[id]}:${header[column]}`;
      return { tenant: row[tenant]!, place, plain: row[column]!, sealed: "" };
    });
  });
  const tenants = [...new Set(cells.map((cell) => cell.tenant))].sort();
  if (tenants.length < 2)
    throw new InputError(`${path} has one ${tenantColumn} only: the demo moves one, shreds another`);
  return { name, header, rows, secretColumns, cells, tenants };
}

/** Writes the table with ciphertexts in its cells: the whole file or, if this is interrupted, none of it. */
export async function writeSealed(
  path: string,
  { header, rows, secretColumns, cells }: Table,
): Promise<void> {
  const sealed = cells.values();
  const filled = rows.map((row) =>
    row.map((field, column) => (secretColumns.includes(column) ? sealed.next().value!.sealed : field)),
  );
  await writeFile(`${path}.tmp`, formatCsv([header, ...filled]));
  await rename(`${path}.tmp`, path);
}

/** The ciphertexts in such a file, in the order of `cells`. */
export async function readSealed(path: string, { secretColumns }: Table): Promise<string[]> {
  const [, ...rows] = await readRows(path);
  return rows.flatMap((row) => secretColumns.map((column) => row[column]!));
}

async function readRows(path: string, bytesMax?: number): Promise<string[][]> {
  const text = await readText(path, bytesMax);
  try {
    return parseCsv(text);
  } catch (error) {
    const { code, lines } = error as { code?: string; lines?: number };
    throw new InputError(`${path} is not valid CSV: ${code} near line ${lines}`);
  }
}

async function readText(path: string, bytesMax = Number.POSITIVE_INFINITY): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new InputError(`cannot read ${resolve(path)}: ${reason(error as NodeJS.ErrnoException)}`);
  }
  if (bytes.length > bytesMax)
    throw new InputError(`${path} has more than ${bytesMax} bytes: too large for this demo`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${path} is not UTF-8 text`);
  }
}

function reason({ errno, message }: NodeJS.ErrnoException): string {
  return errno === undefined ? message : getSystemErrorMessage(errno);
}
