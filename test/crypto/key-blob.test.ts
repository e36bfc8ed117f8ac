/** Key blobs: coffer's own are exact, of WorkOS's as much is read as can be. Their rules are in docs/spec/keyring.md. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ascii, concatBytes } from "../../src/base/bytes.ts";
import {
  type CofferKeyBlob,
  decodeKeyBlob,
  encodeKeyBlob,
  KEY_BLOB_MAGICS,
  kekReferences,
  keyBlobFormatAt,
} from "../../src/crypto/keys/key-blob.ts";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { isVaultError } from "../../src/errors.ts";
import { fromBase64, hex, utf8Bytes } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { SAMPLE_1, SAMPLE_2, TRUNCATED_SAMPLE } from "../support/samples.ts";

const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const cofferBlob: fc.Arbitrary<CofferKeyBlob> = fc.record({
  dataKeyId: exactly(16),
  keks: fc.array(fc.record({ id: exactly(16), version: fc.integer({ min: 1, max: 0xffffffff }) }), {
    minLength: 1,
    maxLength: 10,
  }),
  nonce: exactly(24),
  wrapped: exactly(80),
});

const SMALL: CofferKeyBlob = {
  dataKeyId: new Uint8Array(16).fill(0xd1),
  keks: [{ id: new Uint8Array(16).fill(0xe1), version: 258 }],
  nonce: new Uint8Array(24).fill(0xa1),
  wrapped: new Uint8Array(80).fill(0xb1),
};

/** The code of the error, or undefined where there is none. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (isVaultError(error)) return error.code;
    throw error;
  }
  return undefined;
}

describe("coffer's blobs", () => {
  test("are these bytes", () => {
    expect(encodeKeyBlob(SMALL)).toEqual(
      concatBytes(
        utf8Bytes("CFR.EKM.v1\0"),
        SMALL.dataKeyId,
        hex("01"),
        SMALL.keks[0]!.id,
        hex("00000102"),
        SMALL.nonce,
        SMALL.wrapped,
      ),
    );
    expect(encodeKeyBlob(SMALL)).toHaveLength(152);
  });

  test("are read again", () => {
    fc.assert(
      fc.property(cofferBlob, (blob) => {
        expect(decodeKeyBlob(encodeKeyBlob(blob))).toEqual(blob);
      }),
    );
  });

  test("are read only if exact: whatever is accepted is written again alike", () => {
    const change = fc.record({
      at: fc.nat({ max: 60 }),
      to: fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 255 })),
    });
    fc.assert(
      fc.property(
        cofferBlob,
        fc.array(change, { maxLength: 3 }),
        fc.integer({ min: -30, max: 30 }),
        (blob, changes, by) => {
          const encoded = encodeKeyBlob(blob);
          const bytes = new Uint8Array(encoded.length + by);
          bytes.set(encoded.subarray(0, bytes.length));
          for (const { at, to } of changes) bytes[at] = to;
          let decoded: CofferKeyBlob;
          try {
            decoded = decodeKeyBlob(bytes);
          } catch (error) {
            expect(isVaultError(error, "ERR_KEY_BLOB_MALFORMED")).toBe(true);
            return;
          }
          expect(encodeKeyBlob(decoded)).toEqual(bytes);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("are refused at every other length", () => {
    const encoded = encodeKeyBlob(SMALL);
    for (let length = 0; length < encoded.length; length++) {
      expect(codeOf(() => decodeKeyBlob(encoded.subarray(0, length)))).toBe("ERR_KEY_BLOB_MALFORMED");
    }
    expect(codeOf(() => decodeKeyBlob(concatBytes(encoded, hex("00"))))).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test.each([0, 11, 255])("are refused with %i KEKs, also where the length fits", (count) => {
    const kek = SMALL.keks[0]!;
    const keks = Array.from({ length: count }, () => kek);
    expect(codeOf(() => decodeKeyBlob(encodeKeyBlob({ ...SMALL, keks })))).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test("are refused with a KEK version 0, also behind a good one", () => {
    const keks = [SMALL.keks[0]!, { id: SMALL.keks[0]!.id, version: 0 }];
    expect(codeOf(() => decodeKeyBlob(encodeKeyBlob({ ...SMALL, keks })))).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test("tell their ids and versions", () => {
    expect(inspectKeyBlob(encodeKeyBlob(SMALL))).toEqual({
      format: "coffer",
      dataKeyId: "d1d1d1d1-d1d1-d1d1-d1d1-d1d1d1d1d1d1",
      keks: [{ id: "e1e1e1e1-e1e1-e1e1-e1e1-e1e1e1e1e1e1", version: 258 }],
      bytes: 152,
    });
  });
});

describe("WorkOS's blobs", () => {
  test.each([
    [SAMPLE_1, 206],
    [SAMPLE_2, 206],
    [TRUNCATED_SAMPLE, 126],
  ])("tell their ids: %#", (sample, bytes) => {
    expect(inspectKeyBlob(fromBase64(sample.encryptedKeys))).toEqual({
      format: "workos",
      dataKeyId: sample.dataKeyId,
      keks: [{ id: sample.kekId }],
      bytes,
    });
  });

  test("are not coffer's", () => {
    expect(codeOf(() => decodeKeyBlob(fromBase64(SAMPLE_1.encryptedKeys)))).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  const start = concatBytes(ascii("WOS.EKM.v1\0"), ascii(SAMPLE_1.dataKeyId));
  const field = (...bytes: Uint8Array[]) => concatBytes(hex("01"), ...bytes);
  const kek = (id: string, length = "24") => field(hex(length), ascii(id));

  test.each([
    [
      "several entries",
      [kek(SAMPLE_1.kekId), field(hex("0131")), kek(SAMPLE_2.kekId)],
      [SAMPLE_1.kekId, SAMPLE_2.kekId],
    ],
    [
      "a long field in DER's long form",
      [field(hex("81c8"), new Uint8Array(200)), kek(SAMPLE_1.kekId)],
      [SAMPLE_1.kekId],
    ],
    ["a very long field", [field(hex("820100"), new Uint8Array(256)), kek(SAMPLE_1.kekId)], [SAMPLE_1.kekId]],
    ["an id in the long form", [kek(SAMPLE_1.kekId, "8124")], [SAMPLE_1.kekId]],
    ["the indefinite length", [field(hex("80"), new Uint8Array(128)), kek(SAMPLE_1.kekId)], []],
    ["an empty field", [field(hex("00")), kek(SAMPLE_1.kekId)], [SAMPLE_1.kekId]],
    ["36 bytes that are no UUID", [field(hex("24"), new Uint8Array(36).fill(0x61))], []],
    ["36 bytes that are no text", [field(hex("24"), new Uint8Array(36).fill(0xff))], []],
    ["another type", [kek(SAMPLE_1.kekId), hex("02"), kek(SAMPLE_2.kekId)], [SAMPLE_1.kekId]],
    ["a field that is cut off", [kek(SAMPLE_1.kekId), field(hex("24"), ascii("cf29"))], [SAMPLE_1.kekId]],
    ["a length that is cut off", [field(hex("82ff"))], []],
    ["no length", [hex("01")], []],
    ["a length of 127 bytes", [field(new Uint8Array(128).fill(0xff))], []],
    ["nothing", [], []],
  ] as [string, Uint8Array[], string[]][])("are read as far as can be: %s", (_, fields, ids) => {
    expect(inspectKeyBlob(concatBytes(start, ...fields)).keks.map((found) => found.id)).toEqual(ids);
  });

  test("are read without an id where there is none", () => {
    for (const rest of [
      "",
      "0205e0ec-828e-5594-96ac-a68fc8257fb",
      "0205E0EC-828E-5594-96AC-A68FC8257FB7",
      "\xff",
    ]) {
      const info = inspectKeyBlob(concatBytes(ascii("WOS.EKM.v1\0"), ascii(rest)));
      expect(info).toMatchObject({ format: "workos", dataKeyId: undefined, keks: [] });
    }
  });
});

describe("a test vault's blobs", () => {
  const blob = encodeKeyBlob(SMALL, "test");

  test("have the fields of coffer's behind a magic of their own", () => {
    expect(blob).toEqual(concatBytes(utf8Bytes("CFR.TST.v1\0"), encodeKeyBlob(SMALL).subarray(11)));
    expect(decodeKeyBlob(blob, "test")).toEqual(SMALL);
  });

  test("are read as nothing else, and the refusal says what opens them", () => {
    for (const read of [() => decodeKeyBlob(blob), () => kekReferences(blob)]) {
      const { code, message } = errorOf(read);
      expect(code).toBe("ERR_KEY_BLOB_MALFORMED");
      expect(message).toContain("coffer/testing");
    }
    expect(errorOf(() => decodeKeyBlob(encodeKeyBlob(SMALL), "test")).message).toContain(
      "a test vault's magic",
    );
    const workos = fromBase64(SAMPLE_1.encryptedKeys);
    expect(errorOf(() => decodeKeyBlob(workos)).message).toContain("coffer's magic");
  });
});

test("the part of a blob that names its KEKs is the same for the same KEK versions", () => {
  const part = kekReferences(encodeKeyBlob(SMALL));
  expect(part).toEqual(concatBytes(hex("01"), SMALL.keks[0]!.id, hex("00000102")));
  expect(kekReferences(encodeKeyBlob({ ...SMALL, nonce: new Uint8Array(24) }))).toEqual(part);
});

describe("any bytes", () => {
  test("are inspected or refused, never more", () => {
    const bytes = fc
      .tuple(
        fc.constantFrom("", "CFR.EKM.v1\0", "WOS.EKM.v1\0", `WOS.EKM.v1\0${SAMPLE_1.dataKeyId}\x01`),
        fc.uint8Array(),
      )
      .map(([magic, rest]) => concatBytes(ascii(magic), rest));
    fc.assert(
      fc.property(bytes, (blob) => {
        expect([undefined, "ERR_KEY_BLOB_MALFORMED"]).toContain(codeOf(() => inspectKeyBlob(blob)));
      }),
      { numRuns: 1000 },
    );
  });

  test("tell by each magic whose they are", () => {
    expect(KEY_BLOB_MAGICS.map((magic) => keyBlobFormatAt(magic, 0))).toEqual([
      "workos",
      "coffer",
      "sealed",
      "test",
    ]);
  });

  test("without a known magic have no format", () => {
    expect(keyBlobFormatAt(ascii("WOS.EKM.v2\0"), 0)).toBeUndefined();
    expect(keyBlobFormatAt(ascii("xCFR.EKM.v1\0"), 1)).toBe("coffer");
    const error = errorOf(() => inspectKeyBlob(ascii("CFR.EKM.v1 ")));
    expect(error.code).toBe("ERR_KEY_BLOB_MALFORMED");
  });
});
