/**
 * Senders: who sign the data keys that they seal (docs/spec/sealed-data-key.md section 9).
 *
 * Owns keys of senders where encryptors have them, and the step from a sealed data key to a signed one. It is an argument of
 * SealedEncryptor, so that pages that sign nothing do not ship it. Must not know documents, nor lists of senders.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { type Bytes, concatBytes, copyBytes, isUint8Array } from "../base/bytes.ts";
import { DISPOSE } from "../base/dispose.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { HERE_CURVES } from "../crypto/curves/built-in.ts";
import { Curves, type SealedCurves } from "../crypto/curves/choose.ts";
import { ED25519_KEY_BYTES } from "../crypto/curves/curve.ts";
import { isEd25519PublicKey } from "../crypto/curves/ed25519-keys.ts";
import { signingBy } from "../crypto/curves/signing.ts";
import { ED25519_SIGNATURE_BYTES } from "../crypto/limits.ts";
import { randomBytes } from "../crypto/primitives/random.ts";
import { INSPECT, SecretBytes } from "../crypto/primitives/secret-bytes.ts";
import {
  type SealedDataKey,
  type Sealing,
  type SealTarget,
  sealNewDataKey,
  sealNewDataKeySync,
} from "../crypto/sealed/sealed-data-key.ts";
import { senderId, senderMessage } from "../crypto/sealed/sender.ts";
import type { SealedTools } from "../crypto/sealed/tools.ts";
import { invalidRange, invalidType, VaultError } from "../errors.ts";

/** Marks {@link SealedSender}, in types only. */
export declare const SEALED_SENDER: unique symbol;

/** A sender, as the option `sender` of `SealedEncryptor` takes it. {@link sealedSender} makes it. */
export interface SealedSender {
  readonly [SEALED_SENDER]: true;
  /**
   * The public key, base64 of 32 bytes: what a recipient's list of senders has.
   *
   * @throws VaultError ERR_DISPOSED, ERR_UNSUPPORTED
   */
  publicKey(): Promise<string>;
  /** Zeroes the private key (best effort). May be called more than once. */
  dispose(): void;
  [DISPOSE](): void;
}

/** A key that is kept elsewhere, as in a key management service, a security module, or a `CryptoKey` of a browser. */
export interface SenderSigner {
  /** Ed25519, base64 of 32 bytes. */
  readonly publicKey: string;
  /** Signs by Ed25519 (RFC 8032, without a prehash). @returns 64 bytes; as a promise only `encrypt` takes it, not `encryptSync` */
  readonly sign: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;
}

/** A private key in hand. */
export interface SenderKeyOptions {
  /**
   * The seed of an Ed25519 key: 32 bytes, or base64 of them. WebKit's Web Crypto refuses those that begin with a byte of 0, which
   * `createSenderKey` makes none of: with `tweetnacl` they serve there too.
   */
  readonly privateKey: Uint8Array | string;
  /** `tweetnacl`, where the runtime has no Ed25519 or cannot answer at once. */
  readonly curves?: SealedCurves | undefined;
}

/** What {@link sealedSender} takes. */
export type SealedSenderOptions = SenderKeyOptions | SenderSigner;

/** A new key of a sender. */
export interface SenderKey {
  /** Base64 of the seed of 32 bytes: a secret like every key. */
  readonly privateKey: string;
  /** Base64 of 32 bytes: for the recipient's list of senders. */
  readonly publicKey: string;
}

const KEY_NAMES = /* @__PURE__ */ optionNames<SenderKeyOptions>({ privateKey: true, curves: true });
const SIGNER_NAMES = /* @__PURE__ */ optionNames<SenderSigner>({ publicKey: true, sign: true });
const CREATE_NAMES = /* @__PURE__ */ optionNames<Pick<SenderKeyOptions, "curves">>({ curves: true });

/** One key that signs, its seed in custody or elsewhere. */
interface HeldKey {
  publicKey(): Bytes | Promise<Bytes>;
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
  dispose(): void;
}

class Sender implements SealedSender, Sealing {
  declare readonly [SEALED_SENDER]: true;
  readonly #key: HeldKey;
  #publicKey: Bytes | undefined;

  constructor(key: HeldKey) {
    this.#key = key;
  }

  async publicKey(): Promise<string> {
    return encodeBase64(await this.#ownPublicKey());
  }

  async seal(tools: SealedTools, target: SealTarget): Promise<SealedDataKey> {
    const publicKey = await this.#ownPublicKey();
    const made = await sealNewDataKey(tools, this.#named(target, publicKey));
    try {
      return signed(made, await this.#key.sign(senderMessage(made.keyBlob)));
    } catch (error) {
      made.key.fill(0);
      throw error;
    }
  }

  sealSync(tools: SealedTools, target: SealTarget): SealedDataKey {
    const publicKey = atOnce(this.#publicKey ?? this.#key.publicKey());
    this.#publicKey = publicKey;
    const made = sealNewDataKeySync(tools, this.#named(target, publicKey));
    try {
      return signed(made, atOnce(this.#key.sign(senderMessage(made.keyBlob))));
    } catch (error) {
      made.key.fill(0);
      throw error;
    }
  }

  dispose(): void {
    this.#key.dispose();
  }

  [DISPOSE](): void {
    this.dispose();
  }

  [INSPECT](): string {
    return "SealedSender { privateKey: [secret] }";
  }

  async #ownPublicKey(): Promise<Bytes> {
    this.#publicKey ??= await this.#key.publicKey();
    return this.#publicKey;
  }

  #named(target: SealTarget, publicKey: Bytes): SealTarget {
    return { ...target, senderId: senderId(target.recipientId, publicKey) };
  }
}

/**
 * Makes the sender of a private key, or of one that is kept elsewhere. With it `SealedEncryptor` signs every data key that it seals.
 *
 * @param options - `{ privateKey }`, which is copied, or `{ publicKey, sign }`
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
 */
export function sealedSender(options: SealedSenderOptions): SealedSender {
  if (typeof options !== "object" || options === null) throw invalidType("sealedSender: a key is needed");
  if ("sign" in options) {
    checkOptions(options, SIGNER_NAMES, "sealedSender");
    const { sign } = options;
    if (typeof sign !== "function") throw invalidType("sign must be a function");
    const publicKey = publicKeyOf(options.publicKey);
    return new Sender({ publicKey: () => publicKey, sign: (message) => sign(message), dispose: () => {} });
  }
  checkOptions(options, KEY_NAMES, "sealedSender");
  const signing = signingBy(curvesOf(options.curves));
  const seed = new SecretBytes(seedOf(options.privateKey));
  return new Sender({
    publicKey: () => signing.publicKey(seed.bytes),
    sign: (message) => signing.sign(seed.bytes, message),
    dispose: () => seed.dispose(),
  });
}

/**
 * Makes a key for a sender. Its owner keeps the private key; the public key goes to who looks after the recipient
 * (`vault.recipients.senders.add`).
 *
 * @param options.curves - `tweetnacl`, where the runtime has no Ed25519
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_RANDOM_UNAVAILABLE, ERR_UNSUPPORTED
 */
export async function createSenderKey(options: Pick<SenderKeyOptions, "curves"> = {}): Promise<SenderKey> {
  checkOptions(options, CREATE_NAMES, "createSenderKey");
  let seed = randomBytes(ED25519_KEY_BYTES);
  // WebKit's Web Crypto refuses one key of 256: those that begin with a byte of 0. A key must sign on every engine.
  while (seed[0] === 0) seed = randomBytes(ED25519_KEY_BYTES);
  try {
    const publicKey = await signingBy(curvesOf(options.curves)).publicKey(seed);
    return { privateKey: encodeBase64(seed), publicKey: encodeBase64(publicKey) };
  } finally {
    seed.fill(0);
  }
}

function signed({ key, id, keyBlob }: SealedDataKey, signature: Uint8Array): SealedDataKey {
  if (!isUint8Array(signature) || signature.length !== ED25519_SIGNATURE_BYTES) {
    throw invalidType(`sign must answer ${ED25519_SIGNATURE_BYTES} bytes`);
  }
  return { key, id, keyBlob: concatBytes(keyBlob, signature) };
}

/** What a key answers at once. @throws VaultError ERR_UNSUPPORTED */
function atOnce<T extends Uint8Array>(answer: T | Promise<T>): T {
  if (isUint8Array(answer)) return answer;
  // Its rejection is nobody's.
  answer.catch(() => {});
  throw new VaultError("ERR_UNSUPPORTED", "the sender's key does not sign at once: use encrypt");
}

function curvesOf(curves: SealedCurves | undefined): Curves {
  if (curves === undefined) return HERE_CURVES;
  if (curves instanceof Curves) return curves;
  throw invalidType('curves must be what "coffer/sealed" exports: tweetnacl');
}

function seedOf(privateKey: Uint8Array | string): Bytes {
  const bytes = isUint8Array(privateKey) ? copyBytes(privateKey) : textBytes(privateKey, "privateKey");
  if (bytes?.length !== ED25519_KEY_BYTES)
    throw invalidRange(`privateKey must be ${ED25519_KEY_BYTES} bytes`);
  return bytes;
}

function publicKeyOf(text: string): Bytes {
  const bytes = textBytes(text, "publicKey");
  if (bytes === undefined || !isEd25519PublicKey(bytes)) {
    throw invalidRange("publicKey must be base64 of an Ed25519 public key");
  }
  return bytes;
}

function textBytes(text: string, what: string): Bytes | undefined {
  if (typeof text !== "string") throw invalidType(`${what} must be base64 text`);
  return decodeBase64(text);
}
