/**
 * `coffer keys`: the group of commands for KEKs.
 *
 * @module
 */
import type { Group } from "../command.ts";
import { KEYS_REWRAP } from "./keys-rewrap.ts";
import { KEYS_SHRED } from "./keys-shred.ts";
import { KEYS_DISABLE, KEYS_ENABLE, KEYS_LIST, KEYS_ROTATE } from "./keys-states.ts";

/** The group. */
export const KEYS: Group = {
  name: "keys",
  summary: "look after the vault's KEKs",
  description: "Lists, rotates, disables and shreds the KEKs of the vault.",
  help: `
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
`,
  verbs: [KEYS_LIST, KEYS_ROTATE, KEYS_REWRAP, KEYS_DISABLE, KEYS_ENABLE, KEYS_SHRED],
};
