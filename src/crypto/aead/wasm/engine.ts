/**
 * The AES-GCM module of WebAssembly, running: compiled here (compile.ts), or given compiled.
 *
 * Owns the instance, its linear memory and the slots in which expanded keys lie there. Keys are wiped from the
 * memory when they are let go of, and opened messages as soon as they were copied out. Must not know providers
 * or envelopes; docs/wasm-aead.md says why it is safe.
 *
 * @module
 */
import { type Bytes, equalBytes, fromHex } from "../../../base/bytes.ts";
import type { WebAssemblyApi } from "../../../base/runtime.ts";
import { BLOCK_BYTES, KEY_BYTES, TAG_BYTES } from "../../limits.ts";
import { SecretBytes } from "../../primitives/secret-bytes.ts";
import * as layout from "./layout.ts";

/** The functions of the module (tools/wasm/aes-gcm.ts). Addresses and lengths are not checked there. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  expand(slot: number): void;
  seal(
    slot: number,
    at: number,
    length: number,
    associated: number,
    associatedLength: number,
    nonce: number,
    tag: number,
  ): void;
  open(
    slot: number,
    at: number,
    length: number,
    associated: number,
    associatedLength: number,
    nonce: number,
    nonceLength: number,
    tag: number,
  ): number;
  start(slot: number, nonce: number, nonceLength: number): void;
  absorb(slot: number, at: number, length: number): void;
  crypt(slot: number, at: number, length: number): void;
  tag(slot: number, associatedLength: number, length: number): void;
  encipher(slot: number, at: number): void;
  equal(a: number, b: number, length: number): number;
  counters(nonce: number, blocks: number, out: number): void;
  sealWith(
    slot: number,
    at: number,
    length: number,
    associated: number,
    associatedLength: number,
    stream: number,
    tag: number,
  ): void;
  openWith(
    slot: number,
    at: number,
    length: number,
    associated: number,
    associatedLength: number,
    stream: number,
    tag: number,
  ): number;
}

/** Every function of {@link Exports}: a module without one of them is another, or of another version. */
const FUNCTIONS: readonly Exclude<keyof Exports, "memory">[] = [
  "expand",
  "seal",
  "open",
  "start",
  "absorb",
  "crypt",
  "tag",
  "encipher",
  "equal",
  "counters",
  "sealWith",
  "openWith",
];

/** Bytes of a message that go through the memory at once: whole groups of 4 blocks, so that the counter goes on. */
export const PIECE_BYTES = 96 * 1024;

/**
 * The self-test: 149 bytes run through every loop of the module; their tag depends on each byte of keystream,
 * on the associated data and on both lengths. The expected tag was computed with node:crypto.
 */
const TEST_BYTES = 149;
const TEST_ASSOCIATED_BYTES = 21;
const TEST_TAG = fromHex("9bba9a145b061c2eb51df1e88ff0fe6c");

/** A raw key, and where it lies expanded. */
class Custody {
  readonly raw: SecretBytes;
  /** Address of its slot; 0 while it has none. */
  slot = 0;

  constructor(rawKey: Uint8Array) {
    this.raw = new SecretBytes(Uint8Array.from(rawKey));
  }
}

/** A key that the engine holds. `release` wipes it; a forgotten one is wiped after it was collected. */
export class HeldKey {
  readonly custody: Custody;
  /** Whether it is wiped if it is forgotten. */
  readonly isLookedAfter: boolean;

  constructor(rawKey: Uint8Array, isLookedAfter: boolean) {
    this.custody = new Custody(rawKey);
    this.isLookedAfter = isLookedAfter;
  }
}

/** One instance of the module. All calls are synchronous, so whatever lies in its memory belongs to one call. */
export class WasmEngine {
  readonly exports: Exports;
  /** The whole linear memory; it never grows, so this view never detaches. */
  readonly memory: Bytes;
  /** Whether relaxed SIMD is used. */
  readonly isRelaxed: boolean;
  /**
   * The key whose header lies ready where envelopes are written (src/crypto/envelope/fast/envelope-key.ts). Other writes to
   * the area of messages reset it.
   */
  headerOwner: object | undefined;
  readonly #owners = new Array<Custody | undefined>(layout.SLOT_COUNT).fill(undefined);
  #hand = 0;
  /** Absent on workerd with a compatibility date before 2025-05-05: forgotten keys stay until their slot is needed. */
  readonly #forgotten =
    typeof FinalizationRegistry === "undefined"
      ? undefined
      : new FinalizationRegistry<Custody>((custody) => this.#wipe(custody));

  private constructor(exports: Exports, isRelaxed: boolean) {
    this.exports = exports;
    this.memory = new Uint8Array(exports.memory.buffer);
    this.isRelaxed = isRelaxed;
  }

  /**
   * Starts a module that was compiled ahead of time, and tests it. It is the one without relaxed SIMD.
   *
   * @param module - a `WebAssembly.Module`
   * @returns undefined if it is not this version's, cannot be started or computes wrongly
   */
  static fromModule(wasm: WebAssemblyApi, module: object): WasmEngine | undefined {
    try {
      return WasmEngine.start(wasm, module, false);
    } catch {
      // It wants imports, or what was called like a function of ours failed.
      return undefined;
    }
  }

  /**
   * Starts a compiled module, and tests it.
   *
   * @param module - a `WebAssembly.Module`
   * @param isRelaxed - whether it uses relaxed SIMD
   * @returns undefined if it is not this version's, or computes wrongly
   * @throws what a module throws that cannot be started
   */
  static start(wasm: WebAssemblyApi, module: object, isRelaxed: boolean): WasmEngine | undefined {
    const exports = new wasm.Instance(module as never).exports as Exports;
    if (FUNCTIONS.some((name) => typeof exports[name] !== "function")) return undefined;
    // Addresses are not checked in the module: all must lie inside its memory.
    if (exports.memory.buffer.byteLength !== layout.MEMORY_BYTES) return undefined;
    const engine = new WasmEngine(exports, isRelaxed);
    return engine.#isRight() ? engine : undefined;
  }

  /** Takes a key of 32 bytes into custody. Copies it. */
  hold(rawKey: Uint8Array): HeldKey {
    const key = new HeldKey(rawKey, true);
    this.#forgotten?.register(key, key.custody, key);
    return key;
  }

  /** The same for a key that its holder releases in any case: a third of the cost, and nothing looks after it. */
  holdBriefly(rawKey: Uint8Array): HeldKey {
    return new HeldKey(rawKey, false);
  }

  /** Wipes a key. */
  release(key: HeldKey): void {
    if (key.isLookedAfter) this.#forgotten?.unregister(key);
    this.#wipe(key.custody);
  }

  /**
   * The slot of a key, expanded there first if need be.
   *
   * @throws VaultError ERR_DISPOSED after `release`
   */
  slotOf({ custody }: HeldKey): number {
    return custody.slot !== 0 ? custody.slot : this.#expand(custody);
  }

  /** Seals: returns ciphertext ‖ tag in a new array. Any lengths; the caller has checked the nonce's (12). */
  seal(key: HeldKey, nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes {
    const { exports, memory } = this;
    const slot = this.slotOf(key);
    this.headerOwner = undefined;
    const { length } = plaintext;
    const out = new Uint8Array(length + TAG_BYTES);
    memory.set(nonce, layout.NONCE_AT);
    if (length <= PIECE_BYTES && associatedData.length <= PIECE_BYTES) {
      const aadAt = layout.DATA_AT + align(length);
      memory.set(plaintext, layout.DATA_AT);
      memory.set(associatedData, aadAt);
      exports.seal(
        slot,
        layout.DATA_AT,
        length,
        aadAt,
        associatedData.length,
        layout.NONCE_AT,
        layout.TAG_AT,
      );
      out.set(memory.subarray(layout.DATA_AT, layout.DATA_AT + length));
    } else {
      exports.start(slot, layout.NONCE_AT, nonce.length);
      this.#absorb(slot, associatedData);
      for (let at = 0; at < length; at += PIECE_BYTES) {
        const piece = plaintext.subarray(at, at + PIECE_BYTES);
        memory.set(piece, layout.DATA_AT);
        exports.crypt(slot, layout.DATA_AT, piece.length);
        exports.absorb(slot, layout.DATA_AT, piece.length);
        out.set(memory.subarray(layout.DATA_AT, layout.DATA_AT + piece.length), at);
      }
      exports.tag(slot, associatedData.length, length);
    }
    out.set(memory.subarray(layout.TAG_AT, layout.TAG_AT + TAG_BYTES), length);
    this.#forgetPieces();
    return out;
  }

  /**
   * Opens: checks the tag first, then decrypts.
   *
   * @returns a new array, or undefined if the tag is wrong
   */
  open(
    key: HeldKey,
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    associatedData: Uint8Array,
  ): Bytes | undefined {
    const { exports, memory } = this;
    const slot = this.slotOf(key);
    this.headerOwner = undefined;
    const { length } = ciphertext;
    memory.set(nonce, layout.NONCE_AT);
    if (length <= PIECE_BYTES && associatedData.length <= PIECE_BYTES) {
      const aadAt = layout.DATA_AT + align(length);
      memory.set(ciphertext, layout.DATA_AT);
      memory.set(associatedData, aadAt);
      memory.set(tag, layout.TAG_AT);
      const isRight = exports.open(
        slot,
        layout.DATA_AT,
        length,
        aadAt,
        associatedData.length,
        layout.NONCE_AT,
        nonce.length,
        layout.TAG_AT,
      );
      return isRight === 1 ? this.#takeOut(layout.DATA_AT, length) : undefined;
    }
    // Two passes over a copy: what is decrypted must be what was authenticated, and not before.
    const copy = Uint8Array.from(ciphertext);
    exports.start(slot, layout.NONCE_AT, nonce.length);
    this.#absorb(slot, associatedData);
    this.#absorb(slot, copy);
    exports.tag(slot, associatedData.length, length);
    const isRight = equalBytes(memory.subarray(layout.TAG_AT, layout.TAG_AT + TAG_BYTES), tag);
    for (let at = 0; isRight && at < length; at += PIECE_BYTES) {
      const piece = copy.subarray(at, at + PIECE_BYTES);
      memory.set(piece, layout.DATA_AT);
      exports.crypt(slot, layout.DATA_AT, piece.length);
      copy.set(this.#takeOut(layout.DATA_AT, piece.length), at);
    }
    this.#forgetPieces();
    return isRight ? copy : undefined;
  }

  /** The bare block cipher on each 16-byte block. */
  encipher(key: HeldKey, blocks: Uint8Array): Bytes {
    const slot = this.slotOf(key);
    const out = new Uint8Array(blocks.length);
    for (let from = 0; from < blocks.length; from += PIECE_BYTES) {
      const piece = blocks.length <= PIECE_BYTES ? blocks : blocks.subarray(from, from + PIECE_BYTES);
      const end = layout.DATA_AT + piece.length;
      this.memory.set(piece, layout.DATA_AT);
      for (let at = layout.DATA_AT; at < end; at += BLOCK_BYTES) this.exports.encipher(slot, at);
      out.set(this.memory.subarray(layout.DATA_AT, end), from);
      this.memory.fill(0, layout.DATA_AT, end);
    }
    return out;
  }

  /** Wipes what a message in pieces keeps from one to the next: the right tag, also of a wrong message, its mask and sum. */
  #forgetPieces(): void {
    this.memory.fill(0, layout.TAG_AT, layout.WORK_AT);
  }

  /** Copies bytes out and wipes them. */
  #takeOut(at: number, length: number): Bytes {
    const out = this.memory.slice(at, at + length);
    this.memory.fill(0, at, at + length);
    return out;
  }

  #absorb(slot: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += PIECE_BYTES) {
      const piece = data.subarray(at, at + PIECE_BYTES);
      this.memory.set(piece, layout.DATA_AT);
      this.exports.absorb(slot, layout.DATA_AT, piece.length);
    }
  }

  #expand(custody: Custody): number {
    const raw = custody.raw.bytes;
    // A slot that is free if there is one, else the next in turn: its key is expanded again when it is used.
    let index = this.#owners.indexOf(undefined);
    if (index < 0) {
      index = this.#hand;
      this.#hand = (index + 1) % layout.SLOT_COUNT;
      (this.#owners[index] as Custody).slot = 0;
    }
    this.#owners[index] = custody;
    custody.slot = layout.SLOTS_AT + index * layout.SLOT_BYTES;
    this.memory.set(raw, layout.KEY_AT);
    this.exports.expand(custody.slot);
    return custody.slot;
  }

  #wipe(custody: Custody): void {
    const { slot } = custody;
    custody.raw.dispose();
    if (slot === 0) return;
    custody.slot = 0;
    this.memory.fill(0, slot, slot + layout.SLOT_BYTES);
    this.#owners[(slot - layout.SLOTS_AT) / layout.SLOT_BYTES] = undefined;
  }

  #isRight(): boolean {
    const pattern = Uint8Array.from({ length: TEST_BYTES }, (_, i) => i);
    const key = this.hold(pattern.subarray(0, KEY_BYTES));
    const nonce = pattern.subarray(KEY_BYTES, KEY_BYTES + 12);
    const associated = pattern.subarray(0, TEST_ASSOCIATED_BYTES);
    const sealed = this.seal(key, nonce, pattern, associated);
    const tag = sealed.subarray(TEST_BYTES);
    const opened = this.open(key, nonce, sealed.subarray(0, TEST_BYTES), tag, associated);
    this.release(key);
    return equalBytes(tag, TEST_TAG) && opened !== undefined && equalBytes(opened, pattern);
  }
}

/** The next whole block behind `length` bytes. */
const align = (length: number): number => (length + 15) & ~15;
