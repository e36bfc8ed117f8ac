/**
 * The curves of Node, Bun and Deno: native, and tweetnacl where a build of these lacks them.
 *
 * Owns which they are. The build puts web.ts in the place of this file for every other runtime (tools/build/web.ts).
 *
 * @module
 */
import { runtime } from "../../base/runtime.ts";
import { Curves } from "./choose.ts";
import { NODE_CURVES_ROW } from "./node.ts";
import { NACL_CURVES_ROW } from "./tweetnacl.ts";
import { WEB_CURVES_ROW } from "./webcrypto.ts";

/** What the runtime has built in, in the order of preference. */
export const HERE_CURVES: Curves = /* @__PURE__ */ new Curves(
  [NODE_CURVES_ROW, WEB_CURVES_ROW, NACL_CURVES_ROW],
  runtime,
);
