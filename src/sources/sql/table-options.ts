/**
 * What a table source is told, and whether the table that is there fits it.
 *
 * Owns the names of tables, columns and paths, and the choice of the key. Must not know statements.
 *
 * @module
 */
import { optionNames } from "../../base/options.ts";
import { invalidType, VaultError } from "../../errors.ts";
import type { ColumnFacts, KeyPart, Slot, TableFacts } from "./dialect.ts";

/** Where in a row ciphertexts are: the name of a column, or a path within a JSON column. */
export type SlotOption = string | { readonly column: string; readonly path: readonly string[] };

/** What a table source is told. */
export interface TableOptions {
  /** The table's name, as it is; no SQL. */
  readonly table: string;
  /** Its schema; default the database's own search. */
  readonly schema?: string | undefined;
  /** The columns that hold ciphertexts, at least one. */
  readonly columns: readonly SlotOption[];
  /** The columns that name a row: default those of the primary key. Others must have a unique index and no NULL. */
  readonly key?: readonly string[] | undefined;
  /** Further columns that the functions of a job get, as text. */
  readonly fields?: readonly string[] | undefined;
}

/** Names of {@link TableOptions}. */
export const TABLE_OPTIONS = optionNames<TableOptions>({
  table: true,
  schema: true,
  columns: true,
  key: true,
  fields: true,
});

/** @throws TypeError ERR_INVALID_ARGUMENT for what is no name */
export const checkName = (name: unknown): void => {
  if (typeof name !== "string" || name === "") throw invalidType("names of tables and columns must be texts");
};

/** @throws TypeError ERR_INVALID_ARGUMENT for what names no place */
export function slotOf(option: SlotOption): Slot {
  if (typeof option === "string") {
    checkName(option);
    return { column: option, path: undefined, name: option };
  }
  const { column, path } = option;
  checkName(column);
  if (!Array.isArray(path) || path.length === 0)
    throw invalidType("the path of a column must be a list of names");
  path.forEach(checkName);
  return { column, path: [...path], name: `${column}:/${path.join("/")}` };
}

/** @throws VaultError ERR_SOURCE_INVALID for a column that cannot hold this slot */
export function checkSlot(slot: Slot, column: ColumnFacts): ColumnFacts {
  if (column.isGenerated)
    throw invalidSource(`the column ${slot.column} is computed from others and cannot be written`);
  if (slot.path === undefined && !column.isText)
    throw invalidSource(
      `the column ${slot.column} is of no text type: name a path within it, if it holds JSON`,
    );
  if (slot.path !== undefined && column.json === undefined)
    throw invalidSource(
      `the column ${slot.column} is not of a JSON type, so no path within it can be written`,
    );
  return column;
}

/** The columns of a key, as the unique index has them that makes them one. */
export function keyPartsOf(
  given: readonly string[] | undefined,
  { primaryKey, uniqueKeys }: TableFacts,
): readonly KeyPart[] {
  const names = given ?? primaryKey.map(({ name }) => name);
  if (names.length === 0)
    throw invalidSource("the table has no primary key: name columns that have a unique index as its key");
  const isSame = (key: readonly KeyPart[]): boolean =>
    key.length === names.length && key.every(({ name }) => names.includes(name));
  const found = [primaryKey, ...uniqueKeys].find(isSame);
  if (found === undefined || new Set(names).size < names.length)
    throw invalidSource("the columns of the key have no unique index together");
  return names.map((name) => found.find((part) => part.name === name)!);
}

/** The error for a table that does not fit. */
export function invalidSource(problem: string): VaultError {
  return new VaultError("ERR_SOURCE_INVALID", problem);
}
