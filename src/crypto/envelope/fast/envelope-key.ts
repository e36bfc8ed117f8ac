/**
 * A data key made ready for many messages: text in, envelope out, and back, without making anything twice.
 *
 * Owns the fast way, taken wherever a provider answers at once: the envelope's header lies ready in reused memory,
 * each call writes nonce, body and tag around it, and one base64 pass makes the text. ModuleKey messages go through
 * the WebAssembly module's own memory, larger ones through `node:crypto` (envelope-node.ts). What it does not
 * do (other layouts, other key blobs, lenient reading, errors of reading) it leaves to local.ts, which must give
 * the same answers. Must not know budgets' meaning or where data keys come from.
 *
 * @module
 */

import { decodedLength } from "../../../base/base64-portable.ts";
import type { Bytes } from "../../../base/bytes.ts";
import { bufferMemory, portableMemory, type TextMemory } from "../../../base/text-memory.ts";
import type { Buffers } from "../../../base/wide-text.ts";
import type { AeadProviderName, PiecewiseKey } from "../../aead/aead.ts";
import type { AeadProviders } from "../../aead/choose.ts";
import type { WasmEngine } from "../../aead/wasm/engine.ts";
import { AREA_BYTES, READ_AT, WRITE_AT } from "../../aead/wasm/layout.ts";
import type { WasmKey, WasmProvider } from "../../aead/wasm.ts";
import type { DataKey } from "../../keys/data-key.ts";
import { NONCE_BYTES, PLAINTEXT_BYTES_MAX, TAG_BYTES } from "../../limits.ts";
import { claimsEarlierLayout } from "../envelope.ts";
import type { FrameLayout, WritableLayout } from "../layouts.ts";
import { drawNonce } from "../nonce.ts";
import { type Budget, notText, roomFor } from "../plaintext.ts";
import type { ReadyKey } from "../short-ways.ts";
import type { OneChunkWay } from "./envelope-native.ts";
import { FRAME_BYTES_MAX, openByNode, sealByNode } from "./envelope-node.ts";
import { type EnvelopeFrame, frameOf, placeFrame } from "./frame.ts";
import type { ModuleKey } from "./module-key.ts";

/** Bytes of associated data on the fast way; more is rare, and then its own cost decides. */
export const ASSOCIATED_BYTES_FAST = 4096;

/** Bytes of the largest message, with its frame, that is put together in an area of the module's memory. */
const AREA_MESSAGE_BYTES = AREA_BYTES - ASSOCIATED_BYTES_FAST - 4 * TAG_BYTES;

/**
 * Bytes from which a message of a batch is sealed and opened by a native call of its own, where singles of that size are, too: up
 * to here the module's hash over the keystream of one native call for all costs less. Measured (Node 24): they meet at 3 KiB,
 * where either takes 1.5 to 1.8 times the bare cipher.
 */
export const BATCHED_BYTES_MAX = 3 * 1024;

/** What the runtime offers; a parameter so that tests can describe other runtimes. */
export class Platform {
  readonly providers: AeadProviders;
  readonly native: Buffers | undefined;
  readonly oneChunk: OneChunkWay | undefined;
  #memory: TextMemory | undefined;

  constructor(providers: AeadProviders, native: Buffers | undefined, oneChunk: OneChunkWay | undefined) {
    this.providers = providers;
    this.native = native;
    this.oneChunk = oneChunk;
  }

  /** The memory of these providers' one engine. */
  memoryOf(engine: WasmEngine): TextMemory {
    this.#memory ??=
      this.native === undefined ? portableMemory(engine.memory) : bufferMemory(engine.memory, this.native);
    return this.#memory;
  }
}

/** What lays out a batch (envelope-batch.ts). */
export interface BatchKey {
  readonly engine: WasmEngine;
  readonly texts: TextMemory;
  readonly frame: EnvelopeFrame;
  /** Good until the engine is given another key. */
  readonly slot: number;
  /** The same key by the provider of larger messages, if that takes pieces. */
  readonly pieces: PiecewiseKey | undefined;
  /** Bytes of the largest message that goes into the module's memory with others; of a text, its characters are counted. */
  readonly largest: number;
}

/** A data key with the frames of its envelopes. */
export class EnvelopeKey implements ReadyKey {
  readonly #key: DataKey;
  readonly #platform: Platform;
  readonly #frames = new Map<WritableLayout, EnvelopeFrame>();
  /** The frame of the layout that was asked for last. */
  #frameNow: EnvelopeFrame | undefined;
  #isBlobMissing = false;
  #started: ModuleKey | undefined;

  constructor(key: DataKey, platform: Platform) {
    this.#key = key;
    this.#platform = platform;
  }

  /**
   * Seals one message.
   *
   * @param plaintext - as `checkPlaintext` answers it
   * @param provider - overrides the choice
   * @param canWait - that the call is one that can wait for Web Crypto; default false
   * @param nonce - 12 bytes, never used before with this key; default fresh ones from the kernel
   * @returns undefined where no provider answers at once, or the fast way cannot: nothing was spent then
   * @throws as `localEncrypt`, and what the budget throws
   */
  seal(
    plaintext: string | Uint8Array,
    associatedData: Uint8Array,
    layout: WritableLayout,
    provider: AeadProviderName | undefined,
    budget: Budget,
    canWait = false,
    nonce?: Uint8Array,
  ): string | undefined {
    if (canWait && provider === undefined && this.#platform.providers.isWorthWaiting(plaintext.length)) {
      return undefined;
    }
    const frame = this.#frame(layout);
    const frameBytes = frame.bytes.length;
    if (frameBytes > FRAME_BYTES_MAX) return undefined;
    // The UTF-16 length of a text is the least number of bytes it can have.
    const small = this.#moduleKey(provider, plaintext.length);
    if (
      small !== undefined &&
      associatedData.length <= ASSOCIATED_BYTES_FAST &&
      roomFor(plaintext) + frameBytes <= AREA_MESSAGE_BYTES
    ) {
      return frame.isChunked
        ? this.#platform.oneChunk?.seal(small, this.#key, frame, plaintext, associatedData, budget)
        : sealInModule(small, frame, plaintext, associatedData, budget, nonce);
    }
    const { native } = this.#platform;
    const key = native && !frame.isChunked ? this.#pieces(provider) : undefined;
    return key && sealByNode(native!, key, frame, plaintext, associatedData, budget, nonce);
  }

  /**
   * Opens an envelope of this key's blob.
   *
   * @param text - any text
   * @param canWait - as for `seal`
   * @returns undefined where the fast way cannot tell: another layout or blob, not canonical, a wrong tag. The
   *   caller then reads it the slow way, which has the errors.
   * @throws VaultError ERR_DISPOSED, ERR_PLAINTEXT_NOT_TEXT
   */
  open(
    text: string,
    associatedData: Uint8Array,
    layout: WritableLayout,
    as: "text" | "bytes",
    provider: AeadProviderName | undefined,
    canWait = false,
  ): string | Bytes | undefined {
    if (typeof text !== "string" || text.length % 4 !== 0) return undefined;
    const frame = this.#frameIfAny(layout);
    if (frame === undefined) return undefined;
    const size = decodedLength(text) - frame.bytes.length;
    if (size < 0 || size > PLAINTEXT_BYTES_MAX || frame.bytes.length > FRAME_BYTES_MAX) return undefined;
    if (canWait && provider === undefined && this.#platform.providers.isWorthWaiting(size)) return undefined;
    const small = this.#moduleKey(provider, size);
    if (
      small !== undefined &&
      associatedData.length <= ASSOCIATED_BYTES_FAST &&
      size + frame.bytes.length <= AREA_MESSAGE_BYTES
    ) {
      return frame.isChunked
        ? this.#platform.oneChunk?.open(small, this.#key, frame, text, size, associatedData, as)
        : openInModule(small, frame, text, associatedData, as);
    }
    const { native } = this.#platform;
    const key = native && !frame.isChunked ? this.#pieces(provider) : undefined;
    return key && openByNode(native!, key, frame, text, associatedData, as);
  }

  /**
   * What a batch needs to lay out many messages in the module's memory.
   *
   * @returns undefined where there is no WebAssembly, or another provider is asked for
   * @throws as `seal`
   */
  batch(layout: FrameLayout, provider: AeadProviderName | undefined): BatchKey | undefined {
    const small = this.#moduleKey(provider, 0);
    const frame = this.#frameIfAny(layout);
    if (small === undefined || frame === undefined || frame.bytes.length > FRAME_BYTES_MAX) return undefined;
    const pieces = provider === undefined ? this.#pieces(undefined) : undefined;
    return {
      engine: small.provider.engine,
      texts: small.texts,
      frame,
      slot: small.key.slot(),
      pieces,
      largest: pieces
        ? Math.max(BATCHED_BYTES_MAX, this.#platform.providers.smallBytesMax)
        : Number.POSITIVE_INFINITY,
    };
  }

  /** The WebAssembly module's key if that is the provider for a message of this size. */
  #moduleKey(name: AeadProviderName | undefined, bytes: number): ModuleKey | undefined {
    const { providers: available } = this.#platform;
    if (name === undefined ? bytes > available.smallBytesMax : name !== "wasm") return undefined;
    return this.#started ?? this.#start(name);
  }

  #start(name: AeadProviderName | undefined): ModuleKey | undefined {
    const { providers: available } = this.#platform;
    const provider = name === undefined ? available.wasm : (available.sync(name) as WasmProvider);
    if (provider === undefined) return undefined;
    const key = this.#key.aead(provider) as WasmKey;
    this.#started = { provider, key, texts: this.#platform.memoryOf(provider.engine) };
    return this.#started;
  }

  /** The key by the provider of larger messages, if that takes pieces. */
  #pieces(name: AeadProviderName | undefined): PiecewiseKey | undefined {
    const provider = this.#platform.providers.now(name);
    return provider === undefined ? undefined : this.#key.aead(provider).pieces;
  }

  /** A key may have been made without its wrapped form, only to decrypt. */
  #frameIfAny(layout: WritableLayout): EnvelopeFrame | undefined {
    if (this.#isBlobMissing) return undefined;
    try {
      return this.#frame(layout);
    } catch {
      this.#isBlobMissing = true;
      return undefined;
    }
  }

  #frame(layout: WritableLayout): EnvelopeFrame {
    if (this.#frameNow?.layout === layout) return this.#frameNow;
    const frame = this.#frames.get(layout) ?? frameOf(layout, this.#key.keyBlob);
    this.#frames.set(layout, frame);
    this.#frameNow = frame;
    return frame;
  }
}

/** In the module's memory, where the frame may lie ready. */
function sealInModule(
  { provider, key, texts }: ModuleKey,
  frame: EnvelopeFrame,
  plaintext: string | Uint8Array,
  associatedData: Uint8Array,
  budget: Budget,
  nonce: Uint8Array | undefined,
): string {
  const { engine } = provider;
  const { exports, memory } = engine;
  const slot = key.slot();
  // From here to the end nothing runs code of the application: whatever lies in the memory is this call's.
  let { length } = plaintext;
  if (engine.headerOwner !== frame) placeFrame(engine, frame);
  const at = WRITE_AT + frame.ciphertextAt;
  if (typeof plaintext === "string") length = texts.write(plaintext, at, 3 * length);
  else memory.set(plaintext, at);
  try {
    budget.spend(length);
    if (nonce === undefined) drawNonce(memory, WRITE_AT + frame.nonceAt, frame.nonceAt === 0);
    else memory.set(nonce, WRITE_AT + frame.nonceAt);
  } catch (error) {
    memory.fill(0, at, at + length);
    throw error;
  }
  let aadAt = at;
  if (associatedData.length > 0) {
    aadAt = at + length + 2 * TAG_BYTES;
    memory.set(associatedData, aadAt);
  }
  const tagAt = frame.tagAt === undefined ? at + length : WRITE_AT + frame.tagAt;
  exports.seal(slot, at, length, aadAt, associatedData.length, WRITE_AT + frame.nonceAt, tagAt);
  return texts.encode(WRITE_AT, frame.bytes.length + length);
}

function openInModule(
  { provider, key, texts }: ModuleKey,
  frame: EnvelopeFrame,
  text: string,
  associatedData: Uint8Array,
  as: "text" | "bytes",
): string | Bytes | undefined {
  const { engine } = provider;
  const { exports, memory } = engine;
  const slot = key.slot();
  const total = texts.decode(text, READ_AT);
  if (total === undefined || total < frame.bytes.length) return undefined;
  if (engine.headerOwner !== frame) placeFrame(engine, frame);
  const { headerAt, headerBytes } = frame;
  if (exports.equal(READ_AT + headerAt, WRITE_AT + headerAt, headerBytes) !== 1) return undefined;
  if (frame.nonceAt === 0 && claimsEarlierLayout(memory, READ_AT)) return undefined;
  const at = READ_AT + frame.ciphertextAt;
  const length = total - frame.bytes.length;
  let aadAt = at;
  if (associatedData.length > 0) {
    aadAt = READ_AT + total + TAG_BYTES;
    memory.set(associatedData, aadAt);
  }
  const isRight = exports.open(
    slot,
    at,
    length,
    aadAt,
    associatedData.length,
    READ_AT + frame.nonceAt,
    NONCE_BYTES,
    frame.tagAt === undefined ? at + length : READ_AT + frame.tagAt,
  );
  if (isRight !== 1) return undefined;
  const result = as === "text" ? texts.read(at, length) : memory.slice(at, at + length);
  memory.fill(0, at, at + length);
  if (result === undefined) throw notText();
  return result;
}
