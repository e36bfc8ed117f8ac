/**
 * The testkit's sealed key blobs: right ones, and one for each thing that can be wrong (docs/spec/sealed-data-key.md).
 *
 * Owns the cases. Made with the plain implementation of test/support/sealed-plain.ts; takes nothing from `src`.
 *
 * @module
 */
import { concat, flipBit, hex, seededBytes, utf8Bytes } from "../support/bytes.ts";
import { field, u32Bytes } from "../support/keyring-reference.ts";
import {
  agreePlain,
  contextPlain,
  joinBlob,
  type PlainBlob,
  type PlainHead,
  type PlainSeal,
  publicKeyPlain,
  SEALED_MAGIC,
  sealPlain,
  stampPlain,
} from "../support/sealed-plain.ts";
import type { BlobFile } from "./sealed-format.ts";

/** Decides every random byte of these files. */
const SEED = 0x5ea1ed;

const ENTRIES = [
  ["env", "prod"],
  ["organization_id", "org_1"],
] as const;
const CONTEXT = contextPlain(ENTRIES);
const RECIPIENT_ID = stampPlain(seededBytes(SEED, 16), 4);
/** Of versions 1 and 2; blobs are for the second. */
const PRIVATE_KEYS = [seededBytes(SEED + 1, 32), seededBytes(SEED + 2, 32)] as const;
const PUBLIC_KEY = publicKeyPlain("x25519", PRIVATE_KEYS[1]);
const OTHER_PUBLIC_KEY = publicKeyPlain("x25519", seededBytes(SEED + 3, 32));
const DATA_KEY = seededBytes(SEED + 4, 32);

const HEAD: PlainHead = { suite: 1, flags: 0, recipientId: RECIPIENT_ID, version: 2, context: CONTEXT };
const SEAL: PlainSeal = {
  head: HEAD,
  publicKey: PUBLIC_KEY,
  dataKey: DATA_KEY,
  ephemeral: seededBytes(SEED + 5, 32),
};
const BLOB = sealPlain(SEAL);
const BYTES = joinBlob(BLOB);
const OTHER = sealPlain({
  ...SEAL,
  dataKey: seededBytes(SEED + 6, 32),
  ephemeral: seededBytes(SEED + 7, 32),
});

const MALFORMED = "ERR_KEY_BLOB_MALFORMED";
const NOT_FOUND = "ERR_KEY_NOT_FOUND";
const FAILED = "ERR_DECRYPT_FAILED";

/** Where things begin. */
const SUITE_AT = 11;
const VERSION_AT = 29;
const CONTEXT_AT = 33;
const ENC_AT = BLOB.head.length;
const ID_AT = ENC_AT + 32;
const SEALED_AT = ID_AT + 16;
/** The prime of Curve25519's field is 2^255 - 19: its bytes, the lowest first. */
const PRIME = `ed${"ff".repeat(30)}7f`;
/** Points that agree with every private key on zeros (RFC 7748 section 6.1), those of a form that is not reduced too. */
const LOW_ORDER: readonly (readonly [string, string])[] = [
  ["0", "00".repeat(32)],
  ["1", `01${"00".repeat(31)}`],
  ["order-8-a", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
  ["order-8-b", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"],
  ["p-less-1", `ec${"ff".repeat(30)}7f`],
  ["p", PRIME],
  ["p-plus-1", `ee${"ff".repeat(30)}7f`],
  ["0-high-bit", `${"00".repeat(31)}80`],
];

function file(name: string, comment: string, expect: string, payload: Uint8Array): BlobFile {
  return {
    kind: "key-blob",
    name: `blob-${name}`,
    comment,
    expect,
    recipientId: RECIPIENT_ID,
    privateKeys: PRIVATE_KEYS,
    context: CONTEXT,
    dataKey: new Uint8Array(0),
    dataKeyId: new Uint8Array(0),
    payload,
  };
}

const ok = (name: string, comment: string, seal: Partial<PlainSeal>): BlobFile => {
  const blob = sealPlain({ ...SEAL, ...seal });
  return {
    ...file(`ok-${name}`, comment, "ok", joinBlob(blob)),
    dataKey: seal.dataKey ?? DATA_KEY,
    dataKeyId: blob.id,
  };
};

/** A blob that is whole and consistent but for what is given: as a writer with that mistake makes it, or an attacker. */
const sealed = (seal: Partial<PlainSeal>): Uint8Array => joinBlob(sealPlain({ ...SEAL, ...seal }));
const spliced = (parts: Partial<PlainBlob>): Uint8Array => joinBlob({ ...BLOB, ...parts });

export function sealedBlobCases(): BlobFile[] {
  return [
    ...right(),
    ...heads(),
    ...contexts(),
    ...lengths(),
    ...forOthers(),
    ...altered(),
    ...wrongDerivations(),
  ];
}

function* right(): Generator<BlobFile> {
  yield ok("version-2", "the newest version", {});
  yield ok("version-1", "an older version, which still opens", {
    head: { ...HEAD, version: 1 },
    publicKey: publicKeyPlain("x25519", PRIVATE_KEYS[0]),
  });
  yield ok("data-key-zero", "a data key of zeros is a data key", { dataKey: new Uint8Array(32) });
  const own = publicKeyPlain("x25519", SEAL.ephemeral);
  const highBit = flipBit(own, 255);
  yield ok("enc-high-bit", "X25519 ignores the highest bit of enc, HPKE does not", {
    agreed: { secret: agreePlain(SEAL.ephemeral, PUBLIC_KEY), enc: highBit },
  });
  // The base point, 9, and 9 plus the prime are one point: what is agreed on is the public key.
  yield ok("enc-not-reduced", "an enc beyond the prime, which X25519 reduces", {
    agreed: { secret: PUBLIC_KEY, enc: hex(`f6${"ff".repeat(30)}7f`) },
  });
}

function* heads(): Generator<BlobFile> {
  for (const at of [0, 4, 9, 10]) {
    yield file(`magic-${at}`, `byte ${at} of the magic is altered`, MALFORMED, flipBit(BYTES, 8 * at + 1));
  }
  for (const suite of [0, 3, 255]) {
    const payload = sealed({ head: { ...HEAD, suite } });
    yield file(`suite-${suite}`, `suite ${suite}, which is none`, MALFORMED, payload);
  }
  const wing = sealed({ head: { ...HEAD, suite: 2 } });
  yield file("suite-2-short", "suite x-wing with the enc of x25519", MALFORMED, wing);
  for (let bit = 0; bit < 8; bit++) {
    const payload = sealed({ head: { ...HEAD, flags: 1 << bit } });
    yield file(`flag-${bit}`, `flag ${bit} is set`, MALFORMED, payload);
  }
  yield file("version-0", "version 0", MALFORMED, sealed({ head: { ...HEAD, version: 0 } }));
}

function* contexts(): Generator<BlobFile> {
  const entry = (name: string, value: string) => contextPlain([[name, value]]);
  const lines: [string, string, Uint8Array][] = [
    ["empty", "a context of no bytes", new Uint8Array(0)],
    ["no-entries", "a context without entries", contextPlain([])],
    ["magic", "a context with another magic", concat(utf8Bytes("ctx2"), CONTEXT.subarray(4))],
    ["unsorted", "names in the wrong order", contextPlain([...ENTRIES].reverse())],
    ["twice", "a name twice", contextPlain([ENTRIES[0], ENTRIES[0]])],
    [
      "count-less",
      "fewer entries than there are",
      concat(CONTEXT.subarray(0, 4), u32Bytes(1), CONTEXT.subarray(8)),
    ],
    [
      "count-more",
      "more entries than there are",
      concat(CONTEXT.subarray(0, 4), u32Bytes(3), CONTEXT.subarray(8)),
    ],
    ["trailing", "a byte behind the last entry", concat(CONTEXT, Uint8Array.of(0))],
    ["cut", "the last value is cut off", CONTEXT.subarray(0, -1)],
    ["name-empty", "an empty name", entry("", "x")],
    ["value-empty", "an empty value", entry("x", "")],
    ["name-121", "a name of 121 characters", entry("n".repeat(121), "x")],
    ["value-501", "a value of 501 characters", entry("x", "v".repeat(501))],
    [
      "11-entries",
      "11 entries",
      contextPlain(Array.from({ length: 11 }, (_, i) => [`n${String.fromCharCode(97 + i)}`, "x"])),
    ],
    [
      "not-utf8",
      "a value that is no UTF-8",
      concat(utf8Bytes("ctx1"), u32Bytes(1), field("x"), u32Bytes(1), Uint8Array.of(0xff)),
    ],
  ];
  for (const [name, comment, context] of lines) {
    yield file(`context-${name}`, comment, MALFORMED, sealed({ head: { ...HEAD, context } }));
  }
  const length = (value: number): Uint8Array =>
    concat(BYTES.subarray(0, CONTEXT_AT), u32Bytes(value), BYTES.subarray(CONTEXT_AT + 4));
  yield file(
    "context-length-less",
    "a context length of one byte less",
    MALFORMED,
    length(CONTEXT.length - 1),
  );
  yield file(
    "context-length-more",
    "a context length of one byte more",
    MALFORMED,
    length(CONTEXT.length + 1),
  );
  yield file("context-length-2-32", "a context length of 2^32 - 1", MALFORMED, length(2 ** 32 - 1));
}

function* lengths(): Generator<BlobFile> {
  const spots = [
    0,
    1,
    SUITE_AT,
    SUITE_AT + 1,
    VERSION_AT,
    CONTEXT_AT,
    CONTEXT_AT + 4,
    ENC_AT,
    ID_AT,
    SEALED_AT,
  ];
  for (const length of [...spots, SEALED_AT + 32, BYTES.length - 1]) {
    yield file(`cut-${length}`, `only the first ${length} bytes`, MALFORMED, BYTES.subarray(0, length));
  }
  yield file("longer", "a byte behind the end", MALFORMED, concat(BYTES, Uint8Array.of(0)));
  yield file("twice", "the blob twice", MALFORMED, concat(BYTES, BYTES));
  yield file(
    "magic-only",
    "the magic, and zeros",
    MALFORMED,
    concat(SEALED_MAGIC, new Uint8Array(BYTES.length - 11)),
  );
}

function* forOthers(): Generator<BlobFile> {
  const forHead = (head: Partial<PlainHead>): Uint8Array => sealed({ head: { ...HEAD, ...head } });
  const otherId = stampPlain(seededBytes(SEED + 8, 16), 4);
  yield file("recipient-other", "for another recipient", NOT_FOUND, forHead({ recipientId: otherId }));
  yield file(
    "recipient-zero",
    "for a recipient of zeros",
    NOT_FOUND,
    forHead({ recipientId: new Uint8Array(16) }),
  );
  yield file("version-3", "for a version that is not there yet", NOT_FOUND, forHead({ version: 3 }));
  yield file("version-2-32", "for the highest version", NOT_FOUND, forHead({ version: 2 ** 32 - 1 }));
  yield file(
    "version-of-another-key",
    "names version 1, sealed to the key of version 2",
    FAILED,
    forHead({ version: 1 }),
  );
  const contexts: [string, string, Uint8Array][] = [
    ["other", "for another value", contextPlain([ENTRIES[0], ["organization_id", "org_2"]])],
    ["narrower", "for one entry more", contextPlain([...ENTRIES, ["user", "1"]])],
    ["wider", "for one entry less", contextPlain([ENTRIES[1]])],
    ["case", "for a value in upper case", contextPlain([["env", "PROD"], ENTRIES[1]])],
  ];
  for (const [name, comment, context] of contexts) {
    yield file(`context-${name}`, `${comment}, and sealed for it`, FAILED, forHead({ context }));
  }
  const wing = concat(
    sealPlain({ ...SEAL, head: { ...HEAD, suite: 2 } }).head,
    seededBytes(SEED + 9, 1120),
    BLOB.id,
    BLOB.sealed,
  );
  yield file("suite-other", "suite x-wing for a recipient of x25519", FAILED, wing);
  yield file(
    "public-key-other",
    "sealed to another public key",
    FAILED,
    sealed({ publicKey: OTHER_PUBLIC_KEY }),
  );
  yield file(
    "public-key-as-sender",
    "agreed by the recipient's public key with itself",
    FAILED,
    sealed({
      agreed: { secret: PUBLIC_KEY, enc: PUBLIC_KEY },
    }),
  );
}

function* altered(): Generator<BlobFile> {
  for (const bit of [0, 128, 255]) {
    yield file(`enc-flip-${bit}`, `bit ${bit} of enc is altered`, FAILED, flipBit(BYTES, 8 * ENC_AT + bit));
  }
  for (const bit of [0, 55, 127]) {
    yield file(
      `id-flip-${bit}`,
      `bit ${bit} of the data-key id is altered`,
      FAILED,
      flipBit(BYTES, 8 * ID_AT + bit),
    );
  }
  for (const bit of [0, 255]) {
    const payload = flipBit(BYTES, 8 * SEALED_AT + bit);
    yield file(`key-flip-${bit}`, `bit ${bit} of the encrypted key is altered`, FAILED, payload);
  }
  for (const bit of [256, 383]) {
    const payload = flipBit(BYTES, 8 * SEALED_AT + bit);
    yield file(`tag-flip-${bit - 256}`, `bit ${bit - 256} of the tag is altered`, FAILED, payload);
  }
  yield file("enc-other", "enc of another blob", FAILED, spliced({ enc: OTHER.enc }));
  yield file("id-other", "the data-key id of another blob", FAILED, spliced({ id: OTHER.id }));
  yield file("sealed-other", "the encrypted key of another blob", FAILED, spliced({ sealed: OTHER.sealed }));
  const zeroTag = concat(BLOB.sealed.subarray(0, 32), new Uint8Array(16));
  yield file("tag-zero", "a tag of zeros", FAILED, spliced({ sealed: zeroTag }));
  const first = sealPlain({ ...SEAL, head: { ...HEAD, version: 1 } });
  yield file("version-downgraded", "the version is altered to 1", FAILED, spliced({ head: first.head }));
  for (const [name, point] of LOW_ORDER) {
    // As an attacker makes it: everybody knows what is agreed on, so that who accepts it takes a key that everybody has.
    const agreed = { secret: new Uint8Array(32), enc: hex(point) };
    yield file(
      `enc-low-order-${name}`,
      "enc of low order, sealed under what it agrees on",
      FAILED,
      sealed({ agreed }),
    );
  }
  yield file("id-chosen", "a data-key id that the sealer chose", FAILED, sealed({ id: () => OTHER.id }));
}

function* wrongDerivations(): Generator<BlobFile> {
  const head = BLOB.head;
  const lines: [string, string, Partial<PlainSeal>][] = [
    [
      "id-unstamped",
      "a data-key id without the bits of a UUID",
      { id: (bytes) => stampPlain(bytes, 8).map((byte, i) => (i === 6 ? byte ^ 0xf0 : byte)) },
    ],
    ["id-version-4", "a data-key id that says version 4", { id: (bytes) => stampPlain(bytes, 4) }],
    ["id-label", "a data-key id exported by another label", { idLabel: "coffer/v1/data-key" }],
    ["info-none", "no info", { info: new Uint8Array(0) }],
    ["info-label", "info without the head", { info: utf8Bytes("coffer/v1/sealed-data-key") }],
    ["info-head", "info without the label", { info: head }],
    [
      "info-other-label",
      "info with another label",
      { info: concat(utf8Bytes("coffer/v2/sealed-data-key"), head) },
    ],
    ["aad-none", "no associated data", { aad: () => new Uint8Array(0) }],
    ["aad-head", "associated data without the data-key id", { aad: () => head }],
    ["aad-id", "associated data without the head", { aad: (_, id) => id }],
    ["mode-psk", "HPKE's mode psk", { mode: 1 }],
    ["mode-auth", "HPKE's mode auth", { mode: 2 }],
    ["kem-p256", "the suite id of DHKEM(P-256)", { ids: [0x0010, 1, 2] }],
    ["kdf-sha512", "the suite id of HKDF-SHA512", { ids: [0x20, 3, 2] }],
    ["aead-aes-128", "the suite id of AES-128-GCM", { ids: [0x20, 1, 1] }],
    ["aead-chacha", "the suite id of ChaCha20-Poly1305", { ids: [0x20, 1, 3] }],
    [
      "kem-context-enc",
      "the KEM's context without the public key",
      { kemContext: publicKeyPlain("x25519", SEAL.ephemeral) },
    ],
    [
      "kem-raw",
      "what was agreed on, without the KEM's derivation",
      { sharedSecret: agreePlain(SEAL.ephemeral, PUBLIC_KEY) },
    ],
    ["nonce-second", "the nonce of a second message", { nonce: (base) => flipBit(base, 88) }],
    ["nonce-zero", "a nonce of zeros", { nonce: () => new Uint8Array(12) }],
  ];
  for (const [name, comment, seal] of lines) yield file(`made-${name}`, comment, FAILED, sealed(seal));
}
