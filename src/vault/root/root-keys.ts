/**
 * All that is derived from the root key (docs/spec/keyring.md section 2).
 *
 * Owns the derivations, the associated data of a wrapped KEK, and the check by which a wrong root key is known at once. Must
 * not know storage or data keys.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "../../base/base64.ts";
import { ascii, concatBytes, EMPTY, lengthPrefixed, toHex, u32, utf8 } from "../../base/bytes.ts";
import type { SyncAeadProvider } from "../../crypto/aead/aead.ts";
import { HERE } from "../../crypto/ciphers/of-call.ts";
import { KEY_BYTES } from "../../crypto/limits.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { SecretBytes } from "../../crypto/primitives/secret-bytes.ts";
import { kcXaesOpen, kcXaesSeal, XAES_NONCE_BYTES } from "../../crypto/primitives/xaes.ts";
import { isVaultError, VaultError } from "../../errors.ts";

/** What a wrapped KEK version is bound to. */
export interface KekIdentity {
  readonly environmentId: string;
  /** UUID text. */
  readonly kekId: string;
  /** 1 or more. */
  readonly version: number;
  readonly contextName: string;
  readonly contextValue: string;
}

const CHECK_INFO = ascii("coffer/v1/root-check");
const FINGERPRINT_INFO = ascii("coffer/v1/idempotency");
const IDEMPOTENCY_KEY_INFO = ascii("coffer/v1/idempotency-key");
const ANSWER_INFO = ascii("coffer/v1/idempotent-answer");
const SECRET_INFO = ascii("coffer/v1/webhook-secret");
const WRAP_INFO = ascii("coffer/v1/kek-wrap");

/** All keys that are derived from a vault's root key, and what they seal: KEKs, secrets, answers, fingerprints. */
export class RootKeys {
  readonly #key: SecretBytes;
  readonly #checkKey: SecretBytes;
  readonly #fingerprintKey: SecretBytes;
  readonly #idempotencyKeyKey: SecretBytes;
  readonly #answerKey: SecretBytes;
  readonly #secretKey: SecretBytes;
  readonly #vaultId: Uint8Array;
  readonly #provider: SyncAeadProvider;

  /**
   * @param root - 32 bytes; may be disposed of afterwards
   * @param vaultId - 16 bytes, public
   */
  constructor(root: SecretBytes, vaultId: Uint8Array) {
    const derive = (info: Uint8Array): SecretBytes =>
      new SecretBytes(hash.hkdf("sha256", root.bytes, vaultId, info, KEY_BYTES));
    this.#key = derive(WRAP_INFO);
    this.#checkKey = derive(CHECK_INFO);
    this.#fingerprintKey = derive(FINGERPRINT_INFO);
    this.#idempotencyKeyKey = derive(IDEMPOTENCY_KEY_INFO);
    this.#answerKey = derive(ANSWER_INFO);
    this.#secretKey = derive(SECRET_INFO);
    this.#vaultId = vaultId;
    this.#provider = HERE.providers.sync();
  }

  /** Makes a new random KEK; returns its wrapped form only. */
  create(identity: KekIdentity): Uint8Array {
    const kek = randomBytes(KEY_BYTES);
    try {
      return this.#seal(this.#key, kek, this.#associatedData(identity));
    } finally {
      kek.fill(0);
    }
  }

  /**
   * @returns the KEK, 32 bytes, the caller's to zero
   * @throws VaultError ERR_STORAGE_CORRUPT if the row was altered: the root key is known to be right
   */
  unwrap(wrapped: Uint8Array, identity: KekIdentity): Uint8Array {
    try {
      return this.#open(this.#key, wrapped, this.#associatedData(identity));
    } catch (error) {
      if (!isVaultError(error, "ERR_DECRYPT_FAILED")) throw error;
      throw new VaultError("ERR_STORAGE_CORRUPT", `the KEK ${identity.kekId} is damaged in the vault's file`);
    }
  }

  /** A value to store, by which {@link isRightRoot} knows this root key again. */
  createCheck(): Uint8Array {
    return this.#seal(this.#checkKey, EMPTY, this.#vaultId);
  }

  /** Whether the stored value was made with this root key. */
  isRightRoot(check: Uint8Array): boolean {
    try {
      this.#open(this.#checkKey, check, this.#vaultId);
      return true;
    } catch {
      return false;
    }
  }

  /** Seals a secret of the service's own (a webhook's), bound to what it belongs to. */
  sealSecret(secret: Uint8Array, owner: Uint8Array): Uint8Array {
    return this.#seal(this.#secretKey, secret, owner);
  }

  /** @throws VaultError ERR_STORAGE_CORRUPT if the row was altered */
  openSecret(sealed: Uint8Array, owner: Uint8Array): Uint8Array {
    try {
      return this.#open(this.#secretKey, sealed, owner);
    } catch (error) {
      if (!isVaultError(error, "ERR_DECRYPT_FAILED")) throw error;
      throw new VaultError("ERR_STORAGE_CORRUPT", "a webhook's secret is damaged in the vault's file");
    }
  }

  /**
   * A keyed fingerprint of a request, to know it again: without the root key it tells nothing of the secrets in it.
   */
  fingerprint(request: Uint8Array): Uint8Array {
    return Uint8Array.from(hash.hmac("sha256", this.#fingerprintKey.bytes, request));
  }

  /**
   * How an idempotency key is stored. Callers make them of what they send, so they are as secret as that. One caller's keys
   * never meet another's.
   *
   * @returns 64 hexadecimal digits
   */
  idempotencyKey(environmentId: string, actorId: string, key: string): string {
    const parts = [environmentId, actorId, key].map((text) => lengthPrefixed(utf8(text, "Idempotency-Key")));
    return toHex(hash.hmac("sha256", this.#idempotencyKeyKey.bytes, concatBytes(...parts)));
  }

  /** Seals the answer to a write, bound to what it belongs to. @returns base64 */
  sealAnswer(answer: Uint8Array, owner: readonly Uint8Array[]): string {
    return encodeBase64(this.#seal(this.#answerKey, answer, concatBytes(...owner.map(lengthPrefixed))));
  }

  /** @throws VaultError ERR_STORAGE_CORRUPT if the row was altered */
  openAnswer(sealed: string, owner: readonly Uint8Array[]): Uint8Array {
    const damaged = () => new VaultError("ERR_STORAGE_CORRUPT", "an answer is damaged in the vault's file");
    const bytes = decodeBase64(sealed);
    if (bytes === undefined) throw damaged();
    try {
      return this.#open(this.#answerKey, bytes, concatBytes(...owner.map(lengthPrefixed)));
    } catch (error) {
      throw isVaultError(error, "ERR_DECRYPT_FAILED") ? damaged() : error;
    }
  }

  dispose(): void {
    this.#key.dispose();
    this.#checkKey.dispose();
    this.#fingerprintKey.dispose();
    this.#idempotencyKeyKey.dispose();
    this.#answerKey.dispose();
    this.#secretKey.dispose();
  }

  /** KC-XAES-256-GCM under a fresh nonce, which goes first (docs/spec/keyring.md section 2). */
  #seal(key: SecretBytes, plaintext: Uint8Array, associatedData: Uint8Array): Uint8Array {
    const nonce = randomBytes(XAES_NONCE_BYTES);
    return concatBytes(nonce, kcXaesSeal(this.#provider, key.bytes, nonce, plaintext, associatedData));
  }

  #open(key: SecretBytes, sealed: Uint8Array, associatedData: Uint8Array): Uint8Array {
    const nonce = sealed.subarray(0, XAES_NONCE_BYTES);
    return kcXaesOpen(this.#provider, key.bytes, nonce, sealed.subarray(XAES_NONCE_BYTES), associatedData);
  }

  #associatedData(identity: KekIdentity): Uint8Array {
    return concatBytes(
      WRAP_INFO,
      lengthPrefixed(this.#vaultId),
      lengthPrefixed(utf8(identity.environmentId, "environment id")),
      lengthPrefixed(utf8(identity.kekId, "KEK id")),
      u32(identity.version),
      lengthPrefixed(utf8(identity.contextName, "context name")),
      lengthPrefixed(utf8(identity.contextValue, "context value")),
    );
  }
}
