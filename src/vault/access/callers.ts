/**
 * Callers: who has sent an API key.
 *
 * Owns the look-up of a key, and what is kept with each that was looked up until any key is revoked. Must not know HTTP, nor
 * what is kept.
 *
 * @module
 */
import { equalBytes } from "../../base/bytes.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import { recordOf } from "../authority/record.ts";
import { hexOf } from "../ids.ts";
import { type ApiKeyInfo, apiKeyInfo, digestOf, isWellFormedKey, KEY_FORM } from "./api-keys.ts";

/** Recognises callers by their API keys, and keeps a `Caller` for each. */
export class Callers<Caller> {
  readonly #vault: Pick<OpenedVault, "database" | "authority">;
  readonly #make: (apiKey: ApiKeyInfo) => Caller;
  /** By the key's digest, true for one value of the counter. */
  readonly #known = new Map<string, Caller>();
  #knownAt = -1;

  /** @param make - makes what is kept with an API key that was looked up */
  constructor(vault: Pick<OpenedVault, "database" | "authority">, make: (apiKey: ApiKeyInfo) => Caller) {
    this.#vault = vault;
    this.#make = make;
  }

  /**
   * Who a key belongs to, if it was looked up before and no key was revoked since; answers at once.
   *
   * @param key - as a caller sent it
   */
  recall(key: string): Caller | undefined {
    this.#forgetOutdated();
    return this.#known.size === 0 || !KEY_FORM.test(key) ? undefined : this.#known.get(hexOf(digestOf(key)));
  }

  /**
   * Who a key belongs to. An unknown, a revoked and a malformed key are the same: undefined.
   *
   * @param key - as a caller sent it
   */
  async authenticate(key: string): Promise<Caller | undefined> {
    if (!isWellFormedKey(key)) return undefined;
    const at = this.#forgetOutdated();
    const digest = digestOf(key);
    const id = hexOf(digest);
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const row = await this.#vault.database.read(async (sql) => {
      const found = await sql.get("SELECT * FROM api_keys WHERE digest = ?", digest);
      if (found === undefined) return undefined;
      (await this.#vault.authority.look(sql)).check(recordOf("api_keys", found), found.mac);
      return found;
    });
    // The index has found it by a hash of 256 random bits; the comparison is constant-time all the same.
    if (row === undefined || row.revoked_at !== null || !equalBytes(row.digest as Uint8Array, digest))
      return undefined;
    const caller = this.#make(apiKeyInfo(row));
    if (this.#knownAt === at && this.#vault.database.changes().apiKeys === at) this.#known.set(id, caller);
    return caller;
  }

  /** Lets go of what was known before a key was revoked. @returns the counter that all that is left is true for */
  #forgetOutdated(): number {
    const { apiKeys } = this.#vault.database.changes();
    if (apiKeys !== this.#knownAt) {
      this.#known.clear();
      this.#knownAt = apiKeys;
    }
    return apiKeys;
  }
}
