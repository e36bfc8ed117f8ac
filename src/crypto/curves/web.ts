/**
 * The curves of browsers, edge runtimes and all others: Web Crypto's. tweetnacl is passed as an argument.
 *
 * Owns which they are. The build puts this in the place of built-in.ts (tools/build/web.ts).
 *
 * @module
 */
import { runtime } from "../../base/runtime.ts";
import { Curves } from "./choose.ts";
import { WEB_CURVES_ROW } from "./webcrypto.ts";

/** What the runtime has built in. */
export const HERE_CURVES: Curves = /* @__PURE__ */ new Curves([WEB_CURVES_ROW], runtime);
