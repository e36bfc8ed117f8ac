/**
 * `coffer kv destroy`.
 *
 * @module
 */

import type { Vault } from "../../facade/vault.ts";
import { type Action, option, type Verb } from "../command.ts";
import { checkConfirmable, confirm } from "../input/confirm.ts";
import { checkNamed, ID_OPTION, type ObjectOptions, onlyId, withName } from "../input/find-object.ts";
import { record, visible } from "../output/format.ts";

interface Options extends ObjectOptions {
  readonly version?: string;
  readonly yes?: boolean;
}

const destroy: Action<Options> = async (run, options, name) => {
  checkNamed(name, options);
  checkConfirmable(options.yes === true);
  const vault = await run.open();
  const { signal } = run;
  const id = options.id ?? (await anyId(vault, name!, signal));
  if (options.yes !== true) {
    const what =
      options.version === undefined ? "every version of it, and the object with them" : "one version";
    await confirm(`This erases ${what}, for good: ${visible(name ?? id)}`, name ?? id);
  }
  const { destroyedVersions } = await vault.destroyKv({ id, versionId: options.version }, { signal });
  return {
    view: record({ destroyed: name ?? id, id, versions: destroyedVersions }),
    data: () => ({ id, destroyedVersions }),
  };
};

/** `coffer kv destroy`. */
export const KV_DESTROY: Verb = {
  name: "destroy",
  summary: "erase an object's values for good",
  description: "Erases the values of an object, live or deleted, for good.",
  arguments: [["[name]", "the object's name, if only one object, live or deleted, has it"]],
  options: [ID_OPTION, option("--version <id>", "only this version"), option("--yes", "do not ask")],
  help: `
Without --version, all versions of the object are erased and it is deleted, if
it was not yet; with --version, that one only. Backups of the vault's file keep
what they have. Asks for confirmation, or needs --yes.

Examples:
  $ coffer kv destroy db-password --vault vault.db
  $ coffer kv destroy db-password --vault vault.db --version VERSION-ID --yes
`,
  run: destroy,
};

/** The one object of a name, live or deleted. What cannot be undone is not done to one of several. */
async function anyId(vault: Vault, name: string, signal: AbortSignal): Promise<string> {
  const live = await withName(vault, name, false, signal);
  const deleted = await withName(vault, name, true, signal);
  return onlyId([...live, ...deleted], "objects, live or deleted,", "there is no such object");
}
