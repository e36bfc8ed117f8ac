/**
 * Stored values: sealed under a fresh data key per version, and opened again (docs/spec/keyring.md section 6).
 *
 * Owns what a value is bound to (environment, object, version and name), and that its key is still good when it is stored.
 * Must not know objects or names beyond that.
 *
 * @module
 */

import { ascii, concatBytes, equalBytes, fromUtf8, lengthPrefixed, utf8 } from "../../base/bytes.ts";
import { allOf } from "../../base/concurrency.ts";
import { HERE } from "../../crypto/ciphers/of-call.ts";
import type { CanonicalContext } from "../../crypto/keys/key-context.ts";
import { openDetachedSync, sealDetachedSync } from "../../crypto/native/one-shot.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { WriteOptions } from "../access/idempotency.ts";
import { hexOf } from "../ids.ts";
import type { StoredDataKey } from "../keks/keyring.ts";
import { areActive, kekLocks, REVOKED_RETRIES_MAX, revokedTooFast } from "../keks/locks.ts";
import type { SessionParts } from "../keks/session-parts.ts";
import { ROOT_LOCK } from "../root/roots.ts";
import type { Row, Sql } from "../storage/database.ts";
import { sendRows } from "../storage/statements.ts";
import { insertVersionKeks, keyOwnerOf, OWN_KEY_LABEL } from "./rows.ts";

const VALUE_LABEL = ascii("coffer/v1/kv-value");

/** Bytes of the fingerprint in an etag: half a SHA-256, as long as S3's. */
const ETAG_BYTES = 16;

/** The values of one environment. */
export class KvValues {
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /**
   * Runs `work` in a write transaction, which authority prepares, with a fresh data key. Its KEK versions are active, and stay so to
   * the end of the transaction: under a version that another process has rotated, a rewrap would no longer find the value; under a
   * destroyed one it would be unreadable from the start.
   */
  async withStoredKey<T>(
    context: CanonicalContext,
    options: WriteOptions,
    work: (sql: Sql, key: StoredDataKey) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 0; attempt < REVOKED_RETRIES_MAX; attempt++) {
      const key = await this.#parts.keyring.createStoredDataKey(context, this.#parts.access.events, options);
      try {
        const result = await this.#parts.database.write(
          async (sql) => {
            // On one way.
            const [isActive] = await allOf([areActive(sql, key.keks), this.#parts.authority.prepare(sql)]);
            if (!isActive) return undefined;
            return { value: await this.#parts.writes.once(sql, options.idempotency, () => work(sql, key)) };
          },
          {
            signal: options.signal,
            sharedLocks: [...kekLocks(key.keks), ROOT_LOCK],
            locksWithFirst: true,
          },
        );
        if (result !== undefined) return result.value;
      } finally {
        key.key.fill(0);
      }
      await this.#parts.database.lookAfresh();
    }
    throw revokedTooFast();
  }

  /** Seals a value and stores it as a version, within a write transaction. */
  async insert(
    sql: Sql,
    version: {
      objectId: string;
      name: string;
      versionId: string;
      number: number;
      /** Of the last change of authority that was seen. */
      generation: number;
      value: Uint8Array;
      key: StoredDataKey;
      now: number;
    },
  ): Promise<void> {
    const { objectId, name, versionId, key } = version;
    const associatedData = this.#associatedData(objectId, versionId, name);
    // The key blob has a column of its own: a rewrap changes that one only.
    const sealed = sealDetachedSync(version.value, { dataKey: key.key }, associatedData, HERE);
    const row = {
      id: versionId,
      object_id: objectId,
      number: version.number,
      key_id: key.id,
      key_blob: key.blob,
      sealed,
      size: sealed.length + key.blob.length,
      etag: hexOf(hash.sha256(sealed).subarray(0, ETAG_BYTES)),
      created_at: version.now,
      created_by_id: this.#parts.access.actor.id,
      created_by_name: this.#parts.access.actor.name,
      key_label: OWN_KEY_LABEL,
      generation: version.generation,
    };
    await sendRows(sql, "kv_versions", [row]);
    await insertVersionKeks(sql, versionId, key.keks);
  }

  /** Opens the value of a version's row. @throws VaultError ERR_KV_VERSION_DESTROYED, ERR_STORAGE_CORRUPT; as `Keyring.unwrap` */
  async open(row: Row, options: CallOptions): Promise<{ value: string; context: CanonicalContext }> {
    if (row.sealed === null) throw destroyed();
    if (row.key_blob === null) throw damaged();
    const unwrapped = await this.#parts.keyring.unwrap(row.key_blob as Uint8Array, keyOwnerOf(row), options);
    const { key, context } = unwrapped;
    // The object's context is shown, and the next version is encrypted for it: it must be the one of this version. The key's id is
    // shown too.
    if (!equalBytes(context.bytes, row.canonical as Uint8Array) || unwrapped.id !== row.key_id) {
      key.fill(0);
      throw damaged();
    }
    const associatedData = this.#associatedData(
      row.id as string,
      row.version_id as string,
      row.name as string,
    );
    try {
      const value = openDetachedSync(row.sealed as Uint8Array, { dataKey: key }, associatedData, HERE);
      return { value: fromUtf8(value) as string, context }; // Only UTF-8 is ever sealed.
    } catch (error) {
      // What does not even look like a sealed value was not written by anybody who had a key.
      throw isVaultError(error, "ERR_DECRYPT_FAILED") ? error : damaged();
    } finally {
      key.fill(0);
    }
  }

  #associatedData(objectId: string, versionId: string, name: string): Uint8Array {
    return concatBytes(
      VALUE_LABEL,
      ...[this.#parts.access.environmentId, objectId, versionId, name].map((text) =>
        lengthPrefixed(utf8(text, "stored text")),
      ),
    );
  }
}

/** Of a version without its value. */
export function destroyed(): VaultError {
  return new VaultError("ERR_KV_VERSION_DESTROYED", "the value of this version was destroyed");
}

function damaged(): VaultError {
  return new VaultError("ERR_STORAGE_CORRUPT", "a stored value is damaged in the vault's file");
}
