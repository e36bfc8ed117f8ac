/**
 * SQLite's dialect: a table's keys, its JSON, its triggers and constraints.
 *
 * Owns the text of SQLite's statements on an application's table. Must not know jobs, connections, nor what is done to a
 * ciphertext.
 *
 * @module
 */
import { isUint8Array, toHex } from "../../base/bytes.ts";
import { invalidRange, VaultError } from "../../errors.ts";
import {
  type ChangeResult,
  type KeyPart,
  ordered,
  type RowChange,
  type Slot,
  type SqlDialect,
  type SqlParameter,
  type SqlSession,
  type TableShape,
  TransactionEnded,
} from "./dialect.ts";
import { quoteIdentifier, quoteText } from "./identifiers.ts";
import { jobSchema } from "./job-schema.ts";

/** SQLite's result code for a constraint or a trigger's RAISE (sqlite.org/rescode.html), the low byte. */
export const CONSTRAINT = 19;

/** The type letter of a key's part as text: the same digits as a number and as text are two keys in SQLite. */
function keyText(value: unknown): string {
  if (typeof value === "bigint") return `i${value}`;
  if (typeof value === "number") return `r${value}`;
  if (isUint8Array(value)) return `b${toHex(value)}`;
  const text = value as string;
  if (text.includes(REPLACEMENT))
    throw new VaultError(
      "ERR_SOURCE_INVALID",
      "a row's key has bytes that are no UTF-8, so that the row cannot be named",
    );
  return `t${text}`;
}

/** What broken UTF-8 is read as; a key that really has it cannot be told from one that is broken. */
const REPLACEMENT = "\ufffd";

function keyParameter(text: string): SqlParameter {
  const rest = text.slice(1);
  switch (text[0]) {
    case "i":
      return BigInt(rest);
    case "r":
      return Number(rest);
    case "b":
      return Uint8Array.from(Buffer.from(rest, "hex"));
    default:
      return rest;
  }
}

/** Steps of a path that are digits, at most: each may be an index or a name, and both are tried. Ours. */
const DIGIT_STEPS_MAX = 4;

/** The paths that a path may be for SQLite, which tells `[0]` from `."0"`: in one document at most one is there. */
function jsonPaths(path: readonly string[]): string[] {
  if (path.filter(isIndex).length > DIGIT_STEPS_MAX)
    throw invalidRange(`a path may have ${DIGIT_STEPS_MAX} steps of digits at most`);
  const append = (paths: string[], step: string): string[] => {
    // As JSON has the name: what is escaped there is escaped in the document.
    const named = paths.map((one) => `${one}.${JSON.stringify(step)}`);
    return isIndex(step) ? [...paths.map((one) => `${one}[${step}]`), ...named] : named;
  };
  return path.reduce(append, ["$"]).map(quoteText);
}

const isIndex = (step: string): boolean => /^\d+$/.test(step);

function slotText({ column, path }: Slot): string {
  const name = `t.${quoteIdentifier(column)}`;
  if (path === undefined) return name;
  const texts = jsonPaths(path).map((one) => `json_extract(${name}, ${one})`);
  const text = texts.length === 1 ? texts[0]! : `COALESCE(${texts.join(", ")})`;
  // A column that is no JSON would fail the whole page: as an empty text it is listed.
  return `CASE WHEN ${name} IS NULL THEN NULL WHEN json_valid(${name}) THEN ${text} ELSE '' END`;
}

/** What is asked of one row's slots: to change them, and what they are now. */
interface RowStatements {
  /** Its parameters: new texts, key, old texts. */
  readonly update: string;
  /** Its parameters: key. */
  readonly read: string;
}

function rowStatements({ table, key, slots }: TableShape, indexes: readonly number[]): RowStatements {
  const changed = indexes.map((index) => slots[index]!);
  const columns = [...new Set(changed.map(({ column }) => column))];
  let n = 0;
  const placeOf = new Map(changed.map((slot) => [slot, ++n]));
  const sets = columns.map((column) => {
    const name = quoteIdentifier(column);
    let expression = `t.${name}`;
    for (const slot of changed) {
      if (slot.column !== column) continue;
      const place = `?${placeOf.get(slot)!}`;
      // Of these paths only what is there is replaced.
      const pairs = jsonPaths(slot.path ?? []).flatMap((path) => [path, place]);
      expression = slot.path === undefined ? place : `json_replace(${expression}, ${pairs.join(", ")})`;
    }
    return `${name} = ${expression}`;
  });
  const keysFrom = (first: number): string =>
    key
      .map(({ name, collation }, i) => `${ordered(quoteIdentifier(name), collation)} = ?${first + i}`)
      .join(" AND ");
  const own = keysFrom(n + 1);
  n += key.length;
  // The column's own collation may take texts that differ for the same.
  const guards = changed.map((slot) => `(${slotText(slot)}) = ?${++n} COLLATE BINARY`);
  return {
    // ABORT, whatever the table's constraints say: REPLACE would delete other rows, ROLLBACK ends the page.
    update: `UPDATE OR ABORT ${table} AS t SET ${sets.join(", ")} WHERE ${[own, ...guards].join(" AND ")}`,
    read: `SELECT ${changed.map((slot, i) => `${slotText(slot)} AS v${i}`).join(", ")} FROM ${table} AS t WHERE ${keysFrom(1)}`,
  };
}

async function applyChanges(
  session: SqlSession,
  shape: TableShape,
  changes: readonly RowChange[],
): Promise<ChangeResult[]> {
  const known = new Map<string, RowStatements>();
  const writeOne = shape.hasTriggers ? writeWatched : write;
  const results: ChangeResult[] = [];
  let [statements, slots]: [RowStatements | undefined, RowChange["slots"]] = [undefined, []];
  for (const change of changes) {
    // Most rows have the same slots.
    if (statements === undefined || !areSame(slots, change.slots)) {
      slots = change.slots;
      const indexes = slots.map(({ index }) => index);
      const name = indexes.join();
      statements = known.get(name) ?? rowStatements(shape, indexes);
      known.set(name, statements);
    }
    results.push(await writeOne(session, statements, change));
  }
  return results;
}

function areSame(a: RowChange["slots"], b: RowChange["slots"]): boolean {
  return a.length === b.length && a.every(({ index }, i) => index === b[i]!.index);
}

async function write(
  session: SqlSession,
  { update }: RowStatements,
  { key, slots }: RowChange,
): Promise<ChangeResult> {
  const parameters: SqlParameter[] = [];
  for (const { after } of slots) parameters.push(after);
  for (const part of key) parameters.push(part);
  for (const { before } of slots) parameters.push(before);
  try {
    return (await session.run(update, parameters)) === 0 ? "changed" : "written";
  } catch (error) {
    // A constraint of this row: SQLite has undone the statement alone.
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== CONSTRAINT) throw error;
    return "refused";
  }
}

/** Writes a row whose triggers may refuse it, change it, or undo what was written. */
async function writeWatched(
  session: SqlSession,
  statements: RowStatements,
  change: RowChange,
): Promise<ChangeResult> {
  await session.run("SAVEPOINT coffer_row");
  let result = await write(session, statements, change);
  if (result !== "refused") {
    const [now] = await session.all(statements.read, change.key);
    const isNow = (side: "before" | "after"): boolean =>
      now !== undefined && change.slots.every((slot, i) => now[`v${i}`] === slot[side]);
    if (result === "written" && !isNow("after")) result = "refused";
    if (result === "changed" && isNow("before")) result = "refused";
  }
  try {
    if (result === "refused") await session.run("ROLLBACK TO coffer_row");
    await session.run("RELEASE coffer_row");
  } catch (error) {
    // RAISE(ROLLBACK) has ended the transaction, and the savepoint with it.
    throw new TransactionEnded(change, error);
  }
  return result;
}

const jobTable = (table: string): string => quoteIdentifier(`coffer_rekey_${table}`);

/** SQLite's row. */
export const SQLITE: SqlDialect = {
  name: "sqlite",
  quote: quoteIdentifier,
  placeholder: (n) => `?${n}`,
  jobTable,
  jobSchema: jobSchema(jobTable, { text: "TEXT", integer: "INTEGER", double: "REAL" }),
  now: "(unixepoch('subsec') * 1000.0)",
  skipLocked: "",
  keyColumn: ({ name }) => `t.${quoteIdentifier(name)}`,
  keyText,
  keyParameter,
  textOf: (column) => `CAST(t.${quoteIdentifier(column)} AS TEXT)`,
  slotText,
  describe: async (session, { name }) => {
    const columns = await session.all("SELECT name, type, hidden, pk FROM pragma_table_xinfo(?1)", [name]);
    const [kindRow] = await session.all("SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE", [
      name,
    ]);
    if (columns.length === 0 || kindRow === undefined)
      throw new VaultError("ERR_SOURCE_INVALID", "there is no such table");
    if (kindRow.type !== "table") throw new VaultError("ERR_SOURCE_INVALID", "it is a view, not a table");
    const indexed = await session.all(
      `SELECT l.name, l.origin, i.name AS column_name, i.coll FROM pragma_index_list(?1) l JOIN pragma_index_xinfo(l.name) i
       WHERE l."unique" = 1 AND l.partial = 0 AND i.key = 1 ORDER BY l.name, i.seqno`,
      [name],
    );
    const unique = new Map<string, KeyPart[]>();
    for (const row of indexed) {
      const list = unique.get(row.name as string) ?? [];
      unique.set(row.name as string, list);
      list.push({
        name: row.column_name as string,
        collation: quoteIdentifier((row.coll ?? "BINARY") as string),
      });
    }
    // The rowid's own key has no index, and numbers no collation.
    const collationOf = (column: string): string | undefined => {
      const own = indexed.find((row) => row.origin === "pk" && row.column_name === column);
      return own === undefined ? undefined : quoteIdentifier(own.coll as string);
    };
    const triggers = await session.all(
      "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE",
      [name],
    );
    return {
      columns: columns.map((row) => ({
        name: row.name as string,
        type: row.type as string,
        isGenerated: Number(row.hidden) > 1,
        isText: true,
        json: "text",
        charactersMax: undefined,
      })),
      primaryKey: columns
        .filter((row) => Number(row.pk) > 0)
        .sort((a, b) => Number(a.pk) - Number(b.pk))
        .map((row) => ({ name: row.name as string, collation: collationOf(row.name as string) })),
      uniqueKeys: [...unique.values()],
      hasTriggers: triggers.length > 0,
      hasHeirs: false,
      warnings: triggers.map(
        (row) => `the table has a trigger that may fire at each write: ${row.name as string}`,
      ),
    };
  },
  applyChanges,
};
