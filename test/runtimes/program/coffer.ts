/**
 * coffer's functions as the parts of the program call them: with the argument `sync` of this runtime.
 *
 * Owns that argument: all providers that coffer has, so that every one is tried on every runtime. Portable.
 *
 * @module
 */
import { runtime } from "../../../src/base/runtime.ts";
import { NOBLE_ROW } from "../../../src/crypto/aead/noble.ts";
import { NODE_ROW } from "../../../src/crypto/aead/node.ts";
import { WASM_ROW, wasmModuleRow } from "../../../src/crypto/aead/wasm.ts";
import { type Ciphers, ciphersWith } from "../../../src/crypto/ciphers/ciphers.ts";
import { HERE } from "../../../src/crypto/ciphers/of-call.ts";
import { makeFastWays } from "../../../src/crypto/envelope/fast/fast-ways.ts";
import * as crypto from "../../../src/crypto/index.ts";
import { hash } from "../../../src/crypto/primitives/hash.ts";
import * as keys from "../../../src/keys/index.ts";

let ciphers: Ciphers = withAll(WASM_ROW);

function withAll(wasm: typeof WASM_ROW): Ciphers {
  return ciphersWith(HERE, [NODE_ROW, wasm, NOBLE_ROW], { hash, makeShortWays: makeFastWays });
}

/** Takes the module that was compiled ahead of time. */
export function takeModule(module: object): void {
  ciphers = withAll(wasmModuleRow(runtime.wasm, module));
}

/** What is passed as `sync`. */
export const sync = (): Ciphers => ciphers;

type Options = { readonly sync?: crypto.SyncCrypto | undefined };

/** A function whose argument at `place` is its options, which are given `sync` unless they have it. */
function given<F extends (...args: never[]) => unknown>(call: F, place: number): F {
  const passOn = call as unknown as (...args: unknown[]) => unknown;
  return ((...args: unknown[]) => {
    while (args.length < place) args.push(undefined);
    args[place] = { sync: ciphers, ...(args[place] as Options | undefined) };
    return passOn(...args);
  }) as unknown as F;
}

export const localEncrypt = given(crypto.localEncrypt, 3);
export const localEncryptSync = given(crypto.localEncryptSync, 3);
export const localDecrypt = given(crypto.localDecrypt, 3);
export const localDecryptSync = given(crypto.localDecryptSync, 3);
export const nativeEncrypt = given(crypto.nativeEncrypt, 3);
export const nativeEncryptSync = given(crypto.nativeEncryptSync, 3);
export const nativeDecrypt = given(crypto.nativeDecrypt, 3);
export const nativeDecryptSync = given(crypto.nativeDecryptSync, 3);
export const encryptStream = given(crypto.encryptStream, 2);
export const decryptStream = given(crypto.decryptStream, 2);
export const openNativeSource = given(crypto.openNativeSource, 3);
export const decryptRange = given(crypto.decryptRange, 5);
export const takeLease = given(keys.takeLease, 2);
