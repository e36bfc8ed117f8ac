/**
 * A data key made ready for many messages: text in, envelope out, and back, without making anything twice.
 *
 * Owns the fast way, taken wherever a provider answers at once: the envelope's header lies ready in reused memory,
 * each call writes nonce, body and tag around it, and one base64 pass makes the text. Small messages go through
 * the WebAssembly module's own memory, larger ones from the string straight into `node:crypto`. What it does not
 * do (other layouts, other key blobs, lenient reading, errors of reading) it leaves to local.ts, which must give
 * the same answers. Must not know budgets' meaning or where data keys come from.
 *
 * @module
 */
import { invalidType, VaultError } from "../errors.ts";
import type { AeadProviderName } from "./aead.ts";
import { NodeKey, TEXT_PIECE_BYTES } from "./aead-node.ts";
import type { WasmKey, WasmProvider } from "./aead-wasm.ts";
import { type AssociatedData, associatedDataBytes } from "./associated-data.ts";
import { decodeBase64, decodeInto, encodeBase64 } from "./base64.ts";
import { fromUtf8, ownBytes, typeName, utf8 } from "./bytes.ts";
import { type DataKey, keyBlobFromText } from "./data-key.ts";
import { type EnvelopeFrame, envelopeFrame, type WritableLayout } from "./envelope.ts";
import { NONCE_BYTES, PLAINTEXT_BYTES_MAX, TAG_BYTES } from "./limits.ts";
import { type AeadProviders, providers } from "./providers.ts";
import { fillRandom } from "./random.ts";
import { runtime } from "./runtime.ts";
import type { WasmEngine } from "./wasm/engine.ts";
import { AREA_BYTES, READ_AT, WRITE_AT } from "./wasm/layout.ts";

/** What must agree before a message of some bytes is sealed. */
export interface Budget {
  /** Takes a message out of the budget, or throws and takes nothing. Must not run code of the application. */
  spend(bytes: number): void;
}

/** Layouts of the fast way: those of WorkOS that are written. */
export type FrameLayout = Exclude<WritableLayout, "native">;

/** Bytes of associated data on the fast way; more is rare, and then its own cost decides. */
export const ASSOCIATED_BYTES_FAST = 4096;

/** Bytes of a header on the fast way: WorkOS's has 208. */
const HEADER_BYTES_FAST = 4096;

/** Characters of the longest text that is taken apart in the module's memory. */
const AREA_TEXT_CHARS = ((AREA_BYTES - 64) / 3) * 4;

/** Text in and out of the module's memory, by `Buffer` where there is one. */
export interface TextMemory {
  /** @returns bytes written */
  write(text: string, at: number, room: number): number;
  /** @returns undefined unless it is UTF-8 */
  read(at: number, length: number): string | undefined;
  encode(at: number, length: number): string;
  /** @returns bytes written, or undefined unless the text is canonical base64 */
  decode(text: string, at: number): number | undefined;
}

const REPLACEMENT = "\ufffd";

/** @internal exported for tests, which run both */
export function bufferMemory(memory: Uint8Array<ArrayBuffer>, native: typeof Buffer): TextMemory {
  const view = native.from(memory.buffer);
  return {
    write: (text, at, room) => view.write(text, at, room, "utf8"),
    read(at, length) {
      const text = view.toString("utf8", at, at + length);
      // What is not UTF-8 becomes U+FFFD, which may also have been there.
      return text.includes(REPLACEMENT) ? fromUtf8(memory.subarray(at, at + length)) : text;
    },
    encode: (at, length) => view.toString("base64", at, at + length),
    decode: (text, at) => decodeInto(view, text, at),
  };
}

/** @internal exported for tests, which run both */
export function portableMemory(memory: Uint8Array<ArrayBuffer>): TextMemory {
  const encoder = new TextEncoder();
  return {
    write: (text, at, room) => encoder.encodeInto(text, memory.subarray(at, at + room)).written,
    read: (at, length) => fromUtf8(memory.subarray(at, at + length)),
    encode: (at, length) => encodeBase64(memory.subarray(at, at + length)),
    decode(text, at) {
      const bytes = decodeBase64(text);
      if (bytes !== undefined) memory.set(bytes, at);
      return bytes?.length;
    },
  };
}

/** What the runtime offers; a parameter so that tests can describe other runtimes. */
export class Means {
  readonly providers: AeadProviders;
  readonly native: typeof Buffer | undefined;
  #memory: TextMemory | undefined;

  constructor(available: AeadProviders, native: typeof Buffer | undefined) {
    this.providers = available;
    this.native = native;
  }

  /** The memory of these providers' one engine. */
  memoryOf(engine: WasmEngine): TextMemory {
    this.#memory ??=
      this.native === undefined ? portableMemory(engine.memory) : bufferMemory(engine.memory, this.native);
    return this.#memory;
  }
}

const HERE = new Means(providers, runtime.Buffer);

// Where larger envelopes are put together: a head with the first piece, and a piece after it. Holds nothing secret.
const HEAD_BYTES = HEADER_BYTES_FAST + NONCE_BYTES + TAG_BYTES + TEXT_PIECE_BYTES + TAG_BYTES;
const PIECE_AT = HEAD_BYTES + 64;
const SCRATCH_BYTES = Math.max(PIECE_AT + TEXT_PIECE_BYTES + 64, AREA_BYTES);
let scratch: Buffer | undefined;

/** What lays out a batch (envelope-batch.ts). */
export interface BatchMeans {
  readonly engine: WasmEngine;
  readonly texts: TextMemory;
  readonly frame: EnvelopeFrame;
  /** Good until the engine is given another key. */
  readonly slot: number;
  /** The same key by `node:crypto`, where there is that. */
  readonly node: NodeKey | undefined;
}

/** A data key with the frames of its envelopes. */
export class EnvelopeKey {
  readonly #key: DataKey;
  readonly #means: Means;
  readonly #frames = new Map<FrameLayout, EnvelopeFrame>();
  #isBlobMissing = false;
  #wasmKey: { readonly provider: WasmProvider; readonly key: WasmKey } | undefined;

  constructor(key: DataKey, means: Means = HERE) {
    this.#key = key;
    this.#means = means;
  }

  /**
   * Seals one message.
   *
   * @param provider - overrides the choice
   * @param nonce - 12 bytes, never used before with this key; default fresh ones from the kernel
   * @returns undefined where no provider answers at once, or the fast way cannot: nothing was spent then
   * @throws as `localEncrypt`, and what the budget throws
   */
  seal(
    data: string | Uint8Array,
    associatedData: AssociatedData,
    layout: FrameLayout,
    provider: AeadProviderName | undefined,
    budget: Budget,
    nonce?: Uint8Array,
  ): string | undefined {
    const plaintext = checkPlaintext(data);
    // The UTF-16 length of a text is the least number of bytes it can have.
    const wasm = this.#wasm(provider, plaintext.length);
    const frame = this.#frame(layout);
    if (frame.bytes.length > HEADER_BYTES_FAST) return undefined;
    if (
      wasm !== undefined &&
      roomFor(plaintext) + frame.bytes.length <= AREA_BYTES - ASSOCIATED_BYTES_FAST - 64
    ) {
      const aad =
        typeof associatedData === "string"
          ? utf8(associatedData, "associatedData")
          : associatedDataBytes(associatedData);
      if (aad.length <= ASSOCIATED_BYTES_FAST)
        return this.#sealSmall(wasm, frame, plaintext, aad, budget, nonce);
    }
    const { native } = this.#means;
    const key = native === undefined ? undefined : this.#nodeKey(provider);
    if (key === undefined) return undefined;
    const bytes =
      typeof plaintext === "string"
        ? plaintext
        : new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
    return sealByNode(
      native as typeof Buffer,
      key,
      frame,
      bytes,
      associatedDataBytes(associatedData),
      budget,
      nonce,
    );
  }

  /**
   * Opens an envelope of this key's blob.
   *
   * @param text - any text
   * @returns undefined where the fast way cannot tell: another layout or blob, not canonical, a wrong tag. The
   *   caller then reads it the slow way, which has the errors.
   * @throws VaultError ERR_DISPOSED, ERR_PLAINTEXT_NOT_TEXT
   */
  open(
    text: string,
    associatedData: Uint8Array,
    layout: FrameLayout,
    as: "text" | "bytes",
    provider: AeadProviderName | undefined,
  ): string | Uint8Array | undefined {
    if (typeof text !== "string" || text.length > AREA_TEXT_CHARS || text.length % 4 !== 0) return undefined;
    const frame = this.#frameIfAny(layout);
    if (frame === undefined) return undefined;
    const size = (text.length / 4) * 3 - frame.bytes.length;
    if (size < 0) return undefined;
    const wasm = this.#wasm(provider, size);
    if (wasm !== undefined && associatedData.length <= ASSOCIATED_BYTES_FAST) {
      return this.#openSmall(wasm, frame, text, associatedData, as);
    }
    const { native } = this.#means;
    const key = native === undefined ? undefined : this.#nodeKey(provider);
    return key === undefined
      ? undefined
      : openByNode(native as typeof Buffer, key, frame, text, associatedData, as);
  }

  /**
   * What a batch needs to lay out many messages in the module's memory.
   *
   * @returns undefined where there is no WebAssembly, or another provider is asked for
   * @throws as `seal`
   */
  batch(layout: FrameLayout, provider: AeadProviderName | undefined): BatchMeans | undefined {
    const wasm =
      provider === undefined
        ? this.#means.providers.wasm
        : provider === "wasm"
          ? this.#wasm(provider, 0)
          : undefined;
    const frame = this.#frameIfAny(layout);
    if (wasm === undefined || frame === undefined || frame.bytes.length > HEADER_BYTES_FAST) return undefined;
    return {
      engine: wasm.engine,
      texts: this.#means.memoryOf(wasm.engine),
      frame,
      slot: this.#slot(wasm),
      node: provider === undefined ? this.#nodeKey(undefined) : undefined,
    };
  }

  #sealSmall(
    wasm: WasmProvider,
    frame: EnvelopeFrame,
    plaintext: string | Uint8Array,
    associatedData: Uint8Array,
    budget: Budget,
    nonce: Uint8Array | undefined,
  ): string {
    const { engine } = wasm;
    const { exports, memory } = engine;
    const texts = this.#means.memoryOf(engine);
    const slot = this.#slot(wasm);
    // From here to the end nothing runs code of the application: whatever lies in the memory is this call's.
    let { length } = plaintext;
    if (engine.headerOwner !== frame) placeFrame(engine, frame);
    const at = WRITE_AT + frame.ciphertextAt;
    if (typeof plaintext === "string") length = texts.write(plaintext, at, 3 * length);
    else memory.set(plaintext, at);
    try {
      budget.spend(length);
      if (nonce === undefined) fillRandom(memory, WRITE_AT + frame.nonceAt, NONCE_BYTES);
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

  #openSmall(
    wasm: WasmProvider,
    frame: EnvelopeFrame,
    text: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
  ): string | Uint8Array | undefined {
    const { engine } = wasm;
    const { exports, memory } = engine;
    const texts = this.#means.memoryOf(engine);
    const slot = this.#slot(wasm);
    const total = texts.decode(text, READ_AT);
    if (total === undefined || total < frame.bytes.length) return undefined;
    if (engine.headerOwner !== frame) placeFrame(engine, frame);
    const { headerAt, headerBytes } = frame;
    if (exports.equal(READ_AT + headerAt, WRITE_AT + headerAt, headerBytes) !== 1) return undefined;
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

  /** Where the expanded key lies. */
  #slot(provider: WasmProvider): number {
    if (this.#wasmKey?.provider !== provider) {
      this.#wasmKey = { provider, key: this.#key.aead(provider) as WasmKey };
    }
    return this.#wasmKey.key.slot();
  }

  /** The WebAssembly provider if it is the one for a message of this size. */
  #wasm(name: AeadProviderName | undefined, bytes: number): WasmProvider | undefined {
    const { providers: available } = this.#means;
    if (name === undefined) return available.small(bytes);
    return name === "wasm" ? (available.sync(name) as WasmProvider) : undefined;
  }

  /** The key by `node:crypto` if that is the choice for larger messages. */
  #nodeKey(name: AeadProviderName | undefined): NodeKey | undefined {
    const provider = this.#means.providers.now(name);
    const key = provider === undefined ? undefined : this.#key.aead(provider);
    return key instanceof NodeKey ? key : undefined;
  }

  /** A key may have been made without its wrapped form, only to decrypt. */
  #frameIfAny(layout: FrameLayout): EnvelopeFrame | undefined {
    if (this.#isBlobMissing) return undefined;
    try {
      return this.#frame(layout);
    } catch {
      this.#isBlobMissing = true;
      return undefined;
    }
  }

  #frame(layout: FrameLayout): EnvelopeFrame {
    let frame = this.#frames.get(layout);
    if (frame === undefined) {
      frame = envelopeFrame(layout, keyBlobFromText(this.#key.encryptedKeys));
      this.#frames.set(layout, frame);
    }
    return frame;
  }
}

const ready = new WeakMap<DataKey, EnvelopeKey>();

/** The fast way of a data key, made at its first message. */
export function envelopeKeyOf(key: DataKey): EnvelopeKey {
  let made = ready.get(key);
  if (made === undefined) {
    made = new EnvelopeKey(key);
    ready.set(key, made);
  }
  return made;
}

/** @throws VaultError for authenticated bytes that are not UTF-8 where text was asked for */
export function notText(): VaultError {
  return new VaultError(
    "ERR_PLAINTEXT_NOT_TEXT",
    'the decrypted data is not UTF-8 text; ask for it with as: "bytes"',
  );
}

/** @throws VaultError for a plaintext over 64 MiB */
export function tooLarge(): VaultError {
  return new VaultError("ERR_PLAINTEXT_TOO_LARGE", `data has more than ${PLAINTEXT_BYTES_MAX} bytes`);
}

/** A plaintext that can be encrypted; its bytes, if it is text, are counted later. */
export function checkPlaintext(data: string | Uint8Array): string | Uint8Array {
  if (typeof data === "string") {
    if (data.length > PLAINTEXT_BYTES_MAX) throw tooLarge();
    if (!data.isWellFormed()) utf8(data, "data");
    return data;
  }
  if (!(data instanceof Uint8Array)) {
    throw invalidType(`data must be a string or a Uint8Array, got ${typeName(data)}`);
  }
  const bytes = ownBytes(data, "data");
  if (bytes.length > PLAINTEXT_BYTES_MAX) throw tooLarge();
  return bytes;
}

/** Bytes that a plaintext may take. */
export const roomFor = (plaintext: string | Uint8Array): number =>
  typeof plaintext === "string" ? 3 * plaintext.length : plaintext.length;

export function placeFrame(engine: WasmEngine, frame: EnvelopeFrame): void {
  engine.memory.set(frame.bytes, WRITE_AT);
  engine.headerOwner = frame;
}

function sealByNode(
  native: typeof Buffer,
  key: NodeKey,
  frame: EnvelopeFrame,
  data: string | Uint8Array,
  associatedData: Uint8Array,
  budget: Budget,
  givenNonce: Uint8Array | undefined,
): string {
  const out = scratchOf(native);
  let plaintext = data;
  let { length } = data;
  const isShort = typeof data === "string" && 3 * length <= TEXT_PIECE_BYTES;
  // A short text is coded where pieces go; of a longer one the bytes are only counted.
  if (typeof data === "string") {
    length = isShort ? out.write(data, PIECE_AT, "utf8") : native.byteLength(data, "utf8");
    if (isShort) plaintext = out.subarray(PIECE_AT, PIECE_AT + length);
    if (length > PLAINTEXT_BYTES_MAX) throw tooLarge();
  }
  const isAscii = length === data.length;
  let tag: Uint8Array;
  let headEnd = -1;
  let carried = 0;
  let body = "";
  try {
    budget.spend(length);
    out.set(frame.bytes);
    const nonce = out.subarray(frame.nonceAt, frame.nonceAt + NONCE_BYTES);
    if (givenNonce === undefined) fillRandom(out, frame.nonceAt, NONCE_BYTES);
    else nonce.set(givenNonce);
    // The head holds the frame and the first piece, and waits for the tag. Base64 is coded in groups of 3 bytes: what
    // a piece has more is carried over to the next.
    tag = key.sealPieces(nonce, plaintext, isAscii, associatedData, (ciphertext) => {
      if (headEnd < 0) {
        out.set(ciphertext, frame.ciphertextAt);
        headEnd = frame.ciphertextAt + ciphertext.length;
        return;
      }
      if (carried === 0 && body === "") {
        // There is a second piece: the head is cut where a group ends.
        carried = headEnd % 3;
        out.copyWithin(PIECE_AT, headEnd - carried, headEnd);
        headEnd -= carried;
      } else {
        const whole = carried - (carried % 3);
        body += out.toString("base64", PIECE_AT, PIECE_AT + whole);
        out.copyWithin(PIECE_AT, PIECE_AT + whole, PIECE_AT + carried);
        carried -= whole;
      }
      out.set(ciphertext, PIECE_AT + carried);
      carried += ciphertext.length;
    });
  } finally {
    if (isShort) out.fill(0, PIECE_AT, PIECE_AT + length);
  }
  if (frame.tagAt !== undefined) {
    out.set(tag, frame.tagAt);
  } else if (carried === 0) {
    out.set(tag, headEnd);
    headEnd += TAG_BYTES;
  } else {
    out.set(tag, PIECE_AT + carried);
    carried += TAG_BYTES;
  }
  const head = out.toString("base64", 0, headEnd);
  return carried === 0 ? head : head + body + out.toString("base64", PIECE_AT, PIECE_AT + carried);
}

function openByNode(
  native: typeof Buffer,
  key: NodeKey,
  frame: EnvelopeFrame,
  text: string,
  associatedData: Uint8Array,
  as: "text" | "bytes",
): string | Uint8Array | undefined {
  const { bytes, headerAt, headerBytes, nonceAt, ciphertextAt, tagAt } = frame;
  const from = scratchOf(native);
  const total = decodeInto(from, text, 0);
  if (total === undefined || total < bytes.length) return undefined;
  const headerEnd = headerAt + headerBytes;
  if (from.compare(bytes, headerAt, headerEnd, headerAt, headerEnd) !== 0) return undefined;
  const end = ciphertextAt + total - bytes.length;
  const tag = tagAt ?? end;
  let plaintext: Buffer;
  try {
    plaintext = key.openBuffer(
      from.subarray(nonceAt, nonceAt + NONCE_BYTES),
      from.subarray(ciphertextAt, end),
      from.subarray(tag, tag + TAG_BYTES),
      associatedData,
    );
  } catch {
    // The slow way has the error, and the last word.
    return undefined;
  }
  if (as === "bytes") return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  const result = plaintext.toString("utf8");
  if (!result.includes(REPLACEMENT)) return result;
  // What is not UTF-8 becomes U+FFFD, which may also have been there.
  if (fromUtf8(plaintext) === undefined) throw notText();
  return result;
}

function scratchOf(native: typeof Buffer): Buffer {
  scratch ??= native.alloc(SCRATCH_BYTES);
  return scratch;
}
