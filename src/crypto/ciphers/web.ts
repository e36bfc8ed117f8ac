/**
 * The ciphers of browsers, edge runtimes and all others: Web Crypto alone. What answers at once is passed as `sync`.
 *
 * Owns which they are. The build puts this in the place of built-in.ts (tools/build/web.ts).
 *
 * @module
 */
import { runtime } from "../../base/runtime.ts";
import { WEBCRYPTO_ROW } from "../aead/webcrypto.ts";
import { Ciphers } from "./ciphers.ts";

/** What the runtime has built in. */
export const HERE: Ciphers = /* @__PURE__ */ new Ciphers({
  rows: [WEBCRYPTO_ROW],
  runtime,
  name: undefined,
  hash: undefined,
  makeShortWays: undefined,
});
