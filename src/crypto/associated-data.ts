/**
 * Associated data: what is authenticated with a message, but not stored.
 *
 * Owns its check and its bytes. Must not know layouts or ciphers.
 *
 * @module
 */

import { type Bytes, EMPTY, toBytes } from "../base/bytes.ts";
import { invalidRange } from "../errors.ts";
import { ASSOCIATED_DATA_BYTES_MAX } from "./limits.ts";

/** Associated data: authenticated but not stored. `""`, no bytes and `undefined` are the same (GCM knows no difference). */
export type AssociatedData = string | Uint8Array | undefined;

/**
 * The bytes of associated data, none for `undefined`.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT (over 1 MiB); VaultError ERR_TEXT_MALFORMED
 */
export function associatedDataBytes(associatedData: AssociatedData): Bytes {
  if (associatedData === undefined) return EMPTY;
  // As for a plaintext: refuse before encoding.
  if (typeof associatedData === "string" && associatedData.length > ASSOCIATED_DATA_BYTES_MAX)
    throw associatedDataTooLarge();
  const bytes = toBytes(associatedData, "associatedData");
  if (bytes.length > ASSOCIATED_DATA_BYTES_MAX) throw associatedDataTooLarge();
  return bytes;
}

function associatedDataTooLarge(): RangeError {
  return invalidRange(`associatedData has more than ${ASSOCIATED_DATA_BYTES_MAX} bytes`);
}
