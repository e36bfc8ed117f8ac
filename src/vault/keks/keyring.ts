/**
 * The keyring: data keys under all KEKs of their context (docs/spec/keyring.md section 3).
 *
 * Owns the way from a context to its KEKs and from those to the wrapping key, and what of it is kept in memory:
 * wrapping keys, for as long as no process has changed a KEK. Must not know changes of states (lifecycle.ts) or
 * the store.
 *
 * @module
 */
import { ascii, concatBytes, EMPTY, equalBytes, lengthPrefixed, u32, utf8 } from "../../base/bytes.ts";
import { providers } from "../../crypto/aead/choose.ts";
import {
  type CofferKeyBlob,
  decodeKeyBlob,
  encodeKeyBlob,
  WRAP_NONCE_BYTES,
} from "../../crypto/keys/key-blob.ts";
import {
  type CanonicalContext,
  type ContextEntry,
  canonicalEntries,
  contextObject,
  type KeyContext,
} from "../../crypto/keys/key-context.ts";
import { KEY_BYTES } from "../../crypto/limits.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { uuidFromText, uuidToText, uuidV4, uuidV5 } from "../../crypto/primitives/uuid.ts";
import { KcXaesKey } from "../../crypto/primitives/xaes.ts";
import { decryptFailed, isVaultError, VaultError } from "../../errors.ts";
import type { KekState } from "../../keks/kek-service.ts";
import type { EventSink } from "../events/events.ts";
import { CONTEXT_CACHE_MAX } from "../limits.ts";
import type { RootKeys } from "../root/root-keys.ts";
import type { Database, Row, Sql, WaitOptions } from "../storage/database.ts";
import { damagedKek, insertKekVersion, kekName, storedText } from "./rows.ts";

/** A data key that was made or unwrapped; the key is the caller's to zero. */
export interface RingDataKey {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** UUID text. */
  readonly id: string;
  readonly blob: Uint8Array;
  readonly context: CanonicalContext;
  /** The same context as callers see it; frozen. */
  readonly keyContext: KeyContext;
}

/** A data key for something that is stored in the same vault. */
export interface StoredDataKey extends RingDataKey {
  /** The context's row. */
  readonly contextId: string;
  readonly keks: readonly { readonly id: string; readonly version: number }[];
  /** The counter of revocations before the key was made: if it has changed since, the key may be worthless. */
  readonly revocations: number;
}

/** The KEK versions of one context, ready to wrap and unwrap. */
interface Ring {
  readonly keks: CofferKeyBlob["keks"];
  readonly context: CanonicalContext;
  readonly keyContext: KeyContext;
  readonly wrappingKey: KcXaesKey;
  /** What all wraps under it authenticate: everything but the data key's id. */
  readonly associatedData: Uint8Array;
  /** The context's row; known only to rings of newest versions. */
  readonly contextId: string | undefined;
}

/** What a ring is made of. */
interface Loaded {
  readonly rows: readonly KekRow[];
  readonly contextId?: string;
}

interface KekRow {
  readonly id: string;
  readonly version: number;
  readonly entry: ContextEntry;
  readonly wrapped: Uint8Array;
}

const WRAPPING_KEY_INFO = ascii("coffer/v1/data-key-wrap");
const WRAP_LABEL = ascii("coffer/v1/data-key");

/** Makes, unwraps and moves data keys within one environment. */
export class Keyring {
  readonly #database: Database;
  readonly #rootKeys: RootKeys;
  readonly #environmentId: string;
  readonly #now: () => number;
  /** Rings by what names them: a canonical context (newest versions) or a blob's KEK references. */
  readonly #rings = new Map<string, Ring>();
  /** The counter of KEK changes that #rings is true for. */
  #ringsAt = -1;

  constructor(database: Database, rootKeys: RootKeys, environmentId: string, now: () => number) {
    this.#database = database;
    this.#rootKeys = rootKeys;
    this.#environmentId = environmentId;
    this.#now = now;
  }

  /**
   * Makes a random data key under the newest KEKs of a context; KEKs that do not exist yet are made first.
   *
   * @throws VaultError ERR_KEY_DISABLED, ERR_KEY_DESTROYED, and the storage's codes
   */
  async createDataKey(
    context: CanonicalContext,
    events: EventSink,
    options: WaitOptions = {},
  ): Promise<RingDataKey> {
    return this.#withNewestRing(context, events, options, makeDataKey);
  }

  /** The same for something that is to be stored in this vault. */
  async createStoredDataKey(
    context: CanonicalContext,
    events: EventSink,
    options: WaitOptions = {},
  ): Promise<StoredDataKey> {
    const seen = this.#database.changes().revocations;
    const revocations = Number.isNaN(seen) ? await this.#storedRevocations(options) : seen;
    return this.#withNewestRing(context, events, options, (ring) => ({
      ...makeDataKey(ring),
      contextId: ring.contextId as string,
      keks: ring.keks.map((kek) => ({ id: uuidToText(kek.id), version: kek.version })),
      revocations,
    }));
  }

  /** The counter of revocations; what is wrapped after it was read and stored while it stays the same is good. */
  async revocations(options: WaitOptions): Promise<number> {
    const { revocations } = this.#database.changes();
    return Number.isNaN(revocations) ? this.#storedRevocations(options) : revocations;
  }

  async #storedRevocations(options: WaitOptions): Promise<number> {
    const row = await this.#database.read(
      (sql) => sql.get("SELECT value FROM counters WHERE name = 'revocations'"),
      options,
    );
    return row!.value as number;
  }

  /**
   * Unwraps a data key.
   *
   * @throws VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND (none of this environment), ERR_KEY_DISABLED,
   *   ERR_KEY_DESTROYED, ERR_DECRYPT_FAILED
   */
  async unwrap(blob: Uint8Array, options: WaitOptions = {}): Promise<RingDataKey> {
    const parts = decodeKeyBlob(blob);
    return this.#withRing(
      referencesKey(parts.keks),
      (sql) => this.#loadVersions(sql, parts.keks),
      options,
      (ring) => unwrap(ring, parts, blob),
    );
  }

  /**
   * The context that a wrapped key claims, as its KEKs' rows have it; not authenticated.
   *
   * @throws VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND
   */
  async contextOf(blob: Uint8Array, options: WaitOptions = {}): Promise<ContextEntry[]> {
    const { keks } = decodeKeyBlob(blob);
    return this.#database.read(async (sql) => {
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
      if ((await this.#contextRow(sql, inOrder(entries))) === undefined) throw unknownKek(keks[0]!.id);
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
    return this.#withNewestRing(context, events, options, (ring) => wrap(ring, old.key));
  }

  /**
   * Wraps a data key under the newest KEKs of its own context.
   *
   * @returns the same object if it was under the newest already
   * @throws as `createDataKey`
   */
  async rewrap(old: RingDataKey, events: EventSink, options: WaitOptions = {}): Promise<RingDataKey> {
    const references = referencesKey(decodeKeyBlob(old.blob).keks);
    return this.#withNewestRing(old.context, events, options, (ring) =>
      referencesKey(ring.keks) === references ? old : wrap(ring, old.key),
    );
  }

  /** Lets go of everything that is kept unwrapped. */
  dispose(): void {
    for (const ring of new Set(this.#rings.values())) ring.wrappingKey.dispose();
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
    const load = (sql: Sql): Promise<Loaded> => this.#loadNewest(sql, context);
    try {
      return await this.#withRing(key, load, options, work);
    } catch (error) {
      if (!isVaultError(error, "ERR_KEY_NOT_FOUND")) throw error;
    }
    await this.#database.write((sql) => this.#createMissing(sql, context, events), options);
    // Loaded in a transaction of its own: what is kept in memory must have been committed.
    try {
      return await this.#withRing(key, load, options, work);
    } catch (error) {
      if (!isVaultError(error, "ERR_KEY_NOT_FOUND")) throw error;
      throw new VaultError("ERR_STORAGE_CORRUPT", "a KEK is damaged in the vault's file");
    }
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
    const ring = this.#assemble(await this.#database.read(load, options));
    let isCurrent = false;
    try {
      // Only what was loaded for the state that the others belong to may join them.
      isCurrent = this.#ringsAt === at && this.#database.changes().keks === at;
      return work(ring);
    } finally {
      if (isCurrent) this.#keep(key, ring);
      else ring.wrappingKey.dispose();
    }
  }

  /** A ring that is kept, after a look whether all of them are still true. */
  #kept(key: string): Ring | undefined {
    const { keks: at } = this.#database.changes();
    if (at !== this.#ringsAt) {
      this.dispose();
      this.#ringsAt = at;
    }
    return this.#rings.get(key);
  }

  #keep(key: string, ring: Ring): void {
    // A plain limit: starting afresh costs one load per context.
    if (this.#rings.size >= CONTEXT_CACHE_MAX) this.dispose();
    this.#rings.get(key)?.wrappingKey.dispose();
    this.#rings.set(key, ring);
  }

  /** Derives the wrapping key from KEKs in canonical order. */
  #assemble({ rows, contextId }: Loaded): Ring {
    const kekBytes = rows.map((row) =>
      this.#rootKeys.unwrap(row.wrapped, {
        environmentId: this.#environmentId,
        kekId: row.id,
        version: row.version,
        contextName: row.entry.name,
        contextValue: row.entry.value,
      }),
    );
    const input = concatBytes(...kekBytes);
    const wrappingKey = hash.hkdf("sha256", input, EMPTY, WRAPPING_KEY_INFO, KEY_BYTES);
    for (const secret of [input, ...kekBytes]) secret.fill(0);
    const keks = rows.map((row) => ({ id: kekIdBytes(row.id), version: row.version }));
    const context = canonicalEntries(rows.map((row) => row.entry));
    const ring = {
      keks,
      context,
      keyContext: contextObject(context),
      wrappingKey: new KcXaesKey(providers.sync(undefined, KEY_BYTES), wrappingKey),
      associatedData: concatBytes(
        WRAP_LABEL,
        lengthPrefixed(context.bytes),
        lengthPrefixed(utf8(this.#environmentId, "environment id")),
        lengthPrefixed(referencesBytes(keks)),
      ),
      contextId,
    };
    wrappingKey.fill(0);
    return ring;
  }

  /** The KEK versions that a blob names, in its order, which must be the canonical one. */
  async #loadVersions(sql: Sql, keks: CofferKeyBlob["keks"]): Promise<Loaded> {
    const found = [];
    for (const kek of keks) {
      const row = await sql.get(
        `SELECT k.id, k.context_name, k.context_value, v.version, v.state, v.wrapped
         FROM keks k JOIN kek_versions v ON v.kek_id = k.id
         WHERE k.environment_id = ? AND k.id = ? AND v.version = ?`,
        this.#environmentId,
        uuidToText(kek.id),
        kek.version,
      );
      if (row === undefined) {
        throw unknownKek(kek.id);
      }
      found.push(row);
    }
    // The form comes before any state: a blob that nobody wrote must not tell states of KEKs.
    inOrder(
      found.map((row) => ({ name: storedText(row.context_name), value: storedText(row.context_value) })),
    );
    return { rows: usable(found, ["active", "decrypt-only"]) };
  }

  /** The newest version of each KEK of a context. @throws VaultError ERR_KEY_NOT_FOUND if one does not exist yet */
  async #loadNewest(sql: Sql, context: CanonicalContext): Promise<Loaded> {
    const contextRow = await this.#contextRow(sql, context);
    if (contextRow === undefined) throw missingKek();
    const found = [];
    for (const entry of context.entries) {
      const row = await sql.get(
        `SELECT k.id, k.context_name, k.context_value, v.version, v.state, v.wrapped
         FROM keks k JOIN kek_versions v ON v.kek_id = k.id
         WHERE k.environment_id = ? AND k.context_name = ? AND k.context_value = ?
         ORDER BY v.version DESC LIMIT 1`,
        this.#environmentId,
        utf8(entry.name, "context name"),
        utf8(entry.value, "context value"),
      );
      if (row === undefined) throw missingKek();
      found.push(row);
    }
    return { rows: usable(found, ["active"]), contextId: contextRow.id as string };
  }

  #contextRow(sql: Sql, context: CanonicalContext): Promise<Row | undefined> {
    return sql.get(
      "SELECT id FROM contexts WHERE environment_id = ? AND canonical = ?",
      this.#environmentId,
      context.bytes,
    );
  }

  /** Makes what of a context's KEKs and records is not there; another process may do the same at the same time. */
  async #createMissing(sql: Sql, context: CanonicalContext, events: EventSink): Promise<void> {
    const now = this.#now();
    await sql.run(
      `INSERT INTO contexts (id, environment_id, canonical, created_at) VALUES (?, ?, ?, ?)
       ON CONFLICT (environment_id, canonical) DO NOTHING`,
      uuidToText(uuidV4()),
      this.#environmentId,
      context.bytes,
      now,
    );
    const contextId = (await this.#contextRow(sql, context))!.id!;
    for (const entry of context.entries) {
      const id = uuidToText(uuidV4());
      const name = utf8(entry.name, "context name");
      const value = utf8(entry.value, "context value");
      const inserted = await sql.run(
        `INSERT INTO keks (id, environment_id, context_name, context_value, created_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (environment_id, context_name, context_value) DO NOTHING`,
        id,
        this.#environmentId,
        name,
        value,
        now,
      );
      if (inserted === 1) {
        const identity = {
          environmentId: this.#environmentId,
          kekId: id,
          version: 1,
          contextName: entry.name,
          contextValue: entry.value,
        };
        await insertKekVersion(sql, this.#rootKeys, identity, now);
        await events.append(sql, "vault.kek.created", { key_name: kekName(entry), key_id: id });
      }
      await sql.run(
        `INSERT INTO context_keks (context_id, kek_id)
         SELECT ?, id FROM keks WHERE environment_id = ? AND context_name = ? AND context_value = ?
         ON CONFLICT (context_id, kek_id) DO NOTHING`,
        contextId,
        this.#environmentId,
        name,
        value,
      );
    }
  }
}

/** A random data key, wrapped. Its bytes and the wrap's nonce come from one read of the kernel's, at this moment. */
function makeDataKey(ring: Ring): RingDataKey {
  const random = randomBytes(KEY_BYTES + WRAP_NONCE_BYTES);
  // Copies, because each has an owner of its own.
  const key = random.slice(0, KEY_BYTES);
  const nonce = random.slice(KEY_BYTES);
  random.fill(0);
  return wrap(ring, key, nonce);
}

function wrap(ring: Ring, key: Uint8Array, nonce: Uint8Array = randomBytes(WRAP_NONCE_BYTES)): RingDataKey {
  const dataKeyId = uuidV5(ring.keks[0]!.id, key);
  const wrapped = ring.wrappingKey.seal(nonce, key, associatedData(ring, dataKeyId));
  const blob = encodeKeyBlob({ dataKeyId, keks: ring.keks, nonce, wrapped });
  return { key, id: uuidToText(dataKeyId), blob, context: ring.context, keyContext: ring.keyContext };
}

function unwrap(ring: Ring, parts: CofferKeyBlob, blob: Uint8Array): RingDataKey {
  const { dataKeyId, nonce, wrapped } = parts;
  const key = ring.wrappingKey.open(nonce, wrapped, associatedData(ring, dataKeyId));
  if (!equalBytes(uuidV5(ring.keks[0]!.id, key), dataKeyId)) throw decryptFailed();
  return { key, id: uuidToText(dataKeyId), blob, context: ring.context, keyContext: ring.keyContext };
}

function associatedData(ring: Ring, dataKeyId: Uint8Array): Uint8Array {
  return concatBytes(ring.associatedData, lengthPrefixed(dataKeyId));
}

/** Rows whose KEKs may be used, in `states` only. A destroyed one is told before a disabled one: it is final. */
function usable(rows: readonly Row[], states: readonly KekState[]): KekRow[] {
  const inState = (...wanted: KekState[]): Row | undefined =>
    rows.find((row) => wanted.includes(row.state as KekState));
  const destroyed = inState("destroyed");
  if (destroyed !== undefined) {
    throw new VaultError(
      "ERR_KEY_DESTROYED",
      `the KEK ${destroyed.id} was destroyed: nothing under it can be read`,
    );
  }
  const disabled = inState("disabled", "pending-destroy");
  if (disabled !== undefined) {
    throw new VaultError("ERR_KEY_DISABLED", `the KEK ${disabled.id} is disabled`);
  }
  return rows.map((row) => {
    const id = row.id as string;
    if (row.wrapped === null || !states.includes(row.state as KekState)) throw damagedKek(id);
    return {
      id,
      version: row.version as number,
      entry: { name: storedText(row.context_name), value: storedText(row.context_value) },
      wrapped: row.wrapped as Uint8Array,
    };
  });
}

/** The context of KEKs that stand in a blob's order. @throws VaultError ERR_DECRYPT_FAILED unless that is the canonical one */
function inOrder(entries: readonly ContextEntry[]): CanonicalContext {
  let canonical: CanonicalContext;
  try {
    canonical = canonicalEntries(entries);
  } catch {
    throw decryptFailed(); // The same KEK twice.
  }
  if (canonical.entries.some((entry, i) => entry.name !== entries[i]!.name)) throw decryptFailed();
  return canonical;
}

function missingKek(): VaultError {
  return new VaultError("ERR_KEY_NOT_FOUND", "a KEK of the context does not exist yet");
}

/** The one answer for a KEK that does not exist and for one that the caller may not know of. */
export function unknownKek(id: Uint8Array): VaultError {
  return new VaultError(
    "ERR_KEY_NOT_FOUND",
    `this vault's environment does not hold the KEK ${uuidToText(id)}`,
  );
}

function kekIdBytes(id: string): Uint8Array {
  const bytes = uuidFromText(id);
  if (bytes === undefined)
    throw new VaultError("ERR_STORAGE_CORRUPT", "a KEK's id is damaged in the vault's file");
  return bytes;
}

function referencesBytes(keks: CofferKeyBlob["keks"]): Uint8Array {
  return concatBytes(...keks.flatMap((kek) => [kek.id, u32(kek.version)]));
}

/** What names the ring of a blob's KEK versions. The first letter keeps it apart from a context's. */
function referencesKey(keks: CofferKeyBlob["keks"]): string {
  return `k:${latin1(referencesBytes(keks))}`;
}

/** What names the ring of a context's newest KEK versions. */
function contextKey(context: CanonicalContext): string {
  return `c:${latin1(context.bytes)}`;
}

/** One character for each byte: for keys of maps. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
