/**
 * Batches on a vault: many messages of some contexts, many ciphertexts of some data keys.
 *
 * Owns the grouping, so that each group costs one data-key call, and the way of every error to its item. Must not
 * know key services' inside or layouts' bytes.
 *
 * @module
 */

import { encodeBase64 } from "../base/base64.ts";
import { type Bytes, copyBytes, isUint8Array } from "../base/bytes.ts";
import { forEachAtOnce, inParts } from "../base/concurrency.ts";
import { type ItemResult, resultOf, resultOfLater } from "../base/item-result.ts";
import type { AssociatedData } from "../crypto/associated-data.ts";
import type { Ciphers } from "../crypto/ciphers/ciphers.ts";
import {
  type DecryptItem,
  type EncryptItem,
  failuresOf,
  type Prepared,
  prepareOpens,
  prepareSeals,
} from "../crypto/envelope/batch-items.ts";
import { type ParsedEnvelope, parseEnvelope } from "../crypto/envelope/envelope.ts";
import { type FrameLayout, isFrameLayout, type WritableLayout } from "../crypto/envelope/layouts.ts";
import type { ReadyKey } from "../crypto/envelope/short-ways.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { checkedContext, identifyContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { checkResultType, decryptEnvelope, type LocalDecryptOptions } from "../crypto/local.ts";
import { isVaultError } from "../errors.ts";
import type { CallOptions } from "./key-service.ts";
import type { LeasedKey } from "./leased-key.ts";
import { BATCH_GROUPS_AT_ONCE } from "./limits.ts";

/** A message of a batch: alone, or with associated data or a context of its own. */
export type VaultEncryptItem =
  | string
  | Uint8Array
  | {
      readonly data: string | Uint8Array;
      readonly associatedData?: AssociatedData;
      readonly context?: KeyContext | undefined;
    };

/** Runs work with a held data key of a context, and lets go of it afterwards. */
export type UseLeasedKey = <T>(context: KeyContext, work: (held: LeasedKey) => Promise<T>) => Promise<T>;

/** Runs work with the data keys of some wrapped forms, which it must not keep. */
export interface UseDataKeys {
  /** Wrapped forms that go into one call. */
  readonly size: number;
  readonly use: (
    encryptedKeys: readonly string[],
    work: (key: DataKey, index: number) => void | Promise<void>,
    options: CallOptions,
  ) => Promise<ItemResult<void>[]>;
}

/**
 * Encrypts many messages, with one data key per context (more only where a lease's budget ends).
 *
 * @param context - of all items that have none of their own
 * @param associatedData - of all items that have none of their own
 * @returns one result per item, in order
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID for the shared context;
 *   the signal's reason. A group's data key that cannot be had is the error of the group's items.
 */
export async function encryptBatch(
  useLeasedKey: UseLeasedKey,
  items: readonly VaultEncryptItem[],
  context: KeyContext,
  associatedData: AssociatedData,
  options: CallOptions & { readonly layout: WritableLayout },
): Promise<ItemResult<string>[]> {
  // A copy: groups wait for each other, and a context must stay what it was when the call was made.
  const shared = identifyContext(checkedContext(context));
  // Its own list: what reading an item runs could change the caller's.
  const own = Array.isArray(items) ? Array.from(items) : items;
  const prepared = keepOwn(prepareSeals(own as readonly EncryptItem[], associatedData));
  const results: ItemResult<string>[] = failuresOf(prepared) as ItemResult<string>[];
  const groups = new Map<string, { readonly context: KeyContext; indexes: number[] }>();
  const beginGroup = (id: string, checked: KeyContext) => {
    const group = { context: checked, indexes: [] as number[] };
    groups.set(id, group);
    return group;
  };
  for (const [index, item] of own.entries()) {
    if (results[index] !== undefined) continue;
    const found = resultOf(() => {
      const context = ownContext(item);
      const { id, context: read } = context === undefined ? shared : identifyContext(context);
      // Checked once for all items that share it.
      return groups.get(id) ?? beginGroup(id, context === undefined ? read : checkedContext(read));
    });
    if (found.ok) found.value.indexes.push(index);
    else results[index] = found;
  }
  await forEachGroup([...groups.values()], options, async (group) => {
    // As long as a lease takes something: what its budget refuses is left for the next one.
    for (let left = group.indexes, before = Number.POSITIVE_INFINITY; left.length < before; ) {
      before = left.length;
      const indexes = left;
      const messages = indexes.map((index) => prepared[index]!);
      const sealed = await resultOfLater(
        useLeasedKey(group.context, (held) => held.sealBatch(messages, options.layout)),
      );
      for (const [n, index] of indexes.entries()) results[index] = sealed.ok ? sealed.value[n]! : sealed;
      left = indexes.filter((index) => isExhausted(results[index]!));
      if (left.length === 0) return;
    }
  });
  return results;
}

/**
 * Decrypts many ciphertexts, with one look at the decrypt cache per data key.
 *
 * @param associatedData - of all items that have none of their own
 * @param check - refuses data keys, by throwing
 * @returns one result per item, in order
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; the signal's reason
 */
export async function decryptBatch(
  useDataKeys: UseDataKeys,
  items: readonly DecryptItem[],
  associatedData: AssociatedData,
  options: LocalDecryptOptions & CallOptions,
  ciphers: Ciphers,
  check: (key: DataKey) => void,
): Promise<ItemResult<string | Bytes>[]> {
  const as = checkResultType(options.as);
  const prepared = keepOwn(prepareOpens(items, associatedData));
  const results = failuresOf(prepared) as ItemResult<string | Bytes>[];
  const envelopes = new Map<number, ParsedEnvelope>();
  const groups = new Map<string, number[]>();
  for (const [index, item] of prepared.entries()) {
    if (!item.ok) continue;
    const parsed = resultOf(() => parseEnvelope(item.value.data, options));
    if (!parsed.ok) {
      results[index] = parsed;
      continue;
    }
    envelopes.set(index, parsed.value);
    const id = encodeBase64(parsed.value.keyBlob);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [index]);
    else group.push(index);
  }
  await forEachGroup(inParts([...groups], useDataKeys.size), options, async (part) => {
    // Waits only where it must: most keys have all their messages opened at once.
    const open = (key: DataKey, n: number): void | Promise<void> => {
      check(key);
      const indexes = part[n]![1];
      const { layout } = envelopes.get(indexes[0]!)!;
      const left = isFrameLayout(layout) ? openAtOnce(key, indexes, layout) : indexes;
      return left.length === 0 ? undefined : openLater(key, left);
    };
    const openAtOnce = (key: DataKey, indexes: readonly number[], layout: FrameLayout): readonly number[] => {
      const ways = ciphers.shortWays;
      if (ways === undefined) return indexes;
      const subset = indexes.map((index) => prepared[index]!);
      const opened =
        subset.length === 1
          ? [openOne(ways.of(key), (subset[0] as { value: Prepared<string> }).value, layout)]
          : ways.openMany(key, subset, layout, as, options.provider);
      return indexes.filter((index, n) => {
        const result = opened[n];
        if (result !== undefined) results[index] = result;
        return result === undefined;
      });
    };
    const openOne = (
      key: ReadyKey,
      { data, associatedData }: Prepared<string>,
      layout: FrameLayout,
    ): ItemResult<string | Bytes> | undefined => {
      const opened = resultOf(() => key.open(data, associatedData, layout, as, options.provider));
      return opened.ok && opened.value === undefined ? undefined : (opened as ItemResult<string | Bytes>);
    };
    const openLater = async (key: DataKey, indexes: readonly number[]): Promise<void> => {
      for (const index of indexes) {
        const { associatedData } = (prepared[index] as { value: Prepared<string> }).value;
        results[index] = await resultOfLater(
          decryptEnvelope(envelopes.get(index)!, key, associatedData, as, ciphers, options.provider),
        );
      }
    };
    const opened = await useDataKeys.use(
      part.map(([encryptedKeys]) => encryptedKeys),
      open,
      options,
    );
    for (const [n, result] of opened.entries()) {
      if (!result.ok) for (const index of part[n]![1]) results[index] = result;
    }
  });
  return results;
}

/** Some groups at once: each waits for a service. */
async function forEachGroup<T>(
  groups: readonly T[],
  { signal }: CallOptions,
  work: (group: T) => Promise<void>,
): Promise<void> {
  await forEachAtOnce(groups, BATCH_GROUPS_AT_ONCE, (group) => {
    signal?.throwIfAborted();
    return work(group);
  });
  signal?.throwIfAborted();
}

/** Groups wait for a service: bytes are kept as they are now. */
function keepOwn<T extends string | Uint8Array>(
  prepared: readonly ItemResult<Prepared<T>>[],
): ItemResult<Prepared<T>>[] {
  const shared = new Map<Uint8Array, Uint8Array>();
  return prepared.map((item) => {
    if (!item.ok) return item;
    const { data, associatedData } = item.value;
    const aad = shared.get(associatedData) ?? copyBytes(associatedData);
    shared.set(associatedData, aad);
    const kept = typeof data === "string" ? data : (copyBytes(data) as T);
    return { ok: true, value: { data: kept, associatedData: aad } };
  });
}

function ownContext(item: VaultEncryptItem): KeyContext | undefined {
  return typeof item === "string" || isUint8Array(item) ? undefined : item.context;
}

const isExhausted = (result: ItemResult<unknown>): boolean =>
  !result.ok && isVaultError(result.error, "ERR_DATA_KEY_EXHAUSTED");
