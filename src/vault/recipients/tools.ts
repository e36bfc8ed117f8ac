/**
 * What recipients are computed with: curves, ML-KEM and ciphers of this runtime.
 *
 * @module
 */
import { HERE } from "../../crypto/ciphers/of-call.ts";
import type { SealedMlKem } from "../../crypto/hpke/given-ml-kem.ts";
import { type SealedTools, sealedTools } from "../../crypto/sealed/tools.ts";

/** Those of the runtime. */
export const TOOLS: SealedTools = sealedTools(HERE);

/** Those of the runtime, with the ML-KEM that a vault was opened with. @throws TypeError ERR_INVALID_ARGUMENT */
export function toolsOf({ mlKem }: { readonly mlKem?: SealedMlKem | undefined }): SealedTools {
  return mlKem === undefined ? TOOLS : sealedTools(HERE, undefined, mlKem);
}
