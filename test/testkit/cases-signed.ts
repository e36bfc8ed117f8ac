/**
 * The testkit's signed sealed key blobs: right ones, and one for each thing that can be wrong (docs/spec/sealed-data-key.md section 9).
 *
 * Owns the cases. Made with the plain implementation of test/support/sealed-plain.ts; takes nothing from `src`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { concat, flipBit, hex, seededBytes, utf8Bytes } from "../support/bytes.ts";
import {
  contextPlain,
  headPlain,
  joinBlob,
  type PlainHead,
  type PlainSeal,
  publicKeyPlain,
  sealPlain,
  senderIdPlain,
  signPlain,
  signSenderPlain,
  stampPlain,
} from "../support/sealed-plain.ts";
import type { ListedSender, SignedBlobFile } from "./sealed-format.ts";

/** Decides every random byte of these files. */
const SEED = 0x516ed;

const CONTEXT = contextPlain([
  ["env", "prod"],
  ["organization_id", "org_1"],
]);
const RECIPIENT_ID = stampPlain(seededBytes(SEED, 16), 4);
const OTHER_RECIPIENT_ID = stampPlain(seededBytes(SEED + 1, 16), 4);
/** Of versions 1 and 2; blobs are for the second. */
const PRIVATE_KEYS = [seededBytes(SEED + 2, 32), seededBytes(SEED + 3, 32)] as const;
const PUBLIC_KEY = publicKeyPlain("x25519", PRIVATE_KEYS[1]);
const DATA_KEY = seededBytes(SEED + 4, 32);

interface Sender {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly id: Uint8Array;
}

const senderOf = (number: number): Sender => {
  const seed = seededBytes(SEED + 10 + number, 32);
  const publicKey = publicKeyPlain("ed25519", seed);
  return { seed, publicKey, id: senderIdPlain(RECIPIENT_ID, publicKey) };
};
const [ONE, TWO, REVOKED, EXPIRED, STRANGER] = [1, 2, 3, 4, 5].map(senderOf) as [
  Sender,
  Sender,
  Sender,
  Sender,
  Sender,
];
const LIST: readonly ListedSender[] = [
  { publicKey: ONE.publicKey, state: "valid" },
  { publicKey: TWO.publicKey, state: "valid" },
  { publicKey: REVOKED.publicKey, state: "revoked" },
  { publicKey: EXPIRED.publicKey, state: "expired" },
];

const HEAD: PlainHead = {
  suite: 1,
  flags: 1,
  recipientId: RECIPIENT_ID,
  version: 2,
  context: CONTEXT,
  senderId: ONE.id,
};
const UNSIGNED_HEAD: PlainHead = {
  suite: 1,
  flags: 0,
  recipientId: RECIPIENT_ID,
  version: 2,
  context: CONTEXT,
};
const SEAL: PlainSeal = {
  head: HEAD,
  publicKey: PUBLIC_KEY,
  dataKey: DATA_KEY,
  ephemeral: seededBytes(SEED + 5, 32),
};
const BLOB = sealPlain(SEAL);
/** Before the signature. */
const BODY = joinBlob(BLOB);
const SIGNATURE = signSenderPlain(ONE.seed, BODY);
const BYTES = concat(BODY, SIGNATURE);

const MALFORMED = "ERR_KEY_BLOB_MALFORMED";
const NOT_FOUND = "ERR_KEY_NOT_FOUND";
const FAILED = "ERR_DECRYPT_FAILED";
const REFUSED = "ERR_SENDER_REFUSED";

/** Where things begin. */
const RECIPIENT_AT = 13;
const VERSION_AT = 29;
const CONTEXT_AT = 37;
const ENC_AT = BLOB.head.length;
const SENDER_AT = ENC_AT - 16;
const ID_AT = ENC_AT + 32;
const SEALED_AT = ID_AT + 16;
/** The order of Ed25519's group, the lowest byte first (RFC 8032 section 5.1). */
const ORDER = hex(`edd3f55c1a631258d69cf7a2def9de14${"00".repeat(15)}10`);

interface Given {
  readonly requiresSender?: boolean;
  readonly list?: readonly ListedSender[];
}

function file(
  name: string,
  comment: string,
  expect: string,
  payload: Uint8Array,
  given: Given = {},
): SignedBlobFile {
  return {
    kind: "signed-key-blob",
    name: `signed-${name}`,
    comment,
    expect,
    recipientId: RECIPIENT_ID,
    privateKeys: PRIVATE_KEYS,
    context: CONTEXT,
    requiresSender: given.requiresSender ?? true,
    senders: given.list ?? LIST,
    dataKey: new Uint8Array(0),
    dataKeyId: new Uint8Array(0),
    senderId: new Uint8Array(0),
    payload,
  };
}

/** A blob that is whole, sealed as it says, and signed by a key. */
function signed(
  seal: Partial<PlainSeal>,
  seed: Uint8Array,
): { readonly id: Uint8Array; readonly bytes: Uint8Array } {
  const blob = sealPlain({ ...SEAL, ...seal });
  const body = joinBlob(blob);
  return { id: blob.id, bytes: concat(body, signSenderPlain(seed, body)) };
}

const by = (
  sender: Sender,
  seal: Partial<PlainSeal> = {},
): { readonly id: Uint8Array; readonly bytes: Uint8Array } =>
  signed({ head: { ...HEAD, senderId: sender.id }, ...seal }, sender.seed);

const ok = (
  name: string,
  comment: string,
  { id, bytes }: { readonly id: Uint8Array; readonly bytes: Uint8Array },
  senderId: Uint8Array,
  given: Given = {},
): SignedBlobFile => ({
  ...file(`ok-${name}`, comment, "ok", bytes, given),
  dataKey: DATA_KEY,
  dataKeyId: id,
  senderId,
});

export function signedBlobCases(): SignedBlobFile[] {
  return [
    ...right(),
    ...refusedSenders(),
    ...others(),
    ...signatures(),
    ...altered(),
    ...flags(),
    ...lengths(),
  ];
}

const NONE_DEMANDED = { requiresSender: false };

function* right(): Generator<SignedBlobFile> {
  yield ok("first", "signed by the first of the list", by(ONE), ONE.id);
  yield ok("second", "signed by the second of the list", by(TWO), TWO.id);
  yield ok("not-demanded", "signed, for a recipient that demands none", by(ONE), ONE.id, NONE_DEMANDED);
  const version1 = { head: { ...HEAD, version: 1 }, publicKey: publicKeyPlain("x25519", PRIVATE_KEYS[0]) };
  yield ok("version-1", "of an older version, which still opens", signed(version1, ONE.seed), ONE.id);
  const unsigned = sealPlain({ ...SEAL, head: UNSIGNED_HEAD });
  const bytes = joinBlob(unsigned);
  yield ok(
    "unsigned",
    "not signed, for a recipient that demands none",
    { id: unsigned.id, bytes },
    new Uint8Array(0),
    NONE_DEMANDED,
  );
}

function* refusedSenders(): Generator<SignedBlobFile> {
  const unsigned = joinBlob(sealPlain({ ...SEAL, head: UNSIGNED_HEAD }));
  yield file("unsigned", "not signed, for a recipient that demands a sender", REFUSED, unsigned);
  for (const [state, sender] of [
    ["revoked", REVOKED],
    ["expired", EXPIRED],
  ] as const) {
    yield file(state, `signed by a sender that is ${state}`, REFUSED, by(sender).bytes);
    yield file(
      `${state}-not-demanded`,
      `signed by a sender that is ${state}, for a recipient that demands none`,
      REFUSED,
      by(sender).bytes,
      NONE_DEMANDED,
    );
    const head = { ...HEAD, senderId: sender.id };
    yield file(
      `${state}-forged`,
      `names a sender that is ${state}, signed by another of the list: nothing is told of that sender`,
      FAILED,
      signed({ head }, ONE.seed).bytes,
    );
  }
}

function* others(): Generator<SignedBlobFile> {
  yield file("stranger", "signed by who is not on the list", FAILED, by(STRANGER).bytes);
  yield file(
    "stranger-not-demanded",
    "signed by who is not on the list, for a recipient that demands none",
    FAILED,
    by(STRANGER).bytes,
    NONE_DEMANDED,
  );
  yield file("no-list", "signed, for a recipient that has no sender", FAILED, BYTES, { list: [] });
  yield file(
    "by-another",
    "names one of the list, signed by another of it",
    FAILED,
    signed({}, TWO.seed).bytes,
  );
  yield file(
    "by-stranger",
    "names one of the list, signed by who is not on it",
    FAILED,
    signed({}, STRANGER.seed).bytes,
  );
  const ids: [string, string, Uint8Array][] = [
    ["recipient", "with another recipient", senderIdPlain(OTHER_RECIPIENT_ID, ONE.publicKey)],
    ["label", "by another label", senderIdPlain(RECIPIENT_ID, ONE.publicKey, "coffer/v1/senders\0")],
    ["key", "by its key alone", senderIdPlain(new Uint8Array(0), ONE.publicKey)],
    ["version-4", "that says version 4", stampPlain(ONE.id, 4)],
    ["zero", "of zeros", new Uint8Array(16)],
    ["public-key", "that is the beginning of its key", ONE.publicKey.subarray(0, 16)],
  ];
  for (const [name, comment, senderId] of ids) {
    const { bytes } = signed({ head: { ...HEAD, senderId } }, ONE.seed);
    yield file(`id-${name}`, `an id of the sender ${comment}`, FAILED, bytes);
  }
  // What was sealed by the first, with the second's name and signature: who has no data key claims it.
  const stolen = concat(headPlain({ ...HEAD, senderId: TWO.id }), BLOB.enc, BLOB.id, BLOB.sealed);
  yield file(
    "stolen",
    "the name and the signature of another sender were put on it",
    FAILED,
    concat(stolen, signSenderPlain(TWO.seed, stolen)),
  );
  const { bytes } = signed({ head: { ...HEAD, recipientId: OTHER_RECIPIENT_ID } }, ONE.seed);
  yield file("recipient-other", "for another recipient", NOT_FOUND, bytes);
  yield file(
    "version-3",
    "for a version that is not there yet",
    NOT_FOUND,
    signed({ head: { ...HEAD, version: 3 } }, ONE.seed).bytes,
  );
  const context = contextPlain([["organization_id", "org_2"]]);
  yield file(
    "context-other",
    "for another context",
    FAILED,
    signed({ head: { ...HEAD, context } }, ONE.seed).bytes,
  );
}

function* signatures(): Generator<SignedBlobFile> {
  const put = (name: string, comment: string, signature: Uint8Array): SignedBlobFile =>
    file(`signature-${name}`, comment, FAILED, concat(BODY, signature));
  for (const bit of [0, 255, 256, 500]) {
    yield put(`flip-${bit}`, `bit ${bit} of the signature is altered`, flipBit(SIGNATURE, bit));
  }
  yield put("zero", "a signature of zeros", new Uint8Array(64));
  const high = Uint8Array.from(SIGNATURE);
  for (let i = 0, carry = 0; i < 32; i++) {
    carry += high[32 + i]! + ORDER[i]!;
    high[32 + i] = carry & 255;
    carry >>= 8;
  }
  yield put("not-reduced", "the group's order is added to S", high);
  yield put("halves", "R and S are exchanged", concat(SIGNATURE.subarray(32), SIGNATURE.subarray(0, 32)));
  yield put(
    "other",
    "the signature of another blob of the sender",
    by(ONE, { ephemeral: seededBytes(SEED + 6, 32) }).bytes.subarray(-64),
  );
  const label = "coffer/v1/sealed-data-key-sender\0";
  const messages: [string, string, Uint8Array][] = [
    ["no-label", "of the blob without a label", BODY],
    ["label", "with the label of documents", concat(utf8Bytes("coffer/v1/recipient\0"), BODY)],
    ["label-no-zero", "with a label without its zero byte", concat(utf8Bytes(label.slice(0, -1)), BODY)],
    ["head", "of the head only", concat(utf8Bytes(label), BLOB.head)],
    ["no-head", "of all but the head", concat(utf8Bytes(label), BODY.subarray(ENC_AT))],
    ["no-sealed", "of all but the encrypted key", concat(utf8Bytes(label), BODY.subarray(0, SEALED_AT))],
    [
      "no-sender",
      "of all but the sender id",
      concat(utf8Bytes(label), BODY.subarray(0, SENDER_AT), BODY.subarray(ENC_AT)),
    ],
    ["hash", "of the SHA-512 of what is to be signed", hashOf(concat(utf8Bytes(label), BODY))],
    ["flags-0", "of the blob with flags of zero", concat(utf8Bytes(label), flipBit(BODY, 8 * 12))],
    ["data-key", "with the data key itself", concat(utf8Bytes(label), BODY, DATA_KEY)],
  ];
  for (const [name, comment, message] of messages)
    yield put(name, `a signature ${comment}`, signPlain(ONE.seed, message));
}

const hashOf = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash("sha512").update(bytes).digest());

function* altered(): Generator<SignedBlobFile> {
  const fields: [string, string, number, string][] = [
    ["recipient", "the recipient id", 8 * RECIPIENT_AT, NOT_FOUND],
    ["version", "the version", 8 * (VERSION_AT + 3) + 2, NOT_FOUND],
    ["context", "a value of the context", 8 * (CONTEXT_AT + 30), FAILED],
    ["sender", "the sender id", 8 * SENDER_AT, FAILED],
    ["enc", "enc", 8 * ENC_AT, FAILED],
    ["id", "the data-key id", 8 * ID_AT, FAILED],
    ["key", "the encrypted key", 8 * SEALED_AT, FAILED],
    ["tag", "the tag", 8 * (SEALED_AT + 32), FAILED],
  ];
  for (const [name, what, bit, expect] of fields) {
    const body = flipBit(BODY, bit);
    yield file(`altered-${name}`, `a bit of ${what} is altered`, expect, concat(body, SIGNATURE));
    yield file(
      `signed-anew-${name}`,
      `a bit of ${what} is altered, and the sender has signed it so`,
      expect,
      concat(body, signSenderPlain(ONE.seed, body)),
    );
  }
  const low = concat(BLOB.head, new Uint8Array(32), BLOB.id, BLOB.sealed);
  yield file(
    "enc-low-order",
    "enc is of low order, and the sender has signed it so",
    FAILED,
    concat(low, signSenderPlain(ONE.seed, low)),
  );
}

function* flags(): Generator<SignedBlobFile> {
  const rest = concat(BLOB.enc, BLOB.id, BLOB.sealed);
  const taken = concat(headPlain(UNSIGNED_HEAD), rest);
  yield file("taken-off", "flag, sender and signature were taken off", FAILED, taken, NONE_DEMANDED);
  yield file("taken-off-demanded", "the same, for a recipient that demands a sender", REFUSED, taken);
  const unsigned = sealPlain({ ...SEAL, head: UNSIGNED_HEAD });
  const put = concat(headPlain(HEAD), unsigned.enc, unsigned.id, unsigned.sealed);
  yield file(
    "put-on",
    "flag, sender and a right signature were put on what was sealed without",
    FAILED,
    concat(put, signSenderPlain(ONE.seed, put)),
  );
  const label = utf8Bytes("coffer/v1/sealed-data-key");
  const withoutSender = headPlain(UNSIGNED_HEAD);
  yield file(
    "info",
    "HPKE's info has the head of an unsigned blob",
    FAILED,
    signed({ info: concat(label, withoutSender) }, ONE.seed).bytes,
  );
  yield file(
    "aad",
    "HPKE's associated data has the head of an unsigned blob",
    FAILED,
    signed({ aad: (_, id) => concat(withoutSender, id) }, ONE.seed).bytes,
  );
  for (const bit of [1, 7]) {
    yield file(`flag-${bit}`, `bit ${bit} of the flags is set too`, MALFORMED, flipBit(BYTES, 8 * 12 + bit));
  }
  yield file(
    "flag-off",
    "the flag is off, sender and signature are there",
    MALFORMED,
    flipBit(BYTES, 8 * 12),
  );
}

function* lengths(): Generator<SignedBlobFile> {
  yield file("no-signature", "the signature is missing", MALFORMED, BODY);
  yield file(
    "signature-short",
    "the last byte of the signature is missing",
    MALFORMED,
    BYTES.subarray(0, -1),
  );
  yield file("signature-long", "a byte behind the signature", MALFORMED, concat(BYTES, Uint8Array.of(0)));
  yield file("signature-twice", "the signature twice", MALFORMED, concat(BYTES, SIGNATURE));
  const noSender = concat(BODY.subarray(0, SENDER_AT), BODY.subarray(ENC_AT), SIGNATURE);
  yield file("no-sender", "the sender id is missing", MALFORMED, noSender);
  for (const at of [12, SENDER_AT, ENC_AT, SEALED_AT]) {
    yield file(`cut-${at}`, `only the first ${at} bytes`, MALFORMED, BYTES.subarray(0, at));
  }
}
