/**
 * The one place where commands become a parser's.
 *
 * Owns the options of every command, and the way from a parsed line to a verb. Must not know any single verb.
 *
 * @module
 */
import { type Command, Option } from "commander";
import type { Action, Group, Verb } from "./command.ts";
import type { CommandRun, CommonFlags } from "./command-run.ts";
import { choiceParser } from "./input/arguments.ts";
import { FORMATS, type Result } from "./output/format.ts";

/** Runs what a verb does, and writes its result. */
export type Execute = (flags: CommonFlags, work: (run: CommandRun) => Promise<Result>) => Promise<void>;

/** Options of every command. Given before the command's name they count as well, hidden there. */
export function addCommonOptions(command: Command, needs: Verb["needs"] | "hidden" = "vault"): void {
  const isHidden = needs === "hidden";
  const hideVault = isHidden || needs === "nothing";
  const add = (flags: string, help: string, hide: boolean): void => {
    command.addOption(new Option(flags, help).hideHelp(hide));
  };
  add("--vault <path>", "the vault's file (or COFFER_VAULT)", hideVault);
  // A host is opened, not reached: it is behind servers.
  add(
    "--server <url>",
    "a coffer server instead (or COFFER_BASE_URL; the API key is COFFER_API_KEY)",
    hideVault || needs === "host",
  );
  add(
    "--environment <name>",
    'environment within the vault (or COFFER_ENVIRONMENT; default "default")',
    hideVault,
  );
  add(
    "--root-key-file <path>",
    "file of the root key (default: the vault's path with .root-key added; or COFFER_ROOT_KEY holds the key)",
    hideVault,
  );
  add(
    "--database <url>",
    "a PostgreSQL database instead of a file (or COFFER_DATABASE)",
    isHidden || (needs !== "host" && needs !== "any"),
  );
  command.addOption(
    new Option("--format <format>", "table (for people, the default) or json, also for errors")
      .argParser(choiceParser("format", FORMATS))
      .hideHelp(isHidden),
  );
  add(
    "--field <path>",
    "print one field of the JSON result, raw; a dotted path such as metadata.id",
    isHidden,
  );
}

/** Adds verbs and groups under a heading of the help. */
export function addAll(program: Command, commands: readonly (Verb | Group)[], execute: Execute): void {
  for (const command of commands) {
    if ("verbs" in command) addGroup(program, command, execute);
    else addVerb(program, command, execute);
  }
}

function addGroup(
  parent: Command,
  { name, summary, description, help, verbs }: Group,
  execute: Execute,
): void {
  const group = parent
    .command(name)
    .summary(summary)
    .description(description)
    .enablePositionalOptions()
    .helpCommand("help [command]", "show help for a command");
  if (help !== undefined) group.addHelpText("after", help);
  addCommonOptions(group, "hidden");
  addAll(group, verbs, execute);
}

function addVerb(parent: Command, verb: Verb, execute: Execute): void {
  const command = parent.command(verb.name).summary(verb.summary).description(verb.description);
  for (const [name, help] of verb.arguments ?? []) command.argument(name, help);
  for (const option of verb.options ?? []) command.addOption(option);
  if (verb.help !== undefined) command.addHelpText("after", verb.help);
  command.optionsGroup("Options of every command:");
  addCommonOptions(command, verb.needs);
  command.action(async () => {
    const args = command.processedArgs as (string | undefined)[];
    const action = verb.run as Action<unknown>;
    await execute(commonFlags(command), (run) => action(run, command.opts(), ...args));
  });
}

/** Options given before the command's name, under those given after it. */
function commonFlags(command: Command): CommonFlags {
  const above = command.parent === null ? {} : commonFlags(command.parent);
  return { ...above, ...command.opts<CommonFlags>() };
}
