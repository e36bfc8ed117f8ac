/**
 * `coffer kv`: the group of commands for the store.
 *
 * @module
 */
import type { Command } from "commander";
import type { Execute } from "../command-run.ts";
import { addCommonOptions } from "../options.ts";
import { addDestroy } from "./kv-destroy.ts";
import { addPut } from "./kv-put.ts";
import { addGet, addList, addMetadata, addVersions } from "./kv-read.ts";
import { addDelete, addUndelete } from "./kv-remove.ts";

const HELP = `
Every put makes a new version; old ones stay until they are destroyed. An
object's key context is given when it is made and never changes. delete hides an
object and frees its name; undelete brings it back; destroy erases values for
good.

Examples:
  $ echo -n s3cret | coffer kv put db-password --vault vault.db --context app=billing
  $ coffer kv get db-password --vault vault.db
  $ coffer kv list --vault vault.db
`;

export function addKv(parent: Command, execute: Execute): void {
  const group = parent
    .command("kv")
    .summary("keep small secrets in the vault")
    .description("Keeps small secrets, each under a name, with all their versions, in the vault.")
    .enablePositionalOptions()
    .helpCommand("help [command]", "show help for a command")
    .addHelpText("after", HELP);
  addCommonOptions(group, { isHidden: true });
  addPut(group, execute);
  addGet(group, execute);
  addList(group, execute);
  addDelete(group, execute);
  addUndelete(group, execute);
  addDestroy(group, execute);
  addVersions(group, execute);
  addMetadata(group, execute);
}
