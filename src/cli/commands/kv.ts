/**
 * `coffer kv`: the group of commands for the store.
 *
 * @module
 */
import type { Group } from "../command.ts";
import { KV_DESTROY } from "./kv-destroy.ts";
import { KV_PUT } from "./kv-put.ts";
import { KV_GET, KV_LIST, KV_METADATA, KV_VERSIONS } from "./kv-read.ts";
import { KV_DELETE, KV_UNDELETE } from "./kv-remove.ts";

/** The group. */
export const KV: Group = {
  name: "kv",
  summary: "keep small secrets in the vault",
  description: "Keeps small secrets, each under a name, with all their versions, in the vault.",
  help: `
Every put makes a new version; old ones stay until they are destroyed. An
object's key context is given when it is made and never changes. delete hides an
object and frees its name; undelete brings it back; destroy erases values for
good.

Examples:
  $ echo -n s3cret | coffer kv put db-password --vault vault.db --context app=billing
  $ coffer kv get db-password --vault vault.db
  $ coffer kv list --vault vault.db
`,
  verbs: [KV_PUT, KV_GET, KV_LIST, KV_DELETE, KV_UNDELETE, KV_DESTROY, KV_VERSIONS, KV_METADATA],
};
