/**
 * Paths on the command line, looked at before anything is opened or made under them.
 *
 * Owns the refusal of a key in the place of a path: a file would be named after it. Must not know what the paths are for.
 *
 * @module
 */
import { looksLikeKey } from "../../vault/root/key-text.ts";
import { usageError } from "../errors.ts";

/** @param what - names the option, or the argument @throws CliError ERR_USAGE, without what was given */
export function checkNoKey(text: string, what: string, ...hints: readonly string[]): void {
  if (!looksLikeKey(text)) return;
  throw usageError(
    `${what} was given a key, not a path or a URL: nothing was opened`,
    ...hints,
    "a path that only looks like a key is written with ./ before it; a key that was typed here is in the shell's history",
  );
}
