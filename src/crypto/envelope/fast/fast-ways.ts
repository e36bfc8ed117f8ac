/**
 * The short ways, over one set of providers: the WebAssembly module's memory, and `node:crypto` piece by piece.
 *
 * Owns which data keys are made ready. Must not know which calls come this way.
 *
 * @module
 */
import type { Bytes } from "../../../base/bytes.ts";
import type { ItemResult } from "../../../base/item-result.ts";
import type { Buffers } from "../../../base/wide-text.ts";
import type { AeadProviderName } from "../../aead/aead.ts";
import type { AeadProviders } from "../../aead/choose.ts";
import { type DataKey, keptOn } from "../../keys/data-key.ts";
import type { Prepared } from "../batch-items.ts";
import type { FrameLayout } from "../layouts.ts";
import type { Budget } from "../plaintext.ts";
import type { ShortWays } from "../short-ways.ts";
import { openMany, sealMany } from "./envelope-batch.ts";
import { EnvelopeKey, Platform } from "./envelope-key.ts";
import type { OneChunkWay } from "./envelope-native.ts";

/** The short ways. Their keys live as long as the data keys. */
export class FastWays implements ShortWays {
  readonly #platform: Platform;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** The data key made ready, once. */
  of(key: DataKey): EnvelopeKey {
    return keptOn(key, this, () => new EnvelopeKey(key, this.#platform));
  }

  /** As the port says. */
  sealMany(
    key: DataKey,
    items: readonly ItemResult<Prepared<string | Uint8Array>>[],
    layout: FrameLayout,
    provider: AeadProviderName | undefined,
    budget: Budget,
  ): (ItemResult<string> | undefined)[] {
    return sealMany(this.of(key), items, layout, provider, budget);
  }

  /** As the port says. */
  openMany(
    key: DataKey,
    items: readonly ItemResult<Prepared<string>>[],
    layout: FrameLayout,
    as: "text" | "bytes",
    provider: AeadProviderName | undefined,
  ): (ItemResult<string | Bytes> | undefined)[] {
    return openMany(this.of(key), items, layout, as, provider);
  }
}

/**
 * Makes the short ways over providers.
 *
 * @param runtime - its `Buffer`, or what stands before it
 * @param oneChunk - the way of native envelopes; without it they go the long way
 */
export const makeFastWays = (
  providers: AeadProviders,
  { Buffer: native }: { readonly Buffer: Buffers | undefined },
  oneChunk?: OneChunkWay,
): ShortWays => new FastWays(new Platform(providers, native, oneChunk));
