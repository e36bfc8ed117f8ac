/**
 * `coffer kv put`.
 *
 * @module
 */

import { Option } from "commander";
import { equalBytes } from "../../base/bytes.ts";
import { canonicalContext, type KeyContext } from "../../crypto/keys/key-context.ts";
import { isVaultError } from "../../errors.ts";
import type { Vault } from "../../facade/vault.ts";
import type { KvMetadata, KvObjectWithoutValue } from "../../kv/kv-service.ts";
import { checkName } from "../../kv/rules.ts";
import { CONTEXT_OPTIONS, type ContextOptions, contextFrom, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { CliError, usageError } from "../errors.ts";
import { findLive } from "../input/find-object.ts";
import {
  ALLOW_EMPTY_HELP,
  ALLOW_EMPTY_OPTION,
  readKvValue,
  type SecretOptions,
  VALUE_SYNTAX,
} from "../input/values.ts";
import { type Result, record } from "../output/format.ts";

interface Options extends ContextOptions, SecretOptions {
  readonly createOnly?: boolean;
  readonly versionCheck?: string;
}

/** How often to look again when others make or delete the same name meanwhile. */
const RETRIES_MAX = 20;

const HELP = `
Makes an object of this name, which needs a key context, or writes a new version
of the live one. Its context cannot change: giving another one is an error, and
nothing is written.

Examples:
  $ echo -n s3cret | coffer kv put db-password --vault vault.db --context app=billing
  $ coffer kv put tls-key @key.pem --vault vault.db --context app=billing --create-only
  $ echo -n new | coffer kv put db-password --vault vault.db --version-check VERSION-ID
`;

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
    option(ALLOW_EMPTY_OPTION, ALLOW_EMPTY_HELP),
    option("--version-check <id>", "write only if this version is the current one"),
    new Option("--create-only", "fail if there is an object of this name already").conflicts("versionCheck"),
  ],
  help: HELP,
  run: put,
};

interface Put {
  readonly name: string;
  readonly value: string;
  readonly context: KeyContext | undefined;
  readonly versionCheck: string | undefined;
}

async function put(
  run: CommandRun,
  options: Options,
  name: string | undefined,
  given: string | undefined,
): Promise<Result> {
  const { createOnly, versionCheck } = options;
  checkName(name!);
  const context = await contextFrom(options);
  if (createOnly === true && context === undefined) throw contextMissing();
  const request = { name: name!, value: await readKvValue(given, options), context, versionCheck };
  // Without a context nothing can be made: not a vault, either.
  const create = context !== undefined && versionCheck === undefined;
  const vault = await run.open({ create });
  const { signal } = run;
  if (createOnly === true) return created(request, await createKv(vault, request, context!, signal));
  for (let attempt = 1; ; attempt++) {
    try {
      return await createOrUpdate(vault, request, signal);
    } catch (error) {
      // Somebody has made or deleted the object between our two calls.
      const isRace = isVaultError(error, "ERR_KV_EXISTS") || isVaultError(error, "ERR_KV_NOT_FOUND");
      if (!isRace || versionCheck !== undefined || context === undefined || attempt === RETRIES_MAX) {
        throw error;
      }
    }
  }
}

async function createOrUpdate(vault: Vault, request: Put, signal: AbortSignal): Promise<Result> {
  const { name, value, context, versionCheck } = request;
  let object: KvObjectWithoutValue;
  try {
    object = await findLive(vault, name, signal);
  } catch (error) {
    if (!isVaultError(error, "ERR_KV_NOT_FOUND") || versionCheck !== undefined) throw error;
    if (context === undefined) throw contextMissing();
    return created(request, await createKv(vault, request, context, signal));
  }
  if (context !== undefined && !isSameContext(context, object.metadata.context)) {
    throw new CliError(
      "ERR_KV_CONTEXT_DIFFERS",
      "the object has another key context, which cannot change: nothing was written",
      "leave --context out to write a new version, or delete the object first",
    );
  }
  const { id, metadata } = await vault.updateKv({ id: object.id, value, versionCheck }, { signal });
  return result(false, { id, name, metadata });
}

function createKv(
  vault: Vault,
  { name, value }: Put,
  keyContext: KeyContext,
  signal: AbortSignal,
): Promise<KvMetadata> {
  return vault.createKv({ name, value, keyContext }, { signal });
}

function created({ name }: Put, metadata: KvMetadata): Result {
  return result(true, { id: metadata.id, name, metadata });
}

function result(isCreated: boolean, object: KvObjectWithoutValue): Result {
  return {
    view: record([
      [isCreated ? "created" : "updated", object.name],
      ["id", object.id],
      ["version", object.metadata.versionId],
    ]),
    data: () => ({ created: isCreated, ...object }),
  };
}

function isSameContext(a: KeyContext, b: KeyContext): boolean {
  return equalBytes(canonicalContext(a).bytes, canonicalContext(b).bytes);
}

function contextMissing(): CliError {
  return usageError(
    "a new object needs a key context, and there is no live object of this name",
    "give one with --context NAME=VALUE, or --context-json",
  );
}
