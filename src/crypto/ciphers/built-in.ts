/**
 * The ciphers of Node, Bun and Deno: `node:crypto`, the WebAssembly module and the short ways, without a word from the user.
 *
 * Owns which they are. The build puts web.ts in the place of this file for every other runtime (tools/build/web.ts).
 *
 * @module
 */
import { runtime } from "../../base/runtime.ts";
import { buffersOf } from "../../base/wide-text.ts";
import { NOBLE_ROW } from "../aead/noble.ts";
import { NODE_ROW } from "../aead/node.ts";
import { WASM_ROW } from "../aead/wasm.ts";
import { WEBCRYPTO_ROW } from "../aead/webcrypto.ts";
import { oneChunkWay } from "../envelope/fast/envelope-native.ts";
import { makeFastWays } from "../envelope/fast/fast-ways.ts";
import { hash } from "../primitives/hash.ts";
import { Ciphers, hereName } from "./ciphers.ts";

/**
 * What the runtime has built in, in the order of preference. Where `node:crypto` cannot serve (Deno before 2.8), the module
 * goes before Web Crypto, which takes no nonces of 32 bytes there.
 */
export const HERE: Ciphers = /* @__PURE__ */ new Ciphers({
  rows: [NODE_ROW, WASM_ROW, WEBCRYPTO_ROW, NOBLE_ROW],
  runtime,
  name: /* @__PURE__ */ hereName(),
  hash,
  makeShortWays: (providers, { Buffer: native }) =>
    makeFastWays(providers, { Buffer: buffersOf(native, hereName()) }, oneChunkWay(hash)),
});
