/**
 * What became of one item of a batch.
 *
 * Owns a type that several rooms answer with. Must not know what the items are.
 *
 * @module
 */

/** What became of one item of a batch, at the item's own index. */
export type ItemResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: Error };

/** Runs something for one item. */
export function resultOf<T>(work: () => T): ItemResult<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error: error as Error };
  }
}

/** The same for work that is under way. */
export async function resultOfLater<T>(work: Promise<T>): Promise<ItemResult<T>> {
  try {
    return { ok: true, value: await work };
  } catch (error) {
    return { ok: false, error: error as Error };
  }
}

/** What came of an item. @throws its error */
export function resultValue<T>(result: ItemResult<T>): T {
  if (result.ok) return result.value;
  throw result.error;
}
