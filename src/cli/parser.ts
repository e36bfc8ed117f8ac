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

/** Where to look, where nothing is near. */
export const MORE = "`coffer --help` lists the commands, `coffer COMMAND --help` the options of one";
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
    const shown = this.createHelp().visibleOptions(this);
    const meant = typed.startsWith("--")
      ? closest(
          typed.slice(2),
          shown.flatMap(({ long }) => long?.slice(2) ?? []),
        ).map((name) => `--${name}`)
      : [];
    const hints = meant.length > 0 ? [didYouMean(meant)] : [DASHES, MORE];
    throw new UnknownOption(typed, this.#argv.indexOf(typed), hints);
  }

  unknownCommand(): never {
    const shown = this.createHelp().visibleCommands(this);
    const meant = closest(
      this.args[0] ?? "",
      shown.map((command) => command.name()),
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

/** Edits that a mistyped name may have. As commander has it, whose hints these were. */
const EDITS_MAX = 3;

/** A name is near if more than this part of it is right, of 1. From the same source. */
const LIKENESS_MIN = 0.4;

/** The names that a mistyped one is nearest to, in the order of the alphabet. */
function closest(typed: string, names: readonly string[]): readonly string[] {
  const near = [...new Set(names)]
    // A line may be long, a value in the wrong place for one: it is not compared letter by letter.
    .filter((name) => Math.abs(name.length - typed.length) <= EDITS_MAX)
    .map((name) => ({ name, edits: editDistance(typed, name), length: Math.max(typed.length, name.length) }))
    .filter(({ edits, length }) => edits <= EDITS_MAX && (length - edits) / length > LIKENESS_MIN);
  const least = Math.min(...near.map(({ edits }) => edits));
  return near
    .filter(({ edits }) => edits === least)
    .map(({ name }) => name)
    .sort((a, b) => a.localeCompare(b));
}

/** Characters to add, remove, replace or exchange with the next to make one text of the other (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const above = rows[i - 1]!;
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isExchange = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const exchanged = isExchange ? rows[i - 2]![j - 2]! + 1 : replaced;
      row.push(Math.min(row[j - 1]! + 1, above[j]! + 1, replaced, exchanged));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
