/**
 * With what data keys are sealed: curves, ML-KEM and ciphers, built in or passed as arguments.
 *
 * Owns their composition. Must not know recipients.
 *
 * @module
 */
import { runtime } from "../../base/runtime.ts";
import { invalidType } from "../../errors.ts";
import type { Ciphers } from "../ciphers/ciphers.ts";
import { HERE_CURVES } from "../curves/built-in.ts";
import { Curves, type SealedCurves } from "../curves/choose.ts";
import type { KemTools } from "../hpke/kem.ts";
import { nodeMlKem } from "../hpke/ml-kem-node.ts";

/** What sealing and opening compute with. */
export interface SealedTools extends KemTools {
  readonly ciphers: Ciphers;
}

/**
 * The tools of a caller.
 *
 * @param curves - undefined for what the runtime has built in
 * @throws TypeError ERR_INVALID_ARGUMENT
 */
export function sealedTools(ciphers: Ciphers, curves?: SealedCurves): SealedTools {
  const mlKem = nodeMlKem(runtime.crypto);
  if (curves === undefined) return { curves: HERE_CURVES, mlKem, ciphers };
  if (curves instanceof Curves) return { curves, mlKem, ciphers };
  throw invalidType('curves must be what "coffer/sealed" exports: tweetnacl');
}
