/**
 * The parts of an envelope, whatever its layout.
 *
 * Owns their names and the errors of taking one apart. Must not know any layout.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import { VaultError } from "../../errors.ts";
import { PLAINTEXT_BYTES_MAX } from "../limits.ts";

/** The parts. */
export interface EnvelopeParts {
  /** The wrapped data key, as bytes whatever the layout; begins with a known magic. */
  readonly keyBlob: Uint8Array;
  /** 12 bytes, or 32 in `iv32`; in `native` the salt, 24 bytes. */
  readonly nonce: Uint8Array;
  /** In `native` the chunks, each with its tag. */
  readonly ciphertext: Uint8Array;
  /** 16 bytes; in `native` the key commitment, 32 bytes. */
  readonly tag: Uint8Array;
}

/** What a layout makes of an envelope's bytes. */
export interface SplitEnvelope {
  /** Views of the bytes. */
  readonly parts: EnvelopeParts;
  /** Whether joining the parts again gives these bytes. */
  readonly isCanonical: boolean;
}

/** How one layout is told, read and written: a row of the table in layouts.ts. */
export interface LayoutRow {
  /** Its name in docs/spec. */
  readonly name: string;
  /** Whether coffer writes it; others are read only. */
  readonly isWritable: boolean;
  /** Whether an envelope of it can be opened with one key only. */
  readonly commits: boolean;
  /** Whether the payload is chunks with a key of their own (docs/spec/native-envelope.md), not one message under the data key. */
  readonly isChunked: boolean;
  /** Whether its bytes begin with the nonce: a random one may look like another layout's beginning. */
  readonly beginsWithNonce: boolean;
  /** Whether bytes are an envelope of it, if no layout before it in the table claims them. */
  claims(bytes: Uint8Array): boolean;
  /**
   * Takes an envelope of it apart; all lengths are checked first.
   *
   * @throws VaultError ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_TOO_LARGE, ERR_ENVELOPE_UNSUPPORTED
   */
  split(bytes: Uint8Array, lenient: boolean): SplitEnvelope;
  /** The canonical bytes of parts. */
  join(parts: EnvelopeParts): Bytes;
  /** Bytes of the plaintext. */
  plaintextBytes(parts: EnvelopeParts): number;
}

/** A row with what the types of layouts follow from. Named, so that declarations do not spell a row out. */
export interface TypedRow<Name extends string, IsWritable extends boolean, IsChunked extends boolean>
  extends LayoutRow {
  readonly name: Name;
  readonly isWritable: IsWritable;
  readonly isChunked: IsChunked;
}

/** Of an envelope that holds more than is read at once. */
export function holdsTooMuch(): VaultError {
  return new VaultError("ERR_ENVELOPE_TOO_LARGE", `ciphertext holds more than ${PLAINTEXT_BYTES_MAX} bytes`);
}

/** Of an envelope whose layout is known, and whose bytes are not right. */
export function malformed(layout: string, problem: string): VaultError {
  return new VaultError("ERR_ENVELOPE_MALFORMED", `malformed ciphertext (layout ${layout}): ${problem}`);
}
