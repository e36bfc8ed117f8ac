/**
 * Modes of a job: what is done to a ciphertext.
 *
 * Owns the shape of a mode's row, and what a mode is given. The rows are in splice-modes.ts and sealing-modes.ts, their
 * table in modes.ts. Must not know rows of sources.
 *
 * @module
 */
import type { ItemResult } from "../../base/item-result.ts";
import type { ParsedEnvelope } from "../../crypto/envelope/envelope.ts";
import type { WritableLayout } from "../../crypto/envelope/layouts.ts";
import type { CanonicalContext } from "../../crypto/keys/key-context.ts";
import type { KeyService } from "../../keys/key-service.ts";

/** The name of a mode. */
export type JobMode = "rewrap" | "rekey" | "re-encrypt" | "upgrade" | "bind";

/** One ciphertext of a page. */
export interface JobItem {
  readonly envelope: ParsedEnvelope;
  /** Its wrapped data key, base64. */
  readonly encryptedKeys: string;
  /** What the job says that its key context is, or is to be; undefined if it says nothing. */
  readonly context: CanonicalContext | undefined;
  /** What the job says about its associated data; empty if it says nothing. */
  readonly associatedData: Uint8Array;
}

/** What a mode works with. */
export interface ModeTools {
  readonly service: KeyService;
  /** The layout to write, where the mode takes one. */
  readonly layout: WritableLayout | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A mode. */
export interface Mode {
  readonly name: JobMode;
  /** Whether the payload stays as it is, byte for byte. */
  readonly isSplice: boolean;
  /** What a job of this mode must be told. */
  readonly needs: readonly ("context" | "associatedData" | "layout")[];
  /**
   * Moves the ciphertexts of a page. What is wrong with one of them is its error.
   *
   * @returns the new text of each, in order; undefined for one that is already as it is to be
   * @throws VaultError what is wrong with the service; the signal's reason
   */
  readonly move: (items: readonly JobItem[], tools: ModeTools) => Promise<ItemResult<string | undefined>[]>;
}
