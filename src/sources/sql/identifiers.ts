/**
 * Identifiers in statements.
 *
 * Owns the one way in which a name gets into a statement's text. Must not know statements.
 *
 * @module
 */
import { invalidRange } from "../../errors.ts";

/** Characters of an identifier at most. Ours: more than any of the databases keep. */
const IDENTIFIER_CHARACTERS_MAX = 255;

/**
 * A name in double quotes, as SQL has it (ISO 9075, delimited identifiers).
 *
 * @throws RangeError ERR_INVALID_ARGUMENT for a name with a NUL, or one that is too long
 */
export function quoteIdentifier(name: string): string {
  if (name.length === 0 || name.length > IDENTIFIER_CHARACTERS_MAX || name.includes("\0"))
    throw invalidRange(
      `the name of a table or column must have 1 to ${IDENTIFIER_CHARACTERS_MAX} characters and no NUL`,
    );
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text in single quotes. For paths, which are part of an expression; values are parameters. */
export function quoteText(text: string): string {
  if (text.includes("\0")) throw invalidRange("a path within a column cannot hold NUL");
  return `'${text.replaceAll("'", "''")}'`;
}
