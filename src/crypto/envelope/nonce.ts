/**
 * Nonces of envelopes: fresh ones, which no reader takes for the beginning of another layout.
 *
 * Owns the draw of [ENV-38]. Must not know keys.
 *
 * @module
 */

import { NONCE_BYTES } from "../limits.ts";
import { fillRandom } from "../primitives/random.ts";
import { claimsEarlierLayout } from "./envelope.ts";

/**
 * Puts a fresh nonce into an array.
 *
 * @param at - where its 12 bytes begin
 * @param isFirst - whether the envelope begins with it (`iv12`, `dotnet`): only there can it be misread
 * @throws VaultError ERR_RANDOM_UNAVAILABLE
 */
export function drawNonce(target: Uint8Array, at: number, isFirst: boolean): void {
  do {
    fillRandom(target, at, NONCE_BYTES);
  } while (isFirst && claimsEarlierLayout(target, at));
}
