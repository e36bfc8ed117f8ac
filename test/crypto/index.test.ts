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

test("the native format goes there and back, at once, streamed and by range", async () => {
  const sealed = await crypto.nativeEncrypt("message", SAMPLE_1, "aad");
  expect(Buffer.from(crypto.nativeDecryptSync(sealed, SAMPLE_1, "aad")).toString()).toBe("message");
  expect(Buffer.from(await crypto.decryptRange(sealed, SAMPLE_1, 1, 4, "aad")).toString()).toBe("ess");
  const source = new Blob(["message"]).stream();
  const streamed = source
    .pipeThrough(crypto.encryptStream(SAMPLE_1) as never)
    .pipeThrough(crypto.decryptStream(SAMPLE_1) as never);
  expect(await new Response(streamed as ReadableStream<Uint8Array>).text()).toBe("message");
  expect(crypto.nativeEncryptSync("", SAMPLE_1)).toHaveLength(214 + 56 + 16);
  expect(Buffer.from(await crypto.nativeDecrypt(sealed, SAMPLE_1, "aad")).toString()).toBe("message");
  using reader = await crypto.openNativeSource(sealed, SAMPLE_1, "aad");
  expect(reader.size).toBe(7);
});
