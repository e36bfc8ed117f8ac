/**
 * The loops that are timed, for every runtime the same.
 *
 * Owns them only; no clock, no import, so that any runtime can have them. Two loops: an await in the loop would
 * charge synchronous calls for the promise. Each keeps every answer until the next, because an
 * optimiser may leave out work whose answer is dropped.
 *
 * @module
 */

/** @returns the last answer, to be kept somewhere */
export function repeat(call: (index: number) => unknown, from: number, to: number): unknown {
  for (let i = from; i < to; i++) kept = call(i);
  return kept;
}

/** The same for calls that answer with promises; one after the other. */
export async function repeatAsync(
  call: (index: number) => unknown,
  from: number,
  to: number,
): Promise<unknown> {
  for (let i = from; i < to; i++) kept = await call(i);
  return kept;
}

/** Visible from outside the module, so that no optimiser can tell that it is never read. */
export let kept: unknown;
