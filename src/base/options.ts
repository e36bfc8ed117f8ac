/**
 * Options: which names a call knows.
 *
 * Owns the one check of every options object: an unknown name is refused, since what it was meant for would be
 * silently left out (a `baseURL` that sends keys elsewhere, a `versioncheck` that checks nothing). Must not know what
 * options mean.
 *
 * @module
 */
import { invalidType } from "../errors.ts";
import { typeName } from "./bytes.ts";

/** The names that a call knows. */
export type OptionNames = ReadonlySet<string>;

/**
 * The names of an options type: all of them, and no others, which the compiler sees to.
 *
 * @param names - one member per option
 * @param more - names of other options that the call takes too
 */
export function optionNames<T>(
  names: Readonly<Record<KeysOf<T>, true>>,
  ...more: readonly OptionNames[]
): OptionNames {
  return new Set([...Object.keys(names), ...more.flatMap((set) => [...set])]);
}

/** Of every member of a union. */
type KeysOf<T> = T extends unknown ? keyof T & string : never;

/** Edits between a name and the one that was probably meant, at most. Ours. */
const EDITS_MAX = 2;

/**
 * Refuses what is no options object and every name that is not known.
 *
 * @param options - undefined, or what a caller gave
 * @param known - the names there are
 * @param where - the call or the argument, for the message
 * @throws TypeError ERR_INVALID_ARGUMENT
 */
export function checkOptions(options: unknown, known: OptionNames, where: string): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalidType(`${where}: options must be an object, got ${typeName(options)}`);
  }
  // Inherited ones too: they are read like others.
  for (const name in options) {
    if (!known.has(name)) throw unknownOption(name, known, where);
  }
}

function unknownOption(name: string, known: OptionNames, where: string): TypeError {
  const nearest = [...known].find((candidate) => isNear(name, candidate));
  const hint =
    nearest === undefined ? `known are ${[...known].sort().join(", ")}` : `did you mean ${nearest}?`;
  return invalidType(`${where}: unknown option ${printable(name)}; ${hint}`);
}

/** Names are short, plain words; whatever else came is cut. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 40).replace(/[^\x20-\x7e]/g, "?"));
}

/** Whether two names differ by case, `_` and `-` only, or by a typing error or two. */
function isNear(given: string, known: string): boolean {
  const plain = (name: string): string => name.slice(0, 40).toLowerCase().replace(/[_-]/g, "");
  const [a, b] = [plain(given), plain(known)];
  return a === b || (Math.min(a.length, b.length) > 2 * EDITS_MAX && edits(a, b) <= EDITS_MAX);
}

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(swap, above[j]! + 1, row[j - 1]! + 1));
    }
    above = row;
  }
  return above[b.length]!;
}
