/**
 * `coffer keys`: the group of commands for KEKs.
 *
 * @module
 */
import type { Command } from "commander";
import type { Execute } from "../command-run.ts";
import { addCommonOptions } from "../options.ts";
import { addRewrapStored } from "./keys-rewrap.ts";
import { addShred } from "./keys-shred.ts";
import { addDisable, addEnable, addListKeks, addRotate } from "./keys-states.ts";

const HELP = `
A KEK (key-encrypting key) stands for one entry of a key context, such as
organization_id=org_1, and wraps the data keys of every context that has this
entry. It is made when the entry is first used. All KEKs of a context are needed
to decrypt what is under it. A KEK is given as NAME=VALUE or by its id.

  rotate   makes a new version of a KEK, for data keys wrapped from now on;
           nothing that exists changes
  rewrap   wraps existing data keys, same key and same context, under the
           newest KEK versions
  rekey    wraps a data key for another context (coffer rekey)
  shred    destroys a KEK, so that everything under it is unreadable for good

Examples:
  $ coffer keys list --vault vault.db
  $ coffer keys rotate organization_id=org_1 --vault vault.db
  $ coffer keys shred organization_id=org_1 --vault vault.db --dry-run
`;

export function addKeys(parent: Command, execute: Execute): void {
  const group = parent
    .command("keys")
    .summary("look after the vault's KEKs")
    .description("Lists, rotates, disables and shreds the KEKs of the vault.")
    .enablePositionalOptions()
    .helpCommand("help [command]", "show help for a command")
    .addHelpText("after", HELP);
  addCommonOptions(group, { isHidden: true });
  addListKeks(group, execute);
  addRotate(group, execute);
  addRewrapStored(group, execute);
  addDisable(group, execute);
  addEnable(group, execute);
  addShred(group, execute);
}
