/**
 * The ML-KEM of browsers, edge runtimes and all others: none. Callers pass one (ml-kem-peer.ts).
 *
 * Owns which it is. The build puts this in the place of built-in.ts (tools/build/web.ts).
 *
 * @module
 */
import type { MlKem } from "./kem.ts";

/** What the runtime has built in. */
export const HERE_ML_KEM: MlKem | undefined = undefined;
