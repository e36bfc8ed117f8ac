/**
 * ML-KEM-768 that is passed as an argument, for runtimes that have none.
 *
 * Owns what a caller holds of it. Must not know who computes it.
 *
 * @module
 */
import type { MlKem } from "./kem.ts";

/** Marks {@link SealedMlKem}, in types only. */
export declare const SEALED_ML_KEM: unique symbol;

/** ML-KEM-768 where the runtime has none: what `mlKemOf` of `coffer/sealed` makes. It has nothing to call. */
export interface SealedMlKem {
  readonly [SEALED_ML_KEM]: true;
}

/** What stands behind a {@link SealedMlKem}. */
export class GivenMlKem implements SealedMlKem {
  declare readonly [SEALED_ML_KEM]: true;
  readonly mlKem: MlKem;

  constructor(mlKem: MlKem) {
    this.mlKem = mlKem;
  }
}
