/**
 * The base64 of Node, Bun and Deno: `Buffer`'s.
 *
 * Owns the choice. The build puts web.ts in the place of this file for every other runtime (tools/build/web.ts).
 *
 * @module
 */
import { bufferBase64 } from "../base64-buffer.ts";
import { type Base64Codec, selectPortable } from "../base64-portable.ts";
import { runtime } from "../runtime.ts";

/** What the runtime codes by. */
export const CODEC: Base64Codec = selectBase64(runtime.Buffer);

/** The fastest that a runtime can use. */
export function selectBase64(native: typeof globalThis.Buffer | undefined): Base64Codec {
  return native === undefined ? selectPortable() : bufferBase64(native);
}
