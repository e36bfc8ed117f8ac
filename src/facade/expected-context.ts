/**
 * The context that a caller expects of what it decrypts.
 *
 * Owns the comparison. Must not know how keys are found.
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { canonicalContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { decryptFailed, VaultError } from "../errors.ts";

/** The canonical form of the context that a call expects, if it does. */
export function expectedContext({
  context,
}: {
  readonly context?: KeyContext | undefined;
}): Uint8Array | undefined {
  return context === undefined ? undefined : canonicalContext(context).bytes;
}

/** @throws VaultError ERR_DECRYPT_FAILED if the key's context is another; ERR_UNSUPPORTED if it is not told */
export function checkContext(key: DataKey, expected: Uint8Array | undefined): void {
  if (expected === undefined) return;
  if (key.context === undefined) {
    throw new VaultError("ERR_UNSUPPORTED", "this key service does not tell contexts: none can be expected");
  }
  if (!equalBytes(canonicalContext(key.context).bytes, expected)) throw decryptFailed();
}
