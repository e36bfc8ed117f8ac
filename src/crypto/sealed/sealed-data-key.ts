/**
 * Data keys sealed to a recipient, and opened (docs/spec/sealed-data-key.md sections 1 and 2).
 *
 * Owns what a seal is bound to. Takes recipients that were checked. Must not know documents, nor where private keys are kept.
 *
 * @module
 */
import { ascii, type Bytes, concatBytes, equalBytes } from "../../base/bytes.ts";
import { decryptFailed } from "../../errors.ts";
import type { SyncAeadProvider } from "../aead/aead.ts";
import type { Encapsulated, HeldPrivateKey, Kem } from "../hpke/kem.ts";
import { KEMS } from "../hpke/kems.ts";
import { type HpkeSecrets, keySchedule } from "../hpke/schedule.ts";
import { encodeSealedHead, type SealedHead, type SealedKeyBlob } from "../keys/sealed-key-blob.ts";
import { KEY_BYTES, TAG_BYTES } from "../limits.ts";
import { randomBytes } from "../primitives/random.ts";
import { stampUuid, UUID_BYTES } from "../primitives/uuid.ts";
import type { SealedTools } from "./tools.ts";

/** To whom data keys are sealed. */
export interface SealTarget extends SealedHead {
  readonly publicKey: Uint8Array;
}

/** A data key that was made and sealed, or opened. */
export interface SealedDataKey {
  /** 32 bytes; whoever has it wipes it. */
  readonly key: Bytes;
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly keyBlob: Bytes;
}

/** How data keys are made and sealed: as they are, or signed by a sender. */
export interface Sealing {
  /** Makes a data key and seals it. @throws as {@link sealNewDataKey} */
  seal(tools: SealedTools, target: SealTarget): Promise<SealedDataKey>;
  /** The same at once. @throws as {@link sealNewDataKey} */
  sealSync(tools: SealedTools, target: SealTarget): SealedDataKey;
}

/** Without a signature. */
export const UNSIGNED: Sealing = { seal: sealNewDataKey, sealSync: sealNewDataKeySync };

const INFO = /* @__PURE__ */ ascii("coffer/v1/sealed-data-key");
const ID_CONTEXT = /* @__PURE__ */ ascii("coffer/v1/data-key-id");
/** Data-key ids are no names of anything: version 8 (RFC 9562 section 5.8). */
const ID_UUID_VERSION = 8;

/**
 * Makes a data key and seals it, where the call can wait.
 *
 * @throws VaultError ERR_RECIPIENT_INVALID for a public key that agrees on no secret; ERR_UNSUPPORTED, ERR_RANDOM_UNAVAILABLE
 */
export async function sealNewDataKey(tools: SealedTools, target: SealTarget): Promise<SealedDataKey> {
  const { key, ephemeral } = draw();
  try {
    const made = await KEMS[target.suite].encapsulateLater(tools, target.publicKey, ephemeral);
    const { secrets, head, id } = begin(target, made);
    const provider = await tools.ciphers.providers.async(undefined, KEY_BYTES);
    const aead = provider.importKey(secrets.key);
    try {
      const sealed = await aead.seal(secrets.nonce, key, concatBytes(head, id));
      return { key, id, keyBlob: concatBytes(head, made.enc, id, sealed) };
    } finally {
      aead.dispose();
      secrets.dispose();
    }
  } catch (error) {
    key.fill(0);
    throw error;
  } finally {
    ephemeral.fill(0);
  }
}

/** The same at once. */
export function sealNewDataKeySync(tools: SealedTools, target: SealTarget): SealedDataKey {
  const { key, ephemeral } = draw();
  try {
    const made = KEMS[target.suite].encapsulate(tools, target.publicKey, ephemeral);
    const { secrets, head, id } = begin(target, made);
    try {
      const sealed = withKey(tools, secrets, (aead) => aead.seal(secrets.nonce, key, concatBytes(head, id)));
      return { key, id, keyBlob: concatBytes(head, made.enc, id, sealed) };
    } finally {
      secrets.dispose();
    }
  } catch (error) {
    key.fill(0);
    throw error;
  } finally {
    ephemeral.fill(0);
  }
}

/**
 * Opens a data key.
 *
 * @param blob - its recipient, version and context are the caller's to compare
 * @param privateKey - 32 bytes
 * @param publicKey - the one of this private key, where it is at hand: opening is then faster
 * @returns the data key, 32 bytes
 * @throws VaultError ERR_DECRYPT_FAILED, whatever the reason; ERR_UNSUPPORTED
 */
export function openSealedDataKey(
  tools: SealedTools,
  blob: SealedKeyBlob,
  privateKey: Uint8Array,
  publicKey?: Uint8Array,
): Bytes {
  const held = KEMS[blob.suite].hold(tools, privateKey, publicKey);
  try {
    return openSealedDataKeyBy(tools, blob, held);
  } finally {
    held.dispose();
  }
}

/** The same by a private key of the blob's suite that is held. */
export function openSealedDataKeyBy(tools: SealedTools, blob: SealedKeyBlob, held: HeldPrivateKey): Bytes {
  const sharedSecret = held.decapsulate(blob.enc);
  if (sharedSecret === undefined) throw decryptFailed();
  const secrets = schedule(KEMS[blob.suite], blob.head, sharedSecret);
  try {
    const tagAt = blob.sealed.length - TAG_BYTES;
    const key = withKey(tools, secrets, (aead) =>
      aead.open(
        secrets.nonce,
        blob.sealed.subarray(0, tagAt),
        blob.sealed.subarray(tagAt),
        concatBytes(blob.head, blob.dataKeyId),
      ),
    );
    if (equalBytes(dataKeyId(secrets), blob.dataKeyId)) return key;
    key.fill(0);
    throw decryptFailed();
  } finally {
    secrets.dispose();
  }
}

/** A new data key and an ephemeral private key, from one read of the kernel's. */
function draw(): { key: Bytes; ephemeral: Bytes } {
  const random = randomBytes(2 * KEY_BYTES);
  const drawn = { key: random.slice(0, KEY_BYTES), ephemeral: random.slice(KEY_BYTES) };
  random.fill(0);
  return drawn;
}

/** What follows from a secret that was made. Zeroes the secret. */
function begin(target: SealTarget, made: Encapsulated): { secrets: HpkeSecrets; head: Bytes; id: Bytes } {
  const head = encodeSealedHead(target);
  const secrets = schedule(KEMS[target.suite], head, made.sharedSecret);
  return { secrets, head, id: dataKeyId(secrets) };
}

function schedule(kem: Kem, head: Uint8Array, sharedSecret: Bytes): HpkeSecrets {
  try {
    return keySchedule(kem.id, sharedSecret, concatBytes(INFO, head));
  } finally {
    sharedSecret.fill(0);
  }
}

function dataKeyId(secrets: HpkeSecrets): Bytes {
  return stampUuid(secrets.export(ID_CONTEXT, UUID_BYTES), ID_UUID_VERSION);
}

function withKey<T>(
  tools: SealedTools,
  secrets: HpkeSecrets,
  use: (aead: ReturnType<SyncAeadProvider["importKey"]>) => T,
): T {
  const aead = tools.ciphers.providers.sync(undefined, KEY_BYTES).importKey(secrets.key);
  try {
    return use(aead);
  } finally {
    aead.dispose();
  }
}
