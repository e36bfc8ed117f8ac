/**
 * Options that several commands share, and the binding of a command to what it does.
 *
 * Owns their names and texts. Must not know any single command.
 *
 * @module
 */
import { type Command, Option } from "commander";
import type { ContextEntry, KeyContext } from "../crypto/keys/key-context.ts";
import type { CommandRun, CommonFlags, Execute } from "./command-run.ts";
import { usageError } from "./errors.ts";
import { choiceParser, contextOf, entryParser } from "./input/arguments.ts";
import { FORMATS, type Result } from "./output/format.ts";

/** Options of every command. Given before the command's name they count as well, hidden there. */
export function addCommonOptions(
  command: Command,
  {
    isHidden = false,
    needsVault = true,
    needsHost = false,
  }: { isHidden?: boolean; needsVault?: boolean; needsHost?: boolean } = {},
): void {
  const add = (option: Option): void => {
    command.addOption(option.hideHelp(isHidden));
  };
  const hideVault = isHidden || !needsVault;
  for (const option of [
    new Option("--vault <path>", "the vault's file (or COFFER_VAULT)"),
    new Option(
      "--server <url>",
      "a coffer server instead (or COFFER_BASE_URL; the API key is COFFER_API_KEY)",
    ),
    new Option(
      "--environment <name>",
      'environment within the vault (or COFFER_ENVIRONMENT; default "default")',
    ),
    new Option(
      "--root-key-file <path>",
      "file of the root key (default: the vault's path with .root-key added; or COFFER_ROOT_KEY holds the key)",
    ),
  ]) {
    // A host is opened, not reached: it is behind servers.
    command.addOption(option.hideHelp(hideVault || (needsHost && option.long === "--server")));
  }
  const database = new Option(
    "--database <url>",
    "a PostgreSQL database instead of a file (or COFFER_DATABASE)",
  );
  command.addOption(database.hideHelp(isHidden || !needsHost));
  add(
    new Option("--format <format>", "table (for people, the default) or json, also for errors").argParser(
      choiceParser("format", FORMATS),
    ),
  );
  add(
    new Option(
      "--field <path>",
      "print one field of the JSON result, raw; a dotted path such as metadata.id",
    ),
  );
}

/** What a command does with its arguments and options. */
export type Action<Options> = (
  run: CommandRun,
  options: Options,
  ...args: (string | undefined)[]
) => Promise<Result>;

/** Gives a command its common options and its action. */
export function bind<Options>(
  command: Command,
  execute: Execute,
  action: Action<Options>,
  { needsVault = true, needsHost = false }: { needsVault?: boolean; needsHost?: boolean } = {},
): void {
  command.optionsGroup("Options of every command:");
  addCommonOptions(command, { needsVault, needsHost });
  command.action(async () => {
    const args = command.processedArgs as (string | undefined)[];
    await execute(commonFlags(command), (run) => action(run, command.opts() as Options, ...args));
  });
}

/** Options given before the command's name, under those given after it. */
function commonFlags(command: Command): CommonFlags {
  const above = command.parent === null ? {} : commonFlags(command.parent);
  return { ...above, ...command.opts<CommonFlags>() };
}

export interface ContextOptions {
  readonly context?: readonly ContextEntry[] | undefined;
  readonly contextJson?: string | undefined;
}

export function addContextOptions(command: Command): void {
  command
    .option(
      "--context <name=value>",
      "an entry of the key context; repeat it for more, up to 10",
      entryParser("context"),
    )
    .option("--context-json <text>", "the key context as a JSON object or @FILE, for names that hold =");
}

export function contextFrom(options: ContextOptions): Promise<KeyContext | undefined> {
  return contextOf({ entries: options.context, json: options.contextJson, option: "context" });
}

/** @throws CliError ERR_USAGE if there is none */
export async function requiredContext(options: ContextOptions): Promise<KeyContext> {
  const context = await contextFrom(options);
  if (context === undefined) {
    throw usageError("no key context was given", "give one with --context NAME=VALUE, or --context-json");
  }
  return context;
}

export const AAD_OPTION = "--aad <text>";
export const AAD_HELP = "associated data, as text or @FILE: not stored, and needed again to decrypt";
