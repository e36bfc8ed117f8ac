/**
 * The testkit's WorkOS envelopes: valid ones of all four layouts, and one for each thing that can be wrong
 * (docs/spec/envelope.md).
 *
 * Owns the cases. Made with `node:crypto` alone; takes nothing from `src`.
 *
 * @module
 */
import { createCipheriv, createHash } from "node:crypto";
import { base64, concat, flipBit, seededBytes, utf8Bytes } from "../support/bytes.ts";
import { lebPlain } from "../support/native.ts";
import type { TestkitFile } from "./format.ts";

/** Decides every random byte of the testkit's WorkOS files. */
const SEED = 0x105;

const KEY = seededBytes(SEED, 32);
const OTHER_KEY = seededBytes(SEED + 1, 32);
const AAD = utf8Bytes("testkit");
const PLAINTEXT = seededBytes(SEED + 2, 20);

const NOT_CIPHERTEXT = "ERR_NOT_CIPHERTEXT";
const MALFORMED = "ERR_ENVELOPE_MALFORMED";
const FAILED = "ERR_DECRYPT_FAILED";

type WorkosLayout = Exclude<TestkitFile["layout"], "native">;
const LAYOUTS: readonly WorkosLayout[] = ["iv12", "iv32", "leb-first", "dotnet"];

interface Parts {
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
  /** As it is embedded. */
  readonly blob: Uint8Array;
  readonly length: Uint8Array;
  readonly ciphertext: Uint8Array;
}

function blobOf(bytes: number, magic = "WOS.EKM.v1\0"): Uint8Array {
  return concat(utf8Bytes(magic), seededBytes(SEED + 3, bytes - 11));
}

function embed(layout: WorkosLayout, blob: Uint8Array): Uint8Array {
  return layout === "dotnet" ? utf8Bytes(base64(blob)) : blob;
}

function seal(layout: WorkosLayout, plaintext: Uint8Array, aad = AAD, keyBlob = blobOf(206)): Parts {
  const nonce = seededBytes(SEED + 4, layout === "iv32" ? 32 : 12);
  const cipher = createCipheriv("aes-256-gcm", KEY, nonce).setAAD(aad);
  const ciphertext = Uint8Array.from(cipher.update(plaintext));
  cipher.final();
  const blob = embed(layout, keyBlob);
  return {
    nonce,
    tag: Uint8Array.from(cipher.getAuthTag()),
    blob,
    length: lebPlain(blob.length),
    ciphertext,
  };
}

function join(layout: WorkosLayout, parts: Parts): Uint8Array {
  const { nonce, tag, blob, length, ciphertext } = parts;
  return layout === "leb-first"
    ? concat(length, blob, nonce, ciphertext, tag)
    : concat(nonce, tag, length, blob, ciphertext);
}

export function workosCases(): TestkitFile[] {
  return LAYOUTS.flatMap((layout) => [
    ...valid(layout),
    ...altered(layout),
    ...malformed(layout),
    ...texts(layout),
  ]);
}

function file(
  layout: WorkosLayout,
  name: string,
  comment: string,
  expect: string,
  payload: Uint8Array | string,
  extra: Partial<Pick<TestkitFile, "key" | "aad">> & { released?: Uint8Array } = {},
): TestkitFile {
  const { released = new Uint8Array(0), ...rest } = extra;
  return {
    name: `${layout}-${name}`,
    layout,
    comment,
    expect,
    key: KEY,
    aad: AAD,
    ...rest,
    releasedBytes: released.length,
    releasedSha256: createHash("sha256").update(released).digest("hex"),
    payload: utf8Bytes(typeof payload === "string" ? payload : base64(payload)),
  };
}

function* valid(layout: WorkosLayout): Generator<TestkitFile> {
  for (const size of [0, 1, 17, 5_000]) {
    const released = seededBytes(SEED + 10 + size, size);
    yield file(
      layout,
      `ok-size-${String(size).padStart(4, "0")}`,
      `${size} bytes`,
      "ok",
      join(layout, seal(layout, released)),
      {
        released,
      },
    );
  }
  const aad = new Uint8Array(0);
  yield file(layout, "ok-no-aad", "no associated data", "ok", join(layout, seal(layout, PLAINTEXT, aad)), {
    aad,
    released: PLAINTEXT,
  });
  for (const bytes of [11, 127, 128, 20_000]) {
    const parts = seal(layout, PLAINTEXT, AAD, blobOf(bytes, "CFR.EKM.v1\0"));
    yield file(
      layout,
      `ok-key-blob-${String(bytes).padStart(5, "0")}`,
      `coffer's key blob, ${bytes} bytes`,
      "ok",
      join(layout, parts),
      {
        released: PLAINTEXT,
      },
    );
  }
}

function* altered(layout: WorkosLayout): Generator<TestkitFile> {
  const parts = seal(layout, PLAINTEXT);
  const flip = (name: keyof Parts, byte: number): Uint8Array =>
    join(layout, { ...parts, [name]: flipBit(parts[name], 8 * byte + (byte % 8)) });
  for (const byte of [0, 5, parts.nonce.length - 1]) {
    yield file(
      layout,
      `nonce-flip-${byte}`,
      `a bit of byte ${byte} of the nonce is altered`,
      FAILED,
      flip("nonce", byte),
    );
  }
  for (const byte of [0, 7, 15]) {
    yield file(
      layout,
      `tag-flip-${byte}`,
      `a bit of byte ${byte} of the tag is altered`,
      FAILED,
      flip("tag", byte),
    );
  }
  for (const byte of [0, 10, 19]) {
    yield file(
      layout,
      `ciphertext-flip-${byte}`,
      `a bit of byte ${byte} of the ciphertext is altered`,
      FAILED,
      flip("ciphertext", byte),
    );
  }
  const whole = join(layout, parts);
  yield file(layout, "cut-last-byte", "the last byte is missing", FAILED, whole.subarray(0, -1));
  yield file(layout, "byte-appended", "a byte behind the end", FAILED, concat(whole, Uint8Array.of(0)));
  yield file(layout, "key-wrong", "another data key", FAILED, whole, { key: OTHER_KEY });
  yield file(layout, "key-bytes-31", "a data key of 31 bytes", "ERR_INVALID_ARGUMENT", whole, {
    key: KEY.subarray(1),
  });
  yield file(layout, "aad-missing", "no associated data where there was some", FAILED, whole, {
    aad: new Uint8Array(0),
  });
  yield file(layout, "aad-other", "other associated data", FAILED, whole, { aad: utf8Bytes("Testkit") });
  const zero = { ...parts, tag: new Uint8Array(16) };
  yield file(layout, "tag-zero", "a tag of zeros", FAILED, join(layout, zero));
}

function* malformed(layout: WorkosLayout): Generator<TestkitFile> {
  const parts = seal(layout, PLAINTEXT);
  const whole = join(layout, parts);
  const lengthAt = layout === "leb-first" ? 0 : parts.nonce.length + 16;
  const blobAt = lengthAt + parts.length.length;
  const overlong = concat(parts.length.with(-1, parts.length.at(-1)! | 0x80), Uint8Array.of(0));
  yield file(
    layout,
    "length-overlong",
    "the key blob's length in more bytes than needed",
    MALFORMED,
    join(layout, { ...parts, length: overlong }),
  );
  yield file(
    layout,
    "length-too-long",
    "the key blob is longer than the envelope",
    MALFORMED,
    join(layout, { ...parts, length: lebPlain(60_000) }),
  );
  const over = join(layout, { ...parts, length: lebPlain(2 ** 32 - 1) });
  yield file(layout, "length-2-32-less-1", "a length of 2^32 - 1", MALFORMED, over);
  yield file(
    layout,
    "length-2-32",
    "a length beyond 32 bits is none",
    NOT_CIPHERTEXT,
    join(layout, { ...parts, length: lebPlain(2 ** 32 + parts.blob.length) }),
  );
  yield file(
    layout,
    "length-in-magic",
    "the key blob ends inside its magic",
    MALFORMED,
    join(layout, { ...parts, length: lebPlain(10) }),
  );
  for (const byte of [0, 4, 9]) {
    yield file(
      layout,
      `key-blob-magic-${byte}`,
      `byte ${byte} of the key blob's magic is altered`,
      NOT_CIPHERTEXT,
      flipBit(whole, 8 * (blobAt + byte) + 1),
    );
  }
  yield file(layout, "cut-in-key-blob", "cut off in the key blob", MALFORMED, whole.subarray(0, blobAt + 50));
  yield file(
    layout,
    "cut-in-magic",
    "cut off in the key blob's magic",
    NOT_CIPHERTEXT,
    whole.subarray(0, blobAt + 5),
  );
  yield file(layout, "empty", "nothing at all", NOT_CIPHERTEXT, "");
  if (layout === "leb-first") {
    yield file(
      layout,
      "cut-in-tag",
      "fewer bytes behind the key blob than nonce and tag have",
      MALFORMED,
      whole.subarray(0, blobAt + parts.blob.length + 27),
    );
  }
  if (layout === "dotnet") {
    const text = Buffer.from(parts.blob).toString();
    for (const [name, blob] of [
      ["url-alphabet", `${text.slice(0, 40)}-${text.slice(41)}`],
      ["padding-missing", base64(blobOf(205)).slice(0, -1)],
      ["white-space", `${text.slice(0, 40)}\n\n\n\n${text.slice(44)}`],
      ["not-utf8", `${text.slice(0, 40)}\u00ff${text.slice(42)}`],
    ] as const) {
      const embedded = Uint8Array.from(Buffer.from(blob, name === "not-utf8" ? "latin1" : "utf8"));
      yield file(
        layout,
        `key-blob-${name}`,
        `the embedded base64: ${name}`,
        MALFORMED,
        join(layout, { ...parts, blob: embedded, length: lebPlain(embedded.length) }),
      );
    }
  }
}

/** The base64 around it. */
function* texts(layout: WorkosLayout): Generator<TestkitFile> {
  // So that the text has padding and bits to spare.
  const size = (1 + 3 - ((join(layout, seal(layout, new Uint8Array(0))).length + 0) % 3)) % 3;
  const text = base64(join(layout, seal(layout, new Uint8Array(size))));
  if (!text.endsWith("==")) throw new Error("the text was to have padding");
  const spare = `${text.slice(0, -3)}${String.fromCharCode(text.charCodeAt(text.length - 3) + 1)}==`;
  for (const [name, comment, payload] of [
    ["space-around", "a space before and behind", ` ${text} `],
    ["line-break", "a line break within", `${text.slice(0, 64)}\n${text.slice(64)}`],
    ["line-end", "a line break behind", `${text}\n`],
    ["padding-missing", "padding is missing", text.slice(0, -2)],
    ["padding-short", "one = where two belong", text.slice(0, -1)],
    ["padding-long", "three = where two belong", `${text}=`],
    ["url-alphabet", "a - in the place of a character", `${text.slice(0, 20)}-${text.slice(21)}`],
    ["trailing-bits", "bits to spare that are not zero", spare],
    ["not-base64", "an exclamation mark within", `${text.slice(0, 20)}!${text.slice(21)}`],
    ["twice", "padding within: the text twice", text + text],
  ] as const) {
    yield file(layout, `text-${name}`, comment, NOT_CIPHERTEXT, payload);
  }
}
