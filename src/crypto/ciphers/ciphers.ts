/**
 * With what a call encrypts: AEAD providers, hashes and the short ways over them.
 *
 * Owns their composition: what the runtime has, and what an argument adds to it. Must not know which runtime has which.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import { type Runtime, type RuntimeGlobals, type RuntimeName, runtimeName } from "../../base/runtime.ts";
import { PROVIDER_NAMES } from "../aead/aead.ts";
import { AeadProviders, nothingAtOnce } from "../aead/choose.ts";
import type { ProviderRow } from "../aead/row.ts";
import type { ShortWays } from "../envelope/short-ways.ts";
import { type DataKeyInput, withRawKey } from "../keys/data-key.ts";
import type { HashProvider } from "../primitives/hash-port.ts";
import { expandSha512Later } from "../primitives/hash-webcrypto.ts";
import { expandSha512 } from "../primitives/hkdf-expand.ts";
import type { SYNC_CRYPTO, SyncCrypto } from "./sync-crypto.ts";

/** What ciphers are made of. */
export interface CipherParts {
  readonly rows: readonly ProviderRow[];
  readonly runtime: Runtime;
  /** Decides which provider serves which sizes; undefined where there is one only. */
  readonly name: RuntimeName | undefined;
  /** Hashes that answer at once: there if any provider does. */
  readonly hash: HashProvider | undefined;
  /** Makes the short ways over the providers. */
  readonly makeShortWays: ((providers: AeadProviders, runtime: Runtime) => ShortWays) | undefined;
}

/** What a call encrypts with. */
export class Ciphers implements SyncCrypto {
  declare readonly [SYNC_CRYPTO]: true;
  readonly providers: AeadProviders;
  readonly shortWays: ShortWays | undefined;
  readonly parts: CipherParts;

  constructor(parts: CipherParts) {
    this.parts = parts;
    this.providers = new AeadProviders(parts.rows, parts.runtime, parts.name);
    this.shortWays = parts.makeShortWays?.(this.providers, parts.runtime);
  }

  /**
   * Derives bytes from a data key by HKDF-Expand with SHA-512, at once.
   *
   * @returns a new array, as secret as the key
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless the key has 32 bytes; VaultError ERR_DISPOSED,
   *   ERR_UNSUPPORTED where nothing hashes at once
   */
  expand(key: DataKeyInput, info: Uint8Array, length: number): Bytes {
    const { hash } = this.parts;
    if (hash === undefined) throw nothingAtOnce();
    return withRawKey(key, (raw) => expandSha512(hash, raw, info, length));
  }

  /** The same where the call can wait. The key is read before this returns. */
  async expandLater(key: DataKeyInput, info: Uint8Array, length: number): Promise<Bytes> {
    const { hash, runtime } = this.parts;
    if (hash !== undefined) return this.expand(key, info, length);
    const subtle = runtime.webcrypto?.subtle;
    if (subtle === undefined) throw nothingAtOnce();
    return withRawKey(key, (raw) => expandSha512Later(subtle, raw, info, length));
  }
}

/**
 * Ciphers with more providers, each in the place that it has by preference; the same ciphers if they have them all.
 *
 * @param rows - one of a provider that is there takes its place
 * @param more - what comes with them, where the ciphers have none
 */
export function ciphersWith(
  ciphers: Ciphers,
  rows: readonly ProviderRow[],
  more: Pick<CipherParts, "hash" | "makeShortWays">,
): Ciphers {
  const { parts } = ciphers;
  if (rows.every((row) => parts.rows.includes(row))) return ciphers;
  const byName = new Map([...parts.rows, ...rows].map((row) => [row.name, row]));
  return new Ciphers({
    ...parts,
    rows: PROVIDER_NAMES.flatMap((name) => byName.get(name) ?? []),
    name: hereName(),
    hash: parts.hash ?? more.hash,
    makeShortWays: parts.makeShortWays ?? more.makeShortWays,
  });
}

/** The name of the runtime that this was loaded in. */
export const hereName = (): RuntimeName => runtimeName(globalThis as unknown as RuntimeGlobals);
