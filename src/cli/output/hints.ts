/**
 * Hints that fit the command: what it tells a user to give, it takes.
 *
 * Owns which command a line of arguments means, and which options a hint names. Must not know any hint.
 *
 * @module
 */
import type { Command } from "commander";

/** An error of the library, with hints that only the command could know. */
export class Hinted extends Error {
  readonly error: unknown;
  readonly hints: readonly string[];

  constructor(error: unknown, hints: readonly string[]) {
    super("an error with hints");
    this.error = error;
    this.hints = hints;
  }
}

/** The command that arguments name, as far as they name one: for errors that come before it runs. */
export function commandIn(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]!;
    if (argument === "--") break;
    if (argument.startsWith("-")) {
      const option = command.options.find(({ long }) => long === argument);
      if (option?.required === true) at += 1;
      continue;
    }
    const next = command.commands.find((child) => child.name() === argument);
    if (next === undefined) break;
    command = next;
  }
  return command;
}

/** Those hints whose options the command has. Options within backquotes belong to the command that stands there. */
export function fittingHints(hints: readonly string[], command: Command | undefined): readonly string[] {
  if (command === undefined) return hints;
  // Every command has --help, and none lists it.
  const known = new Set(["--help", ...command.options.map(({ long }) => long)]);
  return hints.filter((hint) => optionsIn(hint.replace(/`[^`]*`/g, "")).every((option) => known.has(option)));
}

/** The options that a text names. */
export function optionsIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option);
}
