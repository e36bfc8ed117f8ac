/**
 * The calls of a Vault on native envelopes of any size: streams, and ranges of what lies elsewhere.
 *
 * Owns how a stream or a reader gets its data key, which is asked for when it begins. Must not know the format's bytes.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { lend } from "../base/dispose.ts";
import { checkOptions } from "../base/options.ts";
import type { AssociatedData } from "../crypto/associated-data.ts";
import { checkedContext, type KeyContext } from "../crypto/keys/key-context.ts";
import {
  decryptRange,
  type NativeReader,
  type NativeSourceOptions,
  openNativeSource,
} from "../crypto/native/range.ts";
import type { RangeSource } from "../crypto/native/source.ts";
import {
  type ByteTransform,
  decryptStream,
  encryptStream,
  type MakeDataKey,
  type NativeStreamOptions,
} from "../crypto/native/stream.ts";
import { checkedCall, withinTime } from "../keys/calls.ts";
import type { CallOptions, KeyService } from "../keys/key-service.ts";
import type { KvService } from "../kv/kv-service.ts";
import type { PortCalls, VaultCalls } from "./calls.ts";
import { VaultDocuments } from "./documents.ts";
import type { VaultMessages } from "./messages.ts";
import { type DecryptOptions, SOURCE_OPTIONS, STREAM_OPTIONS } from "./options.ts";

/** What a {@link Vault} does with streams and ranges. */
export class VaultStreams extends VaultDocuments {
  readonly #keys: PortCalls<KeyService>;
  readonly #calls: VaultCalls;
  readonly #messages: VaultMessages;

  constructor(
    store: PortCalls<KvService>,
    keys: PortCalls<KeyService>,
    calls: VaultCalls,
    messages: VaultMessages,
  ) {
    super(store, messages);
    this.#keys = keys;
    this.#calls = calls;
    this.#messages = messages;
  }

  /**
   * Encrypts a stream of bytes of any length into the native format, under a fresh data key.
   *
   * @param options.signal - an abort ends the stream whenever it comes: both sides fail with its reason
   * @param options.timeout - milliseconds for the data key; the stream itself may take any time
   * @returns a transform of `Uint8Array`s, to pipe through. It fails with what `encrypt` throws, and what fails or is
   *   aborted leaves an envelope that is not accepted as a whole one
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID, ERR_TEXT_MALFORMED (all
   *   before any request)
   */
  encryptStream(
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options: CallOptions & NativeStreamOptions = {},
  ): ByteTransform {
    checkOptions(options, STREAM_OPTIONS, "encryptStream");
    this.#calls.checkOpen();
    const context = checkedContext(keyContext);
    const { signal, timeout, headers } = checkedCall(options, this.#keys.port);
    const make: MakeDataKey = async (use) => {
      const made = await withinTime({ signal, timeout, headers }, (call) =>
        this.#keys.port.createDataKey({ context }, call),
      );
      return await lend(made, use);
    };
    return encryptStream(make, associatedData, { ...options, sync: this.#messages.syncOf(options) });
  }

  /**
   * Decrypts a native envelope as it streams by. Only authenticated plaintext comes out; an envelope that ends too
   * early is an error, not an end.
   *
   * @param associatedData - exactly what was given to encrypt
   * @param options.timeout - milliseconds for the data key; the stream itself may take any time
   * @returns a transform of `Uint8Array`s, to pipe through. It fails with ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED,
   *   ERR_ENVELOPE_MALFORMED (before any request, but where it is cut off), and as `decrypt`
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID, ERR_TEXT_MALFORMED
   */
  decryptStream(
    associatedData?: AssociatedData,
    options: CallOptions & NativeStreamOptions & Pick<DecryptOptions, "context"> = {},
  ): ByteTransform {
    checkOptions(options, STREAM_OPTIONS, "decryptStream");
    this.#calls.checkOpen();
    const sync = this.#messages.syncOf(options);
    return decryptStream(this.#messages.keyFinder(options), associatedData, { ...options, sync });
  }

  /**
   * Opens a native envelope at rest, to read any range of it. Key and size are proved first.
   *
   * @param source - bytes, a Blob, a file handle, or `{ size, read(offset, length) }`
   * @param associatedData - exactly what was given to encrypt
   * @returns a reader; dispose of it
   * @throws as {@link decryptStream}, and what the source throws
   */
  openNativeSource(
    source: RangeSource,
    associatedData?: AssociatedData,
    options: CallOptions & NativeSourceOptions & Pick<DecryptOptions, "context"> = {},
  ): Promise<NativeReader> {
    return this.#keys.run("openNativeSource", SOURCE_OPTIONS, options, (_, call) =>
      openNativeSource(source, this.#messages.keyFinder(call), associatedData, {
        ...call,
        sync: this.#messages.syncOf(options),
      }),
    );
  }

  /**
   * Decrypts one range of a native envelope at rest.
   *
   * @param start - first byte of plaintext, from 0
   * @param end - byte behind the last; default the plaintext's size
   * @throws RangeError ERR_INVALID_ARGUMENT for a range that is not within the plaintext; and as
   *   {@link openNativeSource}
   */
  decryptRange(
    source: RangeSource,
    start: number,
    end?: number,
    associatedData?: AssociatedData,
    options: CallOptions & NativeSourceOptions & Pick<DecryptOptions, "context"> = {},
  ): Promise<Bytes> {
    return this.#keys.run("decryptRange", SOURCE_OPTIONS, options, (_, call) =>
      decryptRange(source, this.#messages.keyFinder(call), start, end, associatedData, {
        ...call,
        sync: this.#messages.syncOf(options),
      }),
    );
  }
}
