/**
 * Commands as data: what a verb is called, what it takes, what it needs, and what it does.
 *
 * Owns the shape of a verb and of a group, and the options that several verbs share. Must not know any single verb, nor
 * how arguments are parsed.
 *
 * @module
 */
import { Option } from "commander";
import type { ContextEntry, KeyContext } from "../crypto/keys/key-context.ts";
import type { CommandRun } from "./command-run.ts";
import { usageError } from "./errors.ts";
import { contextOf, entryParser } from "./input/arguments.ts";
import type { Result } from "./output/format.ts";

/** What a verb does with its options and arguments. An argument that was not given is undefined. */
export type Action<Options> = (
  run: CommandRun,
  options: Options,
  ...args: (string | undefined)[]
) => Promise<Result>;

/** A verb of the command. */
export interface Verb {
  readonly name: string;
  /** In the list of commands. */
  readonly summary: string;
  /** At the head of its help. */
  readonly description: string;
  /** `<name>` for one that must be given, `[name]` for others. */
  readonly arguments?: readonly (readonly [name: string, help: string])[];
  /** In the order of the help; beside those of every command. */
  readonly options?: readonly Option[];
  /** Below the options, with examples; begins with a line break. */
  readonly help?: string;
  /**
   * What it works on: a vault, which may be behind a server (default); what is behind a vault, its file or its database; any of
   * these; or none.
   */
  readonly needs?: "vault" | "host" | "any" | "nothing";
  /** What it does. Its type of options is the verb's own. */
  readonly run: Action<never>;
}

/** Verbs under a name of their own. */
export interface Group extends Pick<Verb, "name" | "summary" | "description" | "help"> {
  readonly verbs: readonly (Verb | Group)[];
}

/**
 * An option.
 *
 * @param flags - `--name` or `--name <value>`
 * @param parse - reads the value; for an option that is repeated, with what was read before
 */
export function option<T>(
  flags: string,
  help: string,
  parse?: (text: string, previous: T | undefined) => T,
): Option {
  const made = new Option(flags, help);
  return parse === undefined ? made : made.argParser(parse as (text: string, previous: unknown) => unknown);
}

/** The options that give a key context. */
export interface ContextOptions {
  readonly context?: readonly ContextEntry[] | undefined;
  readonly contextJson?: string | undefined;
}

/** Those of {@link ContextOptions}. */
export const CONTEXT_OPTIONS: readonly Option[] = [
  option(
    "--context <name=value>",
    "an entry of the key context; repeat it for more, up to 10",
    entryParser("context"),
  ),
  option("--context-json <text>", "the key context as a JSON object or @FILE, for names that hold ="),
];

/** The context that was given. @throws CliError ERR_USAGE if there is none */
export async function requiredContext(options: ContextOptions): Promise<KeyContext> {
  const context = await contextFrom(options);
  if (context === undefined) {
    throw usageError("no key context was given", "give one with --context NAME=VALUE, or --context-json");
  }
  return context;
}

/** The context that was given, if any was. */
export function contextFrom(options: ContextOptions): Promise<KeyContext | undefined> {
  return contextOf({ entries: options.context, json: options.contextJson, option: "context" });
}

/** What is said of something that is decrypted. */
export interface DecryptionOptions {
  readonly aad?: string | undefined;
  readonly expectContext?: readonly ContextEntry[] | undefined;
  readonly expectContextJson?: string | undefined;
}

/** Those of {@link DecryptionOptions}. @param whose - names what is decrypted */
export const decryptionOptions = (whose: string): readonly Option[] => [
  option("--aad <text>", "associated data, as text or @FILE: exactly what was given to encrypt"),
  option(
    "--expect-context <name=value>",
    `fail unless the ${whose}'s context is exactly this; repeat it for more entries`,
    entryParser("expect-context"),
  ),
  option("--expect-context-json <text>", "the same as a JSON object or @FILE"),
];

/** The context that is expected, if one is. */
export function expectedContext(options: DecryptionOptions): Promise<KeyContext | undefined> {
  const { expectContext: entries, expectContextJson: json } = options;
  return contextOf({ entries, json, option: "expect-context" });
}

/** Associated data, where something is encrypted. */
export const AAD = option(
  "--aad <text>",
  "associated data, as text or @FILE: not stored, and needed again to decrypt",
);

/** No question before what cannot be undone. */
export const YES = option("--yes", "do not ask");
