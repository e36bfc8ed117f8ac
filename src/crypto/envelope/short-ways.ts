/**
 * The port of the short ways: envelopes of a data key that is made ready once, where a provider answers at once.
 *
 * Owns their shape; the ways are in fast/. What they do not do (other layouts, other key blobs, lenient reading, errors of
 * reading) they leave to the long way, which gives the same answers. Must not know how they work.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import type { ItemResult } from "../../base/item-result.ts";
import type { AeadProviderName } from "../aead/aead.ts";
import type { DataKey } from "../keys/data-key.ts";
import type { Prepared } from "./batch-items.ts";
import type { FrameLayout, WritableLayout } from "./layouts.ts";
import type { Budget } from "./plaintext.ts";

/** A data key made ready for many messages. */
export interface ReadyKey {
  /**
   * Seals one message.
   *
   * @param plaintext - as `checkPlaintext` answers it
   * @param provider - overrides the choice
   * @param canWait - that the call is one that can wait for Web Crypto; default false
   * @param nonce - 12 bytes, never used before with this key; default fresh ones from the kernel. Not for layouts that draw salts
   * @returns undefined where no provider answers at once, or the short way cannot: nothing was spent then
   * @throws as `localEncrypt`, and what the budget throws
   */
  seal(
    plaintext: string | Uint8Array,
    associatedData: Uint8Array,
    layout: WritableLayout,
    provider: AeadProviderName | undefined,
    budget: Budget,
    canWait?: boolean,
    nonce?: Uint8Array,
  ): string | undefined;

  /**
   * Opens an envelope of this key's blob.
   *
   * @param text - any text
   * @param canWait - as for `seal`
   * @returns undefined where the short way cannot tell: another layout or blob, not canonical, a wrong tag. The
   *   caller then reads it the long way, which has the errors.
   * @throws VaultError ERR_DISPOSED, ERR_PLAINTEXT_NOT_TEXT
   */
  open(
    text: string,
    associatedData: Uint8Array,
    layout: WritableLayout,
    as: "text" | "bytes",
    provider: AeadProviderName | undefined,
    canWait?: boolean,
  ): string | Bytes | undefined;
}

/** The short ways of one set of providers. */
export interface ShortWays {
  /** A data key made ready, at its first message. */
  of(key: DataKey): ReadyKey;

  /**
   * Seals every item that was prepared without an error.
   *
   * @returns one result per item, in order; undefined for an item that the long way must seal: nothing was spent for it
   * @throws VaultError ERR_DISPOSED, ERR_RANDOM_UNAVAILABLE, ERR_UNSUPPORTED, which hold for all items
   */
  sealMany(
    key: DataKey,
    items: readonly ItemResult<Prepared<string | Uint8Array>>[],
    layout: FrameLayout,
    provider: AeadProviderName | undefined,
    budget: Budget,
  ): (ItemResult<string> | undefined)[];

  /**
   * Opens every item that is an envelope of this key's blob.
   *
   * @returns one result per item, in order; undefined for an item that the long way must read, which has the errors
   * @throws as `sealMany`
   */
  openMany(
    key: DataKey,
    items: readonly ItemResult<Prepared<string>>[],
    layout: FrameLayout,
    as: "text" | "bytes",
    provider: AeadProviderName | undefined,
  ): (ItemResult<string | Bytes> | undefined)[];
}
