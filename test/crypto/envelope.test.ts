/** Envelopes: docs/spec/envelope.md, sections 2 to 7, rule by rule. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes } from "../../src/base/bytes.ts";
import { encodeLeb128 } from "../../src/base/leb128.ts";
import {
  type Envelope,
  type ParsedEnvelope,
  type ParseOptions,
  parseEnvelope,
  serializeEnvelope,
  serializeEnvelopeBytes,
} from "../../src/crypto/envelope/envelope.ts";
import { detectLayout, LAYOUTS, type Layout, type WorkosLayout } from "../../src/crypto/envelope/layouts.ts";
import { ENVELOPE_BYTES_MAX, KEY_BLOB_BYTES_MAX, PLAINTEXT_BYTES_MAX } from "../../src/crypto/limits.ts";
import { isVaultError } from "../../src/errors.ts";
import { anyLayout, keyBlob } from "../support/arbitraries.ts";
import { base64, fromBase64, hex, seededStream, toHexText, utf8Bytes } from "../support/bytes.ts";
import { type CodedError, errorOf } from "../support/errors.ts";
import { OFFICIAL_IV32_ENVELOPE, SAMPLE_1, SAMPLE_ENVELOPES } from "../support/samples.ts";

const BLOB = fromBase64(SAMPLE_1.encryptedKeys);
const COFFER_BLOB = concatBytes(utf8Bytes("CFR.EKM.v1\0"), new Uint8Array(141).fill(0xee));
const NONCE = new Uint8Array(12).fill(7);
const TAG = hex("6e22442b56800377472df5671f12fdaf");
const CIPHERTEXT = hex("9969ded91ff2c3c4acb89b758ffa");
const EVERY_LAYOUT: readonly WorkosLayout[] = ["iv12", "iv32", "leb-first", "dotnet"];

const envelope: fc.Arbitrary<Envelope> = anyLayout.chain((layout) =>
  fc.record({
    layout: fc.constant(layout),
    keyBlob,
    nonce: fc.uint8Array({ minLength: nonceBytes(layout), maxLength: nonceBytes(layout) }),
    ciphertext: fc.uint8Array({ maxLength: 100 }),
    tag: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  }),
);

function nonceBytes(layout: Layout): number {
  return layout === "iv32" ? 32 : 12;
}

function parseError(text: string, options?: ParseOptions): CodedError {
  return errorOf(() => parseEnvelope(text, options));
}

/** An envelope's bytes made by hand: how the embedded blob is spelled and measured is the caller's. */
function build(
  layout: Layout,
  embedded: Uint8Array,
  length: Uint8Array = encodeLeb128(embedded.length),
  ciphertext: Uint8Array = CIPHERTEXT,
): Uint8Array {
  const nonce = new Uint8Array(nonceBytes(layout)).fill(7);
  return layout === "leb-first"
    ? concatBytes(length, embedded, nonce, ciphertext, TAG)
    : concatBytes(nonce, TAG, length, embedded, ciphertext);
}

/** What a layout embeds of a key blob. */
const embed = (layout: Layout, blob: Uint8Array): Uint8Array =>
  layout === "dotnet" ? utf8Bytes(base64(blob)) : blob;

/** Whether a view lies inside one array, as all parts of one envelope must. */
function expectParts(parsed: ParsedEnvelope): void {
  const { layout, nonce, tag, ciphertext, keyBlob: blob } = parsed;
  expect([nonce.length, tag.length]).toEqual([nonceBytes(layout), 16]);
  expect(blob.length).toBeGreaterThanOrEqual(11);
  const buffers = new Set([nonce.buffer, tag.buffer, ciphertext.buffer]);
  expect(buffers.size).toBe(1);
}

describe("the layouts", () => {
  test.each([
    ["iv12", NONCE, TAG, CIPHERTEXT, 250],
    ["leb-first", NONCE, TAG, CIPHERTEXT, 250],
    ["dotnet", NONCE, TAG, CIPHERTEXT, 320],
    [
      "iv32",
      new Uint8Array(32).fill(7),
      hex("ccac1ac193c2a4d9ce01ba3b4ed66ca1"),
      hex("890811e46e8da5c05d222e7440c9"),
      270,
    ],
  ] as const)(
    "%s: the published sample has these parts, and they give the same text",
    (layout, nonce, tag, ciphertext, size) => {
      const text = SAMPLE_ENVELOPES[layout];
      expect(fromBase64(text)).toHaveLength(size);
      const parsed = parseEnvelope(text);
      expect(parsed).toEqual({ layout, keyBlob: BLOB, nonce, tag, ciphertext, isCanonical: true });
      expectParts(parsed);
      expect(serializeEnvelope(parsed)).toBe(text);
    },
  );

  test("iv32: an envelope by WorkOS itself has its published parts", () => {
    const parsed = parseEnvelope(OFFICIAL_IV32_ENVELOPE);
    expect(parsed).toMatchObject({ layout: "iv32", keyBlob: BLOB, isCanonical: true });
    expect(toHexText(parsed.nonce)).toBe("869d8dd3e84d9dde1f6098a446b7bfd45b4d13becd9f8662d6aefcd620efd9da");
    expect(toHexText(parsed.tag)).toBe("b9ce9b0cc97a35553f141763c2d8d757");
    expect(parsed.ciphertext).toHaveLength(14);
    expect(serializeEnvelope(parsed)).toBe(OFFICIAL_IV32_ENVELOPE);
  });

  test.each(EVERY_LAYOUT)("%s is put together as the tables of section 3 say", (layout) => {
    for (const blob of [BLOB, COFFER_BLOB]) {
      const parts = {
        layout,
        keyBlob: blob,
        nonce: new Uint8Array(nonceBytes(layout)).fill(7),
        ciphertext: CIPHERTEXT,
        tag: TAG,
      };
      expect(serializeEnvelopeBytes(parts)).toEqual(build(layout, embed(layout, blob)));
      expect(parseEnvelope(base64(build(layout, embed(layout, blob))))).toEqual({
        ...parts,
        isCanonical: true,
      });
    }
  });

  test("[ENV-5] [ENV-24] any parts are read again from what was written", () => {
    fc.assert(
      fc.property(envelope, (parts) => {
        const text = serializeEnvelope(parts);
        expect(parseEnvelope(text)).toEqual({ ...parts, isCanonical: true });
        expect(parseEnvelope(text, { lenient: true })).toEqual({ ...parts, isCanonical: true });
      }),
      { numRuns: 500 },
    );
  });

  test("parts are views of an array that nothing else refers to", () => {
    const first = parseEnvelope(SAMPLE_ENVELOPES.iv12);
    first.nonce.fill(0);
    first.keyBlob.fill(0);
    expect(parseEnvelope(SAMPLE_ENVELOPES.iv12).nonce).toEqual(NONCE);
    expect(parseEnvelope(SAMPLE_ENVELOPES.iv12).keyBlob).toEqual(BLOB);
  });
});

describe("detection", () => {
  test("[ENV-13] looks in this order", () => {
    expect(LAYOUTS).toEqual(["native", "leb-first", "iv12", "dotnet", "iv32"]);
  });

  test("[ENV-13] the first layout of the order wins where several match", () => {
    const magic = utf8Bytes("WOS.EKM.v1\0");
    const textMagic = utf8Bytes("V09TLkVLTS52MQ");
    const bytes = new Uint8Array(80);
    const place = (at: number, what: Uint8Array) => bytes.set(concatBytes(hex("0b"), what), at);
    place(48, magic);
    expect(detectLayout(bytes)).toBe("iv32");
    place(28, textMagic);
    expect(detectLayout(bytes)).toBe("dotnet");
    place(28, magic);
    expect(detectLayout(bytes)).toBe("iv12");
    place(0, magic);
    expect(detectLayout(bytes)).toBe("leb-first");
  });

  test.each(EVERY_LAYOUT)(
    "[ENV-13] %s is told by either magic, whatever the spelling of its length",
    (layout) => {
      for (const blob of [BLOB, COFFER_BLOB]) {
        for (const length of ["00", "7f", "ce01", "ce8100", "ffffffff0f", "8080808000"]) {
          expect(detectLayout(build(layout, embed(layout, blob), hex(length))), length).toBe(layout);
        }
        for (const length of ["808080808001", "ffffffff1f"]) {
          // [ENV-6] such a length is none, so there is nothing to find behind it.
          expect(detectLayout(build(layout, embed(layout, blob), hex(length))), length).toBeUndefined();
        }
      }
    },
  );

  test.each(EVERY_LAYOUT)("[ENV-13] %s is not told by a magic with any other byte", (layout) => {
    const embedded = embed(layout, BLOB);
    for (let at = 0; at < (layout === "dotnet" ? 14 : 11); at++) {
      for (let to = 0; to < 256; to++) {
        if (to === embedded[at]) continue;
        const changed = Uint8Array.from(embedded);
        changed[at] = to;
        // One byte away from WorkOS's magic there is no other.
        expect(detectLayout(build(layout, changed))).toBeUndefined();
      }
    }
  });

  test("[ENV-13] finds nothing in a million random buffers of 0 to 400 bytes", () => {
    const BUFFERS = 1_000_000;
    const SIZE_MAX = 400;
    const next = seededStream(0xc0ffe4);
    const found: string[] = [];
    for (let i = 0; i < BUFFERS; i++) {
      const [high, low] = next(2) as unknown as [number, number];
      const bytes = next(((high << 8) | low) % (SIZE_MAX + 1));
      const layout = detectLayout(bytes);
      if (layout !== undefined) found.push(`${layout}: ${toHexText(bytes)}`);
    }
    expect(found).toEqual([]);
    // The stream is random enough to mean something: the same search finds what occurs at random.
    let withContinuation = 0;
    for (let i = 0; i < 1000; i++) if ((next(1)[0]! & 0x80) !== 0) withContinuation++;
    expect(withContinuation).toBeGreaterThan(400);
    console.log(`detection: ${BUFFERS} random buffers, ${found.length} taken for an envelope`);
  });

  test("[ENV-14] no other layout is tried where the first match is malformed", () => {
    // A whole iv12 envelope whose nonce is L(11) and the magic: by the order it is leb-first.
    const nonce = concatBytes(hex("0b"), utf8Bytes("WOS.EKM.v1\0"));
    const iv12 = serializeEnvelopeBytes({
      layout: "iv12",
      keyBlob: BLOB,
      nonce,
      ciphertext: CIPHERTEXT,
      tag: TAG,
    });
    expect(parseEnvelope(base64(iv12))).toMatchObject({ layout: "leb-first", keyBlob: nonce.subarray(1) });
    iv12[0] = 0x7f;
    iv12[1] = 0x57;
    const longer = concatBytes(hex("ff7f"), utf8Bytes("WOS.EKM.v1\0"), iv12.subarray(13));
    expect(detectLayout(longer)).toBe("leb-first");
    expect(parseError(base64(longer)).code).toBe("ERR_ENVELOPE_MALFORMED");
  });

  test.each(EVERY_LAYOUT)("[ENV-15] %s is accepted or refused by the caller's list", (layout) => {
    const text = SAMPLE_ENVELOPES[layout];
    const others = EVERY_LAYOUT.filter((other) => other !== layout);
    expect(parseEnvelope(text, { layouts: [layout] }).layout).toBe(layout);
    expect(parseEnvelope(text, { layouts: undefined }).layout).toBe(layout);
    expect(parseError(text, { layouts: others }).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
    expect(parseError(text, { layouts: [] }).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
    // Decided before the envelope is taken apart: a damaged one of a refused layout is refused alike.
    const damaged = base64(build(layout, embed(layout, BLOB), hex("ffff03")));
    expect(parseError(damaged, { layouts: others }).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
  });

  test.each([["iv12"], ["leb-first,iv12"], [12], [{}], [["iv-12"]], [[null]], [null], [["iv12", "iv16"]]])(
    "[ENV-15] the list %j is refused",
    (layouts) => {
      const error = parseError(SAMPLE_ENVELOPES.iv12, { layouts: layouts as never });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );
});

describe("limits", () => {
  test("[ENV-16] text longer than any envelope is refused before it is decoded", () => {
    // Half a gigabyte of text, of which nothing but the length is looked at.
    expect(parseError("A".repeat(500_000_000)).code).toBe("ERR_ENVELOPE_TOO_LARGE");
    expect(parseError("A".repeat(500_000_000), { lenient: true }).code).toBe("ERR_ENVELOPE_TOO_LARGE");
    const most = Math.ceil(ENVELOPE_BYTES_MAX / 3) * 4;
    expect(parseError("!".repeat(most + 1)).code).toBe("ERR_ENVELOPE_TOO_LARGE");
    expect(parseError("!".repeat(most)).code).toBe("ERR_NOT_CIPHERTEXT");
  });

  test("[ENV-16] a ciphertext of 64 MiB is read, a longer one refused", () => {
    const embedded = embed("iv12", COFFER_BLOB);
    const atLimit = base64(build("iv12", embedded, undefined, new Uint8Array(PLAINTEXT_BYTES_MAX)));
    expect(parseEnvelope(atLimit).ciphertext).toHaveLength(PLAINTEXT_BYTES_MAX);
    const over = base64(build("iv12", embedded, undefined, new Uint8Array(PLAINTEXT_BYTES_MAX + 1)));
    expect(parseError(over).code).toBe("ERR_ENVELOPE_TOO_LARGE");
  });

  test.each(EVERY_LAYOUT)("[ENV-17] %s: key blobs of 64 KiB are read, larger ones refused", (layout) => {
    const blobOf = (size: number) => concatBytes(utf8Bytes("CFR.EKM.v1\0"), new Uint8Array(size - 11));
    for (const size of [11, KEY_BLOB_BYTES_MAX - 1, KEY_BLOB_BYTES_MAX]) {
      expect(parseEnvelope(base64(build(layout, embed(layout, blobOf(size))))).keyBlob).toHaveLength(size);
    }
    for (const size of [1, 2, 3, 1000]) {
      const text = base64(build(layout, embed(layout, blobOf(KEY_BLOB_BYTES_MAX + size))));
      expect(parseError(text).code, `${size} more`).toBe("ERR_ENVELOPE_MALFORMED");
    }
  });
});

describe("decoding", () => {
  test.each(EVERY_LAYOUT)(
    "[ENV-20] [ENV-23] %s: a declared length is held against what is there",
    (layout) => {
      const embedded = embed(layout, BLOB);
      const past = embedded.length + CIPHERTEXT.length + 1;
      for (const length of [past, past + 1, 65_536, 2 ** 31, 2 ** 32 - 1]) {
        const error = parseError(base64(build(layout, embedded, encodeLeb128(length))));
        expect(error.code, `${length}`).toBe("ERR_ENVELOPE_MALFORMED");
      }
    },
  );

  test("[ENV-21] leb-first needs 28 bytes behind the key blob, the others none", () => {
    const none = new Uint8Array(0);
    for (const layout of EVERY_LAYOUT) {
      const empty = build(layout, embed(layout, BLOB), undefined, none);
      expect(parseEnvelope(base64(empty)).ciphertext, layout).toHaveLength(0);
      expect(parseError(base64(empty.subarray(0, -1))).code, layout).toBe("ERR_ENVELOPE_MALFORMED");
    }
    for (let length = 13; length < 28 + 2 + BLOB.length; length++) {
      const cut = base64(build("leb-first", BLOB, undefined, none).subarray(0, length));
      expect(parseError(cut).code, `${length} bytes`).toBe("ERR_ENVELOPE_MALFORMED");
    }
  });

  test.each(EVERY_LAYOUT)(
    "[ENV-22] %s: a declared length that ends inside the magic is refused",
    (layout) => {
      const embedded = embed(layout, BLOB);
      const magicEnd = layout === "dotnet" ? 16 : 11;
      for (let length = 0; length < magicEnd; length++) {
        const error = parseError(base64(build(layout, embedded, encodeLeb128(length))));
        expect(error.code, `${length}`).toBe("ERR_ENVELOPE_MALFORMED");
      }
      const shortest = layout === "dotnet" ? utf8Bytes(base64(BLOB.subarray(0, 11))) : BLOB.subarray(0, 11);
      expect(parseEnvelope(base64(build(layout, shortest))).keyBlob).toEqual(utf8Bytes("WOS.EKM.v1\0"));
    },
  );

  const text = base64(BLOB);
  test.each([
    ["another alphabet", utf8Bytes(text.replaceAll("+", "-"))],
    ["white space", utf8Bytes(`${text.slice(0, 76)}\n${text.slice(76)}`)],
    ["no padding", utf8Bytes(text.slice(0, -1))],
    ["more padding", utf8Bytes(`${text}====`)],
    ["stray trailing bits", utf8Bytes(`${text.slice(0, -2)}N=`)],
    ["bytes that are no text", concatBytes(utf8Bytes(text), hex("ffffffff"))],
    ["a magic that ends otherwise", utf8Bytes(text.replace("V09TLkVLTS52MQA", "V09TLkVLTS52MQE"))],
    ["a byte order mark behind", utf8Bytes(`${text}\u{feff}\u{feff}`)],
  ])("[ENV-4] [ENV-22] dotnet: an embedded text with %s is refused", (_, embedded) => {
    expect(parseError(base64(build("dotnet", embedded))).code).toBe("ERR_ENVELOPE_MALFORMED");
  });

  test("[ENV-4] outer text that is not base64 is refused before anything is detected", () => {
    const good = SAMPLE_ENVELOPES.iv32.slice(0, -4);
    for (const wrong of [
      `${good} `,
      ` ${good}`,
      `${good}\n`,
      good.slice(0, -1),
      `${good}====`,
      good.replace("/", "_"),
      good.replace("+", "-"),
      good.replace("/", "\u{1f600}"),
      `data:;base64,${good}`,
    ]) {
      expect(parseError(wrong).code, wrong.slice(-8)).toBe("ERR_NOT_CIPHERTEXT");
    }
  });

  test.each(["", "AAAA", "V09TLkVLTS52MQA=", "hello", "\ud800", "{}", SAMPLE_1.encryptedKeys])(
    "[ENV-23] %j is not a ciphertext",
    (wrong) => {
      expect(parseError(wrong).code).toBe("ERR_NOT_CIPHERTEXT");
      expect(parseError(wrong, { lenient: true }).code).toBe("ERR_NOT_CIPHERTEXT");
    },
  );

  test.each([[undefined], [null], [5], [{}], [utf8Bytes(SAMPLE_ENVELOPES.iv12)], [[SAMPLE_ENVELOPES.iv12]]])(
    "%j is no text",
    (wrong) => {
      const error = parseError(wrong as never);
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  /** Envelopes with some bytes changed, put in or left out. */
  const damaged = fc
    .tuple(
      envelope,
      fc.array(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 255 })), { maxLength: 3 }),
      fc.nat({ max: 400 }),
      fc.boolean(),
    )
    .map(([parts, changes, length, cut]) => {
      const bytes = serializeEnvelopeBytes(parts);
      for (const [at, to] of changes) bytes[at] = to;
      return cut ? bytes.subarray(0, length) : bytes;
    });

  test("[ENV-23] [ENV-24] damaged envelopes are refused by a listed error, or are canonical", () => {
    let read = 0;
    fc.assert(
      fc.property(damaged, fc.boolean(), (bytes, lenient) => {
        const given = base64(bytes);
        let parsed: ParsedEnvelope;
        try {
          parsed = parseEnvelope(given, { lenient });
        } catch (error) {
          expect(isVaultError(error)).toBe(true);
          expect(["ERR_NOT_CIPHERTEXT", "ERR_ENVELOPE_MALFORMED"]).toContain((error as CodedError).code);
          return;
        }
        read++;
        expectParts(parsed);
        expect(serializeEnvelope(parsed) === given).toBe(parsed.isCanonical);
        if (!lenient) expect(parsed.isCanonical).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(100);
  });

  test("[ENV-23] any string is refused by a listed error", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "binary" }), fc.base64String({ maxLength: 200 })),
        fc.boolean(),
        (given, lenient) => {
          expect(parseError(given, { lenient }).code).toBe("ERR_NOT_CIPHERTEXT");
        },
      ),
    );
  });
});

describe("lenient reading", () => {
  const parts = parseEnvelope(SAMPLE_ENVELOPES.iv12);
  const lenient = { lenient: true };
  const unpadded = SAMPLE_ENVELOPES.iv12.replace(/=+$/, "");

  test.each([
    ["line breaks", SAMPLE_ENVELOPES.iv12.replace(/.{76}/g, "$&\r\n")],
    ["spaces around", ` ${SAMPLE_ENVELOPES.iv12}\t`],
    ["no padding", unpadded],
    ["half the padding", `${unpadded}=`],
    ["stray trailing bits", `${unpadded.slice(0, -1)}h==`],
    ["a longer length", base64(build("iv12", BLOB, hex("ce8100")))],
    ["the longest length", base64(build("iv12", BLOB, hex("ce81808000")))],
  ])(
    "[ENV-7] [ENV-25] [ENV-27] %s: read, said not to be canonical, and made canonical by writing",
    (_, text) => {
      expect(text).not.toBe(SAMPLE_ENVELOPES.iv12);
      expect(["ERR_NOT_CIPHERTEXT", "ERR_ENVELOPE_MALFORMED"]).toContain(parseError(text).code);
      expect(parseError(text, { lenient: false }).code).toBe(parseError(text).code);
      const read = parseEnvelope(text, lenient);
      expect(read).toEqual({ ...parts, isCanonical: false });
      expect(serializeEnvelope(read)).toBe(SAMPLE_ENVELOPES.iv12);
    },
  );

  const blobText = base64(BLOB);
  test.each([
    ["line breaks", blobText.replace(/.{76}/g, "$&\n")],
    ["no padding", blobText.replace(/=+$/, "")],
    ["stray trailing bits", blobText.replace(/M=$/, "N=")],
  ])("[ENV-25] [ENV-27] the embedded text of dotnet with %s", (_, embedded) => {
    const text = base64(build("dotnet", utf8Bytes(embedded)));
    expect(embedded).not.toBe(blobText);
    expect(parseError(text).code).toBe("ERR_ENVELOPE_MALFORMED");
    const read = parseEnvelope(text, lenient);
    expect(read).toMatchObject({ layout: "dotnet", keyBlob: BLOB, isCanonical: false });
    expect(serializeEnvelope(read)).toBe(SAMPLE_ENVELOPES.dotnet);
  });

  test("[ENV-25] is off unless it is turned on by true itself", () => {
    for (const value of [undefined, false, "true", 1, {}]) {
      expect(parseError(unpadded, { lenient: value as never }).code).toBe("ERR_NOT_CIPHERTEXT");
    }
  });

  test("[ENV-7] the error of a longer length says so", () => {
    const error = parseError(base64(build("iv12", BLOB, hex("ce8100"))));
    expect(error.code).toBe("ERR_ENVELOPE_MALFORMED");
    expect(error.message).toContain("shortest");
  });

  test.each([
    ["base64url", SAMPLE_ENVELOPES.iv12.replaceAll("+", "-").replaceAll("/", "_")],
    ["padding inside", `AAAA====${SAMPLE_ENVELOPES.iv12}`],
    ["a left-over digit", SAMPLE_ENVELOPES.dotnet.replace(/=$/, "AA")],
    ["a no-break space", `\u{a0}${SAMPLE_ENVELOPES.iv12}`],
  ])("[ENV-26] %s is still refused", (_, text) => {
    expect(parseError(text, lenient).code).toBe("ERR_NOT_CIPHERTEXT");
  });

  test.each([
    ["a length past the end", build("iv12", BLOB, hex("ffff8300"))],
    ["a length inside the magic", build("iv12", BLOB, hex("8a8000"))],
    ["an embedded text in another alphabet", build("dotnet", utf8Bytes(blobText.replaceAll("+", "-")))],
    ["an embedded text that is no text", build("dotnet", concatBytes(utf8Bytes(blobText), hex("ff")))],
    ["an embedded text with another magic", build("dotnet", utf8Bytes(blobText.replace("MQA", "MQE")))],
  ])("[ENV-26] %s is still malformed", (_, bytes) => {
    expect(parseError(base64(bytes), lenient).code).toBe("ERR_ENVELOPE_MALFORMED");
  });

  test("[ENV-15] [ENV-26] the caller's list of layouts still holds", () => {
    expect(parseError(unpadded, { lenient: true, layouts: ["dotnet"] }).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
  });
});
