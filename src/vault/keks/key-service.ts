/**
 * The embedded key service: the KeyService port over the keyring, on behalf of a session.
 *
 * Owns the step from the port's texts to the keyring's bytes, the session's scope and its events. Must not know how
 * keys are wrapped.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { DataKey, keyBlobFromText } from "../../crypto/keys/data-key.ts";
import { decodeKeyBlob } from "../../crypto/keys/key-blob.ts";
import { type CanonicalContext, canonicalContext, type KeyContext } from "../../crypto/keys/key-context.ts";
import { VaultError } from "../../errors.ts";
import type { CallOptions, KeyService } from "../../keys/key-service.ts";
import { satisfies } from "../access/api-keys.ts";
import type { Session } from "../access/session.ts";
import type { Database } from "../storage/database.ts";
import { type Keyring, type RingDataKey, unknownKek } from "./keyring.ts";

export class EmbeddedKeyService implements KeyService {
  readonly id: string;
  readonly #keyring: Keyring;
  readonly #database: Database;
  readonly #session: Session;

  /** @param vaultId - UUID text; with environment and scope it tells this service from all others */
  constructor(vaultId: string, keyring: Keyring, database: Database, session: Session) {
    this.id = `embedded:${vaultId}:${session.environmentId}:${JSON.stringify(session.scope)}`;
    this.#keyring = keyring;
    this.#database = database;
    this.#session = session;
  }

  async createDataKey(
    request: { readonly context: KeyContext },
    options: CallOptions = {},
  ): Promise<DataKey> {
    options.signal?.throwIfAborted();
    const context = this.#allowed(canonicalContext(request.context));
    const made = await this.#keyring.createDataKey(context, this.#session.events, options);
    this.#noteRead(made);
    return toDataKey(made);
  }

  async createDecrypt(request: { readonly keys: string }, options: CallOptions = {}): Promise<DataKey> {
    options.signal?.throwIfAborted();
    const made = await this.#unwrap(request.keys, options);
    this.#session.events.note("vault.dek.decrypted", { key_id: made.id });
    return toDataKey(made);
  }

  async createRekey(
    request: { readonly context: KeyContext; readonly encryptedKeys: string },
    options: CallOptions = {},
  ): Promise<DataKey> {
    options.signal?.throwIfAborted();
    const context = this.#allowed(canonicalContext(request.context));
    const old = await this.#unwrap(request.encryptedKeys, options);
    const made = await this.#keyring.rekey(old, context, this.#session.events, options);
    this.#session.events.note("vault.dek.decrypted", { key_id: old.id });
    this.#noteRead(made);
    return toDataKey(made);
  }

  async createRewrap(
    request: { readonly encryptedKeys: string },
    options: CallOptions = {},
  ): Promise<DataKey> {
    options.signal?.throwIfAborted();
    const old = await this.#unwrap(request.encryptedKeys, options);
    const made = await this.#keyring.rewrap(old, this.#session.events, options);
    this.#session.events.note("vault.dek.decrypted", { key_id: old.id });
    this.#noteRead(made);
    return toDataKey(made);
  }

  revocations(): number {
    return this.#database.changes().revocations;
  }

  /** What is out of the session's scope answers like what does not exist. */
  async #unwrap(keys: string, options: CallOptions): Promise<RingDataKey> {
    const blob = keyBlobFromText(keys);
    if (this.#session.scope.length === 0) return this.#keyring.unwrap(blob, options);
    // Before the states of its KEKs are looked at: those of other contexts are nobody's business.
    const entries = await this.#keyring.contextOf(blob, options);
    if (satisfies(entries, this.#session.scope)) return this.#keyring.unwrap(blob, options);
    throw unknownKek(decodeKeyBlob(blob).keks[0]!.id);
  }

  #allowed(context: CanonicalContext): CanonicalContext {
    if (satisfies(context.entries, this.#session.scope)) return context;
    throw new VaultError(
      "ERR_CONTEXT_NOT_ALLOWED",
      "the key context lacks an entry that this caller is bound to",
    );
  }

  #noteRead(made: RingDataKey): void {
    this.#session.events.note("vault.dek.read", {
      key_ids: [made.id],
      key_context: made.keyContext,
    });
  }
}

function toDataKey(made: RingDataKey): DataKey {
  const { id, key, keyContext } = made;
  try {
    return new DataKey({ id, key, encryptedKeys: encodeBase64(made.blob), context: keyContext });
  } finally {
    key.fill(0);
  }
}
