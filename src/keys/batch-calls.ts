/**
 * Batches of a key service, whether it has any or not.
 *
 * Owns the one way to ask for many data keys: in the service's own batches where it has them, else one after another, some
 * at once. Either way there is one result per item, in order. Must not know ciphertexts.
 *
 * @module
 */
import { forEachAtOnce, inParts } from "../base/concurrency.ts";
import { type ItemResult, resultOfLater } from "../base/item-result.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { isVaultError, VaultError, type VaultErrorCode } from "../errors.ts";
import {
  type CallOptions,
  KEY_BATCH_ITEMS_MAX,
  type KeyService,
  type RekeyRequest,
  type WrappedDataKey,
} from "./key-service.ts";
import { BATCH_GROUPS_AT_ONCE } from "./limits.ts";

/** What can be wrong with one wrapped key or one context. Everything else is wrong with the service, or with all items. */
const ITEM_CODES: ReadonlySet<VaultErrorCode> = new Set([
  "ERR_KEY_BLOB_MALFORMED",
  "ERR_KEY_NOT_FOUND",
  "ERR_KEY_DISABLED",
  "ERR_KEY_DESTROYED",
  "ERR_KEY_MISMATCH",
  "ERR_SENDER_REFUSED",
  "ERR_DECRYPT_FAILED",
  "ERR_KEY_CONTEXT_INVALID",
  "ERR_CONTEXT_NOT_ALLOWED",
]);

/** Whether an error is about one item of a batch, so that others may do well. */
export const isItemError = (error: unknown): boolean =>
  isVaultError(error)
    ? ITEM_CODES.has(error.code)
    : (error as { code?: unknown } | null)?.code === "ERR_INVALID_ARGUMENT";

/** The same work for each item, whose errors about single items become results. @throws all other errors */
export async function eachItem<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<ItemResult<R>[]> {
  const results = new Array<ItemResult<R>>(items.length);
  await forEachAtOnce(items, atOnce, async (item, index) => {
    const result = await resultOfLater(work(item));
    if (!result.ok && !isItemError(result.error)) throw result.error;
    results[index] = result;
  });
  return results;
}

/**
 * The same, one after another, for work that mostly answers at once: what does not wait is not waited for.
 *
 * @throws all other errors
 */
export async function eachItemInTurn<T, R>(
  items: readonly T[],
  work: (item: T) => R | Promise<R>,
): Promise<ItemResult<R>[]> {
  const results: ItemResult<R>[] = [];
  for (const item of items) {
    try {
      const done = work(item);
      results.push({ ok: true, value: done instanceof Promise ? await done : done });
    } catch (error) {
      if (!isItemError(error)) throw error;
      results.push({ ok: false, error: error as Error });
    }
  }
  return results;
}

/** Items that go into one request to a service: its batch, or a single one. */
export const batchSize = (hasBatches: boolean): number => (hasBatches ? KEY_BATCH_ITEMS_MAX : 1);

/**
 * Unwraps data keys.
 *
 * @param keys - wrapped forms, base64, any number
 * @returns one result per item, in order; the caller disposes of the keys
 * @throws VaultError what is wrong with the service as a whole; the signal's reason
 */
export function unwrapKeys(
  service: KeyService,
  keys: readonly string[],
  options: CallOptions,
): Promise<ItemResult<DataKey>[]> {
  const batch =
    service.unwrapMany && ((part: readonly string[]) => service.unwrapMany!({ keys: part }, options));
  return inBatches(keys, batch, (item) => service.createDecrypt({ keys: item }, options));
}

/** Wraps data keys for other contexts, as {@link unwrapKeys}. */
export function rekeyKeys(
  service: KeyService,
  items: readonly RekeyRequest[],
  options: CallOptions,
): Promise<ItemResult<WrappedDataKey>[]> {
  const batch =
    service.rekeyMany && ((part: readonly RekeyRequest[]) => service.rekeyMany!({ items: part }, options));
  return inBatches(items, batch, async (item) => wrappedOf(await service.createRekey(item, options)));
}

/**
 * Wraps data keys under the newest KEK versions of their contexts, as {@link unwrapKeys}.
 *
 * @throws VaultError ERR_UNSUPPORTED if the service cannot rewrap by itself
 */
export function rewrapKeys(
  service: KeyService,
  keys: readonly string[],
  options: CallOptions,
): Promise<ItemResult<WrappedDataKey>[]> {
  const batch =
    service.rewrapMany &&
    ((part: readonly string[]) => service.rewrapMany!({ encryptedKeys: part }, options));
  return inBatches(keys, batch, async (encryptedKeys) => {
    if (service.createRewrap === undefined) {
      throw new VaultError("ERR_UNSUPPORTED", "this key service cannot rewrap by itself: use rekeyMany");
    }
    return wrappedOf(await service.createRewrap({ encryptedKeys }, options));
  });
}

/** Makes `count` data keys for a context. The caller disposes of them. @throws as `createDataKey`, and then none is left */
export async function makeKeys(
  service: Pick<KeyService, "createDataKey" | "createDataKeys">,
  context: KeyContext,
  count: number,
  options: CallOptions,
): Promise<DataKey[]> {
  const made: DataKey[] = [];
  try {
    while (made.length < count) {
      const left = Math.min(count - made.length, KEY_BATCH_ITEMS_MAX);
      if (service.createDataKeys === undefined) made.push(await service.createDataKey({ context }, options));
      else made.push(...(await service.createDataKeys({ context, count: left }, options)));
    }
    return made;
  } catch (error) {
    for (const key of made) key.dispose();
    throw error;
  }
}

/** Only the wrapped form is wanted: the key itself goes at once. */
export function wrappedOf(key: DataKey): WrappedDataKey {
  key.dispose();
  const { id, keyBlob, context, sender } = key;
  return { id, keyBlob, context, sender };
}

/** Asks by the service's batches, or for one item after another where it has none. */
async function inBatches<T, R>(
  items: readonly T[],
  batch: ((part: readonly T[]) => Promise<ItemResult<R>[]>) | undefined,
  one: (item: T) => Promise<R>,
): Promise<ItemResult<R>[]> {
  const ask = batch ?? ((part) => eachItem(part, 1, one));
  const parts = inParts(items, batchSize(batch !== undefined));
  if (parts.length === 1) return ask(parts[0]!);
  const answers = new Array<ItemResult<R>[]>(parts.length);
  await forEachAtOnce(parts, BATCH_GROUPS_AT_ONCE, async (part, index) => {
    answers[index] = await ask(part);
  });
  return answers.flat();
}
