/**
 * How a Vault encrypts and decrypts messages.
 *
 * Owns the way of a message: its options, the data key that it gets (a fresh one, a lease's, a cached one) and its
 * envelope. Arguments are those of the methods of the same names in vault.ts, which document them. Must not know which
 * key service stands behind it.
 *
 * @module
 */

import { encodeBase64 } from "../base/base64.ts";
import { type Bytes, copyBytes } from "../base/bytes.ts";
import { lend } from "../base/dispose.ts";
import type { ItemResult } from "../base/item-result.ts";
import { withoutNullish } from "../base/nullish.ts";
import { checkOptions } from "../base/options.ts";
import type { AssociatedData } from "../crypto/associated-data.ts";
import type { Ciphers } from "../crypto/ciphers/ciphers.ts";
import { ciphersOf } from "../crypto/ciphers/of-call.ts";
import type { SyncCrypto } from "../crypto/ciphers/sync-crypto.ts";
import type { DecryptItem } from "../crypto/envelope/batch-items.ts";
import { type ParsedEnvelope, parseEnvelope } from "../crypto/envelope/envelope.ts";
import type { WritableLayout } from "../crypto/envelope/layouts.ts";
import { checkPlaintext, plaintextBytes, roomFor } from "../crypto/envelope/plaintext.ts";
import {
  CheckedContexts,
  canonicalContext,
  checkedContext,
  contextObject,
  type KeyContext,
} from "../crypto/keys/key-context.ts";
import {
  associatedDataBytes,
  checkLayout,
  checkResultType,
  DEFAULT_LAYOUT,
  decryptEnvelope,
  encryptEnvelope,
} from "../crypto/local.ts";
import type { FindDataKey } from "../crypto/native/stream.ts";
import { VaultError } from "../errors.ts";
import { batchSize } from "../keys/batch-calls.ts";
import { decryptBatch, encryptBatch, type UseLeasedKey, type VaultEncryptItem } from "../keys/batches.ts";
import { checkedCall, runCall, withinTime } from "../keys/calls.ts";
import { DataKeyCache } from "../keys/data-key-cache.ts";
import { HeldKeys } from "../keys/held-keys.ts";
import type { CallOptions, KeyService } from "../keys/key-service.ts";
import { Lease } from "../keys/lease.ts";
import { type CheckedLimits, checkLimits, DEFAULT_LIMITS, LEASE_LIMITS } from "../keys/lease-budget.ts";
import { LeasePool } from "../keys/lease-pool.ts";
import {
  LEASE_OPTIONS,
  type LeasedKey,
  type LeaseOptions,
  leaseSettings,
  settingsOf,
  takeLeasedKey,
} from "../keys/leased-key.ts";
import type { PortCalls, VaultCalls } from "./calls.ts";
import { checkContext, expectedContext } from "./expected-context.ts";
import {
  DECRYPT_MANY_OPTIONS,
  DECRYPT_OPTIONS,
  type DecryptManyOptions,
  type DecryptOptions,
  ENCRYPT_MANY_OPTIONS,
  ENCRYPT_OPTIONS,
  type EncryptManyOptions,
  type EncryptOptions,
  type SealedPlaintext,
  type VaultBehaviour,
} from "./options.ts";

/** The messages of one vault: its policy, and the data keys that it holds. */
export class VaultMessages {
  readonly #keys: KeyService;
  readonly #ofKeys: PortCalls<KeyService>;
  /** What cache and leases hold, in one list: a revocation is asked about once for all. */
  readonly #heldKeys: HeldKeys;
  readonly #calls: VaultCalls;
  readonly #layout: WritableLayout;
  readonly #requireCommitment: boolean;
  readonly #ciphers: Ciphers;
  readonly #cache: DataKeyCache;
  /** Of messages that have a data key of their own. */
  readonly #contexts = new CheckedContexts();
  readonly #leases: LeasePool;

  /** @throws TypeError or RangeError ERR_INVALID_ARGUMENT for a wrong behaviour */
  constructor(ofKeys: PortCalls<KeyService>, calls: VaultCalls, behaviour: VaultBehaviour) {
    const keys = ofKeys.port;
    this.#keys = keys;
    this.#ofKeys = ofKeys;
    this.#calls = calls;
    this.#requireCommitment = behaviour.requireCommitment === true;
    this.#layout = checkLayout(behaviour.layout, this.#requireCommitment);
    this.#heldKeys = new HeldKeys(keys);
    this.#cache = new DataKeyCache(behaviour.cache, this.#heldKeys);
    this.#ciphers = ciphersOf(behaviour.sync);
    this.#leases = new LeasePool(this.#heldKeys, this.#ciphers);
  }

  /** Encrypts one message. */
  encrypt(
    data: string | Uint8Array,
    keyContext: KeyContext,
    associatedData: AssociatedData,
    options: EncryptOptions = {},
  ): Promise<string> {
    return runCall(options, this.#keys, (call) => this.#encrypt(data, keyContext, associatedData, call));
  }

  async #encrypt(
    data: string | Uint8Array,
    keyContext: KeyContext,
    associatedData: AssociatedData,
    options: EncryptOptions,
  ): Promise<string> {
    checkOptions(options, ENCRYPT_OPTIONS, "encrypt");
    this.#calls.begin();
    try {
      // From here to the first wait everything is copied that a caller could change meanwhile.
      const aad = copyBytes(associatedDataBytes(associatedData));
      const layout = this.#layoutToWrite(options);
      options.signal?.throwIfAborted();
      const limits = checkReuse(options.reuse);
      if (limits !== undefined) {
        // A byte budget of the caller's is kept to the byte. Of the default one, 64 GiB, a few may stay unused.
        const isExact = typeof options.reuse === "object" && options.reuse.maxBytes !== undefined;
        const given = isExact ? plaintextBytes(data) : checkPlaintext(data);
        const plaintext = typeof given === "string" ? given : copyBytes(given);
        const seal = (held: LeasedKey): Promise<string> => held.seal(plaintext, aad, layout);
        try {
          return await this.#leases.use(keyContext, limits, roomFor(plaintext), seal, options);
        } finally {
          if (typeof plaintext !== "string") plaintext.fill(0);
        }
      }
      const context = this.#contexts.of(keyContext);
      const bytes = plaintextBytes(data);
      // The bytes of a text are this call's own.
      const plaintext = typeof data === "string" ? bytes : copyBytes(bytes);
      try {
        const made = await this.#keys.createDataKey({ context }, options);
        return await lend(made, (key) => encryptEnvelope(plaintext, key, aad, layout, this.#ciphers));
      } finally {
        plaintext.fill(0);
      }
    } finally {
      this.#calls.end();
    }
  }

  /** Encrypts many messages, with one data key per context. */
  encryptMany(
    items: readonly (VaultEncryptItem | null | undefined)[],
    keyContext: KeyContext,
    associatedData: AssociatedData,
    options: EncryptManyOptions = {},
  ): Promise<ItemResult<string | null | undefined>[]> {
    return this.#ofKeys.run("encryptMany", ENCRYPT_MANY_OPTIONS, options, async (_, call) => {
      const layout = this.#layoutToWrite(options);
      call.signal?.throwIfAborted();
      const { signal, headers } = call;
      const limits = checkReuse(options.reuse);
      const useLeasedKey: UseLeasedKey = async (context, work) => {
        if (limits !== undefined)
          return await this.#leases.use(context, limits, 1, work, { signal, headers });
        const settings = settingsOf(DEFAULT_LIMITS, this.#ciphers);
        return await lend(await takeLeasedKey(this.#heldKeys, context, settings, { signal, headers }), work);
      };
      const present = withoutNullish(items, options);
      return present.restore(
        await encryptBatch(useLeasedKey, present.items, keyContext, associatedData, { signal, layout }),
      );
    });
  }

  /** Decrypts one ciphertext. */
  async decrypt(
    ciphertext: string,
    associatedData: AssociatedData,
    options: DecryptOptions = {},
  ): Promise<string | Bytes> {
    checkOptions(options, DECRYPT_OPTIONS, "decrypt");
    this.#calls.checkOpen();
    const as = checkResultType(options.as);
    const aad = associatedDataBytes(associatedData);
    const now = this.#openByCachedKey(ciphertext, aad, as, options);
    if (now !== undefined) return now;
    return (await runCall(options, this.#keys, (call) => this.#decrypt(ciphertext, aad, as, call))).data;
  }

  /** Decrypts one message, and tells who sealed its data key. */
  async decryptSealed(
    ciphertext: string,
    associatedData: AssociatedData,
    options: DecryptOptions = {},
  ): Promise<SealedPlaintext<string | Bytes>> {
    checkOptions(options, DECRYPT_OPTIONS, "decryptSealed");
    this.#calls.checkOpen();
    const as = checkResultType(options.as);
    const aad = associatedDataBytes(associatedData);
    return runCall(options, this.#keys, (call) => this.#decrypt(ciphertext, aad, as, call));
  }

  /** Decrypts many ciphertexts, with one data key per wrapped form. */
  decryptMany(
    items: readonly (DecryptItem | null | undefined)[],
    associatedData: AssociatedData,
    options: DecryptManyOptions = {},
  ): Promise<ItemResult<string | Bytes | null | undefined>[]> {
    return this.#ofKeys.run("decryptMany", DECRYPT_MANY_OPTIONS, options, async (keys, call) => {
      call.signal?.throwIfAborted();
      const expected = expectedContext(options);
      const present = withoutNullish(items, options);
      return present.restore(
        await decryptBatch(
          {
            size: batchSize(keys.unwrapMany !== undefined),
            use: (encryptedKeys, work, callOptions) =>
              this.#cache.useMany(keys, encryptedKeys, work, callOptions),
          },
          present.items,
          associatedData,
          this.withPolicy(call),
          this.#ciphersOf(options),
          (key) => checkContext(key, expected),
        ),
      );
    });
  }

  /** Encrypts a ciphertext anew, into the native layout under a fresh data key. */
  upgrade(ciphertext: string, associatedData: AssociatedData, options: DecryptOptions = {}): Promise<string> {
    return this.#ofKeys.run("upgrade", DECRYPT_OPTIONS, options, async (keys, call) => {
      const aad = copyBytes(associatedDataBytes(associatedData));
      const given = options.context === undefined ? undefined : canonicalContext(options.context);
      const { provider } = options;
      const { signal, headers } = call;
      const ciphers = this.#ciphersOf(options);
      const envelope = parseEnvelope(ciphertext, this.withPolicy(options));
      if (envelope.layout === "native") return ciphertext;
      const opened = await this.#cache.use(
        this.#keys,
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
          const plaintext = await decryptEnvelope(envelope, key, aad, "bytes", ciphers, provider);
          return { context, plaintext: plaintext as Uint8Array };
        },
        { signal, headers },
      );
      try {
        const made = await keys.createDataKey({ context: opened.context }, { signal, headers });
        return await lend(made, (key) =>
          encryptEnvelope(opened.plaintext, key, aad, "native", ciphers, provider),
        );
      } finally {
        opened.plaintext.fill(0);
      }
    });
  }

  /** Takes a data key and holds it. */
  lease(context: KeyContext, options: LeaseOptions & CallOptions = {}): Promise<Lease> {
    return this.#ofKeys.run("lease", LEASE_OPTIONS, options, async (_, call) => {
      const settings = leaseSettings({
        ...this.withPolicy(options),
        sync: this.#ciphersOf(options),
        layout: this.#layoutOf(options),
      });
      return new Lease(await takeLeasedKey(this.#heldKeys, checkedContext(context), settings, call));
    });
  }

  /** Finds and lends the data keys of native envelopes whose headers have been read. */
  keyFinder(options: CallOptions & Pick<DecryptOptions, "context">): FindDataKey {
    const expected = expectedContext(options);
    const { signal, timeout, headers } = checkedCall(options, this.#keys);
    return (encryptedKeys, use) =>
      withinTime({ signal, timeout, headers }, (call) =>
        this.#cache.use(
          this.#keys,
          encryptedKeys,
          (key) => {
            checkContext(key, expected);
            return use(key);
          },
          call,
        ),
      );
  }

  /** The `sync` of a call: its own, else the vault's. @throws TypeError ERR_INVALID_ARGUMENT */
  syncOf(options: { readonly sync?: SyncCrypto | undefined }): SyncCrypto {
    return this.#ciphersOf(options);
  }

  /** Options of reading, with the vault's policy where the call has none. */
  withPolicy<T extends { readonly requireCommitment?: boolean | undefined }>(
    options: T,
  ): T & { readonly requireCommitment: boolean } {
    return { ...options, requireCommitment: options.requireCommitment ?? this.#requireCommitment };
  }

  /** Lets go of every key that is held. */
  dispose(): void {
    this.#cache.dispose();
    this.#leases.dispose();
    this.#heldKeys.quit();
  }

  async #decrypt(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: DecryptOptions,
  ): Promise<SealedPlaintext<string | Bytes>> {
    this.#calls.begin();
    try {
      const aad = copyBytes(associatedData);
      const { provider } = options;
      const ciphers = this.#ciphersOf(options);
      const expected = expectedContext(options);
      const envelope: ParsedEnvelope = parseEnvelope(ciphertext, this.withPolicy(options));
      const encryptedKeys = encodeBase64(envelope.keyBlob);
      const opened = await this.#cache.use(
        this.#keys,
        encryptedKeys,
        async (key) => {
          checkContext(key, expected);
          const data = await decryptEnvelope(envelope, key, aad, as, ciphers, provider);
          return { data, dataKeyId: key.id, sender: key.sender };
        },
        options,
      );
      if (envelope.layout === DEFAULT_LAYOUT)
        this.#cache.noteCiphertext(this.#keys, ciphertext, encryptedKeys);
      return opened;
    } finally {
      this.#calls.end();
    }
  }

  /** Opens what a key in the cache opens at once: nothing is asked for, and any doubt answers undefined. */
  #openByCachedKey(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: DecryptOptions,
  ): string | Bytes | undefined {
    const { context, layouts, signal, timeout, headers, provider } = options;
    const { requireCommitment = this.#requireCommitment } = options;
    const isPlain =
      context === undefined &&
      layouts === undefined &&
      signal === undefined &&
      timeout === undefined &&
      headers === undefined &&
      !requireCommitment;
    if (!isPlain || typeof ciphertext !== "string") return undefined;
    const key = this.#cache.guessKey(this.#keys, ciphertext);
    if (key === undefined) return undefined;
    const ready = this.#ciphersOf(options).shortWays?.of(key);
    return ready?.open(ciphertext, associatedData, DEFAULT_LAYOUT, as, provider, true);
  }

  #ciphersOf({ sync }: { readonly sync?: SyncCrypto | undefined }): Ciphers {
    return sync === undefined ? this.#ciphers : ciphersOf(sync);
  }

  /** The layout of a message, as far as the policy allows it. */
  #layoutToWrite(options: Pick<EncryptOptions, "layout" | "requireCommitment">): WritableLayout {
    return checkLayout(this.#layoutOf(options), options.requireCommitment ?? this.#requireCommitment);
  }

  /** The layout that a call asks for, not yet checked: its own, else the vault's. */
  #layoutOf(options: Pick<EncryptOptions, "layout" | "requireCommitment">): WritableLayout | undefined {
    if (options.layout !== undefined) return options.layout;
    // A call that is stricter than its vault does not mean the vault's layout.
    return options.requireCommitment && !this.#requireCommitment ? undefined : this.#layout;
  }
}

/** The budget of data keys that are reused, if any are. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
function checkReuse(reuse: EncryptOptions["reuse"]): CheckedLimits | undefined {
  if (reuse === undefined || reuse === false) return undefined;
  if (reuse === true) return DEFAULT_LIMITS;
  checkOptions(reuse, LEASE_LIMITS, "reuse");
  return checkLimits(reuse);
}
