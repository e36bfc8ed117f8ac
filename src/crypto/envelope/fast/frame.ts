/**
 * Frames: what all envelopes of one layout and one key blob have in common, made once.
 *
 * Owns where the parts stand in it. Must not know how messages are encrypted.
 *
 * @module
 */
import { NONCE_BYTES, TAG_BYTES } from "../../limits.ts";
import { type FrameLayout, joinAs, layoutRow } from "../layouts.ts";

/** An envelope of one key blob without its message: what stays the same from message to message. */
export interface EnvelopeFrame {
  /** Everything but the ciphertext; nonce and tag are zeros. */
  readonly bytes: Uint8Array;
  /** Where in it the part stands that names the layout and the key blob, and how long that is. */
  readonly headerAt: number;
  readonly headerBytes: number;
  readonly nonceAt: number;
  readonly ciphertextAt: number;
  /** Undefined where the tag follows the ciphertext. */
  readonly tagAt: number | undefined;
}

/** The frame of a layout and a key blob. */
export function frameOf(layout: FrameLayout, keyBlob: Uint8Array): EnvelopeFrame {
  const bytes = joinAs(layout, {
    keyBlob,
    nonce: new Uint8Array(NONCE_BYTES),
    ciphertext: new Uint8Array(0),
    tag: new Uint8Array(TAG_BYTES),
  });
  const headerBytes = bytes.length - NONCE_BYTES - TAG_BYTES;
  return layoutRow(layout).beginsWithNonce
    ? {
        bytes,
        headerAt: NONCE_BYTES + TAG_BYTES,
        headerBytes,
        nonceAt: 0,
        ciphertextAt: bytes.length,
        tagAt: NONCE_BYTES,
      }
    : {
        bytes,
        headerAt: 0,
        headerBytes,
        nonceAt: headerBytes,
        ciphertextAt: headerBytes + NONCE_BYTES,
        tagAt: undefined,
      };
}
