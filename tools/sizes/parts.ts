/**
 * What applications import of coffer, and how large each may become.
 *
 * Owns the table of parts and their limits. Must not know how a bundle is measured.
 *
 * @module
 */

/** One use of coffer in a browser or on an edge runtime. */
export interface Part {
  /** As README's table shows it. */
  readonly name: string;
  readonly code: string;
  /** Bytes, minified and gzipped, that a change may not exceed: what was measured, and a little room. */
  readonly bytesMax: number;
}

/** The parts, as README has them. */
export const PARTS: readonly Part[] = [
  {
    name: "`localEncrypt`, `localDecrypt`",
    code: 'export { localEncrypt, localDecrypt } from "coffer/crypto";',
    bytesMax: 10_900,
  },
  {
    name: "native format: one-shot and streams",
    code: 'export { nativeEncrypt, nativeDecrypt, encryptStream, decryptStream } from "coffer/crypto";',
    bytesMax: 9_350,
  },
  {
    name: "both of these together",
    code: 'export { localEncrypt, localDecrypt, nativeEncrypt, nativeDecrypt, encryptStream, decryptStream } from "coffer/crypto";',
    bytesMax: 12_100,
  },
  { name: "`Vault` over HTTP", code: 'export { Vault } from "coffer";', bytesMax: 42_200 },
  { name: "`coffer/sync`: `wasm`", code: 'export { wasm } from "coffer/sync";', bytesMax: 23_260 },
  {
    name: "`coffer/sealed`: `SealedEncryptor`",
    code: 'export { SealedEncryptor } from "coffer/sealed";',
    bytesMax: 16_850,
  },
  {
    name: "the same with `tweetnacl`",
    code: 'export { SealedEncryptor, tweetnacl } from "coffer/sealed";',
    bytesMax: 28_480,
  },
  {
    name: "`SealedEncryptor` with `mlKemOf`",
    code: 'export { SealedEncryptor, mlKemOf } from "coffer/sealed";',
    bytesMax: 18_950,
  },
  {
    name: "`SealedEncryptor` with `sealedSender`",
    code: 'export { SealedEncryptor, sealedSender } from "coffer/sealed";',
    bytesMax: 17_850,
  },
  { name: "`inspect`", code: 'export { inspect } from "coffer";', bytesMax: 4_600 },
  { name: "`isCiphertext`", code: 'export { isCiphertext } from "coffer";', bytesMax: 3_600 },
  { name: "`verifyWebhook`", code: 'export { verifyWebhook } from "coffer";', bytesMax: 5_050 },
  {
    name: "`coffer/testing`: `createTestVault`",
    code: 'export { createTestVault } from "coffer/testing";',
    bytesMax: 47_600,
  },
  { name: "`coffer/errors`", code: 'export * from "coffer/errors";', bytesMax: 1_100 },
];
