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

/**
 * Runs a batch with the items that are neither null nor undefined; the others are results as they are, at their index.
 *
 * @param run - is given a list of its own
 * @throws RangeError ERR_INVALID_ARGUMENT for a wrong option
 */
export async function aroundNullish<Item, Value>(
  items: readonly (Item | null | undefined)[],
  { nullish = "pass" }: NullishOption,
  run: (items: readonly Item[]) => Promise<ItemResult<Value>[]>,
): Promise<ItemResult<Value | null | undefined>[]> {
  if (nullish !== "pass" && nullish !== "refuse") throw invalidRange('nullish must be "pass" or "refuse"');
  // What is no list is for the batch to refuse.
  if (nullish === "refuse" || !Array.isArray(items)) return await run(items as readonly Item[]);
  const own = Array.from(items as readonly (Item | null | undefined)[]);
  const present = own.filter((item) => item !== null && item !== undefined);
  const results = await run(present);
  if (present.length === own.length) return results;
  let next = 0;
  return own.map((item) =>
    item === null || item === undefined ? { ok: true, value: item as null | undefined } : results[next++]!,
  );
}
