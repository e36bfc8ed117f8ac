/**
 * Sources of jobs, as the command names them.
 *
 * Owns the options that say where ciphertexts are and what their context is, and the opening of the source. Must not know
 * what is done to it.
 *
 * @module
 */
import { statSync } from "node:fs";
import type { ContextEntry, KeyContext } from "../crypto/keys/key-context.ts";
import type { CiphertextSource, SourceRow } from "../rekey/job/source.ts";
import {
  cofferFolder,
  jsonLinesFile,
  postgresTable,
  type SlotOption,
  sqliteTable,
} from "../sources/index.ts";
import { openPostgresPool } from "./connect.ts";
import { usageError } from "./errors.ts";
import { readTemplate, type Template } from "./input/templates.ts";

const URL_LIKE = /^[a-z][a-z0-9+.-]*:\/\//i;
const JSON_LINES = /\.(?:jsonl|ndjson)$/i;

/** The options that say where ciphertexts are. */
export interface SourceFlags {
  readonly table?: string;
  readonly schema?: string;
  readonly column?: readonly string[];
  readonly key?: readonly string[];
  readonly context?: readonly ContextEntry[];
  readonly aad?: string;
}

/** What a row's context and associated data are made of. */
export interface RowRules {
  readonly context: ((row: SourceRow) => KeyContext) | undefined;
  readonly associatedData: ((row: SourceRow) => string) | undefined;
  /** The columns that these need. */
  readonly fields: readonly string[];
}

/** Reads the templates of context and associated data. @throws CliError ERR_USAGE */
export function rowRules({ context, aad }: SourceFlags): RowRules {
  const entries = context?.map(({ name, value }) => ({ name, template: readTemplate(value, "context") }));
  const bound = aad === undefined ? undefined : readTemplate(aad, "aad");
  const templates: Template[] = [
    ...(entries ?? []).map(({ template }) => template),
    ...(bound === undefined ? [] : [bound]),
  ];
  return {
    context:
      entries &&
      (({ fields }) =>
        Object.fromEntries(entries.map(({ name, template }) => [name, template.fill(fields)]))),
    associatedData: bound && (({ fields }) => bound.fill(fields)),
    fields: [...new Set(templates.flatMap(({ columns }) => columns))],
  };
}

/**
 * Opens what an argument names.
 *
 * @param target - `postgres://…`, or the path of a SQLite file, a file of JSON lines or a folder
 * @param connections - at most
 * @throws CliError ERR_USAGE; VaultError ERR_SOURCE_INVALID, ERR_UNSUPPORTED, and the storage's codes
 */
export async function openSource(
  target: string,
  flags: SourceFlags,
  fields: readonly string[],
  onNotice: (notice: string) => void,
  connections: number,
): Promise<CiphertextSource> {
  const { table, schema, column, key } = flags;
  if (!URL_LIKE.test(target)) {
    if (schema !== undefined) throw usageError("--schema is for PostgreSQL");
    if (statSync(target, { throwIfNoEntry: false })?.isDirectory() === true)
      return cofferFolder({ path: target });
    if (JSON_LINES.test(target)) {
      if (column === undefined) throw noColumn();
      return jsonLinesFile({ path: target, columns: column.map((name) => name.split(".")) });
    }
  }
  if (table === undefined) throw usageError("no table was given", "give one with --table");
  if (column === undefined) throw noColumn();
  const options = { table, columns: column.map(slotOf), key, fields };
  if (/^postgres(?:ql)?:\/\//i.test(target)) {
    const pool = await openPostgresPool(target, onNotice, connections);
    try {
      const source = postgresTable({ pool, ...options, schema });
      const close = source.close.bind(source);
      source.close = async () => {
        await close();
        await pool.end();
      };
      return source;
    } catch (error) {
      await pool.end();
      throw error;
    }
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(target))
    throw usageError("the source is no postgres:// URL and no file");
  return sqliteTable({ database: target, ...options });
}

function noColumn(): Error {
  return usageError("no column was given", "give at least one with --column");
}

/** `column`, or `column:/name/0/name` for a place within JSON. */
function slotOf(text: string): SlotOption {
  const at = text.indexOf(":/");
  return at < 0 ? text : { column: text.slice(0, at), path: text.slice(at + 2).split("/") };
}
