/**
 * The keys of the service's own secrets (docs/spec/keyring.md section 2.1): webhooks' secrets, and what is kept of repeated requests.
 *
 * Owns their derivation and what they seal. Must not know where their inputs come from: the root key, or vault keys.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "../../base/base64.ts";
import { ascii, concatBytes, lengthPrefixed, toHex, utf8 } from "../../base/bytes.ts";
import type { SyncAeadProvider } from "../../crypto/aead/aead.ts";
import { HERE } from "../../crypto/ciphers/of-call.ts";
import { KEY_BYTES } from "../../crypto/limits.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { SecretBytes } from "../../crypto/primitives/secret-bytes.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import { openUnderNonce, sealUnderNonce } from "./sealing.ts";

const FINGERPRINT_INFO = ascii("coffer/v1/idempotency");
const IDEMPOTENCY_KEY_INFO = ascii("coffer/v1/idempotency-key");
const ANSWER_INFO = ascii("coffer/v1/idempotent-answer");
const SECRET_INFO = ascii("coffer/v1/webhook-secret");

/** What these keys are derived from; 32 bytes each. They may be disposed of afterwards. */
export interface ServiceKeyInputs {
  readonly webhookSecret: SecretBytes;
  readonly fingerprint: SecretBytes;
}

/** The keys of a vault's service, and what they seal: secrets, answers, fingerprints. */
export class ServiceKeys {
  readonly #fingerprintKey: SecretBytes;
  readonly #idempotencyKeyKey: SecretBytes;
  readonly #answerKey: SecretBytes;
  readonly #secretKey: SecretBytes;
  readonly #provider: SyncAeadProvider;

  /** @param vaultId - 16 bytes, public */
  constructor({ webhookSecret, fingerprint }: ServiceKeyInputs, vaultId: Uint8Array) {
    const derive = (input: SecretBytes, info: Uint8Array): SecretBytes =>
      new SecretBytes(hash.hkdf("sha256", input.bytes, vaultId, info, KEY_BYTES));
    this.#fingerprintKey = derive(fingerprint, FINGERPRINT_INFO);
    this.#idempotencyKeyKey = derive(fingerprint, IDEMPOTENCY_KEY_INFO);
    this.#answerKey = derive(fingerprint, ANSWER_INFO);
    this.#secretKey = derive(webhookSecret, SECRET_INFO);
    this.#provider = HERE.providers.sync();
  }

  /** Seals a secret of the service's own (a webhook's), bound to what it belongs to. */
  sealSecret(secret: Uint8Array, owner: Uint8Array): Uint8Array {
    return sealUnderNonce(this.#provider, this.#secretKey, secret, owner);
  }

  /** @throws VaultError ERR_STORAGE_CORRUPT if the row was altered */
  openSecret(sealed: Uint8Array, owner: Uint8Array): Uint8Array {
    return this.#open(this.#secretKey, sealed, owner, "a webhook's secret");
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
    return encodeBase64(
      sealUnderNonce(this.#provider, this.#answerKey, answer, concatBytes(...owner.map(lengthPrefixed))),
    );
  }

  /** @throws VaultError ERR_STORAGE_CORRUPT if the row was altered */
  openAnswer(sealed: string, owner: readonly Uint8Array[]): Uint8Array {
    const whose = concatBytes(...owner.map(lengthPrefixed));
    return this.#open(this.#answerKey, decodeBase64(sealed), whose, "an answer");
  }

  dispose(): void {
    this.#fingerprintKey.dispose();
    this.#idempotencyKeyKey.dispose();
    this.#answerKey.dispose();
    this.#secretKey.dispose();
  }
  /** @param what - names it where it was altered */
  #open(key: SecretBytes, sealed: Uint8Array | undefined, owner: Uint8Array, what: string): Uint8Array {
    try {
      if (sealed !== undefined) return openUnderNonce(this.#provider, key, sealed, owner);
    } catch (error) {
      if (!isVaultError(error, "ERR_DECRYPT_FAILED")) throw error;
    }
    throw new VaultError("ERR_STORAGE_CORRUPT", `${what} is damaged in the vault's file`);
  }
}
