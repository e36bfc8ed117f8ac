/**
 * Sealing under a fresh nonce that goes first (docs/spec/keyring.md section 2.2).
 *
 * Owns that form. Must not know what is sealed, nor under which key.
 *
 * @module
 */
import { concatBytes } from "../../base/bytes.ts";
import type { SyncAeadProvider } from "../../crypto/aead/aead.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import type { SecretBytes } from "../../crypto/primitives/secret-bytes.ts";
import { kcXaesOpen, kcXaesSeal, XAES_NONCE_BYTES } from "../../crypto/primitives/xaes.ts";

/** KC-XAES-256-GCM under a fresh nonce. */
export function sealUnderNonce(
  provider: SyncAeadProvider,
  key: SecretBytes,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const nonce = randomBytes(XAES_NONCE_BYTES);
  return concatBytes(nonce, kcXaesSeal(provider, key.bytes, nonce, plaintext, associatedData));
}

/** @throws VaultError ERR_DECRYPT_FAILED */
export function openUnderNonce(
  provider: SyncAeadProvider,
  key: SecretBytes,
  sealed: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const nonce = sealed.subarray(0, XAES_NONCE_BYTES);
  return kcXaesOpen(provider, key.bytes, nonce, sealed.subarray(XAES_NONCE_BYTES), associatedData);
}
