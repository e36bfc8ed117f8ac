/**
 * Which provider of Curve25519 serves a call.
 *
 * Owns the choice: the first of a list that is there, answers as it must, and computes a known answer. Must not know what is
 * computed.
 *
 * @module
 */
import { equalBytes, fromHex } from "../../base/bytes.ts";
import type { Runtime } from "../../base/runtime.ts";
import { VaultError } from "../../errors.ts";
import type { CurveProvider, CurveRow, SyncCurveProvider } from "./curve.ts";

/** The known answer: the first of RFC 7748 section 5.2. */
const KNOWN_SCALAR = "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4";
const KNOWN_POINT = "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c";
const KNOWN_RESULT = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552";

/** Marks {@link SealedCurves}, in types only. */
export declare const SEALED_CURVES: unique symbol;

/** X25519 and Ed25519 where the runtime has none or cannot answer at once: `tweetnacl` of `coffer/sealed`. It has nothing to call. */
export interface SealedCurves {
  readonly [SEALED_CURVES]: true;
}

/** The providers of one runtime, with that of an argument. */
export class Curves implements SealedCurves {
  declare readonly [SEALED_CURVES]: true;
  readonly #rows: readonly CurveRow[];
  readonly #available: Pick<Runtime, "crypto" | "webcrypto">;
  #sync: SyncCurveProvider | undefined;
  #any: Promise<CurveProvider> | undefined;

  /** @param rows - the preferred ones first */
  constructor(rows: readonly CurveRow[], available: Pick<Runtime, "crypto" | "webcrypto">) {
    this.#rows = rows;
    this.#available = available;
  }

  /** These with one row more, behind all others; themselves if it is among them. */
  with(row: CurveRow): Curves {
    return this.#rows.includes(row) ? this : new Curves([...this.#rows, row], this.#available);
  }

  /**
   * The first provider that answers at once.
   *
   * @throws VaultError ERR_UNSUPPORTED if there is none
   */
  sync(): SyncCurveProvider {
    this.#sync ??= this.#firstSync();
    return this.#sync;
  }

  /**
   * The first provider, whether it answers at once or not.
   *
   * @throws VaultError ERR_UNSUPPORTED if there is none
   */
  async(): Promise<CurveProvider> {
    this.#any ??= this.#first();
    return this.#any;
  }

  #firstSync(): SyncCurveProvider {
    for (const row of this.#rows) {
      const provider = row.start(this.#available);
      if (provider?.isSync !== true) continue;
      const sync = provider as SyncCurveProvider;
      if (isKnown(sync.multiply(fromHex(KNOWN_SCALAR), fromHex(KNOWN_POINT)))) return sync;
    }
    throw new VaultError(
      "ERR_UNSUPPORTED",
      'this runtime has no X25519 that answers at once: pass { curves: tweetnacl } from "coffer/sealed"',
    );
  }

  async #first(): Promise<CurveProvider> {
    for (const row of this.#rows) {
      const provider = row.start(this.#available);
      if (provider === undefined) continue;
      try {
        if (isKnown(await provider.multiply(fromHex(KNOWN_SCALAR), fromHex(KNOWN_POINT)))) return provider;
      } catch {
        // An engine that lacks the curve refuses its name.
      }
    }
    throw new VaultError(
      "ERR_UNSUPPORTED",
      'this runtime has no X25519: pass { curves: tweetnacl } from "coffer/sealed"',
    );
  }
}

function isKnown(result: Uint8Array | undefined): boolean {
  return result !== undefined && equalBytes(result, fromHex(KNOWN_RESULT));
}
