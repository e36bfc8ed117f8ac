/**
 * `coffer kv put`.
 *
 * @module
 */

import { Option } from "commander";
import { isVaultError } from "../../errors.ts";
import type { PutKvResult } from "../../kv/by-name.ts";
import { checkName } from "../../kv/rules.ts";
import {
  type Action,
  CONTEXT_OPTIONS,
  type ContextOptions,
  contextFrom,
  option,
  type Verb,
} from "../command.ts";
import { type CliError, usageError } from "../errors.ts";
import { ALLOW_EMPTY, readKvValue, type SecretOptions, VALUE_SYNTAX } from "../input/values.ts";
import { type Result, record } from "../output/format.ts";
import { Hinted } from "../output/hints.ts";

interface Options extends ContextOptions, SecretOptions {
  readonly createOnly?: boolean;
  readonly versionCheck?: string;
}

const put: Action<Options> = async (run, options, name, given) => {
  const { createOnly, versionCheck } = options;
  checkName(name!);
  const context = await contextFrom(options);
  if (createOnly === true && context === undefined) throw contextMissing();
  const value = await readKvValue(given, options);
  // Without a context nothing can be made: not a vault, either.
  const create = context !== undefined && versionCheck === undefined;
  const vault = await run.open({ create });
  const { signal } = run;
  if (createOnly === true) {
    const metadata = await vault.createKv({ name: name!, value, keyContext: context! }, { signal });
    return result({ created: true, id: metadata.id, name: name!, metadata });
  }
  try {
    return result(await vault.putKv({ name: name!, value, keyContext: context, versionCheck }, { signal }));
  } catch (error) {
    if (isVaultError(error, "ERR_KV_NOT_FOUND") && versionCheck === undefined && context === undefined) {
      throw contextMissing();
    }
    if (!isVaultError(error, "ERR_KV_CONTEXT_DIFFERS")) throw error;
    throw new Hinted(error, ["leave --context out to write a new version, or delete the object first"]);
  }
};

/** `coffer kv put`. */
export const KV_PUT: Verb = {
  name: "put",
  summary: "store a value",
  description: "Stores a value: makes an object, or writes a new version of it.",
  arguments: [
    ["<name>", "the object's name"],
    ["[value]", `UTF-8 text of at most 64 KiB: ${VALUE_SYNTAX}`],
  ],
  options: [
    ...CONTEXT_OPTIONS,
    ALLOW_EMPTY,
    option("--version-check <id>", "write only if this version is the current one"),
    new Option("--create-only", "fail if there is an object of this name already").conflicts("versionCheck"),
  ],
  help: `
Makes an object of this name, which needs a key context, or writes a new version
of the live one. Its context cannot change: giving another one is an error, and
nothing is written.

Examples:
  $ echo -n s3cret | coffer kv put db-password --vault vault.db --context app=billing
  $ coffer kv put tls-key @key.pem --vault vault.db --context app=billing --create-only
  $ echo -n new | coffer kv put db-password --vault vault.db --version-check VERSION-ID
`,
  run: put,
};

function result(put: PutKvResult): Result {
  return {
    view: record([
      [put.created ? "created" : "updated", put.name],
      ["id", put.id],
      ["version", put.metadata.versionId],
    ]),
    data: () => put,
  };
}

function contextMissing(): CliError {
  return usageError(
    "a new object needs a key context, and there is no live object of this name",
    "give one with --context NAME=VALUE, or --context-json",
  );
}
