/** Sealed data keys: their bytes, what a seal is bound to, and that nothing else opens. */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { describe, expect, test } from "vitest";
import { runtime } from "../../src/base/runtime.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { HERE as WEB } from "../../src/crypto/ciphers/web.ts";
import { Curves } from "../../src/crypto/curves/choose.ts";
import { NACL_CURVES_ROW } from "../../src/crypto/curves/tweetnacl.ts";
import { WEB_CURVES_ROW } from "../../src/crypto/curves/webcrypto.ts";
import { KEMS } from "../../src/crypto/hpke/kems.ts";
import { keySchedule } from "../../src/crypto/hpke/schedule.ts";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { canonicalContext } from "../../src/crypto/keys/key-context.ts";
import {
  decodeSealedKeyBlob,
  encodeSealedHead,
  SEALED_SUITES,
} from "../../src/crypto/keys/sealed-key-blob.ts";
import { readRecipient, sealTargetOf } from "../../src/crypto/sealed/recipient-document.ts";
import {
  openSealedDataKey,
  sealNewDataKey,
  sealNewDataKeySync,
} from "../../src/crypto/sealed/sealed-data-key.ts";
import { type SealedTools, sealedTools } from "../../src/crypto/sealed/tools.ts";
import { concat, flipBit, hex, toHexText, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { CONTEXT, makeRecipient, TOOLS } from "../support/recipients.ts";

/** Web Crypto alone, and with tweetnacl: as browsers have it. */
const WEB_TOOLS: SealedTools = { ...TOOLS, curves: new Curves([WEB_CURVES_ROW], runtime), ciphers: WEB };
const NACL_TOOLS = sealedTools(HERE, new Curves([NACL_CURVES_ROW], runtime));
const HEAD_BYTES = 37 + canonicalContext(CONTEXT).bytes.length;

const suites = SEALED_SUITES.filter(({ name }) => name === "x25519" || TOOLS.mlKem !== undefined);

describe.each(suites)("suite $name", ({ name: suite, number, encBytes }) => {
  const { document, privateKey } = makeRecipient({ suite, version: 3 });
  const recipient = sealTargetOf(readRecipient(document));
  const open = (keyBlob: Uint8Array, key = privateKey) =>
    openSealedDataKey(TOOLS, decodeSealedKeyBlob(keyBlob), key);

  test.each([
    ["at once", () => sealNewDataKeySync(TOOLS, recipient)],
    ["later", () => sealNewDataKey(TOOLS, recipient)],
    ["by tweetnacl", () => sealNewDataKeySync(NACL_TOOLS, recipient)],
    ["by Web Crypto alone", () => sealNewDataKey(WEB_TOOLS, recipient)],
  ])("what is sealed %s opens ([SDK-4])", async (_, seal) => {
    const { key, id, keyBlob } = await seal();
    expect(key).toHaveLength(32);
    expect(open(keyBlob)).toEqual(key);
    expect([...openSealedDataKey(NACL_TOOLS, decodeSealedKeyBlob(keyBlob), privateKey)]).toEqual([...key]);
    expect([...decodeSealedKeyBlob(keyBlob).dataKeyId]).toEqual([...id]);
  });

  test("each data key, and what was sent of it, is another one ([SDK-7])", () => {
    const made = Array.from({ length: 20 }, () => sealNewDataKeySync(TOOLS, recipient));
    for (const part of [
      made.map(({ key }) => toHexText(key)),
      made.map(({ id }) => toHexText(id)),
      made.map(({ keyBlob }) => toHexText(decodeSealedKeyBlob(keyBlob).enc)),
    ]) {
      expect(new Set(part).size).toBe(made.length);
    }
  });

  test("the bytes are those of the page ([SDK-1], [SDK-3])", () => {
    const { id, keyBlob } = sealNewDataKeySync(TOOLS, recipient);
    const context = canonicalContext(CONTEXT).bytes;
    expect(toHexText(keyBlob.subarray(0, HEAD_BYTES))).toBe(
      toHexText(
        concat(
          utf8Bytes("CFR.SDK.v1\0"),
          Uint8Array.of(number, 0),
          recipient.recipientId,
          Uint8Array.of(0, 0, 0, 3, 0, 0, 0, context.length),
          context,
        ),
      ),
    );
    expect(keyBlob).toHaveLength(HEAD_BYTES + encBytes + 16 + 48);
    expect([...keyBlob.subarray(HEAD_BYTES + encBytes, -48)]).toEqual([...id]);
    expect(inspectKeyBlob(keyBlob)).toEqual({
      format: "sealed",
      dataKeyId: expect.stringMatching(
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      ),
      keks: [],
      recipient: { id: document.id, version: 3 },
      bytes: keyBlob.length,
    });
  });

  test("every altered bit and byte too few or many is refused ([SDK-2], [SDK-5], [SDK-6])", () => {
    const { keyBlob } = sealNewDataKeySync(TOOLS, recipient);
    // Each bit of an X25519 blob; of the larger one every 61st.
    const step = suite === "x25519" ? 1 : 61;
    const seen = new Set<string>();
    for (let bit = 0; bit < 8 * keyBlob.length; bit += step) {
      const error = errorOf(() => open(flipBit(keyBlob, bit)));
      expect(["ERR_KEY_BLOB_MALFORMED", "ERR_DECRYPT_FAILED"]).toContain(error.code);
      if (bit >= 8 * HEAD_BYTES) expect(error).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
      if (error.code === "ERR_DECRYPT_FAILED") seen.add(error.message);
      expect(error).not.toHaveProperty("cause");
    }
    expect(seen.size).toBe(1);
    for (const length of [0, 11, 12, 32, 36, HEAD_BYTES, keyBlob.length - 1]) {
      const cut = keyBlob.subarray(0, length);
      expect(errorOf(() => decodeSealedKeyBlob(cut))).toMatchObject({ code: "ERR_KEY_BLOB_MALFORMED" });
    }
    expect(errorOf(() => decodeSealedKeyBlob(concat(keyBlob, Uint8Array.of(0))))).toMatchObject({
      code: "ERR_KEY_BLOB_MALFORMED",
    });
  });

  test("another private key, and a point of low order, do not open ([SDK-5], [SDK-8])", () => {
    const { keyBlob } = sealNewDataKeySync(TOOLS, recipient);
    expect(errorOf(() => open(keyBlob, new Uint8Array(32).fill(99)))).toMatchObject({
      code: "ERR_DECRYPT_FAILED",
    });
    const low = Uint8Array.from(keyBlob);
    low.fill(0, HEAD_BYTES + encBytes - 32, HEAD_BYTES + encBytes);
    expect(errorOf(() => open(low))).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
  });

  test("a public key that agrees on nothing is refused, also where no document was checked ([SDK-8])", async () => {
    const low = { ...recipient, publicKey: Uint8Array.from(recipient.publicKey) };
    low.publicKey.fill(0, -32);
    const refusal = { code: "ERR_RECIPIENT_INVALID" };
    expect(errorOf(() => sealNewDataKeySync(TOOLS, low))).toMatchObject(refusal);
    expect(await rejectionOf(() => sealNewDataKey(TOOLS, low))).toMatchObject(refusal);
  });
});

describe("sealed key blobs", () => {
  const { document, privateKey } = makeRecipient();
  const recipient = sealTargetOf(readRecipient(document));

  test("another implementation opens one by the page alone ([SDK-4], [SDK-6])", async () => {
    const { key, id, keyBlob } = sealNewDataKeySync(TOOLS, recipient);
    const suite = new CipherSuite({
      kem: new DhkemX25519HkdfSha256(),
      kdf: new HkdfSha256(),
      aead: new Aes256Gcm(),
    });
    const head = keyBlob.subarray(0, HEAD_BYTES);
    const context = await suite.createRecipientContext({
      recipientKey: await suite.kem.importKey("raw", Uint8Array.from(privateKey).buffer, false),
      enc: keyBlob.slice(HEAD_BYTES, HEAD_BYTES + 32).buffer,
      info: Uint8Array.from(concat(utf8Bytes("coffer/v1/sealed-data-key"), head)).buffer,
    });
    const opened = await context.open(
      keyBlob.slice(HEAD_BYTES + 48).buffer,
      Uint8Array.from(concat(head, id)).buffer,
    );
    expect([...new Uint8Array(opened)]).toEqual([...key]);
    const exported = new Uint8Array(
      await context.export(Uint8Array.from(utf8Bytes("coffer/v1/data-key-id")).buffer, 16),
    );
    exported[6] = (exported[6]! & 0x0f) | 0x80;
    exported[8] = (exported[8]! & 0x3f) | 0x80;
    expect([...exported]).toEqual([...id]);
  });

  test("a seal with another data-key id is refused, although its tag is right ([SDK-6])", () => {
    // Made by who has the recipient's public key and wants the id of somebody else's blob.
    const forged = sealedWithId(new Uint8Array(16).fill(5));
    expect(errorOf(() => openSealedDataKey(TOOLS, decodeSealedKeyBlob(forged), privateKey))).toMatchObject({
      code: "ERR_DECRYPT_FAILED",
    });
  });

  test.each([
    ["another magic", (blob: Uint8Array) => blob.fill(0x57, 0, 1)],
    ["suite 0", (blob: Uint8Array) => blob.fill(0, 11, 12)],
    ["suite 3", (blob: Uint8Array) => blob.fill(3, 11, 12)],
    ["a flag", (blob: Uint8Array) => blob.fill(1, 12, 13)],
    ["version 0", (blob: Uint8Array) => blob.fill(0, 29, 33)],
    ["a context too long for the blob", (blob: Uint8Array) => blob.fill(0xff, 33, 37)],
    ["a context that is none", (blob: Uint8Array) => blob.fill(0, 37, 41)],
  ])("%s is refused before any key is touched ([SDK-2])", (_, spoil) => {
    const { keyBlob } = sealNewDataKeySync(TOOLS, recipient);
    const spoilt = spoil(Uint8Array.from(keyBlob));
    expect(errorOf(() => decodeSealedKeyBlob(spoilt))).toMatchObject({ code: "ERR_KEY_BLOB_MALFORMED" });
  });

  test("curves are what coffer exports", () => {
    expect(errorOf(() => sealedTools(HERE, {} as never))).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
  });

  test("Web Crypto alone cannot seal at once", () => {
    expect(errorOf(() => sealNewDataKeySync(WEB_TOOLS, recipient))).toMatchObject({
      code: "ERR_UNSUPPORTED",
    });
  });

  /** A blob that is right but for its id, which is another one. */
  function sealedWithId(id: Uint8Array): Uint8Array {
    const { head, enc, secrets } = sealByHand();
    const aead = HERE.providers.sync().importKey(secrets.key);
    return concat(head, enc, id, aead.seal(secrets.nonce, new Uint8Array(32), concat(head, id)));
  }

  function sealByHand() {
    const head = encodeSealedHead(recipient);
    const { enc, sharedSecret } = KEMS.x25519.encapsulate(TOOLS, recipient.publicKey, hex("07".repeat(32)));
    const info = concat(utf8Bytes("coffer/v1/sealed-data-key"), head);
    return { head, enc, secrets: keySchedule(KEMS.x25519.id, sharedSecret, info) };
  }
});
