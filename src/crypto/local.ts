/**
 * localEncrypt and localDecrypt: one message under a data key in hand.
 *
 * Owns the way from a plaintext to an envelope and back: checks, fresh nonce, AEAD, layout. No network, no
 * storage, no clock. Must not know where data keys come from.
 *
 * @module
 */

import { encodeBase64 } from "../base/base64.ts";
import { type Bytes, copyBytes, fromUtf8 } from "../base/bytes.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { invalidType } from "../errors.ts";
import type { AeadKey, AeadProviderName } from "./aead/aead.ts";
import { type AssociatedData, associatedDataBytes } from "./associated-data.ts";
import type { Ciphers } from "./ciphers/ciphers.ts";
import { ciphersOf } from "./ciphers/of-call.ts";
import type { SyncCrypto } from "./ciphers/sync-crypto.ts";
import {
  type Envelope,
  PARSE_OPTIONS,
  type ParseOptions,
  parseEnvelope,
  serializeEnvelope,
} from "./envelope/envelope.ts";
import {
  checkWritable,
  type FrameLayout,
  isFrameLayout,
  type Layout,
  layoutRow,
  type WritableLayout,
} from "./envelope/layouts.ts";
import { drawNonce } from "./envelope/nonce.ts";
import { type Budget, bytesOfPlaintext, checkPlaintext, notText } from "./envelope/plaintext.ts";
import {
  DataKey,
  type DataKeyInput,
  holdDataKey,
  keyBlobOf,
  type WrappedDataKeyInput,
  withAeadKey,
} from "./keys/data-key.ts";
import { NONCE_BYTES, TAG_BYTES } from "./limits.ts";
import { openNative, openNativeSync, sealNative, sealNativeSync } from "./native/one-shot.ts";

/** The layout that is written unless told otherwise: the one most WorkOS SDKs read. */
export const DEFAULT_LAYOUT = "iv12" satisfies WritableLayout;

export { type AssociatedData, associatedDataBytes };

/** How a message is encrypted. */
export interface LocalEncryptOptions {
  /** Layout to write; default `iv12`, or `native` with `requireCommitment`. */
  readonly layout?: WritableLayout | undefined;
  /** Refuse to write a layout that does not commit to its key. Default false. */
  readonly requireCommitment?: boolean | undefined;
  /** Overrides the choice of AEAD provider (src/crypto/aead/choose.ts). */
  readonly provider?: AeadProviderName | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that answers at once. */
  readonly sync?: SyncCrypto | undefined;
}

/** Names of {@link LocalEncryptOptions}. */
export const LOCAL_ENCRYPT_OPTIONS = /* @__PURE__ */ optionNames<LocalEncryptOptions>({
  layout: true,
  requireCommitment: true,
  provider: true,
  sync: true,
});

/** How a message is decrypted. */
export interface LocalDecryptOptions extends ParseOptions {
  /** What to return: `"text"` (default) or `"bytes"`. */
  readonly as?: "text" | "bytes" | undefined;
  /** Overrides the choice of AEAD provider (src/crypto/aead/choose.ts). */
  readonly provider?: AeadProviderName | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that answers at once. */
  readonly sync?: SyncCrypto | undefined;
}

/** Names of {@link LocalDecryptOptions}. */
export const LOCAL_DECRYPT_OPTIONS = /* @__PURE__ */ optionNames<
  Pick<LocalDecryptOptions, "as" | "provider" | "sync">
>({ as: true, provider: true, sync: true }, PARSE_OPTIONS);

/**
 * Encrypts one message under a data key.
 *
 * @param data - text (as UTF-8) or bytes, at most 64 MiB. All arguments are read before the call returns
 * @param key - a data key and its wrapped form, as a key service answers them
 * @param associatedData - at most 1 MiB; must be given again to decrypt
 * @returns the envelope as base64 text. The nonce is fresh from the kernel.
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED (lone surrogate),
 *   ERR_PLAINTEXT_TOO_LARGE, ERR_KEY_BLOB_MALFORMED, ERR_LAYOUT_NOT_ALLOWED (`iv32`), ERR_DISPOSED,
 *   ERR_RANDOM_UNAVAILABLE, ERR_UNSUPPORTED
 */
export async function localEncrypt(
  data: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData?: AssociatedData,
  options: LocalEncryptOptions = {},
): Promise<string> {
  checkOptions(options, LOCAL_ENCRYPT_OPTIONS, "localEncrypt");
  const layout = checkLayout(options.layout, options.requireCommitment);
  const plaintext = checkPlaintext(data);
  const aad = associatedDataBytes(associatedData);
  // An async function without an await: one promise, and the input is read before the call returns.
  return encryptEnvelope(plaintext, key, aad, layout, ciphersOf(options.sync), options.provider);
}

/** The same at once; never by Web Crypto, which cannot. */
export function localEncryptSync(
  data: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData?: AssociatedData,
  options: LocalEncryptOptions = {},
): string {
  checkOptions(options, LOCAL_ENCRYPT_OPTIONS, "localEncryptSync");
  const layout = checkLayout(options.layout, options.requireCommitment);
  const plaintext = checkPlaintext(data);
  const aad = associatedDataBytes(associatedData);
  return encryptEnvelopeSync(plaintext, key, aad, layout, ciphersOf(options.sync), options.provider);
}

/**
 * Encrypts a message; arguments as checked by {@link localEncrypt}.
 *
 * @param plaintext - as `checkPlaintext` answers it
 * @returns the envelope, at once where what encrypts answers at once
 */
export function encryptEnvelope(
  plaintext: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData: Uint8Array,
  layout: WritableLayout,
  ciphers: Ciphers,
  provider?: AeadProviderName,
): string | Promise<string> {
  const fast = sealFast(plaintext, key, associatedData, layout, ciphers, provider, true);
  return fast ?? sealSlow(plaintext, key, associatedData, layout, ciphers, provider);
}

/** The same at once. */
export function encryptEnvelopeSync(
  plaintext: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData: Uint8Array,
  layout: WritableLayout,
  ciphers: Ciphers,
  providerName?: AeadProviderName,
): string {
  const fast = sealFast(plaintext, key, associatedData, layout, ciphers, providerName, false);
  if (fast !== undefined) return fast;
  const bytes = bytesOfPlaintext(plaintext);
  if (!isFrameLayout(layout))
    return encodeBase64(sealNativeSync(bytes, key, associatedData, ciphers, providerName));
  const begun = begin(key, layout);
  const provider = ciphers.providers.sync(providerName, bytes.length);
  const sealed = withAeadKey(key, provider, (aead) => aead.seal(begun.nonce, bytes, associatedData));
  return finish(begun, sealed);
}

/**
 * Decrypts one envelope of any layout with its data key.
 *
 * @param ciphertext - the envelope's text
 * @param key - the data key that encrypted it
 * @param associatedData - exactly what was given to encrypt
 * @returns the text, or bytes with `as: "bytes"`; nothing is returned before the tag has been verified
 * @throws VaultError the parse errors of `parseEnvelope`; ERR_DECRYPT_FAILED for a wrong key, wrong associated data
 *   or altered data alike; ERR_PLAINTEXT_NOT_TEXT if the authenticated bytes are not UTF-8
 */
export async function localDecrypt(
  ciphertext: string,
  key: DataKeyInput,
  associatedData: AssociatedData,
  options: LocalDecryptOptions & { readonly as: "bytes" },
): Promise<Bytes>;
export async function localDecrypt(
  ciphertext: string,
  key: DataKeyInput,
  associatedData?: AssociatedData,
  options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
): Promise<string>;
export async function localDecrypt(
  ciphertext: string,
  key: DataKeyInput,
  associatedData?: AssociatedData,
  options: LocalDecryptOptions = {},
): Promise<string | Bytes> {
  checkOptions(options, LOCAL_DECRYPT_OPTIONS, "localDecrypt");
  const result = checkResultType(options.as);
  const aad = associatedDataBytes(associatedData);
  const ciphers = ciphersOf(options.sync);
  const fast = openFast(ciphertext, key, aad, result, options, ciphers, true);
  if (fast !== undefined) return fast;
  return decryptEnvelope(parseEnvelope(ciphertext, options), key, aad, result, ciphers, options.provider);
}

/** The same at once; never by Web Crypto, which cannot. */
export function localDecryptSync(
  ciphertext: string,
  key: DataKeyInput,
  associatedData: AssociatedData,
  options: LocalDecryptOptions & { readonly as: "bytes" },
): Bytes;
export function localDecryptSync(
  ciphertext: string,
  key: DataKeyInput,
  associatedData?: AssociatedData,
  options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
): string;
export function localDecryptSync(
  ciphertext: string,
  key: DataKeyInput,
  associatedData?: AssociatedData,
  options: LocalDecryptOptions = {},
): string | Bytes {
  checkOptions(options, LOCAL_DECRYPT_OPTIONS, "localDecryptSync");
  const result = checkResultType(options.as);
  const aad = associatedDataBytes(associatedData);
  const ciphers = ciphersOf(options.sync);
  const fast = openFast(ciphertext, key, aad, result, options, ciphers, false);
  if (fast !== undefined) return fast;
  return decryptEnvelopeSync(parseEnvelope(ciphertext, options), key, aad, result, ciphers, options.provider);
}

/** Decrypts an envelope that has been parsed, whose bytes are its own; arguments as checked by the functions above. */
export async function decryptEnvelope(
  envelope: Envelope,
  key: DataKeyInput,
  associatedData: Uint8Array,
  as: "text" | "bytes",
  ciphers: Ciphers,
  providerName?: AeadProviderName,
): Promise<string | Bytes> {
  const { nonce, ciphertext, tag } = envelope;
  if (layoutRow(envelope.layout).isChunked) {
    const body = { salt: nonce, commitment: tag, chunks: ciphertext };
    return result(await openNative(body, key, associatedData, ciphers, providerName), as);
  }
  // Deno's Web Crypto takes no nonces of 32 bytes: for these no size is told, by which it might be chosen.
  const size = nonce.length === NONCE_BYTES ? ciphertext.length : undefined;
  const now = ciphers.providers.atOnce(providerName, size);
  if (now !== undefined) {
    const opened = withAeadKey(key, now, (aead) => aead.open(nonce, ciphertext, tag, associatedData));
    return result(opened, as);
  }
  const aad = copyBytes(associatedData);
  const open = (aead: AeadKey) => aead.open(nonce, ciphertext, tag, aad);
  return result(await withKeyLater(ciphers, providerName, size, key, open), as);
}

/** The same at once. */
export function decryptEnvelopeSync(
  envelope: Envelope,
  key: DataKeyInput,
  associatedData: Uint8Array,
  as: "text" | "bytes",
  ciphers: Ciphers,
  providerName?: AeadProviderName,
): string | Bytes {
  const { nonce, ciphertext, tag } = envelope;
  if (layoutRow(envelope.layout).isChunked) {
    const body = { salt: nonce, commitment: tag, chunks: ciphertext };
    return result(openNativeSync(body, key, associatedData, ciphers, providerName), as);
  }
  const provider = ciphers.providers.sync(providerName, ciphertext.length);
  const opened = withAeadKey(key, provider, (aead) => aead.open(nonce, ciphertext, tag, associatedData));
  return result(opened, as);
}

/** A message that no budget counts. */
const NO_BUDGET: Budget = { spend: () => {} };

/** By a data key that is held, where a provider answers at once; else undefined. */
function sealFast(
  plaintext: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData: Uint8Array,
  layout: WritableLayout,
  ciphers: Ciphers,
  provider: AeadProviderName | undefined,
  canWait: boolean,
): string | undefined {
  if (!(key instanceof DataKey)) return undefined;
  const ready = ciphers.shortWays?.of(key);
  return ready?.seal(plaintext, associatedData, layout, provider, NO_BUDGET, canWait);
}

/** By any data key and any provider. */
async function sealSlow(
  given: string | Uint8Array,
  key: WrappedDataKeyInput,
  associatedData: Uint8Array,
  layout: WritableLayout,
  ciphers: Ciphers,
  providerName: AeadProviderName | undefined,
): Promise<string> {
  const bytes = bytesOfPlaintext(given);
  if (!isFrameLayout(layout))
    return encodeBase64(await sealNative(bytes, key, associatedData, ciphers, providerName));
  const begun = begin(key, layout);
  const now = ciphers.providers.atOnce(providerName, bytes.length);
  if (now !== undefined) {
    const sealed = withAeadKey(key, now, (aead) => aead.seal(begun.nonce, bytes, associatedData));
    return finish(begun, sealed);
  }
  const plaintext = copyBytes(bytes);
  const aad = copyBytes(associatedData);
  const seal = (aead: AeadKey) => aead.seal(begun.nonce, plaintext, aad);
  try {
    return finish(begun, await withKeyLater(ciphers, providerName, bytes.length, key, seal));
  } finally {
    plaintext.fill(0);
  }
}

/** Runs `use` with a data key as it is now, made ready for what serves a call that waits. What `use` reads must be the call's own. */
async function withKeyLater(
  ciphers: Ciphers,
  providerName: AeadProviderName | undefined,
  size: number | undefined,
  key: DataKeyInput,
  use: (aead: AeadKey) => Bytes | Promise<Bytes>,
): Promise<Bytes> {
  const held = holdDataKey(key);
  try {
    return await withAeadKey(held.key, await ciphers.providers.async(providerName, size), use);
  } finally {
    held.release();
  }
}

/** By a data key that is held, where a provider answers at once and nothing is special; else undefined. */
function openFast(
  ciphertext: string,
  key: DataKeyInput,
  associatedData: Uint8Array,
  as: "text" | "bytes",
  options: LocalDecryptOptions,
  ciphers: Ciphers,
  canWait: boolean,
): string | Bytes | undefined {
  const isPlain = options.layouts === undefined && options.requireCommitment !== true;
  // A key that was disposed of: reading comes first, and has its own errors.
  if (!isPlain || !(key instanceof DataKey) || key.isDisposed) return undefined;
  const ready = ciphers.shortWays?.of(key);
  return ready?.open(ciphertext, associatedData, DEFAULT_LAYOUT, as, options.provider, canWait);
}

/** An envelope without what is encrypted. */
interface Begun extends Pick<Envelope, "keyBlob" | "nonce"> {
  readonly layout: FrameLayout;
}

/** All that can be told before the key is touched, and the nonce. */
function begin(key: WrappedDataKeyInput, layout: FrameLayout): Begun {
  const keyBlob = keyBlobOf(key);
  const nonce = new Uint8Array(NONCE_BYTES);
  drawNonce(nonce, 0, layoutRow(layout).beginsWithNonce);
  return { layout, keyBlob, nonce };
}

function finish(begun: Begun, sealed: Uint8Array): string {
  const tagAt = sealed.length - TAG_BYTES;
  return serializeEnvelope({ ...begun, ciphertext: sealed.subarray(0, tagAt), tag: sealed.subarray(tagAt) });
}

/**
 * The layout to write.
 *
 * @param requireCommitment - only `native` may be written
 * @throws TypeError ERR_INVALID_ARGUMENT for an unknown one; VaultError ERR_LAYOUT_NOT_ALLOWED for `iv32`, and for one
 *   that does not commit to its key where that is required
 */
export function checkLayout(layout: Layout | undefined, requireCommitment = false): WritableLayout {
  if (layout === undefined) return requireCommitment ? "native" : DEFAULT_LAYOUT;
  return checkWritable(layout, requireCommitment);
}

/** @throws TypeError ERR_INVALID_ARGUMENT unless `as` is a result type */
export function checkResultType(as: "text" | "bytes" | undefined): "text" | "bytes" {
  if (as === undefined || as === "text") return "text";
  if (as === "bytes") return as;
  throw invalidType('as must be "text" or "bytes"');
}

function result(plaintext: Bytes, as: "text" | "bytes"): string | Bytes {
  if (as === "bytes") return plaintext;
  const text = fromUtf8(plaintext);
  if (text === undefined) throw notText();
  return text;
}
