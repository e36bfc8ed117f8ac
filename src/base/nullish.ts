/**
 * Items of a batch that are null or undefined, as optional columns are.
 *
 * Owns the way around the batch for them. Must not know what a batch does.
 *
 * @module
 */

import { invalidRange } from "../errors.ts";
import type { ItemResult } from "./item-result.ts";
import { type OptionNames, optionNames } from "./options.ts";

/** What a batch does with null and undefined. */
export interface NullishOption {
  /**
   * What becomes of an item that is null or undefined: `"pass"` (default) answers it as it is, at its index; `"refuse"` makes
   * it an error at its index.
   */
  readonly nullish?: "pass" | "refuse" | undefined;
}

/** Names of {@link NullishOption}. */
export const NULLISH_OPTION: OptionNames = /* @__PURE__ */ optionNames<NullishOption>({ nullish: true });

/** A batch without the items that are null or undefined, and the way back to all of them. */
export interface PresentItems<Item> {
  /** The items to work on; a list of its own if any was left out. */
  readonly items: readonly Item[];
  /** Results of these, and between them null and undefined as they are, at their index. */
  readonly restore: <Value>(results: ItemResult<Value>[]) => ItemResult<Value | null | undefined>[];
}

/**
 * Leaves null and undefined out of a batch.
 *
 * @throws RangeError ERR_INVALID_ARGUMENT for a wrong option
 */
export function withoutNullish<Item>(
  items: readonly (Item | null | undefined)[],
  { nullish = "pass" }: NullishOption,
): PresentItems<Item> {
  if (nullish !== "pass" && nullish !== "refuse") throw invalidRange('nullish must be "pass" or "refuse"');
  // What is no list is for the batch to refuse.
  if (nullish === "refuse" || !Array.isArray(items) || !hasNullish(items)) {
    return { items: items as readonly Item[], restore: (results) => results };
  }
  const own = Array.from(items as readonly (Item | null | undefined)[]);
  return {
    items: own.filter((item) => item !== null && item !== undefined),
    restore: (results) => {
      let next = 0;
      return own.map((item) =>
        item === null || item === undefined
          ? { ok: true, value: item as null | undefined }
          : results[next++]!,
      );
    },
  };
}

/** Also of a list with holes, which `some` does not see. */
function hasNullish(items: readonly unknown[]): boolean {
  for (const item of items) if (item === null || item === undefined) return true;
  return false;
}
