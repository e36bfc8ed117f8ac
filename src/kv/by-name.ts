/**
 * Objects of a store by name, where the store itself goes by id.
 *
 * Owns the way from a name to its live object, and the write that makes the object or adds a version to it. Never shows a
 * value. Must not know which store it asks.
 *
 * @module
 */

import { equalBytes } from "../base/bytes.ts";
import { canonicalContext, checkedContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { isVaultError, VaultError, type VaultErrorCode } from "../errors.ts";
import type { CallOptions } from "../keys/key-service.ts";
import type { KvListRequest, KvObjectWithoutValue, KvPage, KvService, KvSummary } from "./kv-service.ts";
import { KvListing } from "./pagination.ts";
import { checkName, checkValue, checkVersionCheck, KV_LIST_LIMIT_MAX } from "./rules.ts";

/** What is written by name. */
export interface PutKvRequest {
  /** 1 to 200 characters; the live object of this name gets a new version, and without one an object is made. */
  readonly name: string;
  /** Text of at most 64 KiB as UTF-8. */
  readonly value: string;
  /** The object's key context: needed to make one. An object that is there must have it already. */
  readonly keyContext?: KeyContext | undefined;
  /** The version that must be current; null or absent: no check. With it, nothing is made. */
  readonly versionCheck?: string | null | undefined;
}

/** What a write by name has done. */
export interface PutKvResult extends KvObjectWithoutValue {
  /** Whether the object was made; else it got a new version. */
  readonly created: boolean;
}

/** The calls of a store that tell of names. */
export interface KvNames extends Pick<KvService, "getName" | "listKvMetadata"> {
  listKv(request: KvListRequest, options?: CallOptions): PromiseLike<KvPage<KvSummary>>;
}

/** How often a write by name is tried while others make and delete the same name. Ours. */
const PUT_TRIES_MAX = 20;

/** What another caller's write between two calls of ours looks like. Nothing was written then. */
const RACES: ReadonlySet<VaultErrorCode> = new Set([
  "ERR_KV_EXISTS",
  "ERR_KV_NOT_FOUND",
  "ERR_KV_VERSION_CONFLICT",
]);

/** Its value cannot be read, but it is there. */
const UNREADABLE: ReadonlySet<VaultErrorCode> = new Set([
  "ERR_KEY_NOT_FOUND",
  "ERR_KEY_DISABLED",
  "ERR_KEY_DESTROYED",
  "ERR_KEY_BLOB_MALFORMED",
  "ERR_KV_VERSION_DESTROYED",
  "ERR_DECRYPT_FAILED",
  "ERR_STORAGE_CORRUPT",
]);

/**
 * The live object of a name, also where its value cannot be read.
 *
 * @throws VaultError ERR_KV_NOT_FOUND, ERR_KV_NAME_INVALID
 */
export async function liveByName(
  kv: KvNames,
  name: string,
  options: CallOptions,
): Promise<KvObjectWithoutValue> {
  try {
    const { id, metadata } = await kv.getName({ name }, options);
    return { id, name, metadata };
  } catch (error) {
    if (!isVaultError(error) || !UNREADABLE.has(error.code)) throw error;
    // The one call that goes by name reads the value, too. An object whose key is gone must still be found, or it
    // could never be written or deleted.
    const id = await idByName(kv, name, options);
    if (id === undefined) throw error;
    return kv.listKvMetadata({ id }, options);
  }
}

/**
 * Makes an object of a name, or writes a new version of the live one, whatever others do to the same name meanwhile.
 *
 * @throws as `Vault.putKv`
 */
export async function putByName(
  kv: KvNames & Pick<KvService, "createKv" | "updateKv">,
  request: PutKvRequest,
  options: CallOptions,
): Promise<PutKvResult> {
  // All of it before the first wait: the caller may change it afterwards.
  const put = checkPut(request);
  const { keyContext, versionCheck } = put;
  for (let attempt = 1; ; attempt++) {
    const object = await findByName(kv, put.name, options);
    if (object === undefined && (keyContext === undefined || versionCheck !== undefined)) {
      throw new VaultError("ERR_KV_NOT_FOUND", "there is no live object of this name");
    }
    try {
      return object === undefined
        ? await create(kv, put, keyContext!, options)
        : await update(kv, object, put, options);
    } catch (error) {
      const isRace = versionCheck === undefined && isVaultError(error) && RACES.has(error.code);
      if (!isRace || attempt === PUT_TRIES_MAX) throw error;
    }
  }
}

async function findByName(
  kv: KvNames,
  name: string,
  options: CallOptions,
): Promise<KvObjectWithoutValue | undefined> {
  try {
    return await liveByName(kv, name, options);
  } catch (error) {
    if (isVaultError(error, "ERR_KV_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** A search finds names that hold the text; at most one live object has exactly this name. */
async function idByName(kv: KvNames, name: string, options: CallOptions): Promise<string | undefined> {
  const request: KvListRequest = { search: name, limit: KV_LIST_LIMIT_MAX };
  const objects = new KvListing(async (page) => await kv.listKv(page, options), request);
  for await (const object of objects) if (object.name === name) return object.id;
  return undefined;
}

/** A checked request. */
type Put = Pick<PutKvRequest, "name" | "value" | "keyContext"> & {
  readonly versionCheck: string | undefined;
};

function checkPut({ name, value, keyContext, versionCheck }: PutKvRequest): Put {
  checkName(name);
  checkValue(value);
  return {
    name,
    value,
    keyContext: keyContext === undefined ? undefined : checkedContext(keyContext),
    versionCheck: checkVersionCheck(versionCheck),
  };
}

async function create(
  kv: Pick<KvService, "createKv">,
  { name, value }: Put,
  keyContext: KeyContext,
  options: CallOptions,
): Promise<PutKvResult> {
  const metadata = await kv.createKv({ name, value, keyContext }, options);
  return { created: true, id: metadata.id, name, metadata };
}

async function update(
  kv: Pick<KvService, "updateKv">,
  { id, metadata }: KvObjectWithoutValue,
  { name, value, keyContext, versionCheck }: Put,
  options: CallOptions,
): Promise<PutKvResult> {
  if (keyContext !== undefined && !isSameContext(keyContext, metadata.context)) {
    throw new VaultError(
      "ERR_KV_CONTEXT_DIFFERS",
      "the object has another key context, which cannot change: nothing was written",
    );
  }
  const updated = await kv.updateKv({ id, value, versionCheck }, options);
  return { created: false, id: updated.id, name, metadata: updated.metadata };
}

function isSameContext(a: KeyContext, b: KeyContext): boolean {
  return equalBytes(canonicalContext(a).bytes, canonicalContext(b).bytes);
}
