/**
 * The keyring: data keys under all KEKs of their context (docs/spec/keyring.md section 3).
 *
 * Owns the way from a context to its KEKs and from those to the wrapping key, and what of it is kept in memory:
 * wrapping keys, for as long as no process has changed a KEK. Must not know changes of states (lifecycle.ts) or
 * the store.
 *
 * @module
 */
import { equalBytes } from "../../base/bytes.ts";
import { decodeKeyBlob, kekReferences, keyBlobFormatAt, wrappedPartsOf } from "../../crypto/keys/key-blob.ts";
import type { CanonicalContext, ContextEntry } from "../../crypto/keys/key-context.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import type { EventSink } from "../events/events.ts";
import { CONTEXT_CACHE_MAX } from "../limits.ts";
import { WITH_ROOT } from "../root/roots.ts";
import type { Sql, WaitOptions } from "../storage/database.ts";
import { type KekVersion, kekText } from "./locks.ts";
import {
  assembleRing,
  type DataKeyOwner,
  keksOf,
  type Loaded,
  makeDataKey,
  type Ring,
  type RingDataKey,
  unwrap,
  wrap,
} from "./ring.ts";
import { RingCache } from "./ring-cache.ts";
import {
  checkNewest,
  contextRow,
  createMissing,
  inOrder,
  loadNewest,
  loadVersions,
  unknownKek,
} from "./ring-rows.ts";
import { storedText } from "./rows.ts";

/** A data key for something that is stored in the same vault. */
export interface StoredDataKey extends RingDataKey {
  /** The context's row. */
  readonly contextId: string;
  readonly keks: readonly KekVersion[];
}

/** What rings that are kept can do at once; each answers undefined where a ring is needed that is not kept. @throws as the keyring */
export interface KeptRings {
  /** Makes a data key of an application. */
  make(context: CanonicalContext): RingDataKey | undefined;
  unwrap(blob: Uint8Array, owner: DataKeyOwner): RingDataKey | undefined;
  /** Wraps a data key for another context. */
  rekey(old: RingDataKey, context: CanonicalContext): RingDataKey | undefined;
  /** Wraps it under the newest KEKs of its own. */
  rewrap(old: RingDataKey, owner: DataKeyOwner): RingDataKey | undefined;
}

/** Makes, unwraps and moves data keys within one environment. */
export class Keyring {
  readonly #vault: OpenedVault;
  readonly #environmentId: string;
  /** Rings by what names them: a canonical context (newest versions) or a blob's KEK references. */
  readonly #rings = new RingCache(CONTEXT_CACHE_MAX);
  /** The counter of KEK changes that #rings is true for. */
  #ringsAt = -1;

  constructor(vault: OpenedVault, environmentId: string) {
    this.#vault = vault;
    this.#environmentId = environmentId;
  }

  /**
   * Makes a random data key under the newest KEKs of a context; KEKs that do not exist yet are made first.
   *
   * @param owner - whose it is to be
   * @throws VaultError ERR_KEY_DISABLED, ERR_KEY_DESTROYED, and the storage's codes
   */
  async createDataKey(
    context: CanonicalContext,
    owner: DataKeyOwner,
    events: EventSink,
    options: WaitOptions = {},
  ): Promise<RingDataKey> {
    return this.#withNewestRing(context, events, options, (ring) => makeDataKey(ring, owner));
  }

  /** The same for something that is to be stored in this vault. */
  async createStoredDataKey(
    context: CanonicalContext,
    events: EventSink,
    options: WaitOptions = {},
  ): Promise<StoredDataKey> {
    return this.#withNewestRing(context, events, options, (ring) => ({
      ...makeDataKey(ring, "store"),
      contextId: ring.contextId as string,
      keks: keksOf(ring).map(kekText),
    }));
  }

  /**
   * Unwraps a data key.
   *
   * @param owner - whose it must be
   * @throws VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND (none of this environment), ERR_KEY_DISABLED,
   *   ERR_KEY_DESTROYED, ERR_DECRYPT_FAILED
   */
  async unwrap(blob: Uint8Array, owner: DataKeyOwner, options: WaitOptions = {}): Promise<RingDataKey> {
    const parts = decodeKeyBlob(blob);
    return this.#withRing(
      referencesKey(blob),
      (sql) => loadVersions(sql, this.#vault.authority, this.#environmentId, parts.keks),
      options,
      (ring) => unwrap(ring, owner, parts, blob),
    );
  }

  /**
   * Looks once whether the rings that are kept are still true, for work on many data keys.
   *
   * @returns what can be done with them; of that moment, and so to be used before the caller waits for anything
   */
  kept(): KeptRings {
    const rings = this.#current();
    const newest = (context: CanonicalContext): Ring | undefined => rings.get(contextKey(context));
    return {
      make(context) {
        const ring = newest(context);
        return ring === undefined ? undefined : makeDataKey(ring, "application");
      },
      unwrap(blob, owner) {
        const ring = rings.get(referencesKey(blob));
        if (ring !== undefined) return unwrap(ring, owner, wrappedPartsOf(blob), blob);
        decodeKeyBlob(blob); // Its versions are looked at too.
        return undefined;
      },
      rekey(old, context) {
        const ring = newest(context);
        return ring === undefined ? undefined : wrap(ring, "application", old.key);
      },
      rewrap(old, owner) {
        const ring = newest(old.context);
        return ring === undefined ? undefined : rewrapUnder(ring, old, owner);
      },
    };
  }

  /**
   * The context that a wrapped key claims, as its KEKs' rows have it; not authenticated.
   *
   * @throws VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND
   */
  async contextOf(blob: Uint8Array, options: WaitOptions = {}): Promise<ContextEntry[]> {
    const { keks } = decodeKeyBlob(blob);
    return this.#vault.database.read(async (sql) => {
      const entries: ContextEntry[] = [];
      for (const kek of keks) {
        const row = await sql.get(
          "SELECT context_name, context_value FROM keks WHERE environment_id = ? AND id = ?",
          this.#environmentId,
          uuidToText(kek.id),
        );
        if (row === undefined) throw unknownKek(kek.id);
        entries.push({ name: storedText(row.context_name), value: storedText(row.context_value) });
      }
      // A context that was never used has no keys: a blob that puts one together from KEK ids learns nothing of their states.
      if ((await contextRow(sql, this.#environmentId, inOrder(entries))) === undefined)
        throw unknownKek(keks[0]!.id);
      return entries;
    }, options);
  }

  /** Wraps a data key for another context. @throws as `createDataKey` */
  async rekey(
    old: RingDataKey,
    context: CanonicalContext,
    events: EventSink,
    options: WaitOptions = {},
  ): Promise<RingDataKey> {
    return this.#withNewestRing(context, events, options, (ring) => wrap(ring, "application", old.key));
  }

  /**
   * Wraps a data key under the newest KEKs of its own context.
   *
   * @param owner - whose it is to be
   * @returns the same object if it was so already
   * @throws as `createDataKey`
   */
  async rewrap(
    old: RingDataKey,
    owner: DataKeyOwner,
    events: EventSink,
    options: WaitOptions = {},
  ): Promise<RingDataKey> {
    return this.#withNewestRing(old.context, events, options, (ring) => rewrapUnder(ring, old, owner));
  }

  /**
   * Refuses a context of which a KEK's newest version is out of use. Makes no KEKs: one that was never made is not in the way.
   *
   * @throws VaultError ERR_KEY_DISABLED, ERR_KEY_DESTROYED, ERR_STORAGE_CORRUPT
   */
  async checkInUse(context: CanonicalContext, options: WaitOptions = {}): Promise<void> {
    try {
      // Rings are of active versions only, and one that is kept answers the next check too.
      await this.#withRing(contextKey(context), this.#newestOf(context), options, () => undefined);
    } catch (error) {
      if (!isVaultError(error, "ERR_KEY_NOT_FOUND")) throw error;
      const { database, authority } = this.#vault;
      await database.read((sql) => checkNewest(sql, authority, this.#environmentId, context), options);
    }
  }

  /** Whether the ring of a context's newest KEKs is kept, and nothing has to be made or loaded for it now. */
  isReady(context: CanonicalContext): boolean {
    return this.#kept(contextKey(context)) !== undefined;
  }

  /** Lets go of everything that is kept unwrapped. */
  dispose(): void {
    this.#rings.clear();
  }

  /** Runs `work`, at once and without a break, with the ring of a context's newest KEK versions. */
  async #withNewestRing<T>(
    context: CanonicalContext,
    events: EventSink,
    options: WaitOptions,
    work: (ring: Ring) => T,
  ): Promise<T> {
    const key = contextKey(context);
    const kept = this.#kept(key);
    if (kept !== undefined) return work(kept);
    const load = this.#newestOf(context);
    try {
      return await this.#withRing(key, load, options, work);
    } catch (error) {
      if (!isVaultError(error, "ERR_KEY_NOT_FOUND")) throw error;
    }
    const made = {
      environmentId: this.#environmentId,
      authority: this.#vault.authority,
      now: this.#vault.now(),
    };
    await this.#vault.database.write((sql) => createMissing(sql, made, context, events), {
      ...WITH_ROOT,
      signal: options.signal,
    });
    // Loaded in a transaction of its own: what is kept in memory must have been committed.
    try {
      return await this.#withRing(key, load, options, work);
    } catch (error) {
      if (!isVaultError(error, "ERR_KEY_NOT_FOUND")) throw error;
      throw new VaultError("ERR_STORAGE_CORRUPT", "a KEK is damaged in the vault's file");
    }
  }

  /** Reads a context's newest KEK versions. */
  #newestOf(context: CanonicalContext): (sql: Sql) => Promise<Loaded> {
    return (sql) => loadNewest(sql, this.#vault.authority, this.#environmentId, context);
  }

  /**
   * Runs `work` with a ring, kept or loaded. `work` is synchronous, and runs in the same turn in which the ring was
   * found to be current, so that no other call can dispose of the wrapping key under it.
   */
  async #withRing<T>(
    key: string,
    load: (sql: Sql) => Promise<Loaded>,
    options: WaitOptions,
    work: (ring: Ring) => T,
  ): Promise<T> {
    const kept = this.#kept(key);
    if (kept !== undefined) return work(kept);
    const at = this.#ringsAt;
    const ring = await this.#assembled(await this.#vault.database.read(load, options));
    let isCurrent = false;
    try {
      // Only what was loaded for the state that the others belong to may join them.
      isCurrent = this.#ringsAt === at && this.#vault.database.changes().keks === at;
      return work(ring);
    } finally {
      if (isCurrent) this.#keep(key, ring);
      else ring.wrappingKey.dispose();
    }
  }

  /** @throws VaultError ERR_STORAGE_UNAVAILABLE if the vault has a root that this process does not know; ERR_STORAGE_CORRUPT */
  async #assembled(loaded: Loaded): Promise<Ring> {
    const { roots } = this.#vault.authority;
    try {
      return assembleRing(roots, this.#environmentId, loaded);
    } catch (error) {
      await this.#vault.database.read((sql) => roots.current(sql));
      throw error;
    }
  }

  /** A ring that is kept, after a look whether all of them are still true. */
  #kept(key: string): Ring | undefined {
    return this.#current().get(key);
  }

  /** The rings that are kept, after that look. */
  #current(): Pick<RingCache, "get"> {
    const { keks: at } = this.#vault.database.changes();
    if (at !== this.#ringsAt) {
      this.dispose();
      this.#ringsAt = at;
    }
    return this.#rings;
  }

  #keep(key: string, ring: Ring): void {
    // The newest versions of a context are those that most of its blobs name.
    const isNewest = ring.contextId !== undefined;
    if (isNewest) this.#rings.set(ring, key, `k:${latin1(ring.references)}`);
    else this.#rings.set(ring, key);
  }
}

/** A data key under a ring of its context; the same object if it was so already. */
function rewrapUnder(ring: Ring, old: RingDataKey, owner: DataKeyOwner): RingDataKey {
  // A sealed blob names no KEKs: it is wrapped anew whatever they are.
  const isNewest =
    old.owner === owner &&
    keyBlobFormatAt(old.blob, 0) !== "sealed" &&
    equalBytes(kekReferences(old.blob), ring.references);
  return isNewest ? old : wrap(ring, owner, old.key);
}

/** What names the ring of a blob's KEK versions. The first letter keeps it apart from a context's. */
function referencesKey(blob: Uint8Array): string {
  return `k:${latin1(kekReferences(blob))}`;
}

/** What names the ring of a context's newest KEK versions. */
function contextKey(context: CanonicalContext): string {
  return `c:${latin1(context.bytes)}`;
}

/** One character for each byte: for keys of maps. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
