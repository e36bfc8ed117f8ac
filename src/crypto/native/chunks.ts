/**
 * The native envelope's body: keys, commitment, chunks (docs/spec/native-envelope.md sections 3 and 4).
 *
 * Owns the construction of c2sp.org/chunked-encryption with AES-256-GCM and HKDF-SHA-512 over the AEAD and hash
 * ports. Works on runs: chunks that follow each other, in one array. Must not know headers, streams or sources.
 *
 * @module
 */

import { type Bytes, concatBytes, EMPTY, equalBytes } from "../../base/bytes.ts";
import { decryptFailed } from "../../errors.ts";
import type { AeadKey, AeadProvider, SyncAeadKey } from "../aead/aead.ts";
import type { Ciphers } from "../ciphers/ciphers.ts";
import type { DataKeyInput } from "../keys/data-key.ts";
import { KEY_BYTES, NATIVE_CHUNK_BYTES, NATIVE_CHUNKS_MAX, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { DERIVED_BYTES, infoOf } from "./derivation.ts";
import {
  FIXED_HEADER,
  type NativePrefix,
  SEALED_CHUNK_BYTES,
  shapeOfPlaintext,
  tooManyChunks,
} from "./format.ts";

/** Chunks under way at once where the cipher answers later: 8 measured three times as fast as 1, 16 no faster. */
const CHUNKS_IN_FLIGHT = 8;

/** The bytes of a chunk's number are the nonce's last five: 2^38 chunks. */
const COUNTER_BYTES = 5;

/** One message's key, ready for use. */
export interface MessageKey<K extends AeadKey = AeadKey> {
  readonly aead: K;
  readonly baseNonce: Uint8Array;
  /** Whether `aead` answers at once. */
  readonly isSync: boolean;
}

/** A message's key and what its envelope shows of it. */
export interface Derived<K extends AeadKey = AeadKey> {
  readonly key: MessageKey<K>;
  readonly commitment: Uint8Array;
}

/** The context of the derivation for associated data: the key blob is no part of it, so that a rekey is a splice. */
export function nativeContext(associatedData: Uint8Array): Bytes {
  return concatBytes(FIXED_HEADER, associatedData);
}

/**
 * Derives a message's key. The caller disposes of its `aead`.
 *
 * @param salt - 24 bytes
 * @param context - of c2sp.org/chunked-encryption; {@link nativeContext} in a native envelope
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless the data key has 32 bytes; VaultError ERR_DISPOSED
 */
export function deriveMessageKey<K extends AeadKey>(
  ciphers: Ciphers,
  provider: AeadProvider & { importKey(rawKey: Uint8Array): K },
  dataKey: DataKeyInput,
  salt: Uint8Array,
  context: Uint8Array,
): Derived<K> {
  return derivedOf(provider, ciphers.expand(dataKey, infoOf(salt, context), DERIVED_BYTES));
}

/** The same where the call can wait. The data key is read before this returns. */
export async function deriveMessageKeyLater(
  ciphers: Ciphers,
  provider: AeadProvider,
  dataKey: DataKeyInput,
  salt: Uint8Array,
  context: Uint8Array,
): Promise<Derived> {
  return derivedOf(provider, await ciphers.expandLater(dataKey, infoOf(salt, context), DERIVED_BYTES));
}

/**
 * Derives a message's key and checks that the envelope commits to it, before anything is decrypted. The data key is read before
 * this returns.
 *
 * @throws VaultError ERR_DECRYPT_FAILED for another data key, salt, context or commitment; as {@link deriveMessageKey}
 */
export async function recoverMessageKeyLater(
  ciphers: Ciphers,
  provider: AeadProvider,
  dataKey: DataKeyInput,
  parts: NativePrefix,
  context: Uint8Array,
): Promise<MessageKey> {
  return committed(await deriveMessageKeyLater(ciphers, provider, dataKey, parts.salt, context), parts);
}

function derivedOf<K extends AeadKey>(
  provider: AeadProvider & { importKey(rawKey: Uint8Array): K },
  bytes: Bytes,
): Derived<K> {
  const raw = bytes.subarray(0, KEY_BYTES);
  const aead = provider.importKey(raw) as K;
  raw.fill(0);
  return {
    key: {
      aead,
      baseNonce: bytes.slice(KEY_BYTES, KEY_BYTES + NONCE_BYTES),
      isSync: provider.isSync,
    },
    commitment: bytes.slice(KEY_BYTES + NONCE_BYTES),
  };
}

/** The key of a message whose envelope commits to it. @throws VaultError ERR_DECRYPT_FAILED for another commitment */
export function committed<K extends AeadKey>(
  { key, commitment }: Derived<K>,
  parts: Pick<NativePrefix, "commitment">,
): MessageKey<K> {
  if (equalBytes(commitment, parts.commitment)) return key;
  key.aead.dispose();
  throw decryptFailed();
}

/**
 * Encrypts chunks that follow each other.
 *
 * @param first - number of the first chunk
 * @param plaintext - full chunks, and a shorter one behind them if `isEnd`, which is then written even if empty
 * @param out - room for the chunks with their tags, from `at` on
 * @throws VaultError ERR_PLAINTEXT_TOO_LARGE beyond 2^38 chunks
 */
export function sealRunSync(
  key: MessageKey<SyncAeadKey>,
  first: number,
  plaintext: Uint8Array,
  isEnd: boolean,
  out: Uint8Array,
  at = 0,
): void {
  const count = countOf(first, plaintext, isEnd);
  for (let i = 0; i < count; i++) {
    const nonce = chunkNonce(key.baseNonce, first + i);
    const place = at + i * SEALED_CHUNK_BYTES;
    if (key.aead.sealInto !== undefined) key.aead.sealInto(nonce, chunkOf(plaintext, i), EMPTY, out, place);
    else out.set(key.aead.seal(nonce, chunkOf(plaintext, i), EMPTY), place);
  }
}

/** The same with a key that may answer later; several chunks are then under way at once. */
export async function sealRun(
  key: MessageKey,
  first: number,
  plaintext: Uint8Array,
  isEnd: boolean,
  out: Uint8Array,
  at = 0,
): Promise<void> {
  if (key.isSync) {
    sealRunSync(key as MessageKey<SyncAeadKey>, first, plaintext, isEnd, out, at);
    return;
  }
  await forEachInFlight(countOf(first, plaintext, isEnd), async (i) => {
    const sealed = await key.aead.seal(chunkNonce(key.baseNonce, first + i), chunkOf(plaintext, i), EMPTY);
    out.set(sealed, at + i * SEALED_CHUNK_BYTES);
  });
}

/**
 * Checks and decrypts chunks that follow each other. What is in `out` is to be released only if this returns.
 *
 * @param first - number of the first chunk
 * @param sealed - chunks with their tags; whether a chunk is full was decided by the caller, all have a tag
 * @param out - room for the plaintext, from `at` on
 * @throws VaultError ERR_DECRYPT_FAILED; ERR_ENVELOPE_TOO_LARGE beyond 2^38 chunks
 */
export function openRunSync(
  key: MessageKey<SyncAeadKey>,
  first: number,
  sealed: Uint8Array,
  out: Uint8Array,
  at = 0,
): void {
  const count = sealedCountOf(first, sealed);
  for (let i = 0; i < count; i++) {
    const { ciphertext, tag } = sealedChunkOf(sealed, i);
    const nonce = chunkNonce(key.baseNonce, first + i);
    const place = at + i * NATIVE_CHUNK_BYTES;
    if (key.aead.openInto !== undefined) key.aead.openInto(nonce, ciphertext, tag, EMPTY, out, place);
    else out.set(key.aead.open(nonce, ciphertext, tag, EMPTY), place);
  }
}

/** The same with a key that may answer later; several chunks are then under way at once. */
export async function openRun(
  key: MessageKey,
  first: number,
  sealed: Uint8Array,
  out: Uint8Array,
  at = 0,
): Promise<void> {
  if (key.isSync) {
    openRunSync(key as MessageKey<SyncAeadKey>, first, sealed, out, at);
    return;
  }
  await forEachInFlight(sealedCountOf(first, sealed), async (i) => {
    const { ciphertext, tag } = sealedChunkOf(sealed, i);
    const opened = await key.aead.open(chunkNonce(key.baseNonce, first + i), ciphertext, tag, EMPTY);
    out.set(opened, at + i * NATIVE_CHUNK_BYTES);
  });
}

/** The nonce of chunk `index`: the base nonce XOR the number, big-endian. */
export function chunkNonce(baseNonce: Uint8Array, index: number): Bytes {
  const nonce = Uint8Array.from(baseNonce);
  // Division, not shifts: numbers have up to 38 bits.
  let rest = index;
  for (let i = 1; i <= COUNTER_BYTES; i++) {
    nonce[NONCE_BYTES - i]! ^= rest % 256;
    rest = Math.floor(rest / 256);
  }
  return nonce;
}

function countOf(first: number, plaintext: Uint8Array, isEnd: boolean): number {
  const { fullChunks } = shapeOfPlaintext(first * NATIVE_CHUNK_BYTES + plaintext.length);
  return fullChunks - first + (isEnd ? 1 : 0);
}

function chunkOf(plaintext: Uint8Array, i: number): Uint8Array {
  return plaintext.subarray(i * NATIVE_CHUNK_BYTES, (i + 1) * NATIVE_CHUNK_BYTES);
}

function sealedCountOf(first: number, sealed: Uint8Array): number {
  const count = Math.ceil(sealed.length / SEALED_CHUNK_BYTES);
  if (first + count > NATIVE_CHUNKS_MAX) throw tooManyChunks();
  return count;
}

function sealedChunkOf(sealed: Uint8Array, i: number): { ciphertext: Uint8Array; tag: Uint8Array } {
  const start = i * SEALED_CHUNK_BYTES;
  const end = Math.min(start + SEALED_CHUNK_BYTES, sealed.length);
  return {
    ciphertext: sealed.subarray(start, end - TAG_BYTES),
    tag: sealed.subarray(end - TAG_BYTES, end),
  };
}

async function forEachInFlight(count: number, work: (i: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < count; start += CHUNKS_IN_FLIGHT) {
    const width = Math.min(CHUNKS_IN_FLIGHT, count - start);
    await Promise.all(Array.from({ length: width }, (_, i) => work(start + i)));
  }
}
