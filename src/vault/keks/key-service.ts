/**
 * The embedded key service: the KeyService port over the keyring, on behalf of a caller.
 *
 * Owns the step from the port's texts to the keyring's bytes, the caller's scope and events. Must not know how
 * keys are wrapped.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import type { Bytes } from "../../base/bytes.ts";
import type { ItemResult } from "../../base/item-result.ts";
import { DataKey, keyBlobFromText } from "../../crypto/keys/data-key.ts";
import { decodeKeyBlob, keyBlobFormatAt } from "../../crypto/keys/key-blob.ts";
import { type CanonicalContext, canonicalContext } from "../../crypto/keys/key-context.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { decryptFailed } from "../../errors.ts";
import { eachItem } from "../../keys/batch-calls.ts";
import { runCall } from "../../keys/calls.ts";
import type {
  CallOptions,
  CreateDataKeyRequest,
  CreateDataKeysRequest,
  DecryptRequest,
  KeyService,
  RekeyManyRequest,
  RekeyRequest,
  RewrapManyRequest,
  RewrapRequest,
  UnwrapManyRequest,
  WrappedDataKey,
} from "../../keys/key-service.ts";
import { REVISION_LIMITS_LOCAL } from "../../keys/limits.ts";
import type { Revision, RevisionSource } from "../../keys/revisions.ts";
import { checkAbsorb, checkMove, inScope, isInScope } from "../access/access.ts";
import { revisionOf } from "../storage/changes.ts";
import type { RingDataKey } from "./ring.ts";
import { unknownKek } from "./ring-rows.ts";
import type { SessionParts } from "./session-parts.ts";

/** Whether a data key of this id is that of a stored value, and has the label of applications all the same. */
export type IsStoredKey = (id: string, options: CallOptions) => boolean | Promise<boolean>;

/** Opens sealed data keys of the environment (docs/spec/sealed-data-key.md). */
export interface SealedKeys {
  open(
    keyBlob: Uint8Array,
    isVisible: (context: CanonicalContext) => boolean,
    options: CallOptions,
  ): Promise<RingDataKey>;
}

/** Data keys of one environment, for one caller. */
export class EmbeddedKeyService implements KeyService {
  readonly takesHeaders = false;
  readonly id: string;
  readonly #parts: SessionParts;
  readonly #isStored: IsStoredKey;
  readonly #sealed: SealedKeys;
  /** The last answer of `revisions.newest`: most are the same. */
  #newest: Revision | undefined;
  readonly revisions: RevisionSource = {
    limits: REVISION_LIMITS_LOCAL,
    newest: () => this.#newestRevision(),
    refresh: () => this.#parts.database.lookAfresh(),
    check: async (keys, options) => {
      const revision = this.#newestRevision();
      return { revision, results: await this.checkMany({ keys }, options) };
    },
  };

  /** @param isStored - tells the data keys of stored values that have the label of applications ([AUT-14]) */
  constructor(parts: SessionParts, isStored: IsStoredKey, sealed: SealedKeys) {
    const { vaultId, access } = parts;
    // With environment and scope it tells this service from all others.
    this.id = `embedded:${uuidToText(vaultId)}:${access.environmentId}:${JSON.stringify(access.scope)}`;
    this.#parts = parts;
    this.#isStored = isStored;
    this.#sealed = sealed;
  }

  createDataKey(request: CreateDataKeyRequest, options: CallOptions = {}): Promise<DataKey> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      const context = inScope(this.#parts.access, canonicalContext(request.context));
      const made = await this.#parts.keyring.createDataKey(context, this.#parts.access.events, call);
      this.#noteRead(made);
      return toDataKey(made);
    });
  }

  createDecrypt(request: DecryptRequest, options: CallOptions = {}): Promise<DataKey> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      const made = await this.#unwrap(request.keys, call);
      this.#parts.access.events.note("vault.dek.decrypted", { key_id: made.id });
      return toDataKey(made);
    });
  }

  createRekey(request: RekeyRequest, options: CallOptions = {}): Promise<DataKey> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      const context = inScope(this.#parts.access, canonicalContext(request.context));
      const old = await this.#unwrap(request.encryptedKeys, call);
      try {
        checkMove(this.#parts.access, old.context, context);
      } catch (error) {
        old.key.fill(0);
        throw error;
      }
      const made = await this.#parts.keyring.rekey(old, context, this.#parts.access.events, call);
      this.#parts.access.events.note("vault.dek.decrypted", { key_id: old.id });
      this.#noteRead(made);
      return toDataKey(made);
    });
  }

  createRewrap(request: RewrapRequest, options: CallOptions = {}): Promise<DataKey> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      const old = await this.#unwrap(request.encryptedKeys, call);
      const made = await this.#parts.keyring.rewrap(old, "application", this.#parts.access.events, call);
      this.#parts.access.events.note("vault.dek.decrypted", { key_id: old.id });
      this.#noteRead(made);
      return toDataKey(made);
    });
  }

  unwrapMany(request: UnwrapManyRequest, options: CallOptions = {}): Promise<ItemResult<DataKey>[]> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      return eachItem(request.keys, 1, (keys) => this.createDecrypt({ keys }, call));
    });
  }

  rekeyMany(request: RekeyManyRequest, options: CallOptions = {}): Promise<ItemResult<WrappedDataKey>[]> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      return eachItem(request.items, 1, async ({ context, encryptedKeys }) => {
        const to = inScope(this.#parts.access, canonicalContext(context));
        return this.#rewrapped(encryptedKeys, call, async (old) => {
          checkMove(this.#parts.access, old.context, to);
          return this.#parts.keyring.rekey(old, to, this.#parts.access.events, call);
        });
      });
    });
  }

  rewrapMany(request: RewrapManyRequest, options: CallOptions = {}): Promise<ItemResult<WrappedDataKey>[]> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      return eachItem(request.encryptedKeys, 1, (encryptedKeys) =>
        this.#rewrapped(encryptedKeys, call, (old) =>
          this.#parts.keyring.rewrap(old, "application", this.#parts.access.events, call),
        ),
      );
    });
  }

  createDataKeys(request: CreateDataKeysRequest, options: CallOptions = {}): Promise<DataKey[]> {
    return runCall(options, this, async (call) => {
      const made: DataKey[] = [];
      try {
        while (made.length < request.count) made.push(await this.createDataKey(request, call));
        return made;
      } catch (error) {
        for (const key of made) key.dispose();
        throw error;
      }
    });
  }

  /** The other wrapped form of a data key, which never becomes an object and is zeroed here. */
  async #rewrapped(
    encryptedKeys: string,
    options: CallOptions,
    wrapAnew: (old: RingDataKey) => Promise<RingDataKey>,
  ): Promise<WrappedDataKey> {
    if (this.#parts.access.absorbsOnly) checkAbsorb(keyBlobFromText(encryptedKeys));
    const old = await this.#unwrap(encryptedKeys, options);
    try {
      const made = await wrapAnew(old);
      this.#parts.access.events.note("vault.dek.decrypted", { key_id: old.id });
      this.#noteRead(made);
      return { id: made.id, keyBlob: made.blob as Bytes, context: made.keyContext };
    } finally {
      // Both forms are of the same bytes.
      old.key.fill(0);
    }
  }

  /** Nothing of a key is answered, and so nothing is noted in the log. */
  checkMany(request: UnwrapManyRequest, options: CallOptions = {}): Promise<ItemResult<true>[]> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      return eachItem(request.keys, 1, async (keys) => {
        const { key } = await this.#unwrap(keys, call);
        key.fill(0);
        return true as const;
      });
    });
  }

  #newestRevision(): Revision {
    const id = revisionOf(this.#parts.database.changes(), this.#parts.access.environmentId);
    if (this.#newest?.id !== id) this.#newest = { id };
    return this.#newest;
  }

  /** What is out of the session's scope answers like what does not exist. */
  async #unwrap(keys: string, options: CallOptions): Promise<RingDataKey> {
    const blob = keyBlobFromText(keys);
    if (keyBlobFormatAt(blob, 0) === "sealed") {
      return this.#sealed.open(blob, (context) => isInScope(this.#parts.access, context.entries), options);
    }
    const { scope } = this.#parts.access;
    // Before the states of its KEKs are looked at: a caller must not learn those of other contexts.
    const isUnknown =
      scope.length > 0 && !isInScope(this.#parts.access, await this.#parts.keyring.contextOf(blob, options));
    if (isUnknown) throw unknownKek(decodeKeyBlob(blob).keks[0]!.id);
    const made = await this.#parts.keyring.unwrap(blob, "application", options);
    // The context that the blob authenticates decides; what its KEKs' rows said above was only believed.
    const isOutside = !isInScope(this.#parts.access, made.context.entries);
    if (!isOutside && !(await this.#isStored(made.id, options))) return made;
    made.key.fill(0);
    throw isOutside ? unknownKek(decodeKeyBlob(blob).keks[0]!.id) : decryptFailed();
  }

  #noteRead(made: RingDataKey): void {
    this.#parts.access.events.note("vault.dek.read", {
      key_ids: [made.id],
      key_context: made.keyContext,
    });
  }
}

function toDataKey(made: RingDataKey): DataKey {
  const { id, key, keyContext } = made;
  try {
    return new DataKey({
      id,
      key,
      encryptedKeys: encodeBase64(made.blob),
      keyBlob: made.blob,
      context: keyContext,
    });
  } finally {
    key.fill(0);
  }
}
