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
import { type MacPurpose, type RowRecord, recordBytes } from "./record.ts";
import { disposeVaultKeys, type VaultKeys } from "./vault-keys.ts";

/** Bytes of a MAC: the version of its key, and an HMAC-SHA-256. */
export const MAC_BYTES = 4 + 32;

/** What of a record its MAC is made of. */
type Covered = Pick<RowRecord, "purpose" | "table" | "values">;

/** Makes and compares MACs under the versions of the keys for them. */
export class Macs {
  readonly #keys: Pick<VaultKeys, MacPurpose>;
  /** Made when a key is first used. */
  readonly #made = new Map<SecretBytes, (bytes: Uint8Array) => Uint8Array>();
  readonly #current: Readonly<Record<MacPurpose, number>>;

  /** @param keys - by version, of which the highest makes MACs; they become this object's, and those for other purposes do not */
  constructor({ "row-mac": row, "event-mac": event }: Pick<VaultKeys, MacPurpose>) {
    this.#keys = { "row-mac": row, "event-mac": event };
    this.#current = { "row-mac": Math.max(...row.keys()), "event-mac": Math.max(...event.keys()) };
  }

  /** The MAC of a record. */
  of(record: Covered): Uint8Array {
    const purpose = record.purpose ?? "row-mac";
    const version = this.#current[purpose];
    return this.#under(version, this.#keys[purpose].get(version)!, record);
  }

  /** Whether it is the MAC of the record. */
  isOf(record: Covered, mac: unknown): boolean {
    if (!isUint8Array(mac) || mac.length !== MAC_BYTES) return false;
    const version = readU32(mac, 0);
    const key = this.#keys[record.purpose ?? "row-mac"].get(version);
    return key !== undefined && equalBytes(this.#under(version, key, record), mac);
  }

  /** Whether the version of the key that a MAC names is known. */
  knows(mac: unknown, purpose: MacPurpose = "row-mac"): boolean {
    return isUint8Array(mac) && mac.length === MAC_BYTES && this.#keys[purpose].has(readU32(mac, 0));
  }

  /** Lets go of the keys. */
  dispose(): void {
    disposeVaultKeys(this.#keys);
    this.#made.clear();
  }

  #under(version: number, key: SecretBytes, record: Covered): Uint8Array {
    const { bytes } = key; // Not of one that was disposed of.
    let made = this.#made.get(key);
    if (made === undefined) {
      made = hash.hmacUnder("sha256", bytes);
      this.#made.set(key, made);
    }
    return concatBytes(u32(version), made(recordBytes(record)));
  }
}
