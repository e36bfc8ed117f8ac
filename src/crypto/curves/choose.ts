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

/** The known signature: RFC 8032 section 7.1, test 2, of the one byte 72. */
const KNOWN_SIGNER = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const KNOWN_MESSAGE = "72";
const KNOWN_SIGNATURE =
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

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
    for (const provider of this.#started()) {
      if (!provider.isSync) continue;
      const sync = provider as SyncCurveProvider;
      try {
        if (isProduct(productBy(sync)) && checkBy(sync)) return sync;
      } catch {
        // A runtime that lacks a curve refuses its name.
      }
    }
    throw lacking("X25519 that answers at once");
  }

  async #first(): Promise<CurveProvider> {
    for (const provider of this.#started()) {
      try {
        if (isProduct(await productBy(provider)) && (await checkBy(provider))) return provider;
      } catch {
        // As above.
      }
    }
    throw lacking("X25519 or no Ed25519");
  }

  #started(): CurveProvider[] {
    return this.#rows.flatMap((row) => row.start(this.#available) ?? []);
  }
}

function lacking(what: string): VaultError {
  return new VaultError(
    "ERR_UNSUPPORTED",
    `this runtime has no ${what}: pass { curves: tweetnacl } from "coffer/sealed"`,
  );
}

/** The product of the known answer, by a provider. */
function productBy<P extends CurveProvider>(provider: P): ReturnType<P["multiply"]> {
  return provider.multiply(fromHex(KNOWN_SCALAR), fromHex(KNOWN_POINT)) as ReturnType<P["multiply"]>;
}

/** Whether a provider finds the known signature right. */
function checkBy<P extends CurveProvider>(provider: P): ReturnType<P["verify"]> {
  return provider.verify(
    fromHex(KNOWN_SIGNER),
    fromHex(KNOWN_MESSAGE),
    fromHex(KNOWN_SIGNATURE),
  ) as ReturnType<P["verify"]>;
}

function isProduct(result: Uint8Array | undefined): boolean {
  return result !== undefined && equalBytes(result, fromHex(KNOWN_RESULT));
}
