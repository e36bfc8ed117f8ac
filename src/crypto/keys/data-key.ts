/**
 * A data key in hand: its wrapped form, its id, and the key itself in custody.
 *
 * Owns the object that key services answer with. It has the properties of the API's answer, so it can be given
 * wherever `{ dataKey, encryptedKeys }` is asked for, but it does not print or serialise the key. Must not know
 * key services.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "../../base/base64.ts";
import { type Bytes, equalBytes, isUint8Array, ownBytes, typeName } from "../../base/bytes.ts";
import { DISPOSE } from "../../base/dispose.ts";
import { invalidRange, invalidType, VaultError } from "../../errors.ts";
import {
  type AeadKey,
  type AeadProvider,
  checkKey,
  type SyncAeadKey,
  type SyncAeadProvider,
} from "../aead/aead.ts";
import { KEY_BLOB_BYTES_MAX } from "../limits.ts";
import { readyRandom } from "../primitives/random.ts";
import { INSPECT, SecretBytes } from "../primitives/secret-bytes.ts";
import { keyBlobFormatAt } from "./key-blob.ts";
import type { KeyContext } from "./key-context.ts";

/** What `new DataKey` takes. */
export interface DataKeyParts {
  /** The service's id of this data key. */
  id: string;
  /** 32 bytes, which are copied. Their maker wipes them. */
  key: Uint8Array;
  /** The wrapped data key, base64. */
  encryptedKeys: string;
  /** The same as bytes, for those who have them; default decoded when it is needed. */
  keyBlob?: Uint8Array | undefined;
  /** The key context, where the service tells it. */
  context?: KeyContext | undefined;
  /** Who sealed and signed it, where the service has checked that: a sender's id as UUID text. */
  sender?: string | undefined;
}

let keepOn: (key: DataKey, by: object, make: () => unknown) => unknown;

/** A data key: 32 bytes to encrypt with, and the wrapped form to store beside what they encrypted. */
export class DataKey {
  readonly id: string;
  /** The wrapped data key, base64: not secret, needed to get the key back. */
  readonly encryptedKeys: string;
  /**
   * Of a sealed data key that its vault has opened: the id of the sender whose signature it has (docs/sealed.md). Undefined where
   * there is no signature, and for all other data keys.
   */
  readonly sender: string | undefined;
  #keyBlob: Bytes | undefined;
  readonly #context: KeyContext | undefined;
  readonly #secret: SecretBytes;
  /** Made when a provider first asks: most keys of a batch are handed on only. */
  #imported: Map<AeadProvider, AeadKey> | undefined;
  #kept: { readonly by: object; readonly made: unknown } | undefined;

  /** @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless the key has 32 bytes */
  constructor(parts: DataKeyParts) {
    const key = isUint8Array(parts.key) ? ownBytes(parts.key, "data key") : parts.key;
    checkKey(key);
    // Before connections use up the files that a process may open. A key that only decrypts needs no randomness: what
    // encrypts says what is missing.
    try {
      readyRandom();
    } catch {}
    this.id = parts.id;
    this.encryptedKeys = parts.encryptedKeys;
    this.sender = parts.sender;
    this.#keyBlob = parts.keyBlob === undefined ? undefined : ownBytes(parts.keyBlob, "keyBlob");
    this.#context = parts.context;
    this.#secret = new SecretBytes(Uint8Array.from(key));
  }

  /**
   * The wrapped data key as bytes, which must not be changed.
   *
   * @throws VaultError ERR_KEY_BLOB_MALFORMED for a key that was made without its wrapped form
   */
  get keyBlob(): Bytes {
    this.#keyBlob ??= keyBlobFromText(this.encryptedKeys);
    return this.#keyBlob;
  }

  /** The key context, where the service told it. Not printed: contexts name tenants. */
  get context(): KeyContext | undefined {
    return this.#context;
  }

  /**
   * The key as base64, as the API answers it. A string can never be zeroed: prefer handing the object on.
   *
   * @throws VaultError ERR_DISPOSED
   */
  get dataKey(): string {
    return encodeBase64(this.#secret.bytes);
  }

  /**
   * Whether another object holds the same key. Takes the same time whatever they hold.
   *
   * @throws VaultError ERR_DISPOSED
   */
  holdsSameKey(other: DataKey): boolean {
    return equalBytes(this.#secret.bytes, other.#secret.bytes);
  }

  get isDisposed(): boolean {
    return this.#secret.isDisposed;
  }

  /** The key made ready for a provider, once; it lives until `dispose`. */
  aead(provider: SyncAeadProvider): SyncAeadKey;
  aead(provider: AeadProvider): AeadKey;
  aead(provider: AeadProvider): AeadKey {
    let key = this.#imported?.get(provider);
    if (key === undefined) {
      key = provider.importKey(this.#secret.bytes);
      this.#imported ??= new Map();
      this.#imported.set(provider, key);
    }
    return key;
  }

  static {
    keepOn = (key, by, make) => {
      if (key.#kept?.by !== by) key.#kept = { by, made: make() };
      return key.#kept.made;
    };
  }

  /**
   * Lends the key's bytes, which must have been read when `use` returns, and must not be kept.
   *
   * @throws VaultError ERR_DISPOSED
   */
  lend<T>(use: (key: Uint8Array) => T): T {
    return use(this.#secret.bytes);
  }

  /** Zeroes the key (best effort) and lets go of it everywhere. May be called more than once. */
  dispose(): void {
    if (this.#imported !== undefined) for (const key of this.#imported.values()) key.dispose();
    this.#imported = undefined;
    this.#kept = undefined;
    this.#secret.dispose();
  }

  [DISPOSE](): void {
    this.dispose();
  }

  toJSON(): { id: string; encryptedKeys: string } {
    return { id: this.id, encryptedKeys: this.encryptedKeys };
  }

  [INSPECT](): string {
    return `DataKey { id: '${this.id}', dataKey: [secret] }`;
  }
}

/**
 * What somebody makes of a key, once: kept on it, at less cost than in a weak map, and until it is disposed of.
 *
 * @param by - who keeps it; one of these at a time
 * @param make - must keep no key bytes that `dispose` does not reach
 */
export function keptOn<T>(key: DataKey, by: object, make: () => T): T {
  return keepOn(key, by, make) as T;
}

/** Any way to hand over a data key: as the API answers it, or as an object of this package. */
export type DataKeyInput = DataKey | { readonly dataKey: string | Uint8Array };

/** The same with its wrapped form, as encryption needs it. */
export type WrappedDataKeyInput =
  | DataKey
  | { readonly dataKey: string | Uint8Array; readonly encryptedKeys: string };

/**
 * The wrapped form of a data key, as bytes.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_BLOB_MALFORMED
 */
export function keyBlobOf(key: WrappedDataKeyInput): Bytes {
  if (key instanceof DataKey) return key.keyBlob;
  return keyBlobFromText((key as { encryptedKeys: string } | undefined)?.encryptedKeys as string);
}

/**
 * Runs `use` with a data key made ready for `provider`, and lets go of what was only made for this call.
 */
export function withAeadKey<K extends AeadKey, T>(
  input: DataKeyInput,
  provider: AeadProvider & { importKey(rawKey: Uint8Array): K },
  use: (key: K) => T,
): T {
  if (input instanceof DataKey) return use(input.aead(provider) as K);
  const key = withRawKey(input, (raw) => provider.importKey(raw) as K);
  // A provider that answers later has taken hold of the key by the time its call returns.
  try {
    return use(key);
  } finally {
    key.dispose();
  }
}

/**
 * Lends a data key's 32 bytes, which must have been read when `use` returns, and must not be kept.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless the key has 32 bytes; VaultError ERR_DISPOSED
 */
export function withRawKey<T>(input: DataKeyInput, use: (key: Uint8Array) => T): T {
  if (input instanceof DataKey) return input.lend(use);
  const raw = rawDataKey(input);
  try {
    checkKey(raw.bytes);
    return use(raw.bytes);
  } finally {
    if (raw.isOurs) raw.bytes.fill(0);
  }
}

/**
 * A data key as it is now, for a call that waits before it uses it.
 *
 * @returns the key to use, and what wipes it afterwards. A `DataKey` is used itself: one that is disposed of meanwhile
 *   throws ERR_DISPOSED
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT for what is no key
 */
export function holdDataKey(input: DataKeyInput): {
  readonly key: DataKeyInput;
  readonly release: () => void;
} {
  if (input instanceof DataKey) return { key: input, release: () => {} };
  const raw = rawDataKey(input);
  const dataKey = raw.isOurs ? raw.bytes : Uint8Array.from(raw.bytes);
  return { key: { dataKey }, release: () => dataKey.fill(0) };
}

function rawDataKey(input: Exclude<DataKeyInput, DataKey>): { bytes: Bytes; isOurs: boolean } {
  const key: unknown = (input as { dataKey?: unknown } | null | undefined)?.dataKey;
  if (isUint8Array(key)) return { bytes: ownBytes(key, "dataKey"), isOurs: false };
  if (typeof key !== "string")
    throw invalidType(`dataKey must be base64 text or bytes, got ${typeName(key)}`);
  const bytes = decodeBase64(key);
  if (bytes === undefined) throw invalidRange("dataKey is not valid base64");
  return { bytes, isOurs: true };
}

/**
 * The bytes of a wrapped data key's text.
 *
 * @param encryptedKeys - base64 of at most 64 KiB that begin with a known magic
 * @throws TypeError ERR_INVALID_ARGUMENT unless it is text; VaultError ERR_KEY_BLOB_MALFORMED
 */
export function keyBlobFromText(encryptedKeys: string): Bytes {
  if (typeof encryptedKeys !== "string") {
    throw invalidType(`encryptedKeys must be base64 text, got ${typeName(encryptedKeys)}`);
  }
  const tooLong = encryptedKeys.length > Math.ceil(KEY_BLOB_BYTES_MAX / 3) * 4;
  const blob = tooLong ? undefined : decodeBase64(encryptedKeys);
  // The text of the largest blob has room for two bytes more. Without a known magic no reader could tell the layout
  // of what is written; see docs/spec/envelope.md section 4.
  if (blob === undefined || blob.length > KEY_BLOB_BYTES_MAX || keyBlobFormatAt(blob, 0) === undefined) {
    throw new VaultError("ERR_KEY_BLOB_MALFORMED", "encryptedKeys is not the base64 of a wrapped data key");
  }
  return blob;
}
