/**
 * Vault: the facade that applications use.
 *
 * Owns the composition of the ports into encrypt, decrypt, rekey and the store; portable, so that it runs in
 * browsers and on edge runtimes. Must not know which key service or store stands behind it.
 *
 * @module
 */

import { encodeBase64 } from "../base/base64.ts";
import { copyBytes, equalBytes } from "../base/bytes.ts";
import { DISPOSE, lend } from "../base/dispose.ts";
import { checkOptions, type OptionNames, optionNames } from "../base/options.ts";
import {
  type Envelope,
  type ParsedEnvelope,
  parseEnvelope,
  type WritableLayout,
} from "../crypto/envelope/envelope.ts";
import type { DecryptItem } from "../crypto/envelope/fast/envelope-batch.ts";
import { envelopeKeyOf } from "../crypto/envelope/fast/envelope-key.ts";
import { checkPlaintext, roomFor } from "../crypto/envelope/plaintext.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { canonicalContext, contextObject, type KeyContext } from "../crypto/keys/key-context.ts";
import {
  type AssociatedData,
  associatedDataBytes,
  checkLayout,
  checkResultType,
  DEFAULT_LAYOUT,
  decryptEnvelope,
  LOCAL_DECRYPT_OPTIONS,
  type LocalDecryptOptions,
  localEncrypt,
  plaintextBytes,
} from "../crypto/local.ts";
import {
  decryptRange,
  NATIVE_SOURCE_OPTIONS,
  type NativeReader,
  type NativeSourceOptions,
  openNativeSource,
} from "../crypto/native/range.ts";
import type { RangeSource } from "../crypto/native/source.ts";
import {
  type ByteTransform,
  decryptStream,
  encryptStream,
  type FindDataKey,
  type MakeDataKey,
  NATIVE_STREAM_OPTIONS,
  type NativeStreamOptions,
} from "../crypto/native/stream.ts";
import { readyRandom } from "../crypto/primitives/random.ts";
import { decryptFailed, VaultError } from "../errors.ts";
import { HttpKeyService } from "../http/http-key-service.ts";
import { HttpKvService } from "../http/http-kv-service.ts";
import { HTTP_OPTIONS, type HttpOptions, Transport } from "../http/transport.ts";
import { decryptBatch, encryptBatch, type UseLease, type VaultEncryptItem } from "../keys/batches.ts";
import { DataKeyCache, type DataKeyCacheOptions } from "../keys/data-key-cache.ts";
import { CALL_OPTIONS, type CallOptions, type KeyService } from "../keys/key-service.ts";
import {
  checkLimits,
  LEASE_LIMITS,
  type Lease,
  type LeaseLimits,
  type LeaseOptions,
  takeLease,
} from "../keys/lease.ts";
import { LeasePool } from "../keys/lease-pool.ts";
import type {
  KvListRequest,
  KvMetadata,
  KvObject,
  KvObjectWithoutValue,
  KvPage,
  KvService,
  KvVersion,
} from "../kv/kv-service.ts";
import { KvListing } from "../kv/pagination.ts";
import {
  BATCH_OPTIONS,
  type BatchOptions,
  type ItemResult,
  REKEY_OPTIONS,
  type RekeyOptions,
  rekey,
  rekeyMany,
  rewrap,
  rewrapMany,
} from "../rekey/rekey.ts";

/** How a vault behaves, whatever stands behind it. */
export interface VaultBehaviour {
  /** Layout to write; default `iv12`, which most WorkOS SDKs read, or `native` with `requireCommitment`. */
  readonly layout?: WritableLayout | undefined;
  /**
   * Refuse to write and to read layouts that do not commit to their key, which are all of WorkOS's; decided before
   * any key is asked for. A call's own option goes before. Default false.
   */
  readonly requireCommitment?: boolean | undefined;
  /** Limits of the decrypt cache; default 60 s and 1,000 keys. */
  readonly cache?: DataKeyCacheOptions | undefined;
}

/** A vault over services of one's own. */
export interface VaultPorts extends VaultBehaviour {
  /** Makes and unwraps data keys. */
  readonly keys: KeyService;
  /** Stores small secrets. */
  readonly kv: KvService;
}

/** A vault over ports, or over the WorkOS API: a coffer server's or WorkOS's own. */
export type VaultOptions = VaultPorts | (HttpOptions & VaultBehaviour & { readonly keys?: undefined });

const BEHAVIOUR_OPTIONS = optionNames<VaultBehaviour>({
  layout: true,
  requireCommitment: true,
  cache: true,
});
const PORTS_OPTIONS = optionNames<Omit<VaultPorts, keyof VaultBehaviour>>(
  { keys: true, kv: true },
  BEHAVIOUR_OPTIONS,
);
const HTTP_VAULT_OPTIONS = optionNames<{ keys?: undefined }>({ keys: true }, HTTP_OPTIONS, BEHAVIOUR_OPTIONS);

export interface EncryptOptions extends CallOptions {
  /** Layout to write; default the vault's. */
  readonly layout?: WritableLayout | undefined;
  /** Refuse to write a layout that does not commit to its key; default the vault's. */
  readonly requireCommitment?: boolean | undefined;
  /**
   * Use one data key for several messages of the same context, within a budget: `true` for the default limits.
   * Default: a fresh data key per message.
   */
  readonly reuse?: boolean | LeaseLimits | undefined;
}

export interface DecryptOptions extends LocalDecryptOptions, CallOptions {
  /** The context that the ciphertext must have been encrypted under; another one is ERR_DECRYPT_FAILED. */
  readonly context?: KeyContext | undefined;
}

const ENCRYPT_OPTIONS = optionNames<Omit<EncryptOptions, keyof CallOptions>>(
  { layout: true, requireCommitment: true, reuse: true },
  CALL_OPTIONS,
);
const CONTEXT_OPTION = optionNames<Pick<DecryptOptions, "context">>({ context: true });
const DECRYPT_OPTIONS: OptionNames = new Set([...LOCAL_DECRYPT_OPTIONS, ...CALL_OPTIONS, ...CONTEXT_OPTION]);
const STREAM_OPTIONS: OptionNames = new Set([...CALL_OPTIONS, ...NATIVE_STREAM_OPTIONS, ...CONTEXT_OPTION]);
const SOURCE_OPTIONS: OptionNames = new Set([...NATIVE_SOURCE_OPTIONS, ...CONTEXT_OPTION]);
const REWRAP_OPTIONS: OptionNames = new Set([...REKEY_OPTIONS, ...CONTEXT_OPTION]);

/** Encrypts, decrypts, rekeys and stores secrets with the data keys of one key service. */
export class Vault implements KvServiceFace {
  readonly #keys: KeyService;
  readonly #kv: KvService;
  readonly #layout: WritableLayout;
  readonly #requireCommitment: boolean;
  readonly #cache: DataKeyCache;
  readonly #leases: LeasePool;
  #isDisposed = false;
  #callsUnderWay = 0;
  #settled: PromiseWithResolvers<void> | undefined;

  /**
   * @param options - ports, or how to reach the service: default by COFFER_BASE_URL and COFFER_API_KEY, or
   *   WorkOS's own service and WORKOS_API_KEY; names that are not known are refused
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_RANDOM_UNAVAILABLE if the kernel's random device
   *   cannot be opened
   */
  constructor(options: VaultOptions = {}) {
    readyRandom();
    if (options.keys === undefined) {
      checkOptions(options, HTTP_VAULT_OPTIONS, "Vault");
      const { layout, requireCommitment, cache, keys, ...http } = options;
      const transport = new Transport(http);
      this.#keys = new HttpKeyService(transport);
      this.#kv = new HttpKvService(transport);
    } else {
      checkOptions(options, PORTS_OPTIONS, "Vault");
      this.#keys = options.keys;
      this.#kv = options.kv;
    }
    this.#requireCommitment = options.requireCommitment === true;
    this.#layout = checkLayout(options.layout, this.#requireCommitment);
    this.#cache = new DataKeyCache(options.cache);
    this.#leases = new LeasePool(this.#keys);
  }

  /**
   * Encrypts one message under a data key of `keyContext`.
   *
   * @param data - text or bytes, at most 64 MiB
   * @param keyContext - 1 to 10 names with values; whoever decrypts needs every KEK it names
   * @param associatedData - authenticated, not stored; must be given again to decrypt
   * @returns the ciphertext as base64 text
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID, ERR_TEXT_MALFORMED,
   *   ERR_PLAINTEXT_TOO_LARGE (all before any request), ERR_KEY_DISABLED, ERR_KEY_DESTROYED, and the service's codes
   */
  async encrypt(
    data: string | Uint8Array,
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options: EncryptOptions = {},
  ): Promise<string> {
    checkOptions(options, ENCRYPT_OPTIONS, "encrypt");
    this.#beginCall();
    try {
      // From here to the first wait everything is copied that a caller could change meanwhile.
      const aad = copyBytes(associatedDataBytes(associatedData));
      const layout = this.#layoutToWrite(options);
      options.signal?.throwIfAborted();
      if (options.reuse !== undefined && options.reuse !== false) {
        const limits = options.reuse === true ? {} : options.reuse;
        checkOptions(limits, LEASE_LIMITS, "reuse");
        // A byte budget of the caller's is kept to the byte. Of the default one, 64 GiB, a few may stay unused.
        const given = limits.maxBytes === undefined ? checkPlaintext(data) : plaintextBytes(data);
        const plaintext = typeof given === "string" ? given : copyBytes(given);
        const encrypt = (lease: Lease): Promise<string> => lease.encrypt(plaintext, aad, { layout });
        try {
          return await this.#leases.use(keyContext, limits, roomFor(plaintext), encrypt, options);
        } finally {
          if (typeof plaintext !== "string") plaintext.fill(0);
        }
      }
      const context = contextObject(canonicalContext(keyContext));
      const plaintext = copyBytes(plaintextBytes(data));
      try {
        const made = await this.#keys.createDataKey({ context }, options);
        return await lend(made, (key) => localEncrypt(plaintext, key, aad, { layout }));
      } finally {
        plaintext.fill(0);
      }
    } finally {
      this.#endCall();
    }
  }

  /**
   * Decrypts a ciphertext of any layout.
   *
   * @param associatedData - exactly what was given to encrypt
   * @returns the text, or bytes with `as: "bytes"`
   * @throws VaultError the parse errors of a ciphertext (before any request); ERR_DECRYPT_FAILED for a wrong key,
   *   context or associated data and for altered data alike; ERR_PLAINTEXT_NOT_TEXT; ERR_KEY_NOT_FOUND,
   *   ERR_KEY_DISABLED, ERR_KEY_DESTROYED; ERR_UNSUPPORTED if `context` is expected of a service that does not
   *   tell contexts
   */
  async decrypt(
    ciphertext: string,
    associatedData: AssociatedData,
    options: DecryptOptions & { readonly as: "bytes" },
  ): Promise<Uint8Array>;
  async decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: DecryptOptions & { readonly as?: "text" | undefined },
  ): Promise<string>;
  async decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    options: DecryptOptions = {},
  ): Promise<string | Uint8Array> {
    checkOptions(options, DECRYPT_OPTIONS, "decrypt");
    this.#checkOpen();
    const as = checkResultType(options.as);
    const aad = associatedDataBytes(associatedData);
    return this.#openByCachedKey(ciphertext, aad, as, options) ?? this.#decrypt(ciphertext, aad, as, options);
  }

  async #decrypt(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: DecryptOptions,
  ): Promise<string | Uint8Array> {
    this.#beginCall();
    try {
      const aad = copyBytes(associatedData);
      const { provider } = options;
      const expected = options.context === undefined ? undefined : canonicalContext(options.context).bytes;
      const envelope: ParsedEnvelope = parseEnvelope(ciphertext, this.#reading(options));
      const encryptedKeys = encodeBase64(envelope.keyBlob);
      const plaintext = await this.#withKey(
        encryptedKeys,
        (key) => {
          checkContext(key, expected);
          return decryptEnvelope(envelope satisfies Envelope, key, aad, as, provider);
        },
        options,
      );
      if (envelope.layout === DEFAULT_LAYOUT)
        this.#cache.noteCiphertext(this.#keys, ciphertext, encryptedKeys);
      return plaintext;
    } finally {
      this.#endCall();
    }
  }

  /**
   * Encrypts many messages. Messages of the same context share one data key, so the service is asked once per context.
   *
   * @param items - texts or bytes, or `{ data, associatedData?, context? }` for an item's own
   * @param keyContext - of all items that have none of their own
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID for `keyContext`; the
   *   signal's reason. What `encrypt` throws for one message is that item's error.
   */
  async encryptMany(
    items: readonly VaultEncryptItem[],
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options: EncryptOptions = {},
  ): Promise<ItemResult<string>[]> {
    checkOptions(options, ENCRYPT_OPTIONS, "encryptMany");
    this.#beginCall();
    try {
      const layout = this.#layoutToWrite(options);
      options.signal?.throwIfAborted();
      const { reuse, signal } = options;
      if (typeof reuse === "object") checkOptions(reuse, LEASE_LIMITS, "reuse");
      const limits =
        reuse === undefined || reuse === false ? undefined : checkLimits(reuse === true ? {} : reuse);
      const useLease: UseLease = async (context, work) => {
        if (limits !== undefined) return await this.#leases.use(context, limits, 1, work, { signal });
        return await lend(await takeLease(this.#keys, context, { layout, signal }), work);
      };
      return await encryptBatch(useLease, items, keyContext, associatedData, { ...options, layout });
    } finally {
      this.#endCall();
    }
  }

  /**
   * Decrypts many ciphertexts of any layouts. Each data key is asked for once.
   *
   * @param items - ciphertexts, or `{ ciphertext, associatedData }` for associated data of their own
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; the signal's reason. What `decrypt` throws for one
   *   ciphertext is that item's error.
   */
  async decryptMany(
    items: readonly DecryptItem[],
    associatedData: AssociatedData,
    options: DecryptOptions & { readonly as: "bytes" },
  ): Promise<ItemResult<Uint8Array>[]>;
  async decryptMany(
    items: readonly DecryptItem[],
    associatedData?: AssociatedData,
    options?: DecryptOptions & { readonly as?: "text" | undefined },
  ): Promise<ItemResult<string>[]>;
  async decryptMany(
    items: readonly DecryptItem[],
    associatedData?: AssociatedData,
    options: DecryptOptions = {},
  ): Promise<ItemResult<string | Uint8Array>[]> {
    checkOptions(options, DECRYPT_OPTIONS, "decryptMany");
    this.#beginCall();
    try {
      options.signal?.throwIfAborted();
      const expected = options.context === undefined ? undefined : canonicalContext(options.context).bytes;
      return await decryptBatch(
        (encryptedKeys, work, callOptions) => this.#withKey(encryptedKeys, work, callOptions),
        items,
        associatedData,
        this.#reading(options),
        (key) => checkContext(key, expected),
      );
    } finally {
      this.#endCall();
    }
  }

  /**
   * Encrypts a ciphertext of any layout anew: into the native layout, under a fresh data key of the same context. The
   * old ciphertext stays as it is; a native one is answered unchanged.
   *
   * @param associatedData - exactly what was given to encrypt; it stays the same
   * @param options.context - the ciphertext's context; needed only of services that do not tell contexts, checked with
   *   those that do
   * @param options.requireCommitment - the vault's policy, if it requires commitment, refuses what is to be upgraded;
   *   `false` lets this call read it
   * @throws VaultError ERR_UNSUPPORTED if the service does not tell the context and none was given; and as `decrypt`
   *   and `encrypt`
   */
  async upgrade(
    ciphertext: string,
    associatedData?: AssociatedData,
    options: Omit<DecryptOptions, "as"> = {},
  ): Promise<string> {
    checkOptions(options, DECRYPT_OPTIONS, "upgrade");
    this.#beginCall();
    try {
      const aad = copyBytes(associatedDataBytes(associatedData));
      const given = options.context === undefined ? undefined : canonicalContext(options.context);
      const { provider, signal } = options;
      const envelope = parseEnvelope(ciphertext, this.#reading(options));
      if (envelope.layout === "native") return ciphertext;
      const opened = await this.#withKey(
        encodeBase64(envelope.keyBlob),
        async (key) => {
          const context = key.context ?? (given && contextObject(given));
          if (context === undefined) {
            throw new VaultError(
              "ERR_UNSUPPORTED",
              "this key service does not tell contexts: give the ciphertext's",
            );
          }
          if (key.context !== undefined) checkContext(key, given?.bytes);
          const plaintext = await decryptEnvelope(envelope, key, aad, "bytes", provider);
          return { context, plaintext: plaintext as Uint8Array };
        },
        { signal },
      );
      try {
        const made = await this.#keys.createDataKey({ context: opened.context }, { signal });
        return await lend(made, (key) =>
          localEncrypt(opened.plaintext, key, aad, { layout: "native", provider }),
        );
      } finally {
        opened.plaintext.fill(0);
      }
    } finally {
      this.#endCall();
    }
  }

  /**
   * Encrypts a stream of bytes of any length into the native format, under a fresh data key.
   *
   * @returns a transform of `Uint8Array`s, to pipe through. It fails with what `encrypt` throws, and what fails or is
   *   aborted leaves an envelope that nobody takes for a whole one
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID, ERR_TEXT_MALFORMED (all
   *   before any request)
   */
  encryptStream(
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options: CallOptions & NativeStreamOptions = {},
  ): ByteTransform {
    checkOptions(options, STREAM_OPTIONS, "encryptStream");
    this.#checkOpen();
    const context = contextObject(canonicalContext(keyContext));
    const { signal } = options;
    const make: MakeDataKey = async (use) => {
      return await lend(await this.#keys.createDataKey({ context }, { signal }), use);
    };
    return encryptStream(make, associatedData, options);
  }

  /**
   * Decrypts a native envelope as it streams by. Only authenticated plaintext comes out; an envelope that ends too
   * early is an error, not an end.
   *
   * @param associatedData - exactly what was given to encrypt
   * @returns a transform of `Uint8Array`s, to pipe through. It fails with ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED,
   *   ERR_ENVELOPE_MALFORMED (before any request, but where it is cut off), and as `decrypt`
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID, ERR_TEXT_MALFORMED
   */
  decryptStream(
    associatedData?: AssociatedData,
    options: CallOptions & NativeStreamOptions & Pick<DecryptOptions, "context"> = {},
  ): ByteTransform {
    checkOptions(options, STREAM_OPTIONS, "decryptStream");
    this.#checkOpen();
    return decryptStream(this.#finder(options), associatedData, options);
  }

  /**
   * Opens a native envelope at rest, to read any range of it. Key and size are proved first.
   *
   * @param source - bytes, a Blob, a file handle, or `{ size, read(offset, length) }`
   * @param associatedData - exactly what was given to encrypt
   * @returns a reader; dispose of it
   * @throws as {@link decryptStream}, and what the source throws
   */
  async openNativeSource(
    source: RangeSource,
    associatedData?: AssociatedData,
    options: NativeSourceOptions & Pick<DecryptOptions, "context"> = {},
  ): Promise<NativeReader> {
    checkOptions(options, SOURCE_OPTIONS, "openNativeSource");
    return await this.during(() => openNativeSource(source, this.#finder(options), associatedData, options));
  }

  /**
   * Decrypts one range of a native envelope at rest.
   *
   * @param start - first byte of plaintext, from 0
   * @param end - byte behind the last; default the plaintext's size
   * @throws RangeError ERR_INVALID_ARGUMENT for a range that is not within the plaintext; and as
   *   {@link openNativeSource}
   */
  async decryptRange(
    source: RangeSource,
    start: number,
    end?: number,
    associatedData?: AssociatedData,
    options: NativeSourceOptions & Pick<DecryptOptions, "context"> = {},
  ): Promise<Uint8Array> {
    checkOptions(options, SOURCE_OPTIONS, "decryptRange");
    return await this.during(() =>
      decryptRange(source, this.#finder(options), start, end, associatedData, options),
    );
  }

  /**
   * Takes a data key for `context` and holds it for several messages, within a budget.
   *
   * @throws as `encrypt`
   */
  async lease(context: KeyContext, options: LeaseOptions & CallOptions = {}): Promise<Lease> {
    this.#beginCall();
    try {
      const { requireCommitment } = this.#reading(options);
      return await takeLease(this.#keys, context, {
        ...options,
        layout: this.#layoutToWrite(options),
        requireCommitment,
      });
    } finally {
      this.#endCall();
    }
  }

  /** Moves a ciphertext to another context without touching its data. @throws as `rekey` of coffer/rekey */
  async rekey(ciphertext: string, context: KeyContext, options: RekeyOptions = {}): Promise<string> {
    checkOptions(options, REKEY_OPTIONS, "rekey");
    return await this.during(() => rekey(this.#keys, ciphertext, context, this.#reading(options)));
  }

  /** Moves many ciphertexts; one result per item, in order. @throws as `rekeyMany` of coffer/rekey */
  async rekeyMany(
    ciphertexts: readonly string[],
    context: KeyContext,
    options: BatchOptions = {},
  ): Promise<ItemResult<string>[]> {
    checkOptions(options, BATCH_OPTIONS, "rekeyMany");
    return await this.during(() => rekeyMany(this.#keys, ciphertexts, context, this.#reading(options)));
  }

  /** Wraps a ciphertext's data key under the newest KEK versions. @throws as `rewrap` of coffer/rekey */
  async rewrap(
    ciphertext: string,
    options: RekeyOptions & { readonly context?: KeyContext | undefined } = {},
  ): Promise<string> {
    checkOptions(options, REWRAP_OPTIONS, "rewrap");
    return await this.during(() => rewrap(this.#keys, ciphertext, this.#reading(options)));
  }

  /**
   * Wraps the data keys of many ciphertexts under the newest KEK versions; one result per item, in order. Ciphertexts
   * that share a data key go on sharing it, and cost one request. @throws as `rewrapMany` of coffer/rekey
   */
  async rewrapMany(
    ciphertexts: readonly string[],
    options: BatchOptions = {},
  ): Promise<ItemResult<string>[]> {
    checkOptions(options, BATCH_OPTIONS, "rewrapMany");
    return await this.during(() => rewrapMany(this.#keys, ciphertexts, this.#reading(options)));
  }

  /** Makes a data key, for use with coffer/crypto. Dispose of it. */
  async createDataKey(
    request: { readonly context: KeyContext },
    options: CallOptions = {},
  ): Promise<DataKey> {
    checkOptions(options, CALL_OPTIONS, "createDataKey");
    this.#beginCall();
    try {
      const context = contextObject(canonicalContext(request.context));
      return await this.#keys.createDataKey({ context }, options);
    } finally {
      this.#endCall();
    }
  }

  /** Unwraps a data key, for use with coffer/crypto. Dispose of it. */
  async createDecrypt(request: { readonly keys: string }, options: CallOptions = {}): Promise<DataKey> {
    checkOptions(options, CALL_OPTIONS, "createDecrypt");
    return await this.during(() => this.#keys.createDecrypt({ keys: request.keys }, options));
  }

  /** The same as {@link createDecrypt}. */
  async decryptDataKey(request: { readonly keys: string }, options: CallOptions = {}): Promise<DataKey> {
    return this.createDecrypt(request, options);
  }

  /** Wraps a data key for another context. Dispose of it. */
  async createRekey(
    request: { readonly context: KeyContext; readonly encryptedKeys: string },
    options: CallOptions = {},
  ): Promise<DataKey> {
    checkOptions(options, CALL_OPTIONS, "createRekey");
    this.#beginCall();
    try {
      const context = contextObject(canonicalContext(request.context));
      return await this.#keys.createRekey({ context, encryptedKeys: request.encryptedKeys }, options);
    } finally {
      this.#endCall();
    }
  }

  /** Stores a value under a new name. @throws as `KvService.createKv` */
  async createKv(
    request: { readonly name: string; readonly value: string; readonly keyContext: KeyContext },
    options: CallOptions = {},
  ): Promise<KvMetadata> {
    checkOptions(options, CALL_OPTIONS, "createKv");
    return await this.during(() => this.#kv.createKv(request, options));
  }

  /** Reads a stored value by id; with `versionId` an old version. @throws as `KvService.getKv` */
  async getKv(
    request: { readonly id: string; readonly versionId?: string | undefined },
    options: CallOptions = {},
  ): Promise<KvObject> {
    checkOptions(options, CALL_OPTIONS, "getKv");
    return await this.during(() => this.#kv.getKv(request, options));
  }

  /** Reads a stored value by name. @throws as `KvService.getName` */
  async getName(request: { readonly name: string }, options: CallOptions = {}): Promise<KvObject> {
    checkOptions(options, CALL_OPTIONS, "getName");
    return await this.during(() => this.#kv.getName(request, options));
  }

  /** Writes a new version. @throws as `KvService.updateKv` */
  async updateKv(
    request: {
      readonly id: string;
      readonly value: string;
      readonly versionCheck?: string | null | undefined;
    },
    options: CallOptions = {},
  ): Promise<KvObjectWithoutValue> {
    checkOptions(options, CALL_OPTIONS, "updateKv");
    return await this.during(() => this.#kv.updateKv(request, options));
  }

  /** Hides an object and frees its name. @throws as `KvService.deleteKv` */
  async deleteKv(
    request: { readonly id: string; readonly versionCheck?: string | null | undefined },
    options: CallOptions = {},
  ): Promise<{ readonly success: true; readonly name: string }> {
    checkOptions(options, CALL_OPTIONS, "deleteKv");
    return await this.during(() => this.#kv.deleteKv(request, options));
  }

  /** Lists objects: `await` it for a page, or `for await` over all. @throws as `KvService.listKv` */
  listKv(request: KvListRequest = {}, options: CallOptions = {}): KvListing {
    checkOptions(options, CALL_OPTIONS, "listKv");
    const { signal } = options;
    return new KvListing(async (page) => {
      return await this.during(() => this.#kv.listKv(page, { signal }));
    }, request);
  }

  /** Lists the versions of an object. @throws as `KvService.listKvVersions` */
  async listKvVersions(
    request: { readonly id: string },
    options: CallOptions = {},
  ): Promise<KvPage<KvVersion>> {
    checkOptions(options, CALL_OPTIONS, "listKvVersions");
    return await this.during(() => this.#kv.listKvVersions(request, options));
  }

  /** An object without its value. @throws as `KvService.listKvMetadata` */
  async listKvMetadata(
    request: { readonly id: string },
    options: CallOptions = {},
  ): Promise<KvObjectWithoutValue> {
    checkOptions(options, CALL_OPTIONS, "listKvMetadata");
    return await this.during(() => this.#kv.listKvMetadata(request, options));
  }

  /** Brings a deleted object back. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.undeleteKv` */
  async undeleteKv(
    request: { readonly id: string },
    options: CallOptions = {},
  ): Promise<KvObjectWithoutValue> {
    checkOptions(options, CALL_OPTIONS, "undeleteKv");
    this.#beginCall();
    try {
      if (this.#kv.undeleteKv === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this store cannot undelete");
      return await this.#kv.undeleteKv(request, options);
    } finally {
      this.#endCall();
    }
  }

  /** Erases stored values for good. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.destroyKv` */
  async destroyKv(
    request: { readonly id: string; readonly versionId?: string | undefined },
    options: CallOptions = {},
  ): Promise<{ readonly destroyedVersions: number }> {
    checkOptions(options, CALL_OPTIONS, "destroyKv");
    this.#beginCall();
    try {
      if (this.#kv.destroyKv === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this store cannot destroy versions");
      return await this.#kv.destroyKv(request, options);
    } finally {
      this.#endCall();
    }
  }

  /** Lets go of every key that is held. Later calls throw ERR_DISPOSED. May be called more than once. */
  dispose(): void {
    this.#isDisposed = true;
    this.#cache.dispose();
    this.#leases.dispose();
  }

  [DISPOSE](): void {
    this.dispose();
  }

  /** Opens what a key in the cache opens at once: nothing is asked for, and any doubt answers undefined. */
  #openByCachedKey(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: DecryptOptions,
  ): string | Uint8Array | undefined {
    const { context, layouts, signal, requireCommitment = this.#requireCommitment, provider } = options;
    const isPlain =
      context === undefined && layouts === undefined && signal === undefined && !requireCommitment;
    if (!isPlain || typeof ciphertext !== "string") return undefined;
    const key = this.#cache.guessKey(this.#keys, ciphertext);
    if (key === undefined) return undefined;
    return envelopeKeyOf(key).open(ciphertext, associatedData, DEFAULT_LAYOUT, as, provider, true);
  }

  /** Runs `work` with an unwrapped data key, which it must not keep. */
  #withKey<T>(
    encryptedKeys: string,
    work: (key: DataKey) => T | Promise<T>,
    options: CallOptions,
  ): Promise<T> {
    return this.#cache.use(this.#keys, encryptedKeys, work, options);
  }

  /** Finds and lends the data keys of native envelopes whose headers have been read. */
  #finder(options: CallOptions & Pick<DecryptOptions, "context">): FindDataKey {
    const expected = options.context === undefined ? undefined : canonicalContext(options.context).bytes;
    const { signal } = options;
    return (encryptedKeys, use) =>
      this.#withKey(
        encryptedKeys,
        (key) => {
          checkContext(key, expected);
          return use(key);
        },
        { signal },
      );
  }

  /** The layout of a message: the call's, else the vault's, as far as the policy allows. */
  #layoutToWrite(options: Pick<EncryptOptions, "layout" | "requireCommitment">): WritableLayout {
    const requireCommitment = options.requireCommitment ?? this.#requireCommitment;
    if (options.layout !== undefined) return checkLayout(options.layout, requireCommitment);
    // A call that is stricter than its vault does not mean the vault's layout.
    return checkLayout(
      requireCommitment && !this.#requireCommitment ? undefined : this.#layout,
      requireCommitment,
    );
  }

  /** Options of reading with the vault's policy where the call has none. */
  #reading<T extends { readonly requireCommitment?: boolean | undefined }>(
    options: T,
  ): T & { readonly requireCommitment: boolean } {
    return { ...options, requireCommitment: options.requireCommitment ?? this.#requireCommitment };
  }

  /** Runs a call, which `settled` waits for; its first part before this returns. @throws VaultError ERR_DISPOSED */
  protected async during<T>(work: () => Promise<T>): Promise<T> {
    this.#beginCall();
    try {
      return await work();
    } finally {
      this.#endCall();
    }
  }

  /** Resolves when no call is under way. */
  protected async settled(): Promise<void> {
    if (this.#callsUnderWay === 0) return;
    this.#settled ??= Promise.withResolvers();
    await this.#settled.promise;
  }

  #beginCall(): void {
    this.#checkOpen();
    this.#callsUnderWay += 1;
  }

  #endCall(): void {
    this.#callsUnderWay -= 1;
    if (this.#callsUnderWay === 0) this.#settled?.resolve();
  }

  #checkOpen(): void {
    if (this.#isDisposed) throw new VaultError("ERR_DISPOSED", "the vault has been closed");
  }
}

/** The store's calls as the facade has them: a list is also an iterator. */
type KvServiceFace = { [K in Exclude<keyof KvService, "listKv">]-?: NonNullable<KvService[K]> };

function checkContext(key: DataKey, expected: Uint8Array | undefined): void {
  if (expected === undefined) return;
  if (key.context === undefined) {
    throw new VaultError("ERR_UNSUPPORTED", "this key service does not tell contexts: none can be expected");
  }
  if (!equalBytes(canonicalContext(key.context).bytes, expected)) throw decryptFailed();
}
