/**
 * nativeEncrypt and nativeDecrypt: one message in the native format, bytes in, bytes out.
 *
 * Owns the one-shot way from a plaintext to a native envelope and back. No network, no storage, no clock. Must not
 * know where data keys come from; streams and ranges have files of their own.
 *
 * @module
 */

import { type Bytes, copyBytes, isUint8Array, ownBytes, toBytes, typeName } from "../../base/bytes.ts";
import { invalidType } from "../../errors.ts";
import type { AeadProviderName } from "../aead/aead.ts";
import { type AssociatedData, associatedDataBytes } from "../associated-data.ts";
import type { Ciphers } from "../ciphers/ciphers.ts";
import { ciphersOf } from "../ciphers/of-call.ts";
import type { SyncCrypto } from "../ciphers/sync-crypto.ts";
import { type DataKeyInput, holdDataKey, keyBlobOf, type WrappedDataKeyInput } from "../keys/data-key.ts";
import { NATIVE_SALT_BYTES } from "../limits.ts";
import { randomBytes } from "../primitives/random.ts";
import {
  committed,
  deriveMessageKey,
  deriveMessageKeyLater,
  type MessageKey,
  nativeContext,
  openRun,
  openRunSync,
  recoverMessageKeyLater,
  sealRun,
  sealRunSync,
} from "./chunks.ts";
import {
  checkFixedHeader,
  encodeNativeHeader,
  FIXED_HEADER,
  NATIVE_PREFIX_BYTES,
  type NativePrefix,
  type NativeShape,
  nativePrefixAt,
  parseNativeHeader,
  shapeOfChunks,
  shapeOfPlaintext,
} from "./format.ts";

/** How a message is encrypted or decrypted. */
export interface NativeOptions {
  /** Overrides the choice of AEAD provider (src/crypto/aead/choose.ts). */
  readonly provider?: AeadProviderName | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that answers at once. */
  readonly sync?: SyncCrypto | undefined;
}

/**
 * Encrypts one message into a native envelope.
 *
 * @param data - text (as UTF-8) or bytes, as many as an array holds. All arguments are read before the call returns
 * @param key - a data key and its wrapped form, as a key service answers them
 * @param associatedData - at most 1 MiB; must be given again to decrypt
 * @returns the envelope's bytes. The salt is fresh from the kernel.
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED (lone surrogate),
 *   ERR_KEY_BLOB_MALFORMED, ERR_DISPOSED, ERR_RANDOM_UNAVAILABLE, ERR_UNSUPPORTED
 */
export async function nativeEncrypt(
  data: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData?: AssociatedData,
  options: NativeOptions = {},
): Promise<Bytes> {
  const ciphers = ciphersOf(options.sync);
  return sealNative(
    toBytes(data, "data"),
    key,
    associatedDataBytes(associatedData),
    ciphers,
    options.provider,
  );
}

/** The same at once; never by Web Crypto, which cannot. */
export function nativeEncryptSync(
  data: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData?: AssociatedData,
  options: NativeOptions = {},
): Bytes {
  const ciphers = ciphersOf(options.sync);
  const aad = associatedDataBytes(associatedData);
  return sealNativeSync(toBytes(data, "data"), key, aad, ciphers, options.provider);
}

/** Encrypts one message; arguments as checked by {@link nativeEncrypt}. */
export async function sealNative(
  given: Uint8Array,
  key: WrappedDataKeyInput,
  associatedData: Uint8Array,
  ciphers: Ciphers,
  providerName?: AeadProviderName,
): Promise<Bytes> {
  const message = prepare(given, key, associatedData);
  if (ciphers.providers.atOnce(providerName) !== undefined)
    return sealSync(ciphers, key, message, providerName);
  const held = holdDataKey(key);
  const plaintext = copyBytes(message.plaintext);
  const own = { ...message, plaintext, associatedData: copyBytes(message.associatedData) };
  try {
    const provider = await ciphers.providers.async(providerName);
    const salt = randomBytes(NATIVE_SALT_BYTES);
    const context = nativeContext(own.associatedData);
    const { key: made, commitment } = await deriveMessageKeyLater(ciphers, provider, held.key, salt, context);
    const { out, chunksAt } = begin(own, salt, commitment);
    try {
      await sealRun(made, 0, plaintext, true, out, chunksAt);
    } finally {
      made.aead.dispose();
    }
    return out;
  } finally {
    plaintext.fill(0);
    held.release();
  }
}

/** The same at once. */
export function sealNativeSync(
  plaintext: Uint8Array,
  key: WrappedDataKeyInput,
  associatedData: Uint8Array,
  ciphers: Ciphers,
  providerName?: AeadProviderName,
): Bytes {
  const message = prepare(plaintext, key, associatedData);
  return sealSync(ciphers, key, message, providerName);
}

/**
 * Decrypts one native envelope with its data key.
 *
 * @param envelope - the envelope's bytes, all of them
 * @param key - the data key that encrypted it
 * @param associatedData - exactly what was given to encrypt
 * @returns the plaintext, all of it authenticated
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED,
 *   ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_TOO_LARGE (all before the key is used); ERR_DECRYPT_FAILED for a wrong key,
 *   wrong associated data or altered data alike
 */
export async function nativeDecrypt(
  envelope: Uint8Array,
  key: DataKeyInput,
  associatedData?: AssociatedData,
  options: NativeOptions = {},
): Promise<Bytes> {
  const aad = associatedDataBytes(associatedData);
  const body = splitNative(envelope);
  const ciphers = ciphersOf(options.sync);
  if (ciphers.providers.atOnce(options.provider) !== undefined)
    return openNativeSync(body, key, aad, ciphers, options.provider);
  const own = {
    salt: copyBytes(body.salt),
    commitment: copyBytes(body.commitment),
    chunks: copyBytes(body.chunks),
  };
  return openNative(own, key, aad, ciphers, options.provider);
}

/** The same at once; never by Web Crypto, which cannot. */
export function nativeDecryptSync(
  envelope: Uint8Array,
  key: DataKeyInput,
  associatedData?: AssociatedData,
  options: NativeOptions = {},
): Bytes {
  const aad = associatedDataBytes(associatedData);
  return openNativeSync(splitNative(envelope), key, aad, ciphersOf(options.sync), options.provider);
}

/**
 * Encrypts one message into a native envelope whose key blob the caller keeps elsewhere: fixed header, salt,
 * commitment, chunks (docs/spec/native-envelope.md section 8).
 *
 * @throws as {@link nativeEncryptSync}
 */
export function sealDetachedSync(
  plaintext: Uint8Array,
  key: DataKeyInput,
  associatedData: Uint8Array,
  ciphers: Ciphers,
): Bytes {
  const message = {
    header: FIXED_HEADER,
    plaintext,
    shape: shapeOfPlaintext(plaintext.length),
    associatedData,
  };
  return sealSync(ciphers, key, message);
}

/**
 * Decrypts what {@link sealDetachedSync} has written.
 *
 * @throws VaultError ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_UNSUPPORTED or ERR_NOT_CIPHERTEXT for another fixed header or
 *   an impossible length, before the key is used; ERR_DECRYPT_FAILED
 */
export function openDetachedSync(
  envelope: Uint8Array,
  key: DataKeyInput,
  associatedData: Uint8Array,
  ciphers: Ciphers,
): Bytes {
  checkFixedHeader(envelope);
  return openNativeSync(
    splitNativeBody(envelope.subarray(FIXED_HEADER.length)),
    key,
    associatedData,
    ciphers,
  );
}

/** A native envelope's body, taken apart. */
export interface NativeBody extends NativePrefix {
  readonly chunks: Uint8Array;
}

/** Decrypts a body that has been taken apart, whose bytes are not shared; arguments as checked by the functions above. */
export async function openNative(
  body: NativeBody,
  key: DataKeyInput,
  associatedData: Uint8Array,
  ciphers: Ciphers,
  providerName?: AeadProviderName,
): Promise<Bytes> {
  if (ciphers.providers.atOnce(providerName) !== undefined)
    return openNativeSync(body, key, associatedData, ciphers, providerName);
  const { plaintextBytes } = shapeOfChunks(body.chunks.length);
  const context = nativeContext(associatedData);
  const held = holdDataKey(key);
  let message: MessageKey;
  try {
    const provider = await ciphers.providers.async(providerName);
    message = await recoverMessageKeyLater(ciphers, provider, held.key, body, context);
  } finally {
    held.release();
  }
  try {
    const out = new Uint8Array(plaintextBytes);
    await openRun(message, 0, body.chunks, out);
    return out;
  } finally {
    message.aead.dispose();
  }
}

/** The same at once. */
export function openNativeSync(
  body: NativeBody,
  key: DataKeyInput,
  associatedData: Uint8Array,
  ciphers: Ciphers,
  providerName?: AeadProviderName,
): Bytes {
  const { plaintextBytes } = shapeOfChunks(body.chunks.length);
  const provider = ciphers.providers.sync(providerName, plaintextBytes);
  const context = nativeContext(associatedData);
  const message = committed(deriveMessageKey(ciphers, provider, key, body.salt, context), body);
  try {
    const out = new Uint8Array(plaintextBytes);
    openRunSync(message, 0, body.chunks, out);
    return out;
  } finally {
    message.aead.dispose();
  }
}

/**
 * Takes a whole envelope apart.
 *
 * @throws as {@link nativeDecrypt} before the key is used
 */
export function splitNative(envelope: Uint8Array): NativeBody {
  if (!isUint8Array(envelope)) {
    throw invalidType(`envelope must be a Uint8Array, got ${typeName(envelope)}`);
  }
  const own = ownBytes(envelope, "envelope");
  const { bytes: saltAt } = parseNativeHeader(own);
  return splitNativeBody(own.subarray(saltAt));
}

/** The same of what follows the header. */
export function splitNativeBody(body: Uint8Array): NativeBody {
  shapeOfChunks(body.length - NATIVE_PREFIX_BYTES);
  return { ...nativePrefixAt(body, 0), chunks: body.subarray(NATIVE_PREFIX_BYTES) };
}

interface Message {
  readonly header: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly shape: NativeShape;
  readonly associatedData: Uint8Array;
}

/** All that can be told before the key is touched. */
function prepare(plaintext: Uint8Array, key: WrappedDataKeyInput, associatedData: Uint8Array): Message {
  const header = encodeNativeHeader(keyBlobOf(key));
  return { header, plaintext, shape: shapeOfPlaintext(plaintext.length), associatedData };
}

/** All that stands before the chunks, and room for them. */
function begin(message: Message, salt: Uint8Array, commitment: Uint8Array): { out: Bytes; chunksAt: number } {
  const chunksAt = message.header.length + NATIVE_PREFIX_BYTES;
  const out = new Uint8Array(chunksAt + message.shape.sealedBytes);
  out.set(message.header);
  out.set(salt, message.header.length);
  out.set(commitment, message.header.length + NATIVE_SALT_BYTES);
  return { out, chunksAt };
}

function sealSync(
  ciphers: Ciphers,
  key: DataKeyInput,
  message: Message,
  providerName?: AeadProviderName,
): Bytes {
  const provider = ciphers.providers.sync(providerName, message.plaintext.length);
  const salt = randomBytes(NATIVE_SALT_BYTES);
  const context = nativeContext(message.associatedData);
  const { key: made, commitment } = deriveMessageKey(ciphers, provider, key, salt, context);
  try {
    const { out, chunksAt } = begin(message, salt, commitment);
    sealRunSync(made, 0, message.plaintext, true, out, chunksAt);
    return out;
  } finally {
    made.aead.dispose();
  }
}
