/**
 * Numbers and ids that a seed decides.
 *
 * Owns the generator. It is not for keys or nonces: whoever knows the seed knows what comes. Must not know what the ids name.
 *
 * @module
 */

import { uuidToText } from "../crypto/primitives/uuid.ts";

/** FNV-1a, 32 bits (draft-eastlake-fnv): the basis and the prime. */
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** A generator of numbers and ids (mulberry32). */
export class Seeded {
  #state: number;

  /** @param seed - any text; the same text gives the same numbers */
  constructor(seed: string) {
    let state = FNV_BASIS;
    for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), FNV_PRIME);
    this.#state = state;
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  /** 16 bytes with the version and variant of a UUID of version 8 (RFC 9562 section 5.8: the maker's own). */
  uuidBytes(): Uint8Array {
    const bytes = Uint8Array.from({ length: 16 }, () => this.below(256));
    bytes[6] = (bytes[6]! & 0x0f) | 0x80;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    return bytes;
  }

  /** The same with version 5, as the ids of real data keys have it. */
  dataKeyIdBytes(): Uint8Array {
    const bytes = this.uuidBytes();
    bytes[6] = (bytes[6]! & 0x0f) | 0x50;
    return bytes;
  }

  /** {@link uuidBytes} as text. */
  uuid(): string {
    return uuidToText(this.uuidBytes());
  }
}
