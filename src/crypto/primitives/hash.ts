/**
 * The hashes of the runtime: native where there is node:crypto, else portable.
 *
 * Owns the choice. Must not know labels or contexts.
 *
 * @module
 */

import { type Runtime, runtime } from "../../base/runtime.ts";
import { nobleHash } from "./hash-noble.ts";
import { nodeHash } from "./hash-node.ts";
import type { HashProvider } from "./hash-port.ts";

/** The native implementation where there is one. */
export function selectHash(crypto: Runtime["crypto"]): HashProvider {
  return crypto === undefined ? nobleHash : nodeHash(crypto);
}

/** The hashes of the runtime that this module was loaded in. */
export const hash: HashProvider = /* @__PURE__ */ selectHash(runtime.crypto);
