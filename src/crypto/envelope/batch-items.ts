/**
 * The items of a batch: what callers pass, checked and read once.
 *
 * Owns their shapes and checks. Must not know how they are sealed or opened.
 *
 * @module
 */
import { type Bytes, isUint8Array, typeName } from "../../base/bytes.ts";
import { type ItemResult, resultOf } from "../../base/item-result.ts";
import { invalidType } from "../../errors.ts";
import { type AssociatedData, associatedDataBytes } from "../associated-data.ts";
import { checkPlaintext } from "./plaintext.ts";

/** A message of a batch: alone, or with associated data of its own. */
export type EncryptItem =
  | string
  | Uint8Array
  | { readonly data: string | Uint8Array; readonly associatedData?: AssociatedData };

/** A ciphertext of a batch: alone, or with associated data of its own. */
export type DecryptItem = string | { readonly ciphertext: string; readonly associatedData?: AssociatedData };

/** An item whose arguments were right. */
export interface Prepared<T> {
  readonly data: T;
  readonly associatedData: Uint8Array;
}

/**
 * Reads and checks the items once, before anything lies in the memory: their properties may run code.
 *
 * @param shared - associated data of items that have none of their own
 */
export function prepareSeals(
  items: readonly EncryptItem[],
  shared: AssociatedData,
): ItemResult<Prepared<string | Bytes>>[] {
  const common = associatedDataBytes(shared);
  return Array.from(checkItems(items), (item) =>
    resultOf(() => {
      if (typeof item === "string" || isUint8Array(item)) {
        return { data: checkPlaintext(item), associatedData: common };
      }
      const { data, associatedData } = checkItem(item);
      return {
        data: checkPlaintext(data),
        associatedData: associatedData === undefined ? common : associatedDataBytes(associatedData),
      };
    }),
  );
}

/** The same for ciphertexts; whether they are text, their reader checks. */
export function prepareOpens(
  items: readonly DecryptItem[],
  shared: AssociatedData,
): ItemResult<Prepared<string>>[] {
  const common = associatedDataBytes(shared);
  return Array.from(checkItems(items), (item) =>
    resultOf(() => {
      if (typeof item === "string") return { data: item, associatedData: common };
      const { ciphertext, associatedData } = checkItem(item);
      return {
        data: ciphertext,
        associatedData: associatedData === undefined ? common : associatedDataBytes(associatedData),
      };
    }),
  );
}

/** Results as far as they are known without doing anything: whose arguments were wrong. */
export function failuresOf(items: readonly ItemResult<unknown>[]): (ItemResult<never> | undefined)[] {
  return items.map((item) => (item.ok ? undefined : item));
}

function checkItems<T>(items: readonly T[]): readonly T[] {
  if (!Array.isArray(items)) throw invalidType(`items must be an array, got ${typeName(items)}`);
  return items;
}

function checkItem<T extends object>(item: T): T {
  if (typeof item !== "object" || item === null) {
    throw invalidType(`an item must be a string, bytes or an object, got ${typeName(item)}`);
  }
  return item;
}
