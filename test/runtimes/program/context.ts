/**
 * What every part of the conformance program is given, and the bytes that several of them use.
 *
 * Owns these shapes and helpers. Portable; must not know any part.
 *
 * @module
 */

import { decodeBase64 } from "../../../src/base/base64.ts";
import type { AeadProvider, AeadProviderName, SyncAeadProvider } from "../../../src/crypto/aead/aead.ts";
import { DataKey } from "../../../src/crypto/index.ts";
import { SAMPLE_1 } from "../../support/samples.ts";
import type { Input } from "../report.ts";
import { type Checks, codeOf } from "./checks.ts";
import { sync } from "./coffer.ts";

export const PROVIDER_NAMES: readonly AeadProviderName[] = ["node", "webcrypto", "wasm", "noble"];

export interface Context {
  readonly input: Input;
  readonly checks: Checks;
  readonly available: readonly AeadProvider[];
  readonly availableSync: readonly SyncAeadProvider[];
}

/** The providers that this runtime has. */
export async function availableProviders(): Promise<AeadProvider[]> {
  const found: AeadProvider[] = [];
  for (const name of PROVIDER_NAMES) {
    try {
      found.push(await sync().providers.async(name));
    } catch (error) {
      if (codeOf(error) !== "ERR_UNSUPPORTED") throw error;
    }
  }
  return found;
}

export const isSync = (provider: AeadProvider): provider is SyncAeadProvider => provider.name !== "webcrypto";

/** Whether a provider cannot open envelopes of the layout `iv32` on this runtime. */
export const lacksLongNonces = ({ input }: Context, provider: string | undefined): boolean =>
  provider === "webcrypto" && input.expected.webCryptoLacksLongNonces === true;

/** A data key object around a published sample; dispose of it. */
export function sampleKey(): DataKey {
  const { dataKey, dataKeyId: id, encryptedKeys } = SAMPLE_1;
  return new DataKey({ id, key: decodeBase64(dataKey)!, encryptedKeys });
}

/** Bytes that a seed decides: xorshift32 (Marsaglia, "Xorshift RNGs", 2003). For data, never for keys. */
export function byteStream(seed: number): (length: number) => Uint8Array<ArrayBuffer> {
  let state = seed * 2 + 1;
  return (length) => {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      out[i] = state >>> 24;
    }
    return out;
  };
}

/** A copy with one bit changed. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[bit >> 3]! ^= 1 << (bit & 7);
  return out;
}
