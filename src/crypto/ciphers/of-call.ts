/**
 * The ciphers of a call: those that its argument `sync` names, else what the runtime has built in.
 *
 * Owns this choice, and the one import that differs between runtimes. Must not know what they do.
 *
 * @module
 */
import { invalidType } from "../../errors.ts";
import { HERE } from "./built-in.ts";
import { Ciphers } from "./ciphers.ts";
import type { SyncCrypto } from "./sync-crypto.ts";

export { HERE };

/**
 * The ciphers of a call.
 *
 * @param sync - what `coffer/sync` made, or undefined
 * @throws TypeError ERR_INVALID_ARGUMENT for anything else
 */
export function ciphersOf(sync: SyncCrypto | undefined): Ciphers {
  if (sync === undefined) return HERE;
  if (sync instanceof Ciphers) return sync;
  throw invalidType('sync must be what "coffer/sync" exports: wasm, noble or what wasmModule answers');
}
