/**
 * The worked example of docs/spec/native-envelope.md, computed again with `node:crypto` alone.
 *
 * Owns the check of the page against itself. Takes nothing from `src`, so that a mistake there cannot hide here; the
 * tests of the code take the example from this page as well.
 *
 * @module
 */
import { createCipheriv, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { fromBase64, toHexText, utf8Bytes } from "../support/bytes.ts";
import { nativeExample } from "../support/native-example.ts";
import { SAMPLE_1, SAMPLE_ASSOCIATED_DATA, SAMPLE_PLAINTEXT } from "../support/samples.ts";

const MAGIC = "CFR1";
const INFO_LABEL = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/** RFC 5869 section 2.3. */
function expandSha512(key: Uint8Array, info: Uint8Array, length: number): Buffer {
  const out: Buffer[] = [];
  let block = Buffer.alloc(0);
  for (let i = 1; Buffer.concat(out).length < length; i++) {
    block = createHmac("sha512", key).update(block).update(info).update(Uint8Array.of(i)).digest();
    out.push(block);
  }
  return Buffer.concat(out).subarray(0, length);
}

describe("worked example", () => {
  const page = nativeExample();
  const fixedHeader = Buffer.concat([Buffer.from(MAGIC), Uint8Array.of(1, 0)]);
  const blob = fromBase64(SAMPLE_1.encryptedKeys);
  const salt = Uint8Array.from({ length: 24 }, (_, i) => i);

  test("[NAT-6] [NAT-7] info and derivation", () => {
    const info = Buffer.concat([
      Buffer.from(INFO_LABEL),
      salt,
      fixedHeader,
      Buffer.from(SAMPLE_ASSOCIATED_DATA),
    ]);
    expect(toHexText(page.info)).toBe(toHexText(info));
    const derived = expandSha512(fromBase64(SAMPLE_1.dataKey), page.info, 76);
    expect(toHexText(page.messageKey)).toBe(toHexText(derived.subarray(0, 32)));
    expect(toHexText(page.baseNonce)).toBe(toHexText(derived.subarray(32, 44)));
    expect(toHexText(page.commitment)).toBe(toHexText(derived.subarray(44)));
  });

  test("[NAT-1] [NAT-10] header, chunk and text", () => {
    const cipher = createCipheriv("aes-256-gcm", page.messageKey, page.baseNonce);
    const ciphertext = cipher.update(utf8Bytes(SAMPLE_PLAINTEXT));
    cipher.final();
    const envelope = Buffer.concat([
      fixedHeader,
      Uint8Array.of(0xce, 0x01),
      blob,
      salt,
      page.commitment,
      ciphertext,
      cipher.getAuthTag(),
    ]);
    expect(envelope.length).toBe(300);
    expect(page.text).toBe(envelope.toString("base64"));
    // The table of bytes leaves out the middle of the key blob.
    expect(toHexText(page.tableStart)).toBe(toHexText(envelope.subarray(0, 21)));
    expect(toHexText(page.tableEnd)).toBe(toHexText(envelope.subarray(212)));
  });
});
