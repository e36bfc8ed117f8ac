/** `coffer/crypto`: what the subpath gives, and that it works from there. */
import { expect, test } from "vitest";
import * as crypto from "../../src/crypto/index.ts";
import { SAMPLE_1 } from "../support/samples.ts";

test("everything that the room promises is exported", () => {
  expect(Object.keys(crypto)).toEqual(
    expect.arrayContaining([
      "DataKey",
      "LAYOUTS",
      "canonicalContext",
      "inspect",
      "isCiphertext",
      "localDecrypt",
      "localDecryptSync",
      "localEncrypt",
      "localEncryptSync",
      "parseKeyContext",
      "splice",
      "KEY_BYTES",
      "NONCE_BYTES",
      "TAG_BYTES",
      "PLAINTEXT_BYTES_MAX",
      "KEY_BLOB_BYTES_MAX",
      "ENVELOPE_BYTES_MAX",
      "ASSOCIATED_DATA_BYTES_MAX",
      "CONTEXT_ENTRIES_MAX",
      "CONTEXT_NAME_CHARS_MAX",
      "CONTEXT_VALUE_CHARS_MAX",
      "CONTEXT_JSON_CHARS_MAX",
    ]),
  );
});

test("the limits are those of the specification", () => {
  expect([crypto.KEY_BYTES, crypto.NONCE_BYTES, crypto.LEGACY_NONCE_BYTES, crypto.TAG_BYTES]).toEqual([
    32, 12, 32, 16,
  ]);
  expect([crypto.PLAINTEXT_BYTES_MAX, crypto.KEY_BLOB_BYTES_MAX]).toEqual([67_108_864, 65_536]);
  expect([crypto.ENVELOPE_BYTES_MAX, crypto.ASSOCIATED_DATA_BYTES_MAX]).toEqual([67_305_472, 1_048_576]);
  expect([crypto.CONTEXT_ENTRIES_MAX, crypto.CONTEXT_NAME_CHARS_MAX, crypto.CONTEXT_VALUE_CHARS_MAX]).toEqual(
    [10, 120, 500],
  );
  expect(crypto.CONTEXT_JSON_CHARS_MAX).toBe(131_072);
});

test("a message goes there and back", async () => {
  const text = await crypto.localEncrypt("message", SAMPLE_1, "aad", { layout: "leb-first" });
  expect(crypto.inspect(text)).toMatchObject({
    layout: "leb-first",
    keyBlob: { dataKeyId: SAMPLE_1.dataKeyId },
  });
  expect(crypto.localDecryptSync(text, SAMPLE_1, "aad")).toBe("message");
});
