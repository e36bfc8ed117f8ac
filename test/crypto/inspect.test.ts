/** What can be done with an envelope without a key: look, recognise, splice. docs/spec/envelope.md section 9. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes } from "../../src/base/bytes.ts";
import { parseEnvelope, serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { inspect, isCiphertext, splice } from "../../src/crypto/envelope/inspect.ts";
import type { WorkosLayout } from "../../src/crypto/envelope/layouts.ts";
import { COFFER_MAGIC, encodeKeyBlob, TEST_MAGIC } from "../../src/crypto/keys/key-blob.ts";
import { localDecryptSync } from "../../src/crypto/local.ts";
import { anyLayout, keyBlob } from "../support/arbitraries.ts";
import { base64, fromBase64, utf8Bytes } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import {
  OFFICIAL_IV32_ENVELOPE,
  SAMPLE_1,
  SAMPLE_2,
  SAMPLE_ASSOCIATED_DATA,
  SAMPLE_ENVELOPES,
  SAMPLE_PLAINTEXT,
  TRUNCATED_SAMPLE,
} from "../support/samples.ts";

const LAYOUTS = ["iv12", "iv32", "leb-first", "dotnet"] as const;

describe("inspect", () => {
  test.each(LAYOUTS)("tells layout, ids and sizes of %s", (layout) => {
    expect(inspect(SAMPLE_ENVELOPES[layout])).toEqual({
      layout,
      isCanonical: true,
      keyBlob: {
        format: "workos",
        dataKeyId: SAMPLE_1.dataKeyId,
        keks: [{ id: SAMPLE_1.kekId }],
        bytes: 206,
      },
      encryptedKeys: SAMPLE_1.encryptedKeys,
      nonceBytes: layout === "iv32" ? 32 : 12,
      plaintextBytes: SAMPLE_PLAINTEXT.length,
    });
  });

  test.each([
    ["coffer", COFFER_MAGIC],
    ["test", TEST_MAGIC],
  ] as const)("tells ids and versions of blobs with the magic of %s", (format, magic) => {
    const blob = encodeKeyBlob({
      dataKeyId: new Uint8Array(16).fill(1),
      keks: [{ id: new Uint8Array(16).fill(2), version: 3 }],
      nonce: new Uint8Array(24),
      wrapped: new Uint8Array(80),
    });
    blob.set(magic);
    expect(inspect(splice(SAMPLE_ENVELOPES["leb-first"], base64(blob)))).toMatchObject({
      layout: "leb-first",
      keyBlob: {
        format,
        dataKeyId: "01010101-0101-0101-0101-010101010101",
        keks: [{ id: "02020202-0202-0202-0202-020202020202", version: 3 }],
        bytes: 152,
      },
      plaintextBytes: SAMPLE_PLAINTEXT.length,
    });
  });

  test("[ENV-27] reads leniently if told to, and tells", () => {
    const text = `${SAMPLE_ENVELOPES.iv12}\n`;
    expect(errorOf(() => inspect(text)).code).toBe("ERR_NOT_CIPHERTEXT");
    expect(inspect(text, { lenient: true })).toMatchObject({ layout: "iv12", isCanonical: false });
  });

  test("refuses a malformed coffer blob, which the envelope alone does not look into", () => {
    const text = splice(SAMPLE_ENVELOPES.iv12, base64(utf8Bytes("CFR.EKM.v1\0 and no more")));
    expect(isCiphertext(text)).toBe(true);
    expect(errorOf(() => inspect(text)).code).toBe("ERR_KEY_BLOB_MALFORMED");
  });
});

describe("isCiphertext", () => {
  test("recognises envelopes of every layout, and nothing else", () => {
    for (const layout of LAYOUTS) expect(isCiphertext(SAMPLE_ENVELOPES[layout])).toBe(true);
    for (const other of [
      "",
      "text",
      SAMPLE_1.encryptedKeys,
      undefined,
      null,
      5,
      {},
      fromBase64(SAMPLE_ENVELOPES.iv12),
    ]) {
      expect(isCiphertext(other)).toBe(false);
    }
  });

  test("takes the options of reading", () => {
    expect(isCiphertext(SAMPLE_ENVELOPES.iv12, { layouts: ["dotnet"] })).toBe(false);
    expect(isCiphertext(` ${SAMPLE_ENVELOPES.iv12}`)).toBe(false);
    expect(isCiphertext(` ${SAMPLE_ENVELOPES.iv12}`, { lenient: true })).toBe(true);
    // Not "no": the caller would encrypt a second time.
    const error = errorOf(() => isCiphertext(SAMPLE_ENVELOPES.iv12, { layouts: ["iv16"] as never }));
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  });
});

describe("splice", () => {
  test.each(LAYOUTS)(
    "[ENV-30] %s keeps layout, nonce, ciphertext and tag, and still opens",
    (layout: WorkosLayout) => {
      const before = SAMPLE_ENVELOPES[layout];
      const after = splice(before, SAMPLE_2.encryptedKeys);
      const [old, spliced] = [parseEnvelope(before), parseEnvelope(after)];
      expect(spliced).toEqual({ ...old, keyBlob: fromBase64(SAMPLE_2.encryptedKeys) });
      expect(inspect(after).encryptedKeys).toBe(SAMPLE_2.encryptedKeys);
      expect(localDecryptSync(after, SAMPLE_1, SAMPLE_ASSOCIATED_DATA)).toBe(SAMPLE_PLAINTEXT);
      expect(splice(after, SAMPLE_1.encryptedKeys)).toBe(before);
    },
  );

  test("[ENV-30] WorkOS's own iv32 envelope too, to a blob of another length", () => {
    const after = splice(OFFICIAL_IV32_ENVELOPE, TRUNCATED_SAMPLE.encryptedKeys);
    expect(fromBase64(after)).toHaveLength(32 + 16 + 1 + 126 + 14);
    expect(localDecryptSync(after, SAMPLE_1)).toBe(SAMPLE_PLAINTEXT);
  });

  test("[ENV-30] [ENV-31] any envelope keeps its payload under any blob, and is canonical", () => {
    fc.assert(
      fc.property(
        anyLayout,
        keyBlob,
        keyBlob,
        fc.uint8Array({ maxLength: 60 }),
        fc.uint8Array({ minLength: 48, maxLength: 48 }),
        (layout, oldBlob, newBlob, ciphertext, random) => {
          const nonce = random.subarray(0, layout === "iv32" ? 32 : 12);
          const parts = { layout, keyBlob: oldBlob, nonce, ciphertext, tag: random.subarray(32) };
          const after = splice(serializeEnvelope(parts), base64(newBlob));
          expect(parseEnvelope(after)).toEqual({ ...parts, keyBlob: newBlob, isCanonical: true });
          expect(splice(after, base64(oldBlob))).toBe(serializeEnvelope(parts));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("[ENV-31] makes canonical what was read leniently", () => {
    const text = SAMPLE_ENVELOPES.dotnet.replace(/=+$/, "\n");
    expect(splice(text, SAMPLE_1.encryptedKeys, { lenient: true })).toBe(SAMPLE_ENVELOPES.dotnet);
    expect(errorOf(() => splice(text, SAMPLE_1.encryptedKeys)).code).toBe("ERR_NOT_CIPHERTEXT");
  });

  test.each([
    "",
    "not base64",
    base64(utf8Bytes("WOS.EKM.v1")),
    `${SAMPLE_2.encryptedKeys} `,
    base64(concatBytes(utf8Bytes("WOS.EKM.v1\0"), new Uint8Array(65_536))),
  ])("[ENV-12] [ENV-17] [ENV-31] refuses what is no key blob: %#", (blob) => {
    expect(errorOf(() => splice(SAMPLE_ENVELOPES.iv12, blob)).code).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test("[ENV-31] refuses what is no envelope, or no text", () => {
    expect(errorOf(() => splice("text", SAMPLE_2.encryptedKeys)).code).toBe("ERR_NOT_CIPHERTEXT");
    expect(errorOf(() => splice(5 as never, SAMPLE_2.encryptedKeys)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => splice(SAMPLE_ENVELOPES.iv12, 5 as never)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(
      errorOf(() => splice(SAMPLE_ENVELOPES.iv12, SAMPLE_2.encryptedKeys, { layouts: ["dotnet"] })).code,
    ).toBe("ERR_LAYOUT_NOT_ALLOWED");
  });
});
