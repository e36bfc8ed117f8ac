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
import type { AeadKey, AeadProvider, AeadProviderName, SyncAeadProvider } from "../aead/aead.ts";
import { providers } from "../aead/choose.ts";
import { type AssociatedData, associatedDataBytes } from "../associated-data.ts";
import { type DataKeyInput, holdDataKey, keyBlobOf, type WrappedDataKeyInput } from "../keys/data-key.ts";
import { NATIVE_SALT_BYTES } from "../limits.ts";
import { randomBytes } from "../primitives/random.ts";
import {
  type Derived,
  deriveMessageKey,
  type MessageKey,
  nativeContext,
  openRun,
  openRunSync,
  recoverMessageKey,
  sealRun,
  sealRunSync,
} from "./chunks.ts";
import {
  checkFixedHeader,
  encodeNativeHeader,
  FIXED_HEADER,
  NATIVE_PREFIX_BYTES,
  type NativeShape,
  parseNativeHeader,
  shapeOfChunks,
  shapeOfPlaintext,
} from "./format.ts";

/** How a message is encrypted or decrypted. */
export interface NativeOptions {
  /** Overrides the choice of AEAD provider (src/crypto/aead/choose.ts). */
  readonly provider?: AeadProviderName | undefined;
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
  return sealNative(toBytes(data, "data"), key, associatedDataBytes(associatedData), options.provider);
}

/** The same at once; never by Web Crypto, which cannot. */
export function nativeEncryptSync(
  data: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData?: AssociatedData,
  options: NativeOptions = {},
): Bytes {
  return sealNativeSync(toBytes(data, "data"), key, associatedDataBytes(associatedData), options.provider);
}

/** Encrypts one message; arguments as checked by {@link nativeEncrypt}. */
export async function sealNative(
  given: Uint8Array,
  key: WrappedDataKeyInput,
  associatedData: Uint8Array,
  providerName?: AeadProviderName,
): Promise<Bytes> {
  const message = prepare(given, key, associatedData);
  const now = providers.atOnce(providerName);
  if (now !== undefined) return sealSync(now, key, message);
  const held = holdDataKey(key);
  const plaintext = copyBytes(message.plaintext);
  const own = { ...message, plaintext, associatedData: copyBytes(message.associatedData) };
  try {
    const { derived, out, chunksAt } = begin(await providers.async(providerName), held.key, own);
    try {
      await sealRun(derived.key, 0, plaintext, true, out, chunksAt);
    } finally {
      derived.key.aead.dispose();
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
  providerName?: AeadProviderName,
): Bytes {
  const message = prepare(plaintext, key, associatedData);
  return sealSync(providers.sync(providerName), key, message);
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
  if (providers.atOnce(options.provider) !== undefined)
    return openNativeSync(body, key, aad, options.provider);
  const own = {
    salt: copyBytes(body.salt),
    commitment: copyBytes(body.commitment),
    chunks: copyBytes(body.chunks),
  };
  return openNative(own, key, aad, options.provider);
}

/** The same at once; never by Web Crypto, which cannot. */
export function nativeDecryptSync(
  envelope: Uint8Array,
  key: DataKeyInput,
  associatedData?: AssociatedData,
  options: NativeOptions = {},
): Bytes {
  const aad = associatedDataBytes(associatedData);
  return openNativeSync(splitNative(envelope), key, aad, options.provider);
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
): Bytes {
  const message = {
    header: FIXED_HEADER,
    plaintext,
    shape: shapeOfPlaintext(plaintext.length),
    associatedData,
  };
  return sealSync(providers.sync(), key, message);
}

/**
 * Decrypts what {@link sealDetachedSync} has written.
 *
 * @throws VaultError ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_UNSUPPORTED or ERR_NOT_CIPHERTEXT for another fixed header or
 *   an impossible length, before the key is used; ERR_DECRYPT_FAILED
 */
export function openDetachedSync(envelope: Uint8Array, key: DataKeyInput, associatedData: Uint8Array): Bytes {
  checkFixedHeader(envelope);
  return openNativeSync(splitNativeBody(envelope.subarray(FIXED_HEADER.length)), key, associatedData);
}

/** A native envelope's body, taken apart. */
export interface NativeBody {
  /** 24 bytes. */
  readonly salt: Uint8Array;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** All chunks with their tags, of a length that {@link shapeOfChunks} accepts. */
  readonly chunks: Uint8Array;
}

/** Decrypts a body that has been taken apart, whose bytes are not shared; arguments as checked by the functions above. */
export async function openNative(
  body: NativeBody,
  key: DataKeyInput,
  associatedData: Uint8Array,
  providerName?: AeadProviderName,
): Promise<Bytes> {
  if (providers.atOnce(providerName) !== undefined)
    return openNativeSync(body, key, associatedData, providerName);
  const { plaintextBytes } = shapeOfChunks(body.chunks.length);
  const context = nativeContext(associatedData);
  const held = holdDataKey(key);
  let message: MessageKey;
  try {
    message = recoverMessageKey(await providers.async(providerName), held.key, body, context);
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
  providerName?: AeadProviderName,
): Bytes {
  const { plaintextBytes } = shapeOfChunks(body.chunks.length);
  const message = recoverMessageKey(providers.sync(providerName), key, body, nativeContext(associatedData));
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
  return {
    salt: body.subarray(0, NATIVE_SALT_BYTES),
    commitment: body.subarray(NATIVE_SALT_BYTES, NATIVE_PREFIX_BYTES),
    chunks: body.subarray(NATIVE_PREFIX_BYTES),
  };
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

/** Draws the salt, derives the key and writes all that stands before the chunks. */
function begin<K extends AeadKey>(
  provider: AeadProvider & { importKey(rawKey: Uint8Array): K },
  key: DataKeyInput,
  message: Message,
): { derived: Derived<K>; out: Bytes; chunksAt: number } {
  const salt = randomBytes(NATIVE_SALT_BYTES);
  const derived = deriveMessageKey(provider, key, salt, nativeContext(message.associatedData));
  const chunksAt = message.header.length + NATIVE_PREFIX_BYTES;
  const out = new Uint8Array(chunksAt + message.shape.sealedBytes);
  out.set(message.header);
  out.set(salt, message.header.length);
  out.set(derived.commitment, message.header.length + NATIVE_SALT_BYTES);
  return { derived, out, chunksAt };
}

function sealSync(provider: SyncAeadProvider, key: DataKeyInput, message: Message): Bytes {
  const { derived, out, chunksAt } = begin(provider, key, message);
  try {
    sealRunSync(derived.key, 0, message.plaintext, true, out, chunksAt);
  } finally {
    derived.key.aead.dispose();
  }
  return out;
}
