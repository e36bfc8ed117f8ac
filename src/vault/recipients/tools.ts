/**
 * What recipients are computed with: curves, ML-KEM and ciphers of this runtime.
 *
 * @module
 */
import { HERE } from "../../crypto/ciphers/of-call.ts";
import { type SealedTools, sealedTools } from "../../crypto/sealed/tools.ts";

/** Those of the runtime. */
export const TOOLS: SealedTools = sealedTools(HERE);
