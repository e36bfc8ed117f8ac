/**
 * encryptStream and decryptStream: the native format as web-standard transform streams of bytes.
 *
 * Owns the cutting of a stream into chunks and what is held meanwhile: one header, one chunk, and what was written
 * at once. Runs wherever there is a `TransformStream`. Must not know where data keys come from, nor files.
 *
 * @module
 */

import { encodeBase64 } from "../../base/base64.ts";
import { type Bytes, concatBytes, EMPTY, isUint8Array, ownBytes, typeName } from "../../base/bytes.ts";
import { optionNames } from "../../base/options.ts";
import { invalidType } from "../../errors.ts";
import type { AeadProviderName } from "../aead/aead.ts";
import { type AssociatedData, associatedDataBytes } from "../associated-data.ts";
import { ciphersOf } from "../ciphers/of-call.ts";
import type { SyncCrypto } from "../ciphers/sync-crypto.ts";
import { type DataKeyInput, holdDataKey, keyBlobOf, type WrappedDataKeyInput } from "../keys/data-key.ts";
import { NATIVE_CHUNK_BYTES, NATIVE_SALT_BYTES, TAG_BYTES } from "../limits.ts";
import { randomBytes } from "../primitives/random.ts";
import {
  deriveMessageKeyLater,
  type MessageKey,
  nativeContext,
  openRun,
  recoverMessageKeyLater,
  sealRun,
} from "./chunks.ts";
import {
  cutOff,
  encodeNativeHeader,
  NATIVE_HEADER_BYTES_MAX,
  NATIVE_PREFIX_BYTES,
  type NativeHeader,
  type NativePrefix,
  nativePrefixAt,
  parseNativeHeader,
  readNativeHeader,
  SEALED_CHUNK_BYTES,
  shapeOfChunks,
} from "./format.ts";

/** Bytes in, bytes out. */
export type ByteTransform = TransformStream<Uint8Array, Bytes>;

/**
 * Finds the data key of an envelope whose header has been read, and lends it: `use` reads it before it returns and
 * keeps nothing of it, so that it may be disposed of right after. What this throws, the stream fails with.
 *
 * @param encryptedKeys - the wrapped data key, base64
 */
export type FindDataKey = <T>(encryptedKeys: string, use: (key: DataKeyInput) => T) => T | Promise<T>;

/** Makes a data key when a stream begins, and lends it as {@link FindDataKey} does. */
export type MakeDataKey = <T>(use: (key: WrappedDataKeyInput) => T) => T | Promise<T>;

/** How a stream is encrypted or decrypted. */
export interface NativeStreamOptions {
  /** Overrides the choice of AEAD provider (src/crypto/aead/choose.ts). */
  readonly provider?: AeadProviderName | undefined;
  /** Ends the stream, whenever it is aborted: both sides fail with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that answers at once. */
  readonly sync?: SyncCrypto | undefined;
}

/** Names of {@link NativeStreamOptions}. */
export const NATIVE_STREAM_OPTIONS = /* @__PURE__ */ optionNames<NativeStreamOptions>({
  provider: true,
  signal: true,
  sync: true,
});

/** Chunks that are handed on together: 1 MiB. More bought nothing; fewer cost a turn of the stream each. */
const RUN_CHUNKS = 64;

/** Bytes of the longest header with salt and commitment. */
const HEAD_BYTES_MAX = NATIVE_HEADER_BYTES_MAX + NATIVE_PREFIX_BYTES;

/**
 * Encrypts a stream into a native envelope.
 *
 * @param key - a data key with its wrapped form, not to be disposed of before the first bytes have come out; or a
 *   function that makes one when the stream begins
 * @param associatedData - at most 1 MiB; must be given again to decrypt
 * @returns a transform of `Uint8Array`s. A chunk belongs to the stream until its `write` has resolved: it is read or
 *   copied by then, and may be used again, as with every stream of the platform. Chunks are handed on as they fill up; the last one, which marks the end, when
 *   the writer closes.
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED, ERR_KEY_BLOB_MALFORMED. The
 *   stream fails with TypeError ERR_INVALID_ARGUMENT for what is no bytes, ERR_PLAINTEXT_TOO_LARGE beyond 4 PiB, and
 *   whatever `key` throws
 */
export function encryptStream(
  key: WrappedDataKeyInput | MakeDataKey,
  associatedData?: AssociatedData,
  options: NativeStreamOptions = {},
): ByteTransform {
  const context = nativeContext(associatedDataBytes(associatedData));
  const ciphers = ciphersOf(options.sync);
  const held = typeof key === "function" ? undefined : { keyBlob: keyBlobOf(key), ...holdDataKey(key) };
  const { signal } = options;
  let writer: Cutter | undefined;
  const ending = new StreamEnding(signal, () => writer?.dispose());
  return new TransformStream<Uint8Array, Bytes>({
    async start(controller) {
      ending.obey(controller);
      const provider = await ciphers.providers.async(options.provider);
      const salt = randomBytes(NATIVE_SALT_BYTES);
      const begin = async (dataKey: DataKeyInput, keyBlob: Uint8Array): Promise<Bytes> => {
        const header = encodeNativeHeader(keyBlob);
        const derived = await deriveMessageKeyLater(ciphers, provider, dataKey, salt, context);
        writer = chunkWriter(derived.key, controller);
        return concatBytes(header, salt, derived.commitment);
      };
      try {
        controller.enqueue(
          await (held === undefined
            ? (key as MakeDataKey)((made) => begin(made, keyBlobOf(made)))
            : begin(held.key, held.keyBlob)),
        );
        signal?.throwIfAborted();
      } catch (error) {
        ending.end();
        throw error;
      } finally {
        held?.release();
      }
    },
    transform: (bytes) => ending.during(() => writer!.write(checkBytes(bytes))),
    async flush() {
      await ending.during(() => writer!.end());
      ending.end();
    },
    cancel: () => ending.end(),
  });
}

/**
 * Decrypts a native envelope as it streams by. Only authenticated plaintext comes out; an envelope that ends too early
 * is an error, not an end, and after an error nothing more comes.
 *
 * @param key - the data key, not to be disposed of before the first plaintext has come out; or a function that finds
 *   it when the header has been read
 * @param associatedData - exactly what was given to encrypt
 * @returns a transform of `Uint8Array`s; whose a chunk is, see {@link encryptStream}
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED. The stream fails with
 *   ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED, ERR_ENVELOPE_MALFORMED (also where it is cut off),
 *   ERR_ENVELOPE_TOO_LARGE, ERR_DECRYPT_FAILED, and whatever `key` throws
 */
export function decryptStream(
  key: DataKeyInput | FindDataKey,
  associatedData?: AssociatedData,
  options: NativeStreamOptions = {},
): ByteTransform {
  const context = nativeContext(associatedDataBytes(associatedData));
  const held = typeof key === "function" ? undefined : holdDataKey(key);
  const ciphers = ciphersOf(options.sync);
  const { provider: providerName, signal } = options;
  const head = new HeadReader();
  let reader: Cutter | undefined;
  const ending = new StreamEnding(signal, () => {
    held?.release();
    reader?.dispose();
  });
  const read = async (given: Uint8Array, controller: Controller) => {
    let bytes = checkBytes(given);
    if (reader === undefined) {
      const rest = head.take(bytes);
      if (rest === undefined) return;
      bytes = rest;
      const parts = head.parts();
      const provider = await ciphers.providers.async(providerName);
      const recover = (dataKey: DataKeyInput): Promise<MessageKey> =>
        recoverMessageKeyLater(ciphers, provider, dataKey, parts, context);
      const message = await (typeof key === "function"
        ? key(parts.encryptedKeys, recover)
        : recover(held!.key));
      held?.release();
      reader = chunkReader(message, controller);
    }
    await reader.write(bytes);
  };
  return new TransformStream<Uint8Array, Bytes>({
    // Async: the stream fails then, and not the call that makes it.
    async start(controller) {
      ending.obey(controller);
    },
    transform: (given, controller) => ending.during(() => read(given, controller)),
    async flush() {
      // Throws what is wrong with a head that never came to its end.
      held?.release();
      if (reader === undefined) head.end();
      else await ending.during(() => reader!.end());
      ending.end();
    },
    cancel: () => ending.end(),
  });
}

/** Ends a stream when its signal is aborted, and lets go of its key then: at once, or when the write under way is over. */
class StreamEnding {
  readonly #signal: AbortSignal | undefined;
  readonly #dispose: () => void;
  #controller: Controller | undefined;
  #isBusy = false;

  constructor(signal: AbortSignal | undefined, dispose: () => void) {
    this.#signal = signal;
    this.#dispose = dispose;
  }

  /** From now on an abort ends the stream. @throws the signal's reason */
  obey(controller: Controller): void {
    this.#signal?.throwIfAborted();
    this.#controller = controller;
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Runs a write. @throws the signal's reason if it was aborted meanwhile */
  async during(write: () => Promise<void>): Promise<void> {
    this.#isBusy = true;
    try {
      await write();
      this.#signal?.throwIfAborted();
    } catch (error) {
      this.end();
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }

  /** The stream is over: lets go of everything. */
  end(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#dispose();
  }

  readonly #onAbort = (): void => {
    this.#controller?.error(this.#signal!.reason);
    // A write that is under way has the key; it ends when it sees the abort.
    if (!this.#isBusy) this.end();
  };
}

/** Works on a run of chunks. @param first - number of the first one @param isEnd - whether it is the last one of the stream */
type WorkOnRun = (first: number, run: Uint8Array, isEnd: boolean) => Promise<void>;

/** Gathers bytes into pieces of a fixed size and works on runs of them. */
class Cutter {
  readonly #key: MessageKey;
  readonly #pieceBytes: number;
  readonly #work: WorkOnRun;
  /** Number of the next chunk. */
  #index = 0;
  readonly #pending: Uint8Array;
  #held = 0;

  constructor(key: MessageKey, pieceBytes: number, work: WorkOnRun) {
    this.#key = key;
    this.#pieceBytes = pieceBytes;
    this.#work = work;
    this.#pending = new Uint8Array(pieceBytes);
  }

  /** Takes bytes in; what makes up whole pieces is worked on at once. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      let at = 0;
      if (this.#held > 0) {
        at = Math.min(this.#pieceBytes - this.#held, bytes.length);
        this.#pending.set(bytes.subarray(0, at), this.#held);
        this.#held += at;
        if (this.#held < this.#pieceBytes) return;
        this.#held = 0;
        await this.#run(this.#pending);
      }
      while (bytes.length - at >= this.#pieceBytes) {
        const pieces = Math.min(RUN_CHUNKS, Math.floor((bytes.length - at) / this.#pieceBytes));
        const end = at + pieces * this.#pieceBytes;
        await this.#run(bytes.subarray(at, end));
        at = end;
      }
      this.#pending.set(bytes.subarray(at));
      this.#held = bytes.length - at;
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** What is left is the last chunk. */
  async end(): Promise<void> {
    try {
      await this.#work(this.#index, this.#pending.subarray(0, this.#held), true);
    } finally {
      this.dispose();
    }
  }

  dispose(): void {
    this.#key.aead.dispose();
    this.#pending.fill(0);
  }

  async #run(pieces: Uint8Array): Promise<void> {
    await this.#work(this.#index, pieces, false);
    this.#index += pieces.length / this.#pieceBytes;
  }
}

type Controller = TransformStreamDefaultController<Bytes>;

/** Takes plaintext, and hands on chunks with their tags. */
function chunkWriter(key: MessageKey, controller: Controller): Cutter {
  return new Cutter(key, NATIVE_CHUNK_BYTES, async (first, plaintext, isEnd) => {
    const chunks = isEnd ? 1 : plaintext.length / NATIVE_CHUNK_BYTES;
    const out = new Uint8Array(plaintext.length + chunks * TAG_BYTES);
    await sealRun(key, first, plaintext, isEnd, out);
    controller.enqueue(out);
  });
}

/** Takes chunks with their tags, and hands on plaintext. */
function chunkReader(key: MessageKey, controller: Controller): Cutter {
  return new Cutter(key, SEALED_CHUNK_BYTES, async (first, sealed, isEnd) => {
    const out = new Uint8Array(
      isEnd
        ? shapeOfChunks(sealed.length).plaintextBytes
        : (sealed.length / SEALED_CHUNK_BYTES) * NATIVE_CHUNK_BYTES,
    );
    await openRun(key, first, sealed, out);
    if (out.length > 0) controller.enqueue(out);
  });
}

/** Gathers header, salt and commitment, and refuses a bad header at its first bad byte. */
class HeadReader {
  #bytes: Bytes = EMPTY;
  #header: NativeHeader | undefined;

  /** @returns what is left of `bytes` behind the head; undefined as long as the head goes on */
  take(bytes: Bytes): Bytes | undefined {
    const before = this.#bytes.length;
    this.#bytes = concatBytes(this.#bytes, bytes.subarray(0, HEAD_BYTES_MAX - before));
    this.#header ??= readNativeHeader(this.#bytes);
    if (this.#header === undefined) return undefined;
    const end = this.#header.bytes + NATIVE_PREFIX_BYTES;
    return this.#bytes.length < end ? undefined : bytes.subarray(end - before);
  }

  /** The parts of a head that is complete. */
  parts(): NativePrefix & { readonly encryptedKeys: string } {
    const { keyBlob, bytes: saltAt } = this.#header!;
    return { encryptedKeys: encodeBase64(keyBlob), ...nativePrefixAt(this.#bytes, saltAt) };
  }

  /** Says what is wrong with a head that the stream ended in. */
  end(): never {
    parseNativeHeader(this.#bytes);
    throw cutOff();
  }
}

function checkBytes(bytes: unknown): Bytes {
  if (isUint8Array(bytes)) return ownBytes(bytes, "a chunk");
  throw invalidType(`a stream of bytes takes Uint8Arrays, got ${typeName(bytes)}`);
}
