/**
 * The testkit's native envelopes: valid ones, and one for each thing that can be wrong (docs/spec/native-envelope.md).
 *
 * Owns the cases. Made with the plain implementation of test/support/native.ts; takes nothing from `src`.
 *
 * @module
 */
import { createCipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import { concat, flipBit, seededBytes, utf8Bytes } from "../support/bytes.ts";
import {
  CHUNK,
  derivePlain,
  FIXED_HEADER,
  joinPlain,
  lebPlain,
  nonceOf,
  type PlainKeys,
  type PlainParts,
  partsPlain,
  SEALED_CHUNK,
  sealChunkPlain,
  sealChunksPlain,
} from "../support/native.ts";
import type { TestkitFile } from "./format.ts";

/** Decides every random byte of the testkit's native files. */
const SEED = 0xc0ffe;

const KEY = seededBytes(SEED, 32);
const OTHER_KEY = seededBytes(SEED + 1, 32);
const SALT = seededBytes(SEED + 2, 24);
const OTHER_SALT = seededBytes(SEED + 3, 24);
const AAD = utf8Bytes("testkit");
const BLOB = blobOf(60);
const SHORT = seededBytes(SEED + 5, 20);
const LONG = seededBytes(SEED + 6, 2 * CHUNK + 100);

const NOT_CIPHERTEXT = "ERR_NOT_CIPHERTEXT";
const UNSUPPORTED = "ERR_ENVELOPE_UNSUPPORTED";
const MALFORMED = "ERR_ENVELOPE_MALFORMED";
const FAILED = "ERR_DECRYPT_FAILED";

function blobOf(bytes: number, magic = "CFR.EKM.v1\0"): Uint8Array {
  return concat(utf8Bytes(magic), seededBytes(SEED + 4, bytes - 11));
}

type Extra = Partial<Pick<TestkitFile, "key" | "aad">>;

/** @param released - plaintext that may come out at most */
function file(
  name: string,
  comment: string,
  expect: string,
  payload: Uint8Array,
  released: Uint8Array = new Uint8Array(0),
  extra: Extra = {},
): TestkitFile {
  return {
    name: `native-${name}`,
    layout: "native",
    comment,
    expect,
    key: KEY,
    aad: AAD,
    ...extra,
    releasedBytes: released.length,
    releasedSha256: createHash("sha256").update(released).digest("hex"),
    payload,
  };
}

const short = partsPlain(KEY, BLOB, SALT, AAD, SHORT);
const long = partsPlain(KEY, BLOB, SALT, AAD, LONG);
const SHORT_ENVELOPE = joinPlain(short);
const LONG_ENVELOPE = joinPlain(long);
/** Where things begin in both. */
const BLOB_AT = FIXED_HEADER.length + 1;
const SALT_AT = BLOB_AT + BLOB.length;
const COMMITMENT_AT = SALT_AT + 24;
const CHUNKS_AT = COMMITMENT_AT + 32;

const pad = (n: number, width = 2): string => String(n).padStart(width, "0");
const firstChunks = (count: number): Uint8Array => LONG.subarray(0, count * CHUNK);
const withShort = (parts: Partial<PlainParts>): Uint8Array => joinPlain({ ...short, ...parts });
const withLong = (parts: Partial<PlainParts>): Uint8Array => joinPlain({ ...long, ...parts });

export function nativeCases(): TestkitFile[] {
  return [
    ...valid(),
    ...headers(),
    ...cutOff(),
    ...keysAndCommitments(),
    ...wrongDerivations(),
    ...chunks(),
    ...ends(),
  ];
}

function* valid(): Generator<TestkitFile> {
  for (const size of [0, 1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1]) {
    const plaintext = seededBytes(SEED + 100 + size, size);
    const parts = partsPlain(KEY, BLOB, SALT, AAD, plaintext);
    yield file(`ok-size-${pad(size, 5)}`, `${size} bytes`, "ok", joinPlain(parts), plaintext);
  }
  const aads: [string, Uint8Array][] = [
    ["empty", new Uint8Array(0)],
    ["nul", Uint8Array.of(0)],
    ["utf8", utf8Bytes("é\u{1f511}")],
    ["like-a-header", FIXED_HEADER],
    ["1-kib", seededBytes(SEED + 7, 1024)],
  ];
  for (const [name, aad] of aads) {
    const parts = partsPlain(KEY, BLOB, SALT, aad, SHORT);
    yield file(`ok-aad-${name}`, `associated data: ${name}`, "ok", joinPlain(parts), SHORT, { aad });
  }
  for (const bytes of [11, 127, 128, 206, 16_383, 16_384, 65_536]) {
    const envelope = withShort({ keyBlob: blobOf(bytes) });
    yield file(`ok-key-blob-${pad(bytes, 5)}`, `a key blob of ${bytes} bytes`, "ok", envelope, SHORT);
  }
  const workos = withShort({ keyBlob: blobOf(206, "WOS.EKM.v1\0") });
  yield file("ok-key-blob-workos", "a key blob with WorkOS's magic", "ok", workos, SHORT);
  const exchanged = flipBit(SHORT_ENVELOPE, 8 * (BLOB_AT + 30));
  yield file("ok-key-blob-altered", "the key blob's inside is not authenticated", "ok", exchanged, SHORT);
  const other = withShort({ keyBlob: blobOf(90) });
  yield file("ok-spliced", "another key blob was spliced in", "ok", other, SHORT);
  const salt = new Uint8Array(24);
  const zeros = joinPlain(partsPlain(KEY, BLOB, salt, AAD, SHORT));
  yield file("ok-salt-zero", "a salt of zeros is a salt", "ok", zeros, SHORT);
}

function* headers(): Generator<TestkitFile> {
  const at = (index: number, value: number): Uint8Array => {
    const bytes = Uint8Array.from(SHORT_ENVELOPE);
    bytes[index] = value;
    return bytes;
  };
  for (const [index, value] of [
    [0, 0x44],
    [0, 0x63],
    [1, 0x47],
    [2, 0x53],
    [3, 0x41],
    [3, 0x3a],
    [3, 0x2f],
    [3, 0xb1],
  ] as const) {
    const name = `header-magic-${index}-${value.toString(16)}`;
    yield file(name, `byte ${index} of the magic is ${value}`, NOT_CIPHERTEXT, at(index, value));
  }
  for (const digit of "02345678".split("").concat("9")) {
    const payload = at(3, digit.charCodeAt(0));
    yield file(`header-version-${digit}`, `version ${digit}`, UNSUPPORTED, payload);
  }
  for (const suite of [0, 2, 3, 0x10, 0x81, 0xff]) {
    yield file(`header-suite-${pad(suite, 3)}`, `suite ${suite}`, UNSUPPORTED, at(4, suite));
  }
  for (let bit = 0; bit < 8; bit++) {
    yield file(`header-flag-${bit}`, `flag ${bit} is set`, UNSUPPORTED, at(5, 1 << bit));
  }
  const lengths: [string, string, Uint8Array][] = [
    ["overlong-2", "a length in two bytes where one does", Uint8Array.of(0xbc, 0x00)],
    ["overlong-3", "a length in three bytes where one does", Uint8Array.of(0xbc, 0x80, 0x00)],
    ["zero", "a key blob of no bytes", Uint8Array.of(0)],
    ["magic-only-less-1", "a key blob that ends inside its magic", Uint8Array.of(10)],
    ["more-than-there-is", "a key blob longer than the envelope", lebPlain(5_000)],
    ["65537", "a key blob of one byte more than the largest", lebPlain(65_537)],
    ["2097151", "the largest length of three bytes", lebPlain(2_097_151)],
    ["2-31", "a length of 2^31", lebPlain(2 ** 31)],
    ["2-32-less-1", "a length of 2^32 - 1", lebPlain(2 ** 32 - 1)],
    ["2-32", "a length of 2^32 + 60: high bits must not be dropped", lebPlain(2 ** 32 + 60)],
    ["endless", "a length without an end", new Uint8Array(10).fill(0xff)],
  ];
  for (const [name, comment, length] of lengths) {
    yield file(`header-length-${name}`, comment, MALFORMED, withShort({ length }));
  }
  for (let i = 0; i < 11; i++) {
    const payload = flipBit(SHORT_ENVELOPE, 8 * (BLOB_AT + i) + 1);
    yield file(
      `header-key-blob-magic-${pad(i)}`,
      `byte ${i} of the key blob's magic is altered`,
      MALFORMED,
      payload,
    );
  }
  const large = withShort({ keyBlob: blobOf(65_537) });
  yield file("header-key-blob-65537", "a key blob of 65,537 bytes, all there", MALFORMED, large);
}

function* cutOff(): Generator<TestkitFile> {
  const spots = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 17, 18, 40, SALT_AT - 1, SALT_AT, SALT_AT + 1, SALT_AT + 12];
  spots.push(
    COMMITMENT_AT - 1,
    COMMITMENT_AT,
    COMMITMENT_AT + 1,
    COMMITMENT_AT + 16,
    CHUNKS_AT - 1,
    CHUNKS_AT,
  );
  spots.push(CHUNKS_AT + 1, CHUNKS_AT + 15);
  for (const length of spots) {
    const payload = SHORT_ENVELOPE.subarray(0, length);
    const code = length < 4 ? NOT_CIPHERTEXT : MALFORMED;
    yield file(`cut-${pad(length, 3)}`, `only the first ${length} bytes`, code, payload);
  }
  for (const length of [CHUNKS_AT + 16, CHUNKS_AT + 17, SHORT_ENVELOPE.length - 1]) {
    const payload = SHORT_ENVELOPE.subarray(0, length);
    yield file(
      `cut-${pad(length, 3)}`,
      `only the first ${length} bytes: a length that a shorter plaintext has`,
      FAILED,
      payload,
    );
  }
}

function* keysAndCommitments(): Generator<TestkitFile> {
  for (let i = 0; i < 24; i++) {
    const payload = flipBit(SHORT_ENVELOPE, 8 * (SALT_AT + i) + (i % 8));
    yield file(`salt-flip-${pad(i)}`, `a bit of byte ${i} of the salt is altered`, FAILED, payload);
  }
  for (let i = 0; i < 32; i++) {
    const payload = flipBit(SHORT_ENVELOPE, 8 * (COMMITMENT_AT + i) + (i % 8));
    yield file(
      `commitment-flip-${pad(i)}`,
      `a bit of byte ${i} of the commitment is altered`,
      FAILED,
      payload,
    );
  }
  const zero = withShort({ commitment: new Uint8Array(32) });
  yield file("commitment-zero", "a commitment of zeros", FAILED, zero);
  const reversed = withShort({ commitment: short.commitment.slice().reverse() });
  yield file("commitment-reversed", "the commitment backwards", FAILED, reversed);
  const others = derivePlain(OTHER_KEY, SALT, concat(FIXED_HEADER, AAD));
  const foreign = withShort({ commitment: others.commitment });
  yield file("commitment-of-another-key", "chunks under the key, the commitment of another", FAILED, foreign);
  const half = concat(short.commitment.subarray(0, 16), others.commitment.subarray(16));
  yield file(
    "commitment-half",
    "half of the commitment is another key's",
    FAILED,
    withShort({ commitment: half }),
  );
  const chunks = sealChunksPlain(others, SHORT);
  yield file(
    "chunks-of-another-key",
    "the commitment of the key, chunks under another",
    FAILED,
    withShort({ chunks }),
  );
  yield file("salt-other", "another salt", FAILED, withShort({ salt: OTHER_SALT }));
  yield file(
    "salt-and-commitment-swapped",
    "salt and commitment in the wrong order",
    FAILED,
    concat(SHORT_ENVELOPE.subarray(0, SALT_AT), short.commitment, SALT, ...short.chunks),
  );

  yield file("key-wrong", "another data key", FAILED, SHORT_ENVELOPE, undefined, { key: OTHER_KEY });
  const flipped = flipBit(KEY, 255);
  yield file("key-one-bit", "a data key of which one bit differs", FAILED, SHORT_ENVELOPE, undefined, {
    key: flipped,
  });
  for (const length of [0, 16, 31, 33, 64]) {
    const key = concat(KEY, KEY).subarray(0, length);
    yield file(
      `key-bytes-${pad(length)}`,
      `a data key of ${length} bytes`,
      "ERR_INVALID_ARGUMENT",
      SHORT_ENVELOPE,
      undefined,
      { key },
    );
  }
  const aads: [string, Uint8Array][] = [
    ["missing", new Uint8Array(0)],
    ["other", utf8Bytes("Testkit")],
    ["shorter", AAD.subarray(0, -1)],
    ["longer", concat(AAD, Uint8Array.of(0))],
    ["twice", concat(AAD, AAD)],
    ["behind-a-header", concat(FIXED_HEADER, AAD)],
  ];
  for (const [name, aad] of aads) {
    yield file(`aad-${name}`, `associated data: ${name}`, FAILED, SHORT_ENVELOPE, undefined, { aad });
  }
  const without = joinPlain(partsPlain(KEY, BLOB, SALT, new Uint8Array(0), SHORT));
  yield file("aad-unexpected", "associated data where there was none", FAILED, without);
}

/** Envelopes of writers that derive otherwise: whole and consistent, but not of this format. */
function* wrongDerivations(): Generator<TestkitFile> {
  const context = concat(FIXED_HEADER, AAD);
  const label = utf8Bytes("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");
  const expand = (hash: string, key: Uint8Array, info: Uint8Array): PlainKeys => {
    const blocks: Uint8Array[] = [];
    for (let i = 1, block = new Uint8Array(0); i <= 3; i++) {
      block = Uint8Array.from(
        createHmac(hash, key).update(block).update(info).update(Uint8Array.of(i)).digest(),
      );
      blocks.push(block);
    }
    return cut(concat(...blocks));
  };
  const cut = (all: Uint8Array): PlainKeys => ({
    key: all.slice(0, 32),
    nonce: all.slice(32, 44),
    commitment: all.slice(44, 76),
  });
  const ways: [string, string, PlainKeys][] = [
    ["no-header", "the fixed header was not in the info", derivePlain(KEY, SALT, AAD)],
    ["no-aad", "the associated data was not in the info", derivePlain(KEY, SALT, FIXED_HEADER)],
    [
      "aad-first",
      "associated data before the fixed header",
      derivePlain(KEY, SALT, concat(AAD, FIXED_HEADER)),
    ],
    ["key-blob", "the key blob was in the info", derivePlain(KEY, SALT, concat(FIXED_HEADER, BLOB, AAD))],
    ["suite-2", "suite 2 was in the info", derivePlain(KEY, SALT, concat(FIXED_HEADER.with(4, 2), AAD))],
    ["flags", "a flag was in the info", derivePlain(KEY, SALT, concat(FIXED_HEADER.with(5, 1), AAD))],
    [
      "version-2",
      "version 2 was in the info",
      derivePlain(KEY, SALT, concat(FIXED_HEADER.with(3, 0x32), AAD)),
    ],
    ["sha-256", "HKDF with SHA-256", expand("sha256", KEY, concat(label, SALT, context))],
    ["no-label", "no label in the info", expand("sha512", KEY, concat(SALT, context))],
    ["no-salt", "no salt in the info", expand("sha512", KEY, concat(label, context))],
    [
      "aes-128-name",
      "the name of AES-128 in the info",
      expand(
        "sha512",
        KEY,
        concat(utf8Bytes("c2sp.org/chunked-encryption@v1+AEAD_AES_128_GCM\0"), SALT, context),
      ),
    ],
    [
      "extract",
      "HKDF with an extract step",
      cut(new Uint8Array(hkdfSync("sha512", KEY, SALT, concat(label, SALT, context), 76))),
    ],
    [
      "order",
      "commitment before key and nonce",
      ((all) => ({ commitment: all.commitment, key: all.nonce, nonce: all.key }))(shifted(context)),
    ],
  ];
  for (const [name, comment, keys] of ways) {
    const payload = withShort({ commitment: keys.commitment, chunks: sealChunksPlain(keys, SHORT) });
    yield file(`derivation-${name}`, comment, FAILED, payload);
  }
}

/** The derived bytes in another order: commitment, key, nonce. */
function shifted(context: Uint8Array): PlainKeys {
  const { key, nonce, commitment } = derivePlain(KEY, SALT, context);
  const all = concat(key, nonce, commitment);
  return { commitment: all.slice(0, 32), nonce: all.slice(32, 64), key: all.slice(64, 76) };
}

function* chunks(): Generator<TestkitFile> {
  for (let i = 0; i < 16; i++) {
    const payload = flipBit(SHORT_ENVELOPE, 8 * (SHORT_ENVELOPE.length - 16 + i) + (i % 8));
    yield file(`chunk-tag-flip-${pad(i)}`, `a bit of byte ${i} of the last tag is altered`, FAILED, payload);
  }
  for (const i of [0, 1, 10, 19]) {
    const payload = flipBit(SHORT_ENVELOPE, 8 * (CHUNKS_AT + i) + 7);
    yield file(`chunk-flip-${pad(i)}`, `a bit of byte ${i} of the only chunk is altered`, FAILED, payload);
  }
  for (const index of [0, 1, 2]) {
    const start = CHUNKS_AT + index * SEALED_CHUNK;
    const released = firstChunks(index);
    const first = flipBit(LONG_ENVELOPE, 8 * start);
    yield file(
      `chunk-${index}-first-bit`,
      `the first bit of chunk ${index} of 3 is altered`,
      FAILED,
      first,
      released,
    );
    const length = long.chunks[index]!.length;
    const tag = flipBit(LONG_ENVELOPE, 8 * (start + length) - 1);
    yield file(
      `chunk-${index}-last-bit`,
      `the last bit of chunk ${index} of 3, of its tag, is altered`,
      FAILED,
      tag,
      released,
    );
    const zeroed = long.chunks.with(index, new Uint8Array(length));
    yield file(
      `chunk-${index}-zero`,
      `chunk ${index} of 3 is zeros`,
      FAILED,
      withLong({ chunks: zeroed }),
      released,
    );
  }
  const [a, b, last] = long.chunks as [Uint8Array, Uint8Array, Uint8Array];
  const other = partsPlain(KEY, BLOB, OTHER_SALT, AAD, LONG);
  const ways: [string, string, readonly Uint8Array[], number][] = [
    ["swapped", "chunks 0 and 1 in the wrong order", [b, a, last], 0],
    ["repeated", "chunk 0 twice, chunk 1 missing", [a, a, last], 1],
    ["repeated-and-more", "chunk 1 twice", [a, b, b, last], 2],
    ["first-missing", "chunk 0 is missing", [b, last], 0],
    ["middle-missing", "chunk 1 is missing", [a, last], 1],
    ["only-last", "all but the last chunk are missing", [last], 0],
    ["last-first", "the last chunk at the beginning, where a full one is read", [last, a, b], 0],
    ["first-of-another", "chunk 0 is another message's", [other.chunks[0]!, b, last], 0],
    ["last-of-another", "the last chunk is another message's", [a, b, other.chunks[2]!], 2],
    ["all-of-another", "all chunks are another message's", other.chunks, 0],
  ];
  for (const [name, comment, list, released] of ways) {
    yield file(`chunks-${name}`, comment, FAILED, withLong({ chunks: list }), firstChunks(released));
  }
  const { keys } = long;
  const sealAs = (index: number, nonceIndex: number): Uint8Array =>
    sealChunkPlain(keys, nonceIndex, LONG.subarray(index * CHUNK, (index + 1) * CHUNK));
  const fromOne = [sealAs(0, 1), sealAs(1, 2), sealAs(2, 3)];
  yield file("nonce-from-1", "chunks counted from 1", FAILED, withLong({ chunks: fromOne }));
  const noCounter = [sealAs(0, 0), sealAs(1, 0), sealAs(2, 0)];
  yield file(
    "nonce-same",
    "one nonce for all chunks",
    FAILED,
    withLong({ chunks: noCounter }),
    firstChunks(1),
  );
  const littleEndian = [sealAs(0, 0), sealAs(1, 2 ** 24), sealAs(2, 2 ** 25)];
  yield file(
    "nonce-counter-place",
    "the number in another byte of the nonce",
    FAILED,
    withLong({ chunks: littleEndian }),
    firstChunks(1),
  );
  const high = [a, sealAs(1, 1 + 2 ** 32), sealAs(2, 2 + 2 ** 32)];
  yield file(
    "nonce-high-bits",
    "numbers that differ above 32 bits",
    FAILED,
    withLong({ chunks: high }),
    firstChunks(1),
  );
  const smaller = [LONG.subarray(0, 8192), LONG.subarray(8192, CHUNK)].map((piece, i) =>
    sealChunkPlain(keys, i, piece),
  );
  yield file("chunk-size-8192", "chunks of 8 KiB", FAILED, withLong({ chunks: smaller }));
  const whole = [sealChunkPlain(keys, 0, LONG)];
  yield file("chunk-size-all", "everything in one chunk", FAILED, withLong({ chunks: whole }));
  const bound = [gcm(short.keys.key, short.keys.nonce, SHORT, AAD)];
  yield file("chunk-aad", "the associated data given to GCM as well", FAILED, withShort({ chunks: bound }));
  const random = [gcm(short.keys.key, nonceOf(short.keys.nonce, 7), SHORT, new Uint8Array(0))];
  yield file("chunk-number-7", "the only chunk has another number", FAILED, withShort({ chunks: random }));
  const tagFirst = concat(short.chunks[0]!.subarray(-16), short.chunks[0]!.subarray(0, -16));
  yield file("chunk-tag-first", "the tag before the ciphertext", FAILED, withShort({ chunks: [tagFirst] }));
}

/** What comes at the end: too little, too much, or another end. */
function* ends(): Generator<TestkitFile> {
  const [a, b, last] = long.chunks as [Uint8Array, Uint8Array, Uint8Array];
  yield file(
    "end-missing",
    "the last chunk is missing",
    MALFORMED,
    withLong({ chunks: [a, b] }),
    firstChunks(2),
  );
  yield file(
    "end-one-full-chunk",
    "one full chunk, and no other",
    MALFORMED,
    withLong({ chunks: [a] }),
    firstChunks(1),
  );
  for (const length of [1, 8, 15]) {
    const chunks = [a, b, last.subarray(0, length)];
    yield file(
      `end-cut-to-${pad(length)}`,
      `the last chunk has ${length} bytes: less than a tag`,
      MALFORMED,
      withLong({ chunks }),
      firstChunks(2),
    );
  }
  for (const length of [16, 17, last.length - 1]) {
    const chunks = [a, b, last.subarray(0, length)];
    yield file(
      `end-cut-to-${pad(length)}`,
      `the last chunk is cut to ${length} bytes`,
      FAILED,
      withLong({ chunks }),
      firstChunks(2),
    );
  }
  const middle = [a, b.subarray(0, 5_000)];
  yield file(
    "end-in-chunk-1",
    "cut off in the middle of chunk 1",
    FAILED,
    withLong({ chunks: middle }),
    firstChunks(1),
  );
  const oneLess = [a, b.subarray(0, -1)];
  yield file(
    "end-one-byte-less",
    "cut off one byte before the end of chunk 1",
    FAILED,
    withLong({ chunks: oneLess }),
    firstChunks(1),
  );
  const oneMore = [a, b, last.subarray(0, 1)];
  yield file(
    "end-one-byte-more",
    "cut off one byte behind the end of chunk 1",
    MALFORMED,
    withLong({ chunks: oneMore }),
    firstChunks(2),
  );
  const full = partsPlain(KEY, BLOB, SALT, AAD, LONG.subarray(0, CHUNK));
  yield file(
    "end-empty-missing",
    "the empty last chunk behind a full one is missing",
    MALFORMED,
    joinPlain({ ...full, chunks: [full.chunks[0]!] }),
    firstChunks(1),
  );
  const altered = joinPlain({ ...full, chunks: [full.chunks[0]!, flipBit(full.chunks[1]!, 0)] });
  yield file("end-empty-altered", "the empty last chunk's tag is altered", FAILED, altered, firstChunks(1));
  const twice = [...full.chunks, sealChunkPlain(full.keys, 2, new Uint8Array(0))];
  yield file(
    "end-empty-twice",
    "two empty last chunks",
    FAILED,
    joinPlain({ ...full, chunks: twice }),
    firstChunks(1),
  );
  yield file(
    "end-byte-appended",
    "a byte behind the end",
    FAILED,
    concat(LONG_ENVELOPE, Uint8Array.of(0)),
    firstChunks(2),
  );
  yield file(
    "end-line-break-appended",
    "a line break behind the end",
    FAILED,
    concat(SHORT_ENVELOPE, utf8Bytes("\n")),
  );
  yield file(
    "end-chunk-appended",
    "a whole chunk behind the last one",
    FAILED,
    withLong({ chunks: [a, b, last, sealChunkPlain(long.keys, 3, SHORT)] }),
    firstChunks(2),
  );
  yield file(
    "end-last-twice",
    "the last chunk twice",
    FAILED,
    withLong({ chunks: [a, b, last, last] }),
    firstChunks(2),
  );
  yield file(
    "end-envelope-appended",
    "a second envelope behind the first",
    FAILED,
    concat(SHORT_ENVELOPE, SHORT_ENVELOPE),
  );
}

function gcm(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return concat(ciphertext, cipher.getAuthTag());
}
