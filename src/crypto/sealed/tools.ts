/**
 * With what data keys are sealed: curves, ML-KEM and ciphers, built in or passed as arguments.
 *
 * Owns their composition. Must not know recipients.
 *
 * @module
 */
import { invalidType } from "../../errors.ts";
import type { Ciphers } from "../ciphers/ciphers.ts";
import { HERE_CURVES } from "../curves/built-in.ts";
import { Curves, type SealedCurves } from "../curves/choose.ts";
import { HERE_ML_KEM } from "../hpke/built-in.ts";
import { GivenMlKem, type SealedMlKem } from "../hpke/given-ml-kem.ts";
import type { KemTools } from "../hpke/kem.ts";

/** What sealing and opening compute with. */
export interface SealedTools extends KemTools {
  readonly ciphers: Ciphers;
}

/**
 * The tools of a caller.
 *
 * @param curves - undefined for what the runtime has built in
 * @param mlKem - for runtimes that have none built in
 * @throws TypeError ERR_INVALID_ARGUMENT
 */
export function sealedTools(ciphers: Ciphers, curves?: SealedCurves, mlKem?: SealedMlKem): SealedTools {
  if (curves !== undefined && !(curves instanceof Curves)) {
    throw invalidType('curves must be what "coffer/sealed" exports: tweetnacl');
  }
  if (mlKem !== undefined && !(mlKem instanceof GivenMlKem)) {
    throw invalidType('mlKem must be what mlKemOf of "coffer/sealed" answers');
  }
  return { curves: curves ?? HERE_CURVES, mlKem: HERE_ML_KEM ?? mlKem?.mlKem, ciphers };
}
