/**
 * The parts of an envelope, whatever its layout.
 *
 * Owns their names and the errors of taking one apart. Must not know any layout.
 *
 * @module
 */
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

/** What one layout is: what all rows of the table in layouts.ts have, and what the types of layouts follow from. */
export interface LayoutRow<
  Name extends string = string,
  IsWritable extends boolean = boolean,
  IsChunked extends boolean = boolean,
> {
  /** Its name in docs/spec. */
  readonly name: Name;
  /** Whether coffer writes it; others are read only. */
  readonly isWritable: IsWritable;
  /** Whether an envelope of it can be opened with one key only. */
  readonly commits: boolean;
  /** Whether the payload is chunks with a key of their own (docs/spec/native-envelope.md), not one message under the data key. */
  readonly isChunked: IsChunked;
  /** Whether its bytes begin with the nonce: a random one may look like another layout's beginning. */
  readonly beginsWithNonce: boolean;
}

/** Of an envelope that holds more than is read at once. */
export function holdsTooMuch(): VaultError {
  return new VaultError("ERR_ENVELOPE_TOO_LARGE", `ciphertext holds more than ${PLAINTEXT_BYTES_MAX} bytes`);
}

/** Of an envelope whose layout is known, and whose bytes are not right. */
export function malformed(layout: string, problem: string): VaultError {
  return new VaultError("ERR_ENVELOPE_MALFORMED", `malformed ciphertext (layout ${layout}): ${problem}`);
}
