/**
 * The parser of the command's lines: commander's, with our errors.
 *
 * Owns the words for a line that does not parse. They never repeat what was typed, for that may be a secret in the wrong place.
 * Commander calls a method for each kind of error and gives it the facts; here each of them throws at once. Must not know commands.
 *
 * @module
 */
import { Command, type Option } from "commander";
import { CliError, usageError } from "./errors.ts";

const MORE = "`coffer --help` lists the commands, `coffer COMMAND --help` the options of one";
const DASHES = "a value that begins with - goes after --, or is given on standard input";

/** An option that no command of the line has. */
export class UnknownOption extends CliError {
  /** The argument as it was typed. Not in the message. */
  readonly typed: string;

  constructor(typed: string, at: number, hints: readonly string[]) {
    super("ERR_USAGE", `unknown option${at < 0 ? "" : `: argument ${at + 1}`}`, ...hints);
    this.typed = typed;
  }
}

/** A command that throws {@link CliError} for a line that does not parse. */
export class Parser extends Command {
  readonly #argv: readonly string[];

  /** @param argv - the line's arguments, by whose places errors name them */
  constructor(argv: readonly string[], name?: string) {
    super(name);
    this.#argv = argv;
  }

  override createCommand(name?: string): Parser {
    return new Parser(this.#argv, name);
  }

  unknownOption(typed: string): never {
    // Options of a group may stand before the command's name too.
    const names = [this as Command, this.parent].flatMap((command) => command?.options ?? []);
    const meant = closest(
      typed.split("=", 1)[0]!,
      names.filter(({ hidden }) => !hidden).flatMap(({ long }) => long ?? []),
    );
    const hints = meant.length > 0 ? [didYouMean(meant)] : [DASHES, MORE];
    throw new UnknownOption(typed, this.#argv.indexOf(typed), hints);
  }

  unknownCommand(): never {
    const meant = closest(
      this.args[0] ?? "",
      this.commands.map((command) => command.name()),
    );
    throw usageError("unknown command", meant.length > 0 ? didYouMean(meant) : MORE);
  }

  missingArgument(name: string): never {
    throw usageError(`missing required argument '${name}'`, MORE);
  }

  optionMissingArgument(option: Option): never {
    throw usageError(`option '${option.flags}' argument missing`, MORE);
  }

  missingMandatoryOptionValue(option: Option): never {
    throw usageError(`required option '${option.flags}' not specified`, MORE);
  }

  _conflictingOption(option: Option, other: Option): never {
    throw usageError(`option '${option.flags}' cannot be used with option '${other.flags}'`, MORE);
  }

  _excessArguments(): never {
    throw usageError("too many arguments", "quote values that hold spaces", MORE);
  }
}

const didYouMean = (names: readonly string[]): string => `did you mean ${names.join(", ")}?`;

/** Edits that a mistyped name may have. Ours. */
const EDITS_MAX = 3;

/** The names that a mistyped one is nearest to: none if they have less than half in common. */
function closest(typed: string, names: readonly string[]): readonly string[] {
  const near = [...new Set(names)]
    .map((name) => ({ name, edits: editDistance(typed, name) }))
    .filter(({ name, edits }) => edits <= EDITS_MAX && 2 * edits < Math.max(typed.length, name.length));
  const least = Math.min(...near.map(({ edits }) => edits));
  return near.filter(({ edits }) => edits === least).map(({ name }) => name);
}

/** Characters to add, remove or replace to make one text of the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
