/**
 * `coffer/sync`: what encrypts at once where the runtime has nothing built in for it: browsers and edge runtimes.
 *
 * Passed as the option `sync` to a `Vault` or a call, which then also has its synchronous methods, and encrypts small
 * messages without waiting for Web Crypto. On Node, Bun and Deno it changes nothing: what is faster is built in. Where
 * there is `node:crypto` all the same (workerd with Node's modules), that serves larger messages. An application that does
 * not import this does not ship it.
 *
 * `import { wasm } from "coffer/sync"; new Vault({ apiKey, baseUrl, sync: wasm });`
 *
 * @module
 */
import { runtime } from "./base/runtime.ts";
import { NOBLE_ROW } from "./crypto/aead/noble.ts";
import { NODE_ROW } from "./crypto/aead/node.ts";
import { WASM_ROW, wasmModuleRow } from "./crypto/aead/wasm.ts";
import { ciphersWith } from "./crypto/ciphers/ciphers.ts";
import { HERE } from "./crypto/ciphers/of-call.ts";
import type { SyncCrypto, WasmModule } from "./crypto/ciphers/sync-crypto.ts";
import { makeFastWays } from "./crypto/envelope/fast/fast-ways.ts";
import { hash } from "./crypto/primitives/hash.ts";

export type { SyncCrypto, WasmModule };

/**
 * coffer's own AES-GCM module of WebAssembly, compiled when it is first needed. Where that is forbidden (workerd, pages
 * whose content security policy lacks `wasm-unsafe-eval`) calls throw ERR_UNSUPPORTED: there use {@link wasmModule}, or
 * {@link noble}.
 */
export const wasm: SyncCrypto = /* @__PURE__ */ ciphersWith(HERE, [NODE_ROW, WASM_ROW], {
  hash,
  makeShortWays: makeFastWays,
});

/**
 * AES-256-GCM in JavaScript by @noble/ciphers. It runs everywhere. It is slower, and its AES looks up memory by secret
 * addresses, so that code on the same machine may learn of keys by timing.
 */
export const noble: SyncCrypto = /* @__PURE__ */ ciphersWith(HERE, [NODE_ROW, NOBLE_ROW], {
  hash,
  makeShortWays: undefined,
});

/**
 * The same as {@link wasm} from a module that was compiled ahead of time, for runtimes that forbid compiling. It is tested
 * on a known answer. Call it once: `import module from "coffer/aes-gcm.wasm"; const sync = wasmModule(module);`
 *
 * @param module - `coffer/aes-gcm.wasm` of the same version, compiled
 * @throws TypeError ERR_INVALID_ARGUMENT unless it is a `WebAssembly.Module`; VaultError ERR_UNSUPPORTED if it is not
 *   coffer's of this version, or cannot be started, or computes wrongly
 */
export function wasmModule(module: WasmModule): SyncCrypto {
  return ciphersWith(HERE, [NODE_ROW, wasmModuleRow(runtime.wasm, module)], {
    hash,
    makeShortWays: makeFastWays,
  });
}
