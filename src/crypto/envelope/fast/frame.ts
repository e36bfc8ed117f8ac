/**
 * Frames: what all envelopes of one layout and one key blob have in common, made once.
 *
 * Owns where the parts stand in it. Must not know how messages are encrypted.
 *
 * @module
 */
import type { WasmEngine } from "../../aead/wasm/engine.ts";
import { WRITE_AT } from "../../aead/wasm/layout.ts";
import { NATIVE_COMMITMENT_BYTES, NATIVE_SALT_BYTES, NONCE_BYTES, TAG_BYTES } from "../../limits.ts";
import { joinAs, layoutRow, type WritableLayout } from "../layouts.ts";

/** An envelope of one key blob without its message: what stays the same from message to message. */
export interface EnvelopeFrame {
  readonly layout: WritableLayout;
  /** Everything but the ciphertext; nonce (or salt and commitment) and tag are zeros. */
  readonly bytes: Uint8Array;
  /** Whether each message has a key of its own, derived with a salt, and lies in chunks behind a commitment to it. */
  readonly isChunked: boolean;
  /** Where in it the part stands that names the layout and the key blob, and how long that is. */
  readonly headerAt: number;
  readonly headerBytes: number;
  /** Where the nonce stands, or the salt. */
  readonly nonceAt: number;
  readonly ciphertextAt: number;
  /** Undefined where the tag follows the ciphertext. */
  readonly tagAt: number | undefined;
}

/** The frame of a layout and a key blob. */
export function frameOf(layout: WritableLayout, keyBlob: Uint8Array): EnvelopeFrame {
  const { beginsWithNonce, isChunked } = layoutRow(layout);
  const nonceBytes = isChunked ? NATIVE_SALT_BYTES : NONCE_BYTES;
  const tagBytes = isChunked ? NATIVE_COMMITMENT_BYTES : TAG_BYTES;
  const bytes = joinAs(layout, {
    keyBlob,
    nonce: new Uint8Array(nonceBytes),
    // Of a chunk its tag.
    ciphertext: new Uint8Array(isChunked ? TAG_BYTES : 0),
    tag: new Uint8Array(tagBytes),
  });
  const ciphertextAt = bytes.length - (beginsWithNonce ? 0 : TAG_BYTES);
  const headerAt = beginsWithNonce ? nonceBytes + tagBytes : 0;
  const nonceAt = beginsWithNonce ? 0 : ciphertextAt - nonceBytes - (isChunked ? tagBytes : 0);
  return {
    layout,
    bytes,
    isChunked,
    headerAt,
    headerBytes: beginsWithNonce ? bytes.length - headerAt : nonceAt,
    nonceAt,
    ciphertextAt,
    tagAt: beginsWithNonce ? nonceBytes : undefined,
  };
}

/** Puts a frame into the module's memory, and notes whose it is. */
export function placeFrame(engine: WasmEngine, frame: EnvelopeFrame): void {
  engine.memory.set(frame.bytes, WRITE_AT);
  engine.headerOwner = frame;
}
