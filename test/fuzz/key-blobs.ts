/**
 * Mutated key blobs: what reads as one is written back byte for byte, and none but the one that was made unwraps.
 *
 * @module
 */

import { decodeKeyBlob, encodeKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { isVaultError } from "../../src/errors.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { codeOf } from "./envelopes.ts";
import { mutateBytes, type Pick } from "./mutations.ts";

const MALFORMED: ReadonlySet<string> = new Set(["ERR_KEY_BLOB_MALFORMED"]);
/** docs/spec/keyring.md section 3: what unwrapping may be refused with. */
const REFUSALS: ReadonlySet<string> = new Set([
  "ERR_DECRYPT_FAILED",
  "ERR_KEY_BLOB_MALFORMED",
  "ERR_KEY_NOT_FOUND",
  "ERR_KEY_DESTROYED",
  "ERR_KEY_DISABLED",
]);
const CONTEXTS = [{ a: "1" }, { a: "1", b: "2" }, { a: "1", b: "2", c: "3" }] as const;

/** One case, and what it holds open. */
export interface KeyBlobFuzz {
  readonly run: (pick: Pick) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Opens a vault in memory whose key blobs are mutated. */
export async function keyBlobCase(): Promise<KeyBlobFuzz> {
  const rootKey = Buffer.alloc(32, 7).toString("base64");
  const vault: EmbeddedVault = await openVault({ path: ":memory:", rootKey, onNotice: () => {} });
  const made = new Map<string, string>();
  for (let version = 0; version < 2; version++) {
    for (const context of CONTEXTS) {
      const key = await vault.createDataKey({ context: { ...context } });
      made.set(key.encryptedKeys, key.dataKey);
    }
    await vault.keks.rotate({ name: "a", value: "1" });
  }
  // A KEK that may not be used, and one that is gone: they have answers of their own.
  await vault.keks.disable({ name: "c", value: "3" });
  const blobs = [...made.keys()].map((text) => Uint8Array.from(Buffer.from(text, "base64")));
  const run = async (pick: Pick): Promise<string> => {
    const bytes = mutateBytes(pick, blobs[pick(blobs.length)]!, blobs);
    try {
      const parts = decodeKeyBlob(bytes);
      if (Buffer.compare(encodeKeyBlob(parts), bytes) !== 0) throw new Error("written back, it is another");
    } catch (error) {
      if (!isVaultError(error)) throw error;
      codeOf(error, MALFORMED);
    }
    try {
      inspectKeyBlob(bytes);
    } catch (error) {
      codeOf(error, MALFORMED);
    }
    const text = Buffer.from(bytes).toString("base64");
    try {
      using key = await vault.createDecrypt({ keys: text });
      if (made.get(text) !== key.dataKey) throw new Error("a key blob that was never made has unwrapped");
      return "unwrapped";
    } catch (error) {
      if (!isVaultError(error)) throw error;
      return codeOf(error, REFUSALS);
    }
  };
  return { run, close: () => vault.close() };
}
