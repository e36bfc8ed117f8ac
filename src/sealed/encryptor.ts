/**
 * SealedEncryptor: encrypts for a key context with a public key of its vault, and never decrypts.
 *
 * Owns the way from a recipient's document to data keys and envelopes: what is checked of the document, and when. Must not know
 * where the document comes from, nor any key service.
 *
 * @module
 */
import { encodeBase64 } from "../base/base64.ts";
import { bindMethods } from "../base/bound-methods.ts";
import { copyBytes } from "../base/bytes.ts";
import { toJsonText } from "../base/json.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { type AssociatedData, associatedDataBytes } from "../crypto/associated-data.ts";
import type { Ciphers } from "../crypto/ciphers/ciphers.ts";
import { ciphersOf } from "../crypto/ciphers/of-call.ts";
import type { SyncCrypto } from "../crypto/ciphers/sync-crypto.ts";
import type { SealedCurves } from "../crypto/curves/choose.ts";
import { plaintextBytes } from "../crypto/envelope/plaintext.ts";
import type { SealedMlKem } from "../crypto/hpke/given-ml-kem.ts";
import { DataKey } from "../crypto/keys/data-key.ts";
import { contextObject, type KeyContext } from "../crypto/keys/key-context.ts";
import { encryptEnvelope, encryptEnvelopeSync } from "../crypto/local.ts";
import { uuidToText } from "../crypto/primitives/uuid.ts";
import {
  checkExpected,
  checkMoment,
  isSignedRight,
  isSignedRightSync,
  type ReadRecipient,
  type RecipientDocument,
  readRecipient,
  sealTargetOf,
  wronglySigned,
} from "../crypto/sealed/recipient-document.ts";
import {
  type SealedDataKey,
  type Sealing,
  type SealTarget,
  UNSIGNED,
} from "../crypto/sealed/sealed-data-key.ts";
import { type SealedTools, sealedTools } from "../crypto/sealed/tools.ts";
import { invalidType, VaultError } from "../errors.ts";
import type { SealedSender } from "./sender.ts";

/** The layouts that a sealed encryptor writes: `native` unless told otherwise. */
export type SealedLayout = "native" | "iv12";

/** For whom a {@link SealedEncryptor} encrypts, and with what. */
export interface SealedEncryptorOptions {
  /** The recipient's document as its vault gives it out, or its JSON text. */
  readonly recipient: RecipientDocument | string;
  /**
   * The vault's signing key, base64 as in the document: every other signer is refused. Without it the document is trusted as it
   * came, so take it over a channel that nobody can change; `trust` says which it was.
   */
  readonly signer?: string | undefined;
  /**
   * The context to encrypt for, where the document is that of an environment-wide recipient: it has none of its own. Every other
   * document has its context, and refuses another.
   */
  readonly context?: KeyContext | undefined;
  /** The lowest version of the recipient that is sealed to; default any. */
  readonly minVersion?: number | undefined;
  /** Who signs each data key, for recipients that demand it: what `sealedSender` makes. Default nobody does. */
  readonly sender?: SealedSender | undefined;
  /** Layout to write; default `native`. */
  readonly layout?: SealedLayout | undefined;
  /** `tweetnacl`, where the runtime has no X25519 or cannot answer at once. */
  readonly curves?: SealedCurves | undefined;
  /** From {@link mlKemOf}, for a recipient of the suite `x-wing` where the runtime has no ML-KEM-768. Where it has, that one is used. */
  readonly mlKem?: SealedMlKem | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that encrypts at once. */
  readonly sync?: SyncCrypto | undefined;
  /** The clock, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** What the encrypting calls take. */
export interface SealedEncryptOptions {
  /** Layout to write; default the encryptor's. */
  readonly layout?: SealedLayout | undefined;
}

const OPTIONS = /* @__PURE__ */ optionNames<SealedEncryptorOptions>({
  recipient: true,
  signer: true,
  context: true,
  minVersion: true,
  sender: true,
  layout: true,
  curves: true,
  mlKem: true,
  sync: true,
  now: true,
});
const ENCRYPT_OPTIONS = /* @__PURE__ */ optionNames<SealedEncryptOptions>({ layout: true });

/**
 * Encrypts for one recipient, without an API key and without a request. Its ciphertexts are ordinary ones, which the vault of the
 * recipient decrypts, rekeys and shreds; nothing that the encryptor keeps opens them. Its methods work without it too.
 */
export class SealedEncryptor {
  /** The signer of the document, base64: what to pin. */
  readonly signer: string;
  /** Whether the signer was given (`pinned`), or the document was trusted as it came (`first-use`). */
  readonly trust: "pinned" | "first-use";
  /** The layout that is written unless a call says otherwise. */
  readonly layout: SealedLayout;
  /** What it was given from `coffer/sync`; leases, fields and streams of it use the same unless told otherwise. */
  readonly sync: SyncCrypto | undefined;
  /** The context that is encrypted for; frozen. */
  readonly context: KeyContext;
  readonly #recipient: ReadRecipient;
  readonly #target: SealTarget;
  readonly #tools: SealedTools;
  readonly #ciphers: Ciphers;
  readonly #now: () => number;
  readonly #sealing: Sealing;
  #isSignedRight: boolean | undefined;

  /**
   * @throws TypeError ERR_INVALID_ARGUMENT, also for a context that is missing or too many; VaultError ERR_KEY_CONTEXT_INVALID,
   *   ERR_RECIPIENT_INVALID (damaged, another signer, an old version), ERR_RECIPIENT_EXPIRED, ERR_LAYOUT_NOT_ALLOWED. That the signature is right is checked before the first data key is made,
   *   since Web Crypto answers later.
   */
  constructor(options: SealedEncryptorOptions) {
    if (options === undefined) throw invalidType("SealedEncryptor: options must name a recipient");
    checkOptions(options, OPTIONS, "SealedEncryptor");
    const { signer, minVersion, now = Date.now } = options;
    const recipient = readRecipient(options.recipient);
    checkExpected(recipient, signer, minVersion);
    checkMoment(recipient, now());
    this.signer = encodeBase64(recipient.signer);
    this.trust = signer === undefined ? "first-use" : "pinned";
    this.layout = checkSealedLayout(options.layout ?? "native");
    this.sync = options.sync;
    this.#recipient = recipient;
    this.#target = sealTargetOf(recipient, options.context);
    this.context = contextObject(this.#target.context);
    this.#ciphers = ciphersOf(options.sync);
    this.#tools = sealedTools(this.#ciphers, options.curves, options.mlKem);
    this.#now = now;
    this.#sealing = (options.sender as Sealing | undefined) ?? UNSIGNED;
    if (!this.#sealing.sealSync) throw invalidType("sender must be a SealedSender");
    bindMethods(this);
  }

  /**
   * Encrypts one message under a data key of its own.
   *
   * @param data - text or bytes, at most 64 MiB. All arguments are read before the call returns
   * @param associatedData - at most 1 MiB; authenticated, not stored; must be given again to decrypt
   * @returns the ciphertext as base64 text
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_RECIPIENT_INVALID, ERR_RECIPIENT_EXPIRED,
   *   ERR_TEXT_MALFORMED, ERR_PLAINTEXT_TOO_LARGE, ERR_LAYOUT_NOT_ALLOWED, ERR_RANDOM_UNAVAILABLE, ERR_UNSUPPORTED
   */
  async encrypt(
    data: string | Uint8Array,
    associatedData?: AssociatedData,
    options: SealedEncryptOptions = {},
  ): Promise<string> {
    const layout = this.#layoutOf(options, "encrypt");
    const aad = copyBytes(associatedDataBytes(associatedData));
    const bytes = plaintextBytes(data);
    // The bytes of a text are this call's own.
    const plaintext = typeof data === "string" ? bytes : copyBytes(bytes);
    try {
      const key = await this.createDataKey();
      try {
        return await encryptEnvelope(plaintext, key, aad, layout, this.#ciphers);
      } finally {
        key.dispose();
      }
    } finally {
      plaintext.fill(0);
    }
  }

  /** The same at once. @throws as {@link encrypt}; VaultError ERR_UNSUPPORTED where X25519 or AES-GCM cannot answer at once */
  encryptSync(
    data: string | Uint8Array,
    associatedData?: AssociatedData,
    options: SealedEncryptOptions = {},
  ): string {
    const layout = this.#layoutOf(options, "encryptSync");
    const aad = associatedDataBytes(associatedData);
    const plaintext = plaintextBytes(data);
    const key = this.createDataKeySync();
    try {
      return encryptEnvelopeSync(plaintext, key, aad, layout, this.#ciphers);
    } finally {
      key.dispose();
      if (typeof data === "string") plaintext.fill(0);
    }
  }

  /**
   * Encrypts a value as JSON, as `Vault.encryptJson` does.
   *
   * @throws TypeError ERR_INVALID_ARGUMENT for what is no JSON; as {@link encrypt}
   */
  async encryptJson(
    value: unknown,
    associatedData?: AssociatedData,
    options?: SealedEncryptOptions,
  ): Promise<string> {
    return this.encrypt(toJsonText(value), associatedData, options);
  }

  /**
   * Makes a data key with its sealed form, to encrypt with by what `coffer/crypto` and `coffer/keys` offer. The caller disposes of it.
   *
   * @throws VaultError ERR_RECIPIENT_INVALID, ERR_RECIPIENT_EXPIRED, ERR_RANDOM_UNAVAILABLE, ERR_UNSUPPORTED
   */
  async createDataKey(): Promise<DataKey> {
    checkMoment(this.#recipient, this.#now());
    this.#isSignedRight ??= await isSignedRight(this.#recipient, this.#tools);
    if (!this.#isSignedRight) throw wronglySigned();
    return this.#dataKey(await this.#sealing.seal(this.#tools, this.#target));
  }

  /** The same at once. @throws as {@link createDataKey} */
  createDataKeySync(): DataKey {
    checkMoment(this.#recipient, this.#now());
    this.#isSignedRight ??= isSignedRightSync(this.#recipient, this.#tools);
    if (!this.#isSignedRight) throw wronglySigned();
    return this.#dataKey(this.#sealing.sealSync(this.#tools, this.#target));
  }

  #dataKey({ key, id, keyBlob }: SealedDataKey): DataKey {
    try {
      return new DataKey({
        id: uuidToText(id),
        key,
        encryptedKeys: encodeBase64(keyBlob),
        keyBlob,
        context: this.context,
      });
    } finally {
      key.fill(0);
    }
  }

  #layoutOf(options: SealedEncryptOptions, call: string): SealedLayout {
    checkOptions(options, ENCRYPT_OPTIONS, call);
    return options.layout === undefined ? this.layout : checkSealedLayout(options.layout);
  }
}

/** @throws VaultError ERR_LAYOUT_NOT_ALLOWED for a layout that no sealed data key is written in */
export function checkSealedLayout(layout: SealedLayout): SealedLayout {
  if (layout === "native" || layout === "iv12") return layout;
  throw new VaultError(
    "ERR_LAYOUT_NOT_ALLOWED",
    "sealed data keys are written in the layouts native and iv12",
  );
}
