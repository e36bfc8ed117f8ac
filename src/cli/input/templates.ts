/**
 * Templates: a text with the names of columns in braces.
 *
 * Owns their syntax. No message repeats what was given.
 *
 * @module
 */
import { usageError } from "../errors.ts";

/** A template that was read. */
export interface Template {
  /** The columns that it names. */
  readonly columns: readonly string[];
  /** The text for a row. @throws RangeError for a column that is NULL */
  readonly fill: (fields: Readonly<Record<string, string | null>>) => string;
}

/** Reads `text {column} text`; `{{` and `}}` are braces. @throws CliError ERR_USAGE */
export function readTemplate(text: string, option: string): Template {
  const parts = text.match(/\{\{|\}\}|\{[^{}]+\}|[^{}]+|[{}]/g) ?? [];
  if (parts.some((part) => part === "{" || part === "}"))
    throw usageError(`--${option} has a brace that is not closed`, "write {{ or }} for a brace");
  const isColumn = (part: string): boolean =>
    part.length > 2 && part.startsWith("{") && !part.startsWith("{{");
  return {
    columns: parts.filter(isColumn).map((part) => part.slice(1, -1)),
    fill: (fields) =>
      parts
        .map((part) => {
          if (part === "{{" || part === "}}") return part[0];
          if (!isColumn(part)) return part;
          const value = fields[part.slice(1, -1)];
          if (value === null || value === undefined) throw new RangeError("a column of the template is NULL");
          return value;
        })
        .join(""),
  };
}
