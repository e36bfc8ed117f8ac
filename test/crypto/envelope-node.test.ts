/** Envelopes that go through memory in pieces: where the pieces end, nothing is lost, added or let through. */
import { expect, test } from "vitest";
import { PIECE_CHARS, PIECE_DIGITS } from "../../src/crypto/envelope/fast/envelope-node.ts";
import type { FrameLayout } from "../../src/crypto/envelope/layouts.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { localDecryptSync, localEncryptSync } from "../../src/crypto/local.ts";
import { errorOf } from "../support/errors.ts";
import { envelopeKeyOf } from "../support/providers.ts";
import { SAMPLE_1 } from "../support/samples.ts";

const LAYOUTS: readonly FrameLayout[] = ["iv12", "leb-first", "dotnet"];
const provider = "node";

const key = new DataKey({
  id: "id",
  key: Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64")),
  encryptedKeys: SAMPLE_1.encryptedKeys,
});

test.each(LAYOUTS)("%s: a last piece of the longest characters leaves room for the tag", (layout) => {
  for (const chars of [2, 3].flatMap((pieces) => [-7, -1, 0].map((less) => pieces * PIECE_CHARS + less))) {
    for (const before of ["", "x", "xx"]) {
      const text = before + "\u20ac".repeat(chars - before.length);
      const sealed = localEncryptSync(text, key, "aad", { layout, provider });
      expect(localDecryptSync(sealed, key, "aad", { provider })).toBe(text);
    }
  }
});

test.each(LAYOUTS)("[ENV-4] %s: padding at the end of any piece is refused", (layout) => {
  // Cut into two texts of base64 that hold the same bytes: one after the other, they are no base64.
  const pieceBytes = (PIECE_DIGITS / 4) * 3;
  let tried = 0;
  for (let size = 200_000; size < 200_003; size++) {
    const sealed = localEncryptSync("x".repeat(size), key, "aad", { layout, provider });
    const bytes = Buffer.from(sealed, "base64");
    for (const pieces of [1, 2, 3]) {
      for (const padding of [1, 2]) {
        const at = pieces * pieceBytes - padding;
        const text = bytes.toString("base64", 0, at) + bytes.toString("base64", at);
        expect(text.indexOf("=")).toBe(pieces * PIECE_DIGITS - padding);
        for (const as of ["text", "bytes"] as const) {
          const opened = envelopeKeyOf(key).open(text, Buffer.from("aad"), layout, as, provider);
          expect(opened === undefined).toBe(true);
        }
        const error = errorOf(() => localDecryptSync(text, key, "aad", { provider }));
        expect(error.code).toBe("ERR_NOT_CIPHERTEXT");
        tried += 1;
      }
    }
  }
  expect(tried).toBe(18);
});
