/**
 * What docs/spec/keyring.md says, written a second time from the page alone, over node:crypto.
 *
 * Owns the other side of the comparison. Takes nothing from `src`, so that a mistake there cannot hide here.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, timingSafeEqual } from "node:crypto";

import { FIXED_HEADER, partsPlain } from "./native.ts";

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export function u32Bytes(value: number): Uint8Array {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return Uint8Array.from(out);
}

/** A field: its length in 4 bytes, then itself. */
export function field(content: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(content as string);
  return joined(u32Bytes(bytes.length), bytes);
}

export function hkdf(key: Uint8Array, salt: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, info, 32));
}

/** Section 2.2: KC-XAES-256-GCM as docs/spec/keyring.md writes it down. */
export function kcXaes(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const { messageKey, commitment } = derive(key, nonce);
  const cipher = createCipheriv("aes-256-gcm", messageKey, nonce.subarray(12));
  cipher.setAAD(associatedData);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return joined(ciphertext, cipher.getAuthTag(), commitment);
}

/** The other direction; throws where anything is wrong. */
export function kcXaesOpened(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const { messageKey, commitment } = derive(key, nonce);
  const end = sealed.length - 32;
  if (!timingSafeEqual(commitment, sealed.subarray(end))) throw new Error("the commitment does not match");
  const decipher = createDecipheriv("aes-256-gcm", messageKey, nonce.subarray(12), { authTagLength: 16 });
  decipher.setAAD(associatedData);
  decipher.setAuthTag(sealed.subarray(end - 16, end));
  return joined(decipher.update(sealed.subarray(0, end - 16)), decipher.final());
}

function derive(key: Uint8Array, nonce: Uint8Array): { messageKey: Uint8Array; commitment: Uint8Array } {
  const [first, second] = [nonce.subarray(0, 12), nonce.subarray(12)];
  const k1 = doubled(block(key, new Uint8Array(16)));
  const half = (counter: number): Uint8Array =>
    block(key, xored(joined(Uint8Array.of(0, counter, 0x58, 0), first), k1));
  const x1 = block(key, joined(Buffer.from("XCMT"), first));
  const commitmentHalf = (counter: number): Uint8Array =>
    block(key, xored(xored(x1, joined(second, Uint8Array.of(0, 1, 0, counter))), k1));
  return {
    messageKey: joined(half(1), half(2)),
    commitment: joined(commitmentHalf(1), commitmentHalf(2)),
  };
}

function block(key: Uint8Array, input: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-ecb", key, null);
  cipher.setAutoPadding(false);
  return joined(cipher.update(input), cipher.final());
}

/** Times x in GF(2^128), by a number. */
function doubled(bytes: Uint8Array): Uint8Array {
  const value = BigInt(`0x${Buffer.from(bytes).toString("hex")}`) << 1n;
  const reduced = value >> 128n === 1n ? (value ^ 0x87n) & ((1n << 128n) - 1n) : value;
  return Uint8Array.from(Buffer.from(reduced.toString(16).padStart(32, "0"), "hex"));
}

function xored(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte ^ b[index]!);
}

export function uuidBytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll("-", ""), "hex"));
}

export function uuidText(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** RFC 9562 section 5.5. */
export function uuid5(namespace: Uint8Array, name: Uint8Array): Uint8Array {
  const out = createHash("sha1").update(namespace).update(name).digest().subarray(0, 16);
  out[6] = (out[6]! & 0x0f) | 0x50;
  out[8] = (out[8]! & 0x3f) | 0x80;
  return Uint8Array.from(out);
}

/** Section 6: a detached native envelope of one chunk. */
export function detached(
  key: Uint8Array,
  salt: Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const { commitment, chunks } = partsPlain(key, new Uint8Array(0), salt, associatedData, plaintext);
  return joined(FIXED_HEADER, salt, commitment, ...chunks);
}

/** A KEK as a worked example or a test gives it. */
export interface ReferenceKek {
  readonly id: string;
  readonly version: number;
  readonly name: string;
  readonly value: string;
  readonly key: Uint8Array;
}

/** Section 2.3: the associated data of a wrapped KEK. */
export function kekAssociatedData(
  vaultId: Uint8Array,
  environmentId: string,
  kek: Omit<ReferenceKek, "key">,
  label = "coffer/v1/kek-wrap",
): Uint8Array {
  return joined(
    Buffer.from(label),
    field(vaultId),
    field(environmentId),
    field(kek.id),
    u32Bytes(kek.version),
    field(kek.name),
    field(kek.value),
  );
}

/** The canonical form of docs/spec/key-context.md of entries that are in order already. */
export function canonicalForm(keks: readonly Pick<ReferenceKek, "name" | "value">[]): Uint8Array {
  return joined(
    Buffer.from("ctx1"),
    u32Bytes(keks.length),
    ...keks.flatMap((kek) => [field(kek.name), field(kek.value)]),
  );
}

/** Section 3: the wrapping key of KEKs in canonical order. */
export function wrappingKey(keks: readonly ReferenceKek[]): Uint8Array {
  return hkdf(joined(...keks.map((kek) => kek.key)), new Uint8Array(0), "coffer/v1/data-key-wrap");
}

/** Section 3: the associated data of a wrapped data key. */
export function wrapAssociatedData(
  environmentId: string,
  keks: readonly Omit<ReferenceKek, "key">[],
  dataKeyId: Uint8Array,
  label = "coffer/v1/data-key",
): Uint8Array {
  const references = joined(...keks.flatMap((kek) => [uuidBytes(kek.id), u32Bytes(kek.version)]));
  return joined(
    Buffer.from(label),
    field(canonicalForm(keks)),
    field(environmentId),
    field(references),
    field(dataKeyId),
  );
}

/** Section 4: a key blob. */
export function keyBlobBytes(
  dataKeyId: Uint8Array,
  keks: readonly Omit<ReferenceKek, "key">[],
  nonce: Uint8Array,
  wrapped: Uint8Array,
): Uint8Array {
  return joined(
    Buffer.from("CFR.EKM.v1\0"),
    dataKeyId,
    Uint8Array.of(keks.length),
    ...keks.flatMap((kek) => [uuidBytes(kek.id), u32Bytes(kek.version)]),
    nonce,
    wrapped,
  );
}

/** Section 6: the associated data of a stored value. */
export function valueAssociatedData(
  environmentId: string,
  objectId: string,
  versionId: string,
  name: string,
): Uint8Array {
  return joined(
    Buffer.from("coffer/v1/kv-value"),
    field(environmentId),
    field(objectId),
    field(versionId),
    field(name),
  );
}
