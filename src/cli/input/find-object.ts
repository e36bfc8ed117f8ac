/**
 * Objects of the store by name, where the store itself goes by id.
 *
 * Owns the ways from a name to an object, live or deleted. Never shows a value.
 *
 * @module
 */

import { Option } from "commander";
import { VaultError } from "../../errors.ts";
import type { Vault } from "../../facade/vault.ts";
import { liveByName } from "../../kv/by-name.ts";
import type { KvObjectWithoutValue, KvSummary } from "../../kv/kv-service.ts";
import { checkName, KV_LIST_LIMIT_MAX } from "../../kv/rules.ts";
import { CliError, usageError } from "../errors.ts";
import { visible } from "../output/format.ts";

/** How a command names an object. */
export interface ObjectOptions {
  readonly id?: string | undefined;
}

/** The argument that names an object. */
export const NAME_ARGUMENT = ["[name]", "the object's name"] as const;
/** The option in its place. */
export const ID_OPTION = new Option("--id <id>", "the object's id, in place of its name");

/** Exactly one of name and id. @throws CliError ERR_USAGE; VaultError ERR_KV_NAME_INVALID */
export function checkNamed(name: string | undefined, { id }: ObjectOptions): void {
  if ((name === undefined) === (id === undefined)) throw usageError("give either a name or --id");
  if (name !== undefined) checkName(name);
}

/**
 * The live object of a name.
 *
 * @throws VaultError ERR_KV_NOT_FOUND, ERR_KV_NAME_INVALID
 */
export function findLive(vault: Vault, name: string, signal: AbortSignal): Promise<KvObjectWithoutValue> {
  return liveByName(vault, name, { signal });
}

/** The live object's id of a name, or the id itself. */
export async function liveId(
  vault: Vault,
  name: string | undefined,
  { id }: ObjectOptions,
  signal: AbortSignal,
): Promise<string> {
  return id ?? (await findLive(vault, name!, signal)).id;
}

/** Every object that has exactly this name: at most one live one, any number of deleted ones. */
export async function withName(
  vault: Vault,
  name: string,
  deleted: boolean,
  signal: AbortSignal,
): Promise<KvSummary[]> {
  const found: KvSummary[] = [];
  const request = { search: name, deleted, limit: KV_LIST_LIMIT_MAX };
  for await (const summary of vault.listKv(request, { signal })) {
    if (summary.name === name) found.push(summary);
  }
  return found;
}

/**
 * The id of the only object that was found.
 *
 * @param what - names them where there are several: the store does not tell when objects were deleted, so it is not known which
 *   one is meant
 * @param missing - told where there is none
 * @throws CliError ERR_KV_AMBIGUOUS; VaultError ERR_KV_NOT_FOUND
 */
export function onlyId(found: readonly KvSummary[], what: string, missing: string): string {
  const [first, ...others] = found;
  if (first === undefined) throw new VaultError("ERR_KV_NOT_FOUND", missing);
  if (others.length === 0) return first.id;
  throw new CliError(
    "ERR_KV_AMBIGUOUS",
    `there are ${found.length} ${what} of this name: name one by --id`,
    ...found.map(({ id, updatedAt }) => `--id ${visible(id)} (written ${updatedAt})`),
  );
}
