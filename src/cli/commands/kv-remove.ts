/**
 * `coffer kv delete` and `undelete`.
 *
 * @module
 */

import { type Action, option, type Verb } from "../command.ts";
import {
  checkNamed,
  ID_OPTION,
  liveId,
  NAME_ARGUMENT,
  type ObjectOptions,
  onlyId,
  withName,
} from "../input/find-object.ts";
import { record } from "../output/format.ts";

interface DeleteOptions extends ObjectOptions {
  readonly versionCheck?: string;
}

const deleteObject: Action<DeleteOptions> = async (run, options, name) => {
  checkNamed(name, options);
  const vault = await run.open();
  const { signal } = run;
  const id = await liveId(vault, name, options, signal);
  const deleted = await vault.deleteKv({ id, versionCheck: options.versionCheck }, { signal });
  return {
    view: record({ deleted: deleted.name, id }),
    data: () => ({ id, ...deleted }),
  };
};

/** `coffer kv delete`. */
export const KV_DELETE: Verb = {
  name: "delete",
  summary: "hide an object and free its name",
  description: "Hides an object and frees its name. Its versions stay in the vault until they are destroyed.",
  arguments: [NAME_ARGUMENT],
  options: [ID_OPTION, option("--version-check <id>", "delete only if this version is the current one")],
  help: `
See also: coffer kv undelete, which brings the object back; coffer kv destroy,
which erases its values.

Examples:
  $ coffer kv delete db-password --vault vault.db
`,
  run: deleteObject,
};

const undelete: Action<ObjectOptions> = async (run, options, name) => {
  checkNamed(name, options);
  const vault = await run.open();
  const { signal } = run;
  const id =
    options.id ?? onlyId(await withName(vault, name!, true, signal), "deleted objects", NONE_DELETED);
  const object = await vault.undeleteKv({ id }, { signal });
  return {
    view: record({ undeleted: object.name, id: object.id, version: object.metadata.versionId }),
    data: () => object,
  };
};

/** `coffer kv undelete`. */
export const KV_UNDELETE: Verb = {
  name: "undelete",
  summary: "bring a deleted object back",
  description: "Brings a deleted object back, with all its versions.",
  arguments: [["[name]", "the object's name, if only one object of this name has been deleted"]],
  options: [ID_OPTION],
  help: `
Examples:
  $ coffer kv undelete db-password --vault vault.db
  $ coffer kv list --vault vault.db --deleted
`,
  run: undelete,
};

const NONE_DELETED = "there is no deleted object of this name";
