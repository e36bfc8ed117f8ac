/**
 * `coffer kv delete` and `undelete`.
 *
 * @module
 */

import { VaultError } from "../../errors.ts";
import type { Vault } from "../../facade/vault.ts";
import { checkName } from "../../kv/rules.ts";
import { option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { ambiguous, checkNamed, liveId, type ObjectOptions, withName } from "../input/find-object.ts";
import { type Result, record } from "../output/format.ts";

interface DeleteOptions extends ObjectOptions {
  readonly versionCheck?: string;
}

/** `coffer kv delete`. */
export const KV_DELETE: Verb = {
  name: "delete",
  summary: "hide an object and free its name",
  description: "Hides an object and frees its name. Its versions stay in the vault until they are destroyed.",
  arguments: [["[name]", "the object's name"]],
  options: [
    option("--id <id>", "the object's id, in place of its name"),
    option("--version-check <id>", "delete only if this version is the current one"),
  ],
  help: `
See also: coffer kv undelete, which brings the object back; coffer kv destroy,
which erases its values.

Examples:
  $ coffer kv delete db-password --vault vault.db
`,
  run: deleteObject,
};

async function deleteObject(
  run: CommandRun,
  options: DeleteOptions,
  name: string | undefined,
): Promise<Result> {
  checkNamed(name, options);
  if (name !== undefined) checkName(name);
  const vault = await run.open();
  const { signal } = run;
  const id = await liveId(vault, name, options, signal);
  const deleted = await vault.deleteKv({ id, versionCheck: options.versionCheck }, { signal });
  return {
    view: record([
      ["deleted", deleted.name],
      ["id", id],
    ]),
    data: () => ({ id, ...deleted }),
  };
}

/** `coffer kv undelete`. */
export const KV_UNDELETE: Verb = {
  name: "undelete",
  summary: "bring a deleted object back",
  description: "Brings a deleted object back, with all its versions.",
  arguments: [["[name]", "the object's name, if only one object of this name has been deleted"]],
  options: [option("--id <id>", "the object's id, in place of its name")],
  help: `
Examples:
  $ coffer kv undelete db-password --vault vault.db
  $ coffer kv list --vault vault.db --deleted
`,
  run: undelete,
};

async function undelete(run: CommandRun, options: ObjectOptions, name: string | undefined): Promise<Result> {
  checkNamed(name, options);
  if (name !== undefined) checkName(name);
  const vault = await run.open();
  const { signal } = run;
  const id = options.id ?? (await deletedId(vault, name!, signal));
  const object = await vault.undeleteKv({ id }, { signal });
  return {
    view: record([
      ["undeleted", object.name],
      ["id", object.id],
      ["version", object.metadata.versionId],
    ]),
    data: () => object,
  };
}

async function deletedId(vault: Vault, name: string, signal: AbortSignal): Promise<string> {
  const found = await withName(vault, name, true, signal);
  if (found.length > 1) throw ambiguous(found, "deleted objects");
  if (found.length === 0) throw new VaultError("ERR_KV_NOT_FOUND", "there is no deleted object of this name");
  return found[0]!.id;
}
