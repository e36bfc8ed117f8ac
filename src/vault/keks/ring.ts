/**
 * Rings: the KEK versions of one context as one wrapping key (docs/spec/keyring.md section 3).
 *
 * Owns the derivation of the wrapping key, what a wrap authenticates, and the wraps themselves. Must not know storage, nor
 * how long a ring is kept.
 *
 * @module
 */
import {
  ascii,
  concatBytes,
  EMPTY,
  equalBytes,
  lengthPrefixed,
  readU32,
  U32_BYTES,
  u32,
  utf8,
} from "../../base/bytes.ts";
import { HERE } from "../../crypto/ciphers/of-call.ts";
import { type CofferKeyBlob, joinKeyBlob, WRAP_NONCE_BYTES } from "../../crypto/keys/key-blob.ts";
import {
  type CanonicalContext,
  type ContextEntry,
  canonicalEntries,
  contextObject,
  type KeyContext,
} from "../../crypto/keys/key-context.ts";
import { KEY_BYTES } from "../../crypto/limits.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { UUID_BYTES, uuidFromText, uuidToText, uuidV5 } from "../../crypto/primitives/uuid.ts";
import { KcXaesKey } from "../../crypto/primitives/xaes.ts";
import { decryptFailed, VaultError } from "../../errors.ts";
import type { Roots } from "../root/roots.ts";

/** A data key that was made or unwrapped; the key is the caller's to zero. */
export interface RingDataKey {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** UUID text. */
  readonly id: string;
  readonly blob: Uint8Array;
  readonly context: CanonicalContext;
  /** The same context as callers see it; frozen. */
  readonly keyContext: KeyContext;
  /** Whose it is. */
  readonly owner: DataKeyOwner;
  /** Of a sealed one: whose signature it has, as UUID text. */
  readonly sender?: string | undefined;
}

/** The KEK versions of one context, ready to wrap and unwrap. */
export interface Ring {
  readonly context: CanonicalContext;
  readonly keyContext: KeyContext;
  readonly wrappingKey: KcXaesKey;
  /** Its KEK versions as a blob names them ({@link kekReferences}). */
  readonly references: Uint8Array;
  readonly environmentId: string;
  /**
   * What a wrap under it authenticates, by the data key's owner, for those that it was needed for. Its end is a data key's id, which
   * each wrap writes there.
   */
  readonly associatedData: Partial<Record<DataKeyOwner, Uint8Array>>;
  /** The context's row; known only to rings of newest versions. */
  readonly contextId: string | undefined;
}

/** What a ring is made of. */
export interface Loaded {
  readonly rows: readonly KekRow[];
  readonly contextId?: string;
}

/** A KEK version as it is stored. */
export interface KekRow {
  readonly id: string;
  readonly version: number;
  readonly entry: ContextEntry;
  readonly wrapped: Uint8Array;
}

const WRAPPING_KEY_INFO = ascii("coffer/v1/data-key-wrap");

/** Bytes of the number of KEKs at the beginning of a ring's references. */
const COUNT_BYTES = 1;

/** Who has the use of a data key: an application, or the store for one of its values. */
export type DataKeyOwner = "application" | "store" | "recipient";

/** Begins what a wrap authenticates: data keys of applications and those of stored values do not open as each other. */
const OWNER_LABELS: Readonly<Record<DataKeyOwner, Uint8Array>> = {
  application: ascii("coffer/v1/data-key"),
  store: ascii("coffer/v1/kv-data-key"),
  recipient: ascii("coffer/v1/recipient-key"),
};

/** Derives the wrapping key from KEKs in canonical order. */
export function assembleRing(roots: Roots, environmentId: string, { rows, contextId }: Loaded): Ring {
  const kekBytes = rows.map((row) =>
    roots.unwrap(row.wrapped, {
      environmentId,
      kekId: row.id,
      version: row.version,
      contextName: row.entry.name,
      contextValue: row.entry.value,
    }),
  );
  const input = concatBytes(...kekBytes);
  const wrappingKey = hash.hkdf("sha256", input, EMPTY, WRAPPING_KEY_INFO, KEY_BYTES);
  for (const secret of [input, ...kekBytes]) secret.fill(0);
  const keks = rows.map((row) => concatBytes(kekIdBytes(row.id), u32(row.version)));
  const context = canonicalEntries(rows.map((row) => row.entry));
  const ring = {
    context,
    keyContext: contextObject(context),
    wrappingKey: new KcXaesKey(HERE.providers.sync(undefined, KEY_BYTES), wrappingKey),
    references: concatBytes(Uint8Array.of(keks.length), ...keks),
    environmentId,
    associatedData: {},
    contextId,
  };
  wrappingKey.fill(0);
  return ring;
}

/** A random data key, wrapped. Its bytes and the wrap's nonce come from one read of the kernel's, at this moment. */
export function makeDataKey(ring: Ring, owner: DataKeyOwner): RingDataKey {
  const random = randomBytes(KEY_BYTES + WRAP_NONCE_BYTES);
  // Copies, because each has an owner of its own.
  const key = random.slice(0, KEY_BYTES);
  const nonce = random.slice(KEY_BYTES);
  random.fill(0);
  return wrap(ring, owner, key, nonce);
}

/** Wraps a data key, which stays the caller's. */
export function wrap(
  ring: Ring,
  owner: DataKeyOwner,
  key: Uint8Array,
  nonce: Uint8Array = randomBytes(WRAP_NONCE_BYTES),
): RingDataKey {
  const dataKeyId = uuidV5(firstKekId(ring), key);
  const wrapped = ring.wrappingKey.seal(nonce, key, associatedData(ring, owner, dataKeyId));
  const blob = joinKeyBlob(dataKeyId, ring.references, nonce, wrapped);
  return { key, id: uuidToText(dataKeyId), blob, context: ring.context, keyContext: ring.keyContext, owner };
}

/** Unwraps a data key. @param parts - of `blob`, whose KEK versions are the ring's @throws VaultError ERR_DECRYPT_FAILED */
export function unwrap(
  ring: Ring,
  owner: DataKeyOwner,
  parts: Omit<CofferKeyBlob, "keks">,
  blob: Uint8Array,
): RingDataKey {
  const { dataKeyId, nonce, wrapped } = parts;
  const key = ring.wrappingKey.open(nonce, wrapped, associatedData(ring, owner, dataKeyId));
  if (!equalBytes(uuidV5(firstKekId(ring), key), dataKeyId)) throw decryptFailed();
  return { key, id: uuidToText(dataKeyId), blob, context: ring.context, keyContext: ring.keyContext, owner };
}

/** Good until the next call for the same ring. */
function associatedData(ring: Ring, owner: DataKeyOwner, dataKeyId: Uint8Array): Uint8Array {
  ring.associatedData[owner] ??= concatBytes(
    OWNER_LABELS[owner],
    lengthPrefixed(ring.context.bytes),
    lengthPrefixed(utf8(ring.environmentId, "environment id")),
    lengthPrefixed(ring.references.subarray(COUNT_BYTES)),
    lengthPrefixed(dataKeyId),
  );
  const bytes = ring.associatedData[owner];
  bytes.set(dataKeyId, bytes.length - UUID_BYTES);
  return bytes;
}

/** The KEK versions of a ring. */
export function keksOf({ references }: Ring): CofferKeyBlob["keks"] {
  return Array.from({ length: references[0]! }, (_, i) => {
    const at = COUNT_BYTES + i * (UUID_BYTES + U32_BYTES);
    return {
      id: references.subarray(at, at + UUID_BYTES),
      version: readU32(references, at + UUID_BYTES),
    };
  });
}

function firstKekId({ references }: Ring): Uint8Array {
  return references.subarray(COUNT_BYTES, COUNT_BYTES + UUID_BYTES);
}

function kekIdBytes(id: string): Uint8Array {
  const bytes = uuidFromText(id);
  if (bytes === undefined)
    throw new VaultError("ERR_STORAGE_CORRUPT", "a KEK's id is damaged in the vault's file");
  return bytes;
}
