/**
 * What docs/spec/sealed-data-key.md says, written a second time from the page and RFC 9180 alone, over node:crypto, for tests to compare
 * with and to forge with.
 *
 * Owns a slow, plain implementation of the suite x25519. Takes nothing from `src`, so that a mistake there cannot hide here.
 *
 * @module
 */
import {
  createCipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  sign,
} from "node:crypto";
import { concat, hex, utf8Bytes } from "./bytes.ts";
import { field, u32Bytes } from "./keyring-reference.ts";

export const SEALED_MAGIC: Uint8Array = utf8Bytes("CFR.SDK.v1\0");
const NONE = new Uint8Array(0);

/** A context in canonical form (docs/spec/key-context.md); entries are written as they stand. */
export function contextPlain(entries: readonly (readonly [string, string])[]): Uint8Array {
  const fields = entries.flatMap(([name, value]) => [field(name), field(value)]);
  return concat(utf8Bytes("ctx1"), u32Bytes(entries.length), ...fields);
}

/** What a head names. */
export interface PlainHead {
  readonly suite: number;
  readonly flags: number;
  readonly recipientId: Uint8Array;
  readonly version: number;
  /** Canonical form. */
  readonly context: Uint8Array;
  /** Of a signed one. */
  readonly senderId?: Uint8Array;
}

/** The bytes before enc. */
export function headPlain(head: PlainHead): Uint8Array {
  const { suite, flags, recipientId, version, context, senderId = NONE } = head;
  const names = concat(SEALED_MAGIC, Uint8Array.of(suite, flags), recipientId, u32Bytes(version));
  return concat(names, field(context), senderId);
}

/** The id of a sender with a recipient. */
export function senderIdPlain(
  recipientId: Uint8Array,
  publicKey: Uint8Array,
  label = "coffer/v1/sender\0",
): Uint8Array {
  const digest = createHash("sha256")
    .update(concat(utf8Bytes(label), recipientId, publicKey))
    .digest();
  return stampPlain(digest.subarray(0, 16), 8);
}

/** A signature of a sender. @param unsigned - the blob before it */
export function signSenderPlain(
  seed: Uint8Array,
  unsigned: Uint8Array,
  label = "coffer/v1/sealed-data-key-sender\0",
): Uint8Array {
  return signPlain(seed, concat(utf8Bytes(label), unsigned));
}

/** RFC 8410: what stands before 32 raw bytes. */
const DER = {
  x25519: { private: "302e020100300506032b656e04220420", public: "302a300506032b656e032100" },
  ed25519: { private: "302e020100300506032b657004220420", public: "302a300506032b6570032100" },
} as const;

function privateKey(kind: keyof typeof DER, raw: Uint8Array): KeyObject {
  const key = Buffer.from(concat(hex(DER[kind].private), raw));
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** The public key of a private key or seed. */
export function publicKeyPlain(kind: keyof typeof DER, raw: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKey(kind, raw)).export({ format: "der", type: "spki" });
  return Uint8Array.from(der.subarray(-32));
}

/** X25519 (RFC 7748). */
export function agreePlain(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  const key = Buffer.from(concat(hex(DER.x25519.public), point));
  const publicKey = createPublicKey({ key, format: "der", type: "spki" });
  return Uint8Array.from(diffieHellman({ privateKey: privateKey("x25519", scalar), publicKey }));
}

/** Ed25519 (RFC 8032). */
export function signPlain(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return Uint8Array.from(sign(null, message, privateKey("ed25519", seed)));
}

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(
    createHmac("sha256", key)
      .update(concat(...parts))
      .digest(),
  );

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

/** LabeledExtract and LabeledExpand of RFC 9180 section 4. */
function labeled(suiteId: Uint8Array) {
  const prefix = (label: string): Uint8Array => concat(utf8Bytes("HPKE-v1"), suiteId, utf8Bytes(label));
  return {
    extract: (salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array => hmac(salt, prefix(label), ikm),
    expand: (prk: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array =>
      hmac(prk, u16(length), prefix(label), info, Uint8Array.of(1)).subarray(0, length),
  };
}

/** What a seal is made of; every part can be made wrong by itself. */
export interface PlainSeal {
  readonly head: PlainHead;
  /** Of the recipient. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly dataKey: Uint8Array;
  readonly ephemeral: Uint8Array;
  /** What both agree on, and what is sent of it; default by `ephemeral`. */
  readonly agreed?: { readonly secret: Uint8Array; readonly enc: Uint8Array };
  /** Bytes of the KEM's context; default enc and public key. */
  readonly kemContext?: Uint8Array;
  /** Taken for the KEM's secret as it is; default derived. */
  readonly sharedSecret?: Uint8Array;
  /** KEM, KDF and AEAD in HPKE's suite id; default those of the suite. */
  readonly ids?: readonly [kem: number, kdf: number, aead: number];
  /** Default base. */
  readonly mode?: number;
  /** Default by the page. */
  readonly info?: Uint8Array;
  /** @param id - the data-key id; default by the page */
  readonly aad?: (head: Uint8Array, id: Uint8Array) => Uint8Array;
  /** What becomes of HPKE's first nonce; default nothing. */
  readonly nonce?: (base: Uint8Array) => Uint8Array;
  /** What is exported as the data-key id; default the page's label. */
  readonly idLabel?: string;
  /** What becomes of the 16 exported bytes; default a UUID of version 8. */
  readonly id?: (exported: Uint8Array) => Uint8Array;
}

/** A sealed key blob in its parts. */
export interface PlainBlob {
  readonly head: Uint8Array;
  readonly enc: Uint8Array;
  readonly id: Uint8Array;
  /** Encrypted data key and tag. */
  readonly sealed: Uint8Array;
}

export const joinBlob = ({ head, enc, id, sealed }: PlainBlob): Uint8Array => concat(head, enc, id, sealed);

/** A UUID of a version (RFC 9562 section 4). */
export function stampPlain(bytes: Uint8Array, version: number): Uint8Array {
  const stamped = Uint8Array.from(bytes);
  stamped[6] = (stamped[6]! & 0x0f) | (version << 4);
  stamped[8] = (stamped[8]! & 0x3f) | 0x80;
  return stamped;
}

/** Seals a data key. */
export function sealPlain(seal: PlainSeal): PlainBlob {
  const head = headPlain(seal.head);
  const [kem, kdf, aead] = seal.ids ?? [0x0020, 0x0001, 0x0002];
  const agreed = seal.agreed ?? {
    secret: agreePlain(seal.ephemeral, seal.publicKey),
    enc: publicKeyPlain("x25519", seal.ephemeral),
  };
  const ofKem = labeled(concat(utf8Bytes("KEM"), u16(0x0020)));
  const prk = ofKem.extract(NONE, "eae_prk", agreed.secret);
  const kemContext = seal.kemContext ?? concat(agreed.enc, seal.publicKey);
  const shared = seal.sharedSecret ?? ofKem.expand(prk, "shared_secret", kemContext, 32);

  const hpke = labeled(concat(utf8Bytes("HPKE"), u16(kem), u16(kdf), u16(aead)));
  const info = seal.info ?? concat(utf8Bytes("coffer/v1/sealed-data-key"), head);
  const context = concat(
    Uint8Array.of(seal.mode ?? 0),
    hpke.extract(NONE, "psk_id_hash", NONE),
    hpke.extract(NONE, "info_hash", info),
  );
  const secret = hpke.extract(shared, "secret", NONE);
  const key = hpke.expand(secret, "key", context, 32);
  const nonce = (seal.nonce ?? ((base) => base))(hpke.expand(secret, "base_nonce", context, 12));
  const exporter = hpke.expand(secret, "exp", context, 32);
  const exported = hpke.expand(exporter, "sec", utf8Bytes(seal.idLabel ?? "coffer/v1/data-key-id"), 16);
  const id = (seal.id ?? ((bytes) => stampPlain(bytes, 8)))(exported);

  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD((seal.aad ?? concat)(head, id));
  const sealed = concat(cipher.update(seal.dataKey), cipher.final(), cipher.getAuthTag());
  return { head, enc: agreed.enc, id, sealed };
}

/** What is signed of a recipient's document. */
export interface PlainDocument {
  readonly suite: number;
  readonly recipientId: Uint8Array;
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly context: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** The bytes that are signed, after the label. */
export function signedPlain(document: PlainDocument, label = "coffer/v1/recipient\0"): Uint8Array {
  const u64 = (value: number): Uint8Array => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    return bytes;
  };
  return concat(
    utf8Bytes(label),
    Uint8Array.of(document.suite),
    document.recipientId,
    u32Bytes(document.version),
    u64(document.issuedAt),
    u64(document.expiresAt),
    field(document.context),
    field(document.publicKey),
  );
}
