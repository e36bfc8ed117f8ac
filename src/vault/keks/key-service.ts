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
import { type CanonicalContext, CheckedContexts, canonicalContext } from "../../crypto/keys/key-context.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { decryptFailed } from "../../errors.ts";
import { eachItemInTurn } from "../../keys/batch-calls.ts";
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
import { KeyUses } from "./key-uses.ts";
import type { KeptRings } from "./keyring.ts";
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
  /** The same at once, for blobs of one moment; each answers undefined where that takes more. */
  kept(): (keyBlob: Uint8Array, isVisible: (context: CanonicalContext) => boolean) => RingDataKey | undefined;
}

/** What is kept, at one moment. */
interface Kept {
  readonly rings: KeptRings;
  readonly sealed: ReturnType<SealedKeys["kept"]>;
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
    return this.#run(options, async (call) => {
      const { access, keyring } = this.#parts;
      const context = inScope(access, canonicalContext(request.context));
      const made = await keyring.createDataKey(context, "application", access.events, call);
      new KeyUses().read(made).note(access.events);
      return toDataKey(made);
    });
  }

  createDecrypt(request: DecryptRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#run(options, async (call) => {
      const made = await this.#unwrap(request.keys, call);
      new KeyUses().decrypted(made).note(this.#parts.access.events);
      return toDataKey(made, request.keys);
    });
  }

  createRekey(request: RekeyRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#run(options, async (call) => {
      const context = inScope(this.#parts.access, canonicalContext(request.context));
      const old = await this.#unwrap(request.encryptedKeys, call);
      try {
        checkMove(this.#parts.access, old.context, context);
      } catch (error) {
        old.key.fill(0);
        throw error;
      }
      const made = await this.#parts.keyring.rekey(old, context, this.#parts.access.events, call);
      new KeyUses().decrypted(old).read(made).note(this.#parts.access.events);
      return toDataKey({ ...made, sender: old.sender });
    });
  }

  createRewrap(request: RewrapRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#run(options, async (call) => {
      const old = await this.#unwrap(request.encryptedKeys, call);
      const made = await this.#parts.keyring.rewrap(old, "application", this.#parts.access.events, call);
      new KeyUses().decrypted(old).read(made).note(this.#parts.access.events);
      return toDataKey({ ...made, sender: old.sender });
    });
  }

  unwrapMany(request: UnwrapManyRequest, options: CallOptions = {}): Promise<ItemResult<DataKey>[]> {
    return this.#together(
      options,
      request.keys,
      (kept, keys, uses) => {
        const made = this.#unwrapKept(kept, keys);
        if (made === undefined) return undefined;
        uses.decrypted(made);
        return toDataKey(made, keys);
      },
      async (keys, call, uses) => {
        const made = await this.#unwrap(keys, call);
        uses.decrypted(made);
        return toDataKey(made, keys);
      },
    );
  }

  rekeyMany(request: RekeyManyRequest, options: CallOptions = {}): Promise<ItemResult<WrappedDataKey>[]> {
    const { access, keyring } = this.#parts;
    // Items of a batch mostly have few contexts.
    const contexts = new CheckedContexts();
    return this.#together(
      options,
      request.items,
      (kept, { context, encryptedKeys }, uses) => {
        const to = inScope(access, canonicalContext(contexts.of(context)));
        return this.#rewrappedKept(kept, encryptedKeys, uses, (old) => {
          checkMove(access, old.context, to);
          return kept.rings.rekey(old, to);
        });
      },
      ({ context, encryptedKeys }, call, uses) => {
        const to = inScope(access, canonicalContext(contexts.of(context)));
        return this.#rewrapped(encryptedKeys, call, uses, async (old) => {
          checkMove(access, old.context, to);
          return keyring.rekey(old, to, access.events, call);
        });
      },
    );
  }

  rewrapMany(request: RewrapManyRequest, options: CallOptions = {}): Promise<ItemResult<WrappedDataKey>[]> {
    const { access, keyring } = this.#parts;
    return this.#together(
      options,
      request.encryptedKeys,
      (kept, encryptedKeys, uses) =>
        this.#rewrappedKept(kept, encryptedKeys, uses, (old) => kept.rings.rewrap(old, "application")),
      (encryptedKeys, call, uses) =>
        this.#rewrapped(encryptedKeys, call, uses, (old) =>
          keyring.rewrap(old, "application", access.events, call),
        ),
    );
  }

  createDataKeys(request: CreateDataKeysRequest, options: CallOptions = {}): Promise<DataKey[]> {
    return this.#run(options, async (call) => {
      const { access, keyring } = this.#parts;
      const context = inScope(access, canonicalContext(request.context));
      const made: RingDataKey[] = [];
      let kept = keyring.kept();
      try {
        while (made.length < request.count) {
          let one = kept.make(context);
          if (one === undefined) {
            // The first may make KEKs; the others find them kept.
            one = await keyring.createDataKey(context, "application", access.events, call);
            kept = keyring.kept();
          }
          made.push(one);
        }
      } catch (error) {
        for (const { key } of made) key.fill(0);
        throw error;
      } finally {
        const uses = new KeyUses();
        for (const one of made) uses.read(one);
        uses.note(access.events);
      }
      return made.map((one) => toDataKey(one));
    });
  }

  /**
   * Handles the items of a batch: at once, under one look, those that need nothing but what is kept.
   *
   * @param now - answers undefined for an item that needs more; tells `uses` of the rest
   * @param later - handles such an item, and tells likewise
   */
  #together<T, R>(
    options: CallOptions,
    items: readonly T[],
    now: (kept: Kept, item: T, uses: KeyUses) => R | undefined,
    later: (item: T, call: CallOptions, uses: KeyUses) => Promise<R>,
  ): Promise<ItemResult<R>[]> {
    return this.#run(options, async (call) => {
      const uses = new KeyUses();
      try {
        let kept: Kept | undefined;
        return await eachItemInTurn(items, (item) => {
          kept ??= { rings: this.#parts.keyring.kept(), sealed: this.#sealed.kept() };
          const done = now(kept, item, uses);
          if (done !== undefined) return done;
          kept = undefined;
          return later(item, call, uses);
        });
      } finally {
        uses.note(this.#parts.access.events);
      }
    });
  }

  /** The other wrapped form of a data key, which never becomes an object and is zeroed here. */
  async #rewrapped(
    encryptedKeys: string,
    options: CallOptions,
    uses: KeyUses,
    wrapAnew: (old: RingDataKey) => Promise<RingDataKey>,
  ): Promise<WrappedDataKey> {
    if (this.#parts.access.absorbsOnly) checkAbsorb(keyBlobFromText(encryptedKeys));
    const old = await this.#unwrap(encryptedKeys, options);
    try {
      const made = await wrapAnew(old);
      uses.decrypted(old).read(made);
      return toWrapped(made, old.sender);
    } finally {
      // Both forms are of the same bytes.
      old.key.fill(0);
    }
  }

  /** The same with the rings that are kept; undefined where that takes more. */
  #rewrappedKept(
    kept: Kept,
    encryptedKeys: string,
    uses: KeyUses,
    wrapAnew: (old: RingDataKey) => RingDataKey | undefined,
  ): WrappedDataKey | undefined {
    if (this.#parts.access.absorbsOnly) checkAbsorb(keyBlobFromText(encryptedKeys));
    const old = this.#unwrapKept(kept, encryptedKeys);
    if (old === undefined) return undefined;
    try {
      const made = wrapAnew(old);
      if (made === undefined) return undefined;
      uses.decrypted(old).read(made);
      return toWrapped(made, old.sender);
    } finally {
      old.key.fill(0);
    }
  }

  /** Nothing of a key is answered, and so nothing is noted in the log. */
  checkMany(request: UnwrapManyRequest, options: CallOptions = {}): Promise<ItemResult<true>[]> {
    return this.#together(
      options,
      request.keys,
      (kept, keys) => {
        const made = this.#unwrapKept(kept, keys);
        made?.key.fill(0);
        return made === undefined ? undefined : (true as const);
      },
      async (keys, call) => {
        const { key } = await this.#unwrap(keys, call);
        key.fill(0);
        return true as const;
      },
    );
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

  /** The same with the rings that are kept; undefined where that takes more. */
  #unwrapKept(kept: Kept, keys: string): RingDataKey | undefined {
    const { access } = this.#parts;
    const blob = keyBlobFromText(keys);
    if (keyBlobFormatAt(blob, 0) === "sealed") {
      return kept.sealed(blob, (context) => isInScope(access, context.entries));
    }
    // What a caller with a scope may see is looked up.
    if (access.scope.length > 0) return undefined;
    const made = kept.rings.unwrap(blob, "application");
    if (made === undefined || this.#isStored(made.id, {}) === false) return made;
    made.key.fill(0);
    return undefined;
  }

  /** Runs a call, unless it was given up before. */
  #run<T>(options: CallOptions, work: (call: CallOptions) => Promise<T>): Promise<T> {
    return runCall(options, this, async (call) => {
      call.signal?.throwIfAborted();
      return work(call);
    });
  }
}

function toWrapped({ id, blob, keyContext }: RingDataKey, sender: string | undefined): WrappedDataKey {
  return { id, keyBlob: blob as Bytes, context: keyContext, sender };
}

/** @param encryptedKeys - the base64 of its blob, where that is known: text that was decoded strictly has no other */
function toDataKey(made: RingDataKey, encryptedKeys = encodeBase64(made.blob)): DataKey {
  const { id, key, keyContext, sender } = made;
  try {
    return new DataKey({
      id,
      key,
      encryptedKeys,
      keyBlob: made.blob,
      context: keyContext,
      sender,
    });
  } finally {
    key.fill(0);
  }
}
