/**
 * The testkit's recipient documents: right ones, and one for each thing that can be wrong (docs/spec/sealed-data-key.md section 3).
 *
 * Owns the cases. Made with the plain implementation of test/support/sealed-plain.ts; takes nothing from `src`.
 *
 * @module
 */
import { base64, flipBit, fromBase64, hex, seededBytes } from "../support/bytes.ts";
import {
  contextPlain,
  type PlainDocument,
  publicKeyPlain,
  signedPlain,
  signPlain,
  stampPlain,
} from "../support/sealed-plain.ts";
import type { DocumentFile } from "./sealed-format.ts";

/** Decides every random byte of these files. */
const SEED = 0xd0c5;

const SIGNING_SEED = seededBytes(SEED, 32);
const OTHER_SEED = seededBytes(SEED + 1, 32);
const SIGNER = base64(publicKeyPlain("ed25519", SIGNING_SEED));
const OTHER_SIGNER = base64(publicKeyPlain("ed25519", OTHER_SEED));
const DAY_MS = 24 * 60 * 60 * 1000;
const ISSUED_AT = Date.UTC(2026, 10, 27);
const NOW = ISSUED_AT + DAY_MS;
const SIGNED: PlainDocument = {
  suite: 1,
  recipientId: stampPlain(seededBytes(SEED + 2, 16), 4),
  version: 3,
  issuedAt: ISSUED_AT,
  expiresAt: ISSUED_AT + 90 * DAY_MS,
  context: contextPlain([["organization_id", "org_1"]]),
  publicKey: publicKeyPlain("x25519", seededBytes(SEED + 3, 32)),
};
const CONTEXT = { organization_id: "org_1" };

const INVALID = "ERR_RECIPIENT_INVALID";
const EXPIRED = "ERR_RECIPIENT_EXPIRED";
/** The order of Ed25519's group (RFC 8032 section 5.1). */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

type Members = Record<string, unknown>;

/** The members of a document that is signed right. */
function members(
  parts: Partial<PlainDocument> = {},
  seed = SIGNING_SEED,
  context: object = CONTEXT,
): Members {
  const part = { ...SIGNED, ...parts };
  const id = Buffer.from(part.recipientId).toString("hex");
  return {
    type: "coffer-recipient-v1",
    id: [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join("-"),
    version: part.version,
    suite: "x25519",
    context,
    public_key: base64(part.publicKey),
    issued_at: new Date(part.issuedAt).toISOString(),
    expires_at: new Date(part.expiresAt).toISOString(),
    signer: base64(publicKeyPlain("ed25519", seed)),
    signature: base64(signPlain(seed, signedPlain(part))),
  };
}

type Expected = Partial<Pick<DocumentFile, "now" | "signer" | "minVersion">>;

function file(
  name: string,
  comment: string,
  expect: string,
  payload: Members | string,
  expected: Expected = {},
): DocumentFile {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return {
    kind: "document",
    name: `document-${name}`,
    comment,
    expect,
    now: NOW,
    signer: "",
    minVersion: 0,
    context: "",
    ...expected,
    payload: new TextEncoder().encode(text),
  };
}

const DOCUMENT = members();
const withMember = (member: string, value: unknown): Members => ({ ...DOCUMENT, [member]: value });

export function documentCases(): DocumentFile[] {
  return [...right(), ...forms(), ...values(), ...signatures(), ...moments()];
}

function* right(): Generator<DocumentFile> {
  yield file("ok", "as a vault gives it out", "ok", DOCUMENT);
  yield file("ok-pinned", "of the signer that was pinned", "ok", DOCUMENT, { signer: SIGNER });
  yield file("ok-min-version", "of the lowest version that is accepted", "ok", DOCUMENT, { minVersion: 3 });
  yield file(
    "ok-order",
    "members in another order, with white space",
    "ok",
    JSON.stringify(Object.fromEntries(Object.entries(DOCUMENT).reverse()), null, 2),
  );
  const unicode = { ключ: "wert \u{1f511}" };
  const context = contextPlain(Object.entries(unicode));
  yield file(
    "ok-context-unicode",
    "a context beyond ASCII",
    "ok",
    members({ context }, SIGNING_SEED, unicode),
  );
  yield file("ok-400-days", "valid for 400 days", "ok", members({ expiresAt: ISSUED_AT + 400 * DAY_MS }));
  yield file("ok-clock", "five minutes before it was issued", "ok", DOCUMENT, { now: ISSUED_AT - 300_000 });
  yield file("ok-last", "in its last millisecond", "ok", DOCUMENT, { now: SIGNED.expiresAt - 1 });
}

function* forms(): Generator<DocumentFile> {
  for (const member of Object.keys(DOCUMENT)) {
    const { [member]: _, ...rest } = DOCUMENT;
    yield file(`without-${member}`, `without ${member}`, INVALID, rest);
  }
  yield file("unknown-member", "a member that is none", INVALID, withMember("kid", "1"));
  yield file("no-json", "no JSON", INVALID, JSON.stringify(DOCUMENT).slice(0, -1));
  yield file("empty", "nothing at all", INVALID, "");
  const long = `${JSON.stringify(DOCUMENT)}${" ".repeat(131_072 + 4_096)}`;
  yield file("too-long", "white space beyond the longest document", INVALID, long);
}

function* values(): Generator<DocumentFile> {
  const { id } = DOCUMENT as { id: string };
  const key = base64(SIGNED.publicKey);
  const lines: [member: string, value: unknown, comment: string][] = [
    ["type", "coffer-recipient-v2", "another type"],
    ["id", id.toUpperCase(), "an id in upper case"],
    ["id", `{${id}}`, "an id in braces"],
    ["id", id.replaceAll("-", ""), "an id without hyphens"],
    ["version", 0, "version 0"],
    ["version", 2 ** 32, "version 2^32"],
    ["version", 3.5, "a version that is not whole"],
    ["version", "3", "a version as text"],
    ["suite", "p-256", "a suite that is none"],
    ["suite", "x-wing", "the suite x-wing with a key of x25519"],
    ["suite", 1, "a suite as a number"],
    ["context", {}, "a context without entries"],
    ["context", { organization_id: 1 }, "a context with a number"],
    ["context", "org_1", "a context as text"],
    ["public_key", base64(SIGNED.publicKey.subarray(1)), "a public key of 31 bytes"],
    ["public_key", key.slice(0, -1), "a public key without padding"],
    ["public_key", `${key}\n`, "a public key with a line break"],
    ["issued_at", "2026-11-27T00:00:00Z", "a time without milliseconds"],
    ["issued_at", "2026-11-27T01:00:00.000+01:00", "a time with an offset"],
    ["issued_at", ISSUED_AT, "a time as a number"],
    ["signer", base64(fromBase64(SIGNER).subarray(1)), "a signer of 31 bytes"],
    ["signature", base64(new Uint8Array(63)), "a signature of 63 bytes"],
  ];
  for (const [at, [member, value, comment]] of lines.entries()) {
    yield file(`value-${String(at).padStart(2, "0")}-${member}`, comment, INVALID, withMember(member, value));
  }
  const points: [string, string][] = [
    ["0", "00".repeat(32)],
    ["1", `01${"00".repeat(31)}`],
    ["order-8-a", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
    ["order-8-b", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"],
    ["p-less-1", `ec${"ff".repeat(30)}7f`],
    ["p", `ed${"ff".repeat(30)}7f`],
    ["not-reduced", `f6${"ff".repeat(30)}7f`],
    ["high-bit", Buffer.from(flipBit(SIGNED.publicKey, 255)).toString("hex")],
  ];
  for (const [name, point] of points) {
    const comment = `a public key of low order or not reduced (${name}), signed right`;
    yield file(`point-${name}`, comment, INVALID, members({ publicKey: hex(point) }));
  }
}

function* signatures(): Generator<DocumentFile> {
  const signature = fromBase64(DOCUMENT.signature as string);
  for (const bit of [0, 255, 256, 500]) {
    const flipped = base64(flipBit(signature, bit));
    yield file(
      `signature-flip-${bit}`,
      `bit ${bit} of the signature`,
      INVALID,
      withMember("signature", flipped),
    );
  }
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`);
  const larger = Buffer.from((s + ORDER).toString(16).padStart(64, "0"), "hex").reverse();
  const second = base64(Buffer.concat([signature.subarray(0, 32), larger]));
  yield file(
    "signature-not-reduced",
    "S with the group's order added",
    INVALID,
    withMember("signature", second),
  );
  yield file(
    "signature-zero",
    "a signature of zeros",
    INVALID,
    withMember("signature", base64(new Uint8Array(64))),
  );
  const resigned = base64(signPlain(SIGNING_SEED, signedPlain(SIGNED, "coffer/v1/recipients\0")));
  yield file("signature-label", "signed with another label", INVALID, withMember("signature", resigned));
  const swapped: [string, string, Partial<PlainDocument>][] = [
    ["suite", "signed for suite 2", { suite: 2 }],
    ["id", "signed for another id", { recipientId: stampPlain(seededBytes(SEED + 4, 16), 4) }],
    ["version", "signed for version 2", { version: 2 }],
    ["issued", "signed for an earlier beginning", { issuedAt: ISSUED_AT - DAY_MS }],
    ["expires", "signed for an earlier end", { expiresAt: ISSUED_AT + DAY_MS }],
    ["context", "signed for another context", { context: contextPlain([["organization_id", "org_2"]]) }],
    [
      "key",
      "signed for another public key",
      { publicKey: publicKeyPlain("x25519", seededBytes(SEED + 5, 32)) },
    ],
  ];
  for (const [name, comment, parts] of swapped) {
    const other = base64(signPlain(SIGNING_SEED, signedPlain({ ...SIGNED, ...parts })));
    yield file(`swapped-${name}`, comment, INVALID, withMember("signature", other));
  }
  yield file("signer-swapped", "names another signer", INVALID, withMember("signer", OTHER_SIGNER));
  yield file(
    "signer-other",
    "whole, and of another signer than the pinned one",
    INVALID,
    members({}, OTHER_SEED),
    {
      signer: SIGNER,
    },
  );
  yield file("version-old", "of an older version than is accepted", INVALID, DOCUMENT, { minVersion: 4 });
}

function* moments(): Generator<DocumentFile> {
  const { expiresAt } = SIGNED;
  yield file("expired", "at the moment at which it expires", EXPIRED, DOCUMENT, { now: expiresAt });
  yield file("not-yet", "a millisecond too early", EXPIRED, DOCUMENT, { now: ISSUED_AT - 300_001 });
  yield file("ends-at-once", "ends when it begins", INVALID, members({ expiresAt: ISSUED_AT }));
  yield file("ends-before", "ends before it begins", INVALID, members({ expiresAt: ISSUED_AT - 1 }));
  const late = ISSUED_AT + 400 * DAY_MS + 1;
  yield file(
    "too-long-valid",
    "valid for a millisecond over 400 days",
    INVALID,
    members({ expiresAt: late }),
  );
}
