/**
 * `coffer/crypto`: encryption with data keys in hand, and what can be told of a ciphertext without any.
 *
 * @module
 */
export type { Bytes } from "../base/bytes.ts";
export type { AeadProviderName } from "./aead/aead.ts";
export type { SyncCrypto } from "./ciphers/sync-crypto.ts";
export type { ParseOptions } from "./envelope/envelope.ts";
export { type CiphertextInfo, inspect, inspectNative, isCiphertext, splice } from "./envelope/inspect.ts";
export { LAYOUTS, type Layout, type WritableLayout } from "./envelope/layouts.ts";
export { DataKey, type DataKeyInput, type DataKeyParts, type WrappedDataKeyInput } from "./keys/data-key.ts";
export type { KeyBlobFormat } from "./keys/key-blob.ts";
export type { KekReference, KeyBlobInfo } from "./keys/key-blob-info.ts";
export {
  type CanonicalContext,
  type ContextEntry,
  canonicalContext,
  type KeyContext,
  parseKeyContext,
} from "./keys/key-context.ts";
export * from "./limits.ts";
export {
  type AssociatedData,
  type LocalDecryptOptions,
  type LocalEncryptOptions,
  localDecrypt,
  localDecryptSync,
  localEncrypt,
  localEncryptSync,
} from "./local.ts";
export {
  type NativeOptions,
  nativeDecrypt,
  nativeDecryptSync,
  nativeEncrypt,
  nativeEncryptSync,
} from "./native/one-shot.ts";
export {
  decryptRange,
  type NativeReader,
  type NativeSourceOptions,
  openNativeSource,
} from "./native/range.ts";
export type { BlobLike, ByteSource, FileHandleLike, RangeSource } from "./native/source.ts";
export {
  type ByteTransform,
  decryptStream,
  encryptStream,
  type FindDataKey,
  type MakeDataKey,
  type NativeStreamOptions,
} from "./native/stream.ts";
