/**
 * Every single altered bit and every cut of an envelope, in each layout: refused, or without effect where the
 * envelope does not authenticate (docs/spec/envelope.md section 8: the inside of the key blob).
 */
import { describe, expect, test } from "vitest";
import { parseEnvelope, serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import type { WorkosLayout } from "../../src/crypto/envelope/layouts.ts";
import { localDecrypt, localDecryptSync } from "../../src/crypto/local.ts";
import { base64, flipBit, fromBase64 } from "../support/bytes.ts";
import { type CodedError, errorOf, rejectionOf } from "../support/errors.ts";
import { NODE, PROVIDER_NAMES } from "../support/providers.ts";
import {
  OFFICIAL_IV32_ENVELOPE,
  SAMPLE_1,
  SAMPLE_ASSOCIATED_DATA,
  SAMPLE_ENVELOPES,
  SAMPLE_PLAINTEXT,
} from "../support/samples.ts";

const REFUSALS = ["ERR_NOT_CIPHERTEXT", "ERR_ENVELOPE_MALFORMED", "ERR_DECRYPT_FAILED"];

const ENVELOPES: [name: string, layout: WorkosLayout, text: string, associatedData: string][] = [
  ...(["iv12", "iv32", "leb-first", "dotnet"] as const).map(
    (layout): [string, WorkosLayout, string, string] => [
      layout,
      layout,
      SAMPLE_ENVELOPES[layout],
      SAMPLE_ASSOCIATED_DATA,
    ],
  ),
  ["iv32 by WorkOS", "iv32", OFFICIAL_IV32_ENVELOPE, ""],
];

/** Where the opaque inside of the key blob lies, behind its magic: the bytes that no tag covers. */
function opaque(layout: WorkosLayout, size: number): [start: number, end: number] {
  const blobAt = { iv12: 30, iv32: 50, "leb-first": 2, dotnet: 30 }[layout];
  // 11 bytes of magic; as base64 text they decide 14 characters, and share the 15th.
  return layout === "dotnet" ? [blobAt + 14, blobAt + 276] : [blobAt + 11, Math.min(blobAt + 206, size)];
}

/** What a reader with the right key makes of it: an error's code, or that the message opened. */
function outcome(text: string, associatedData: string, lenient = false): string {
  try {
    const plaintext = localDecryptSync(text, SAMPLE_1, associatedData, { lenient });
    // Anything but the message itself would be a forgery.
    expect(plaintext).toBe(SAMPLE_PLAINTEXT);
    return "opened";
  } catch (error) {
    return (error as CodedError).code;
  }
}

describe.each(ENVELOPES)("%s", (_, layout, text, associatedData) => {
  const bytes = fromBase64(text);
  const [opaqueStart, opaqueEnd] = opaque(layout, bytes.length);

  test("[ENV-3] [ENV-6] [ENV-14] every flipped bit outside the key blob's inside is refused", () => {
    const seen = new Map<string, number>();
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const at = bit >> 3;
      if (at >= opaqueStart && at < opaqueEnd) continue;
      const altered = base64(flipBit(bytes, bit));
      const strict = outcome(altered, associatedData);
      expect(REFUSALS, `bit ${bit}`).toContain(strict);
      expect(REFUSALS, `bit ${bit}, leniently`).toContain(outcome(altered, associatedData, true));
      seen.set(strict, (seen.get(strict) ?? 0) + 1);
    }
    // All kinds of refusal occur, and the nonce, the ciphertext and the tag are covered bit by bit.
    expect([...seen.keys()].sort()).toEqual([...REFUSALS].sort());
    const nonceBytes = layout === "iv32" ? 32 : 12;
    expect(seen.get("ERR_DECRYPT_FAILED")).toBeGreaterThanOrEqual(8 * (nonceBytes + 16 + 14));
  });

  test("a flipped bit inside the key blob changes the key blob and nothing else, or is refused", () => {
    const untouched = parseEnvelope(text);
    let opened = 0;
    for (let bit = 8 * opaqueStart; bit < 8 * opaqueEnd; bit++) {
      const altered = base64(flipBit(bytes, bit));
      const what = outcome(altered, associatedData);
      if (what !== "opened") {
        // Only text can be malformed here: in dotnet the blob is base64.
        expect([layout, what], `bit ${bit}`).toEqual(["dotnet", "ERR_ENVELOPE_MALFORMED"]);
        continue;
      }
      opened++;
      const { keyBlob, ...rest } = parseEnvelope(altered);
      const { keyBlob: oldBlob, ...oldRest } = untouched;
      expect(rest).toEqual(oldRest);
      expect(keyBlob).not.toEqual(oldBlob);
      // In dotnet the padding can become a digit.
      if (layout !== "dotnet") expect(keyBlob).toHaveLength(oldBlob.length);
    }
    expect(opened).toBeGreaterThan(0);
  });

  test("[ENV-20] [ENV-21] every truncation of the bytes is refused", () => {
    for (let length = 0; length < bytes.length; length++) {
      const cut = base64(bytes.subarray(0, length));
      expect(REFUSALS, `${length} bytes`).toContain(outcome(cut, associatedData));
      expect(REFUSALS, `${length} bytes, leniently`).toContain(outcome(cut, associatedData, true));
      if (length > 0) {
        const behind = base64(bytes.subarray(length));
        expect(REFUSALS, `without the first ${length} bytes`).toContain(outcome(behind, associatedData));
      }
    }
  });

  test("[ENV-4] every truncation of the text is refused", () => {
    for (let length = 0; length < text.length; length++) {
      expect(REFUSALS, `${length} characters`).toContain(outcome(text.slice(0, length), associatedData));
    }
  });

  test("bytes put in or behind are refused", () => {
    for (let at = 0; at <= bytes.length; at++) {
      if (at > opaqueStart - 11 && at < opaqueEnd) continue;
      const longer = base64(Uint8Array.from([...bytes.subarray(0, at), 0, ...bytes.subarray(at)]));
      expect(REFUSALS, `at ${at}`).toContain(outcome(longer, associatedData));
    }
  });
});

test.each(PROVIDER_NAMES)(
  "[ENV-3] [ENV-32] every flipped bit of nonce, tag and ciphertext is refused alike on %s",
  async (provider) => {
    const bytes = fromBase64(SAMPLE_ENVELOPES.iv12);
    const messages = new Set<string>();
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      if (bit >= 8 * 28 && bit < 8 * 236) continue;
      const error = await rejectionOf(() =>
        localDecrypt(base64(flipBit(bytes, bit)), SAMPLE_1, SAMPLE_ASSOCIATED_DATA, { provider }),
      );
      expect(error.code).toBe("ERR_DECRYPT_FAILED");
      messages.add(error.message);
    }
    expect(messages.size).toBe(1);
  },
);

test("[ENV-14] an envelope that reads as another layout by its order is not read as its own", () => {
  // A valid iv12 message under a nonce of L(11) and the magic: leb-first comes first, and that does not decrypt.
  expect(errorOf(() => localDecryptSync(ambiguous(), SAMPLE_1)).code).toBe("ERR_DECRYPT_FAILED");
  expect(errorOf(() => localDecryptSync(ambiguous(), SAMPLE_1, "", { layouts: ["iv12"] })).code).toBe(
    "ERR_LAYOUT_NOT_ALLOWED",
  );
});

function ambiguous(): string {
  const nonce = Uint8Array.from([11, ...new TextEncoder().encode("WOS.EKM.v1\0")]);
  const sealed = NODE.importKey(fromBase64(SAMPLE_1.dataKey)).seal(
    nonce,
    new Uint8Array(5),
    new Uint8Array(0),
  );
  const parts = { nonce, ciphertext: sealed.subarray(0, -16), tag: sealed.subarray(-16) };
  return serializeEnvelope({ layout: "iv12", keyBlob: fromBase64(SAMPLE_1.encryptedKeys), ...parts });
}
