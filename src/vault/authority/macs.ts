/**
 * MACs of records (docs/spec/authority.md section 2).
 *
 * Owns the versions of the key and the comparison. Must not know what a record means.
 *
 * @module
 */
import { concatBytes, equalBytes, isUint8Array, readU32, u32 } from "../../base/bytes.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import type { SecretBytes } from "../../crypto/primitives/secret-bytes.ts";
import { type RowRecord, recordBytes } from "./record.ts";

/** Bytes of a MAC: the version of its key, and an HMAC-SHA-256. */
export const MAC_BYTES = 4 + 32;

/** Makes and compares MACs under the versions of one key. */
export class Macs {
  readonly #keys: ReadonlyMap<number, SecretBytes>;
  readonly #current: number;

  /** @param keys - by version; the highest makes MACs */
  constructor(keys: ReadonlyMap<number, SecretBytes>) {
    this.#keys = keys;
    this.#current = Math.max(...keys.keys());
  }

  /** The MAC of a record. */
  of(record: Pick<RowRecord, "table" | "values">): Uint8Array {
    return this.#under(this.#current, this.#keys.get(this.#current)!, record);
  }

  /** Whether it is the MAC of the record. */
  isOf(record: Pick<RowRecord, "table" | "values">, mac: unknown): boolean {
    if (!isUint8Array(mac) || mac.length !== MAC_BYTES) return false;
    const version = readU32(mac, 0);
    const key = this.#keys.get(version);
    return key !== undefined && equalBytes(this.#under(version, key, record), mac);
  }

  /** Whether the version of the key that a MAC names is known. */
  knows(mac: unknown): boolean {
    return isUint8Array(mac) && mac.length === MAC_BYTES && this.#keys.has(readU32(mac, 0));
  }

  /** Lets go of the keys. */
  dispose(): void {
    for (const key of this.#keys.values()) key.dispose();
  }

  #under(version: number, key: SecretBytes, record: Pick<RowRecord, "table" | "values">): Uint8Array {
    return concatBytes(u32(version), hash.hmac("sha256", key.bytes, recordBytes(record)));
  }
}
