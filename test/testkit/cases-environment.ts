/**
 * The testkit's files on environment-wide recipients: right ones, and one for each thing that can be wrong about them
 * (docs/spec/sealed-data-key.md section 8). What is wrong with every blob or document stands in the other files.
 *
 * Owns the cases. Made with the plain implementation of test/support/sealed-plain.ts; takes nothing from `src`.
 *
 * @module
 */
import { base64, flipBit, seededBytes, utf8Bytes } from "../support/bytes.ts";
import {
  contextPlain,
  joinBlob,
  type PlainDocument,
  type PlainHead,
  type PlainSeal,
  publicKeyPlain,
  sealPlain,
  signedPlain,
  signPlain,
  stampPlain,
} from "../support/sealed-plain.ts";
import type { BlobFile, DocumentFile } from "./sealed-format.ts";

/** Decides every random byte of these files. */
const SEED = 0xe7a1de;

const RECIPIENT_ID = stampPlain(seededBytes(SEED, 16), 4);
/** Of versions 1 and 2; blobs are for the second. */
const PRIVATE_KEYS = [seededBytes(SEED + 1, 32), seededBytes(SEED + 2, 32)] as const;
const PUBLIC_KEY = publicKeyPlain("x25519", PRIVATE_KEYS[1]);
const NONE = new Uint8Array(0);
const DATA_KEY = seededBytes(SEED + 3, 32);

const ORG_1 = contextPlain([["organization_id", "org_1"]]);
const ORG_2 = contextPlain([["organization_id", "org_2"]]);
const HEAD: PlainHead = { suite: 1, flags: 0, recipientId: RECIPIENT_ID, version: 2, context: ORG_1 };
const SEAL: PlainSeal = {
  head: HEAD,
  publicKey: PUBLIC_KEY,
  dataKey: DATA_KEY,
  ephemeral: seededBytes(SEED + 4, 32),
};
const BLOB = sealPlain(SEAL);
const BYTES = joinBlob(BLOB);
const ENC_AT = BLOB.head.length;

const MALFORMED = "ERR_KEY_BLOB_MALFORMED";
const NOT_FOUND = "ERR_KEY_NOT_FOUND";
const FAILED = "ERR_DECRYPT_FAILED";
const INVALID = "ERR_RECIPIENT_INVALID";
const ARGUMENT = "ERR_INVALID_ARGUMENT";

function blob(name: string, comment: string, expect: string, payload: Uint8Array): BlobFile {
  return {
    kind: "key-blob",
    name: `blob-environment-${name}`,
    comment,
    expect,
    recipientId: RECIPIENT_ID,
    privateKeys: PRIVATE_KEYS,
    context: NONE,
    dataKey: NONE,
    dataKeyId: NONE,
    payload,
  };
}

function ok(name: string, comment: string, seal: Partial<PlainSeal>): BlobFile {
  const sealed = sealPlain({ ...SEAL, ...seal });
  return {
    ...blob(`ok-${name}`, comment, "ok", joinBlob(sealed)),
    dataKey: DATA_KEY,
    dataKeyId: sealed.id,
  };
}

const sealed = (seal: Partial<PlainSeal>): Uint8Array => joinBlob(sealPlain({ ...SEAL, ...seal }));
const forHead = (head: Partial<PlainHead>): Uint8Array => sealed({ head: { ...HEAD, ...head } });

/** Blobs to an environment-wide recipient. */
export function* environmentBlobCases(): Generator<BlobFile> {
  yield ok("org-1", "for one context", {});
  yield ok("org-2", "for another context, which is as right", { head: { ...HEAD, context: ORG_2 } });
  const long = contextPlain([
    ["env", "prod"],
    ["organization_id", "org_1"],
    ["user", "\u{1f511}"],
  ]);
  yield ok("entries", "for a context of three entries", { head: { ...HEAD, context: long } });
  yield ok("version-1", "an older version, which still opens", {
    head: { ...HEAD, version: 1 },
    publicKey: publicKeyPlain("x25519", PRIVATE_KEYS[0]),
  });

  yield blob("context-none", "for no context", MALFORMED, forHead({ context: NONE }));
  yield blob(
    "context-no-entries",
    "for a context without entries",
    MALFORMED,
    forHead({ context: contextPlain([]) }),
  );
  const unsorted = contextPlain([
    ["organization_id", "org_1"],
    ["env", "prod"],
  ]);
  yield blob(
    "context-unsorted",
    "for a context that is not canonical",
    MALFORMED,
    forHead({ context: unsorted }),
  );
  const flags = forHead({ flags: 1 });
  yield blob(
    "flag",
    "a flag that says that the recipient is environment-wide: there is none",
    MALFORMED,
    flags,
  );

  const other = sealPlain({ ...SEAL, head: { ...HEAD, context: ORG_2 } });
  yield blob("context-altered", "the context is altered", FAILED, joinBlob({ ...BLOB, head: other.head }));
  const info = (head: PlainHead): Uint8Array =>
    Buffer.concat([utf8Bytes("coffer/v1/sealed-data-key"), sealPlain({ ...SEAL, head }).head]);
  const withoutContext = info({ ...HEAD, context: NONE });
  yield blob("info-no-context", "info that binds no context", FAILED, sealed({ info: withoutContext }));
  const ofOther = info({ ...HEAD, context: ORG_2 });
  yield blob("info-other", "info that binds another context", FAILED, sealed({ info: ofOther }));
  yield blob(
    "aad-other",
    "associated data with another context",
    FAILED,
    sealed({
      aad: (_, id) => Buffer.concat([other.head, id]),
    }),
  );
  const twice = { head: { ...HEAD, context: contextPlain([["coffer.environment-wide", "recipients"]]) } };
  const reserved = sealPlain({ ...SEAL, ...twice });
  yield blob(
    "context-from-reserved",
    "sealed for the reserved context, and the context altered",
    FAILED,
    joinBlob({
      ...reserved,
      head: BLOB.head,
    }),
  );
  yield blob(
    "version-of-another-key",
    "names version 1, sealed to the key of version 2",
    FAILED,
    forHead({ version: 1 }),
  );
  yield blob("version-3", "for a version that is not there yet", NOT_FOUND, forHead({ version: 3 }));
  const stranger = stampPlain(seededBytes(SEED + 5, 16), 4);
  yield blob("recipient-other", "for another recipient", NOT_FOUND, forHead({ recipientId: stranger }));
  yield blob("enc-flip", "a bit of enc is altered", FAILED, flipBit(BYTES, 8 * ENC_AT));
  yield blob("id-flip", "a bit of the data-key id is altered", FAILED, flipBit(BYTES, 8 * (ENC_AT + 32)));
  yield blob("key-flip", "a bit of the encrypted key is altered", FAILED, flipBit(BYTES, 8 * (ENC_AT + 48)));
}

const SIGNING_SEED = seededBytes(SEED + 6, 32);
const ISSUED_AT = Date.UTC(2026, 10, 27);
const DAY_MS = 24 * 60 * 60 * 1000;
const LABEL = "coffer/v1/environment-recipient\0";
const SIGNED: PlainDocument = {
  suite: 1,
  recipientId: RECIPIENT_ID,
  version: 2,
  issuedAt: ISSUED_AT,
  expiresAt: ISSUED_AT + 90 * DAY_MS,
  context: NONE,
  publicKey: PUBLIC_KEY,
};
const TOLD = { organization_id: "org_1" };

type Members = Record<string, unknown>;

/** The members of a document, with what is signed of it, by which label. */
function members(signed: PlainDocument = SIGNED, label = LABEL): Members {
  const id = Buffer.from(RECIPIENT_ID).toString("hex");
  return {
    type: "coffer-environment-recipient-v1",
    id: [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join("-"),
    version: 2,
    suite: "x25519",
    context: null,
    public_key: base64(PUBLIC_KEY),
    issued_at: new Date(ISSUED_AT).toISOString(),
    expires_at: new Date(SIGNED.expiresAt).toISOString(),
    signer: base64(publicKeyPlain("ed25519", SIGNING_SEED)),
    signature: base64(signPlain(SIGNING_SEED, signedPlain(signed, label))),
  };
}

function document(
  name: string,
  comment: string,
  expect: string,
  payload: Members,
  context: object | undefined = TOLD,
): DocumentFile {
  return {
    kind: "document",
    name: `document-environment-${name}`,
    comment,
    expect,
    now: ISSUED_AT + DAY_MS,
    signer: "",
    minVersion: 0,
    context: context === undefined ? "" : JSON.stringify(context),
    payload: utf8Bytes(JSON.stringify(payload)),
  };
}

/** Documents of environment-wide recipients, and of others that are taken for one. */
export function* environmentDocumentCases(): Generator<DocumentFile> {
  const right = members();
  const ofContext = { ...SIGNED, context: ORG_1 };
  const ordinary = {
    ...members(ofContext, "coffer/v1/recipient\0"),
    type: "coffer-recipient-v1",
    context: TOLD,
  };
  yield document("ok", "as a vault gives it out, sealed to with a context", "ok", right);
  const entries = { env: "prod", organization_id: "org_2" };
  yield document("ok-entries", "sealed to with a context of two entries", "ok", right, entries);

  yield { ...document("told-none", "the sealer is told no context", ARGUMENT, right), context: "" };
  yield document(
    "told-empty",
    "the sealer is told a context without entries",
    "ERR_KEY_CONTEXT_INVALID",
    right,
    {},
  );
  yield document(
    "told-twice",
    "the sealer is told a context, and the document has the same one",
    ARGUMENT,
    ordinary,
  );
  const wrong: [string, string, Members][] = [
    ["with-context", "the type of an environment-wide recipient, and a context", { ...right, context: TOLD }],
    ["signed-with-context", "has a context, and is signed with it", { ...members(ofContext), context: TOLD }],
    ["signed-for-context", "has no context, and is signed with one", members(ofContext)],
    [
      "signed-as-other",
      "signed with the label of other recipients",
      members(SIGNED, "coffer/v1/recipient\0"),
    ],
    ["type-other", "the type of other recipients, and no context", { ...right, type: "coffer-recipient-v1" }],
    [
      "type-other-signed",
      "the type and the label of other recipients, and no context",
      { ...members(SIGNED, "coffer/v1/recipient\0"), type: "coffer-recipient-v1" },
    ],
    ["type-v2", "another version of the type", { ...right, type: "coffer-environment-recipient-v2" }],
    ["context-false", "a context that is false", { ...right, context: false }],
    ["context-empty", "a context without entries", { ...right, context: {} }],
    [
      "signature-flip",
      "a bit of the signature",
      {
        ...right,
        signature: base64(flipBit(Buffer.from(right.signature as string, "base64"), 7)),
      },
    ],
    ["version-old", "signed for version 1", members({ ...SIGNED, version: 1 })],
  ];
  for (const [name, comment, payload] of wrong) yield document(name, comment, INVALID, payload);
  const { context: _, ...without } = right;
  yield document("without-context", "without the member context", INVALID, without);
  const taken = { ...ordinary, type: "coffer-environment-recipient-v1", context: null };
  yield document("made-of-other", "made of another recipient's document", INVALID, taken);
}
