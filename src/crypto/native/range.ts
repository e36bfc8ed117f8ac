/**
 * openNativeSource and decryptRange: plaintext from anywhere in a native envelope, without what is around it.
 *
 * Owns random access (docs/spec/native-envelope.md section 6): one look at header and last chunk proves key and size,
 * then any range costs its own chunks only. Must not know where data keys come from, nor what a source is.
 *
 * @module
 */

import { encodeBase64 } from "../../base/base64.ts";
import type { Bytes } from "../../base/bytes.ts";
import { DISPOSE } from "../../base/dispose.ts";
import { optionNames } from "../../base/options.ts";
import { invalidRange, VaultError } from "../../errors.ts";
import type { AeadProviderName } from "../aead/aead.ts";
import { type AssociatedData, associatedDataBytes } from "../associated-data.ts";
import type { Ciphers } from "../ciphers/ciphers.ts";
import { ciphersOf } from "../ciphers/of-call.ts";
import type { SyncCrypto } from "../ciphers/sync-crypto.ts";
import { type DataKeyInput, holdDataKey } from "../keys/data-key.ts";
import { NATIVE_CHUNK_BYTES } from "../limits.ts";
import { type MessageKey, nativeContext, openRun, recoverMessageKeyLater } from "./chunks.ts";
import {
  NATIVE_HEADER_BYTES_MAX,
  NATIVE_PREFIX_BYTES,
  type NativeHeader,
  type NativePrefix,
  type NativeShape,
  nativePrefixAt,
  parseNativeHeader,
  readNativeHeader,
  SEALED_CHUNK_BYTES,
  shapeOfChunks,
} from "./format.ts";
import { type ByteSource, type RangeSource, readExactly, toByteSource } from "./source.ts";
import type { FindDataKey } from "./stream.ts";

/** How an envelope at rest is opened. */
export interface NativeSourceOptions {
  /** Overrides the choice of AEAD provider (src/crypto/aead/choose.ts). */
  readonly provider?: AeadProviderName | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that answers at once. */
  readonly sync?: SyncCrypto | undefined;
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Names of {@link NativeSourceOptions}. */
export const NATIVE_SOURCE_OPTIONS = /* @__PURE__ */ optionNames<NativeSourceOptions>({
  provider: true,
  sync: true,
  signal: true,
});

/** Bytes that are read first: nearly every header with salt and commitment lies within. */
const HEAD_READ_BYTES = 1024;

/** Chunks that are read and decrypted together: 1 MiB. */
const RUN_CHUNKS = 64;

/**
 * Opens a native envelope at rest: reads its header and its last chunk, and proves by them that key, associated data
 * and size are right.
 *
 * @param source - bytes, a Blob, a file handle, or `{ size, read(offset, length) }`. It is read when it is
 *   needed and must not change meanwhile: what changed does not decrypt. All else is read before the call returns
 * @param key - the data key, or a function that finds it when the header has been read; not needed any more afterwards
 * @param associatedData - exactly what was given to encrypt
 * @returns a reader; dispose of it
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED,
 *   ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_TOO_LARGE (all before the key is used); ERR_DECRYPT_FAILED; the signal's
 *   reason; and what source and key throw
 */
export async function openNativeSource(
  source: RangeSource,
  key: DataKeyInput | FindDataKey,
  associatedData?: AssociatedData,
  options: NativeSourceOptions = {},
): Promise<NativeReader> {
  const context = nativeContext(associatedDataBytes(associatedData));
  const ciphers = ciphersOf(options.sync);
  const { signal, provider: providerName } = options;
  const held = typeof key === "function" ? undefined : holdDataKey(key);
  const find: FindDataKey = typeof key === "function" ? key : (_, use) => use(held!.key);
  try {
    return await openSource(source, find, context, ciphers, providerName, signal);
  } finally {
    held?.release();
  }
}

async function openSource(
  source: RangeSource,
  find: FindDataKey,
  context: Uint8Array,
  ciphers: Ciphers,
  providerName: AeadProviderName | undefined,
  signal: AbortSignal | undefined,
): Promise<NativeReader> {
  const bytes = await toByteSource(source);
  const head = await readHead(bytes, signal);
  const chunksAt = head.header.bytes + NATIVE_PREFIX_BYTES;
  const shape = shapeOfChunks(bytes.size - chunksAt);
  const encryptedKeys = encodeBase64(head.header.keyBlob);
  const provider = await ciphers.providers.async(providerName);
  const recover = (dataKey: DataKeyInput): Promise<MessageKey> =>
    recoverMessageKeyLater(ciphers, provider, dataKey, head, context);
  const message = await find(encryptedKeys, recover);
  const reader = new NativeReader(bytes, message, shape, chunksAt, encryptedKeys);
  try {
    await reader.prove(signal);
  } catch (error) {
    reader.dispose();
    throw error;
  }
  return reader;
}

/**
 * Decrypts one range of a native envelope at rest. For several ranges of one envelope, or for large ones,
 * {@link openNativeSource} is cheaper.
 *
 * @param start - first byte of plaintext, from 0
 * @param end - byte behind the last; default the plaintext's size
 * @returns exactly the range, all of it authenticated
 * @throws RangeError ERR_INVALID_ARGUMENT for a range that is not within the plaintext; and as {@link openNativeSource}
 */
export async function decryptRange(
  source: RangeSource,
  key: DataKeyInput | FindDataKey,
  start: number,
  end?: number,
  associatedData?: AssociatedData,
  options: NativeSourceOptions = {},
): Promise<Bytes> {
  checkOffsets(start, end ?? start);
  const { signal } = options;
  const reader = await openNativeSource(source, key, associatedData, options);
  try {
    return await reader.read(start, end, { signal });
  } finally {
    reader.dispose();
  }
}

/** A native envelope at rest whose key and size have been proved. Made by {@link openNativeSource}. */
export class NativeReader {
  /** The wrapped data key, base64. */
  readonly encryptedKeys: string;
  readonly #source: ByteSource;
  readonly #key: MessageKey;
  readonly #shape: NativeShape;
  readonly #chunksAt: number;
  #isDisposed = false;

  /** @param chunksAt - where the first chunk begins */
  constructor(
    source: ByteSource,
    key: MessageKey,
    shape: NativeShape,
    chunksAt: number,
    encryptedKeys: string,
  ) {
    this.#source = source;
    this.#key = key;
    this.#shape = shape;
    this.#chunksAt = chunksAt;
    this.encryptedKeys = encryptedKeys;
  }

  /** Bytes of the plaintext: authenticated. */
  get size(): number {
    return this.#shape.plaintextBytes;
  }

  /** Checks the last chunk, which alone proves the size. For {@link openNativeSource}. */
  async prove(signal?: AbortSignal): Promise<void> {
    await this.#openChunks(this.#shape.fullChunks, this.#shape.fullChunks + 1, signal);
  }

  /**
   * Decrypts the bytes from `start` up to `end`, which is not included.
   *
   * @param start - default 0
   * @param end - default the size
   * @throws RangeError ERR_INVALID_ARGUMENT unless 0 <= start <= end <= size; VaultError ERR_DECRYPT_FAILED,
   *   ERR_ENVELOPE_MALFORMED (the source has become shorter), ERR_DISPOSED; the signal's reason; what the source throws
   */
  async read(
    start = 0,
    end: number = this.size,
    options: Pick<NativeSourceOptions, "signal"> = {},
  ): Promise<Bytes> {
    this.#checkRange(start, end);
    const out = new Uint8Array(end - start);
    let at = 0;
    for await (const bytes of this.#pieces(start, end, options.signal)) {
      out.set(bytes, at);
      at += bytes.length;
    }
    return out;
  }

  /**
   * The same as a stream, which reads on when it is read: at most 1 MiB is held.
   *
   * @throws RangeError ERR_INVALID_ARGUMENT at once; the stream fails with what `read` throws
   */
  stream(
    start = 0,
    end: number = this.size,
    options: Pick<NativeSourceOptions, "signal"> = {},
  ): ReadableStream<Bytes> {
    this.#checkRange(start, end);
    const pieces = this.#pieces(start, end, options.signal);
    return new ReadableStream<Bytes>(
      {
        async pull(controller) {
          const { value, done } = await pieces.next();
          if (done === true) controller.close();
          else controller.enqueue(value);
        },
      },
      // Nothing is read before a reader asks.
      { highWaterMark: 0 },
    );
  }

  /** Lets go of the key; the source stays open. Later reads throw ERR_DISPOSED. May be called more than once. */
  dispose(): void {
    this.#isDisposed = true;
    this.#key.aead.dispose();
  }

  [DISPOSE](): void {
    this.dispose();
  }

  async *#pieces(start: number, end: number, signal: AbortSignal | undefined): AsyncGenerator<Bytes> {
    let at = start;
    while (at < end) {
      const first = Math.floor(at / NATIVE_CHUNK_BYTES);
      const behind = Math.min(first + RUN_CHUNKS, Math.ceil(end / NATIVE_CHUNK_BYTES));
      const bytes = await this.#openChunks(first, behind, signal);
      const base = first * NATIVE_CHUNK_BYTES;
      yield bytes.subarray(at - base, Math.min(end - base, bytes.length));
      at = Math.min(end, base + bytes.length);
    }
  }

  /** Reads, checks and decrypts the chunks from `first` up to `behind`, which is not included. */
  async #openChunks(first: number, behind: number, signal: AbortSignal | undefined): Promise<Bytes> {
    if (this.#isDisposed) throw new VaultError("ERR_DISPOSED", "this reader has been disposed of");
    const { fullChunks, sealedBytes, plaintextBytes } = this.#shape;
    const offset = first * SEALED_CHUNK_BYTES;
    const length = Math.min(behind * SEALED_CHUNK_BYTES, sealedBytes) - offset;
    const sealed = await readExactly(this.#source, this.#chunksAt + offset, length, signal);
    const out = new Uint8Array(
      (behind > fullChunks ? plaintextBytes : behind * NATIVE_CHUNK_BYTES) - first * NATIVE_CHUNK_BYTES,
    );
    await openRun(this.#key, first, sealed, out);
    return out;
  }

  #checkRange(start: number, end: number): void {
    checkOffsets(start, end);
    if (end > this.size)
      throw invalidRange(`the range ends behind the plaintext, which has ${this.size} bytes`);
  }
}

function checkOffsets(start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end) {
    throw invalidRange("start and end must be whole numbers, 0 <= start <= end");
  }
}

interface Head extends NativePrefix {
  readonly header: NativeHeader;
}

/** Reads header, salt and commitment; a second time only if the key blob is unusually long. */
async function readHead(source: ByteSource, signal: AbortSignal | undefined): Promise<Head> {
  const { size } = source;
  if (!Number.isSafeInteger(size) || size < 0) throw invalidRange("the source's size must be a whole number");
  let bytes = await readExactly(source, 0, Math.min(size, HEAD_READ_BYTES), signal);
  let header = readNativeHeader(bytes);
  if (header === undefined || bytes.length < header.bytes + NATIVE_PREFIX_BYTES) {
    const length = Math.min(size, NATIVE_HEADER_BYTES_MAX + NATIVE_PREFIX_BYTES);
    bytes = await readExactly(source, 0, length, signal);
    header = parseNativeHeader(bytes);
  }
  return { header, ...nativePrefixAt(bytes, header.bytes) };
}
