/**
 * The check of numbers that count something.
 *
 * Owns its words. Must not know what is counted.
 *
 * @module
 */
import { invalidRange } from "../errors.ts";

/**
 * A whole number of an argument.
 *
 * @param what - names the argument in the error
 * @throws RangeError ERR_INVALID_ARGUMENT unless it is one from `min` to `max`
 */
export function checkWhole(value: number, min: number, max: number, what: string): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidRange(`${what} must be a whole number from ${min} to ${max}`);
}
