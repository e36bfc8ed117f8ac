/**
 * The base64 of browsers, edge runtimes and all others: the language's own, or a table.
 *
 * Owns the choice. The build puts this in the place of built-in.ts (tools/build/web.ts).
 *
 * @module
 */
import { type Base64Codec, selectPortable } from "../base64-portable.ts";

/** What the runtime codes by. */
export const CODEC: Base64Codec = /* @__PURE__ */ selectPortable();
