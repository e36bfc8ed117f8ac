/**
 * The embedded key service: the KeyService port over the keyring.
 *
 * Owns the step from the port's texts to the keyring's bytes. Must not know how keys are wrapped.
 *
 * @module
 */
import { encodeBase64 } from "../crypto/base64.ts";
import { DataKey, keyBlobFromText } from "../crypto/data-key.ts";
import { canonicalContext, contextObject, type KeyContext } from "../crypto/key-context.ts";
import type { CallOptions, KeyService } from "../keys/key-service.ts";
import type { Keyring, RingDataKey } from "./keyring.ts";
import type { Database } from "./storage/database.ts";

export class EmbeddedKeyService implements KeyService {
  readonly id: string;
  readonly #keyring: Keyring;
  readonly #database: Database;

  /** @param id - tells this vault and environment from all others */
  constructor(id: string, keyring: Keyring, database: Database) {
    this.id = id;
    this.#keyring = keyring;
    this.#database = database;
  }

  async createDataKey(
    request: { readonly context: KeyContext },
    options: CallOptions = {},
  ): Promise<DataKey> {
    options.signal?.throwIfAborted();
    return toDataKey(await this.#keyring.createDataKey(canonicalContext(request.context)));
  }

  async createDecrypt(request: { readonly keys: string }, options: CallOptions = {}): Promise<DataKey> {
    options.signal?.throwIfAborted();
    return toDataKey(await this.#keyring.unwrap(keyBlobFromText(request.keys)));
  }

  async createRekey(
    request: { readonly context: KeyContext; readonly encryptedKeys: string },
    options: CallOptions = {},
  ): Promise<DataKey> {
    options.signal?.throwIfAborted();
    const context = canonicalContext(request.context);
    return toDataKey(await this.#keyring.rekey(keyBlobFromText(request.encryptedKeys), context));
  }

  async createRewrap(
    request: { readonly encryptedKeys: string },
    options: CallOptions = {},
  ): Promise<DataKey> {
    options.signal?.throwIfAborted();
    return toDataKey(await this.#keyring.rewrap(keyBlobFromText(request.encryptedKeys)));
  }

  revocations(): number {
    return this.#database.changes().revocations;
  }
}

function toDataKey(made: RingDataKey): DataKey {
  const context = contextObject(made.context);
  return new DataKey({ id: made.id, key: made.key, encryptedKeys: encodeBase64(made.blob), context });
}
