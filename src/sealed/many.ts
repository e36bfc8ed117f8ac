/**
 * More than one message under one sealed data key: leases, fields, streams.
 *
 * Owns their composition out of a SealedEncryptor and what leases, fields and streams are anyway. Functions, so that a page ships
 * those that it uses. Must not know how a data key is sealed.
 *
 * @module
 */
import { checkOptions, optionNames } from "../base/options.ts";
import type { AssociatedData } from "../crypto/associated-data.ts";
import { associatedDataBytes } from "../crypto/associated-data.ts";
import type { SyncCrypto } from "../crypto/ciphers/sync-crypto.ts";
import { type ByteTransform, encryptStream } from "../crypto/native/stream.ts";
import { type FieldPath, fieldText, findFields, type MissingFields, withFields } from "../facade/fields.ts";
import { Lease } from "../keys/lease.ts";
import { LEASE_LIMITS, type LeaseLimits } from "../keys/lease-budget.ts";
import { checkSealedLayout, type SealedEncryptor, type SealedLayout } from "./encryptor.ts";

/** What a lease of a sealed data key is told: its budget as of every lease, and the layout. */
export interface SealedLeaseOptions extends LeaseLimits {
  /** Layout to write; default the encryptor's. */
  readonly layout?: SealedLayout | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that encrypts at once; default the encryptor's. */
  readonly sync?: SyncCrypto | undefined;
}

/** What fields are bound to. */
export interface SealedFieldsOptions {
  /** Authenticated with every field besides its path; not stored. */
  readonly associatedData?: AssociatedData;
  /** What becomes of a path at which nothing stands, or undefined: default `"refuse"`. */
  readonly missing?: MissingFields | undefined;
}

/** What a stream takes. */
export interface SealedStreamOptions {
  /** Ends the stream, whenever it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that encrypts at once; default the encryptor's. */
  readonly sync?: SyncCrypto | undefined;
}

const LEASE_NAMES = /* @__PURE__ */ optionNames<Omit<SealedLeaseOptions, keyof LeaseLimits>>(
  { layout: true, sync: true },
  LEASE_LIMITS,
);
const FIELDS_NAMES = /* @__PURE__ */ optionNames<SealedFieldsOptions>({
  associatedData: true,
  missing: true,
});
const STREAM_NAMES = /* @__PURE__ */ optionNames<SealedStreamOptions>({ signal: true, sync: true });

/**
 * Makes one sealed data key and holds it for many messages, within a budget: `encrypt`, `encryptSync`, `encryptMany`. While it is
 * held it also decrypts what it has encrypted itself.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_LAYOUT_NOT_ALLOWED; as `SealedEncryptor.createDataKey`
 */
export async function sealedLease(
  encryptor: SealedEncryptor,
  options: SealedLeaseOptions = {},
): Promise<Lease> {
  const settings = leaseSettingsOf(encryptor, options, "sealedLease");
  return new Lease(await encryptor.createDataKey(), settings);
}

/** The same at once. @throws as {@link sealedLease}; VaultError ERR_UNSUPPORTED */
export function sealedLeaseSync(encryptor: SealedEncryptor, options: SealedLeaseOptions = {}): Lease {
  const settings = leaseSettingsOf(encryptor, options, "sealedLeaseSync");
  return new Lease(encryptor.createDataKeySync(), settings);
}

/**
 * Encrypts some fields of an object, each bound to its path, under one sealed data key (docs/spec/fields.md).
 * `Vault.decryptFields` of the recipient's vault reads them.
 *
 * @param object - stays as it is
 * @param paths - as for `Vault.encryptFields`
 * @returns a copy with ciphertexts in these fields
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; as `SealedEncryptor.encrypt`, and then nothing is returned
 */
export async function encryptSealedFields<T extends object>(
  encryptor: SealedEncryptor,
  object: T,
  paths: readonly FieldPath[],
  options: SealedFieldsOptions = {},
): Promise<T> {
  checkOptions(options, FIELDS_NAMES, "encryptSealedFields");
  const fields = findFields(object, paths, options.associatedData, options.missing);
  // Now, before the first wait: the caller may change the object afterwards.
  const items = fields.map((field) => ({ data: fieldText(field), associatedData: field.associatedData }));
  const copy = withFields(object, fields, []);
  const lease = await sealedLease(encryptor);
  try {
    const texts = await Promise.all(items.map((item) => lease.encrypt(item.data, item.associatedData)));
    return withFields(copy, fields, texts);
  } finally {
    lease.dispose();
  }
}

/**
 * Encrypts a stream of bytes into a native envelope under a sealed data key of its own.
 *
 * @param associatedData - at most 1 MiB; must be given again to decrypt
 * @returns a transform of `Uint8Array`s, as `encryptStream` of `coffer/crypto`; it fails with what
 *   `SealedEncryptor.createDataKey` throws
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED
 */
export function encryptSealedStream(
  encryptor: SealedEncryptor,
  associatedData?: AssociatedData,
  options: SealedStreamOptions = {},
): ByteTransform {
  checkOptions(options, STREAM_NAMES, "encryptSealedStream");
  return encryptStream(
    async (use) => {
      const key = await encryptor.createDataKey();
      try {
        // The stream reads the key before this returns.
        return use(key);
      } finally {
        key.dispose();
      }
    },
    associatedDataBytes(associatedData),
    { ...options, sync: options.sync ?? encryptor.sync },
  );
}

function leaseSettingsOf(encryptor: SealedEncryptor, options: SealedLeaseOptions, call: string) {
  checkOptions(options, LEASE_NAMES, call);
  const { layout = encryptor.layout, sync = encryptor.sync, ...others } = options;
  return { ...others, sync, layout: checkSealedLayout(layout) };
}
