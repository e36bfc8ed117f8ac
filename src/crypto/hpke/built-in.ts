/**
 * The ML-KEM of Node, Bun and Deno: `node:crypto`'s, where a build has it.
 *
 * Owns which it is. The build puts web.ts in the place of this file for every other runtime (tools/build/web.ts).
 *
 * @module
 */
import { runtime } from "../../base/runtime.ts";
import type { MlKem } from "./kem.ts";
import { nodeMlKem } from "./ml-kem-node.ts";

/** What the runtime has built in. */
export const HERE_ML_KEM: MlKem | undefined = /* @__PURE__ */ nodeMlKem(runtime.crypto);
