/** Senders: what they sign, that nothing else counts as their signature, and that those who sign nothing write what they wrote. */
import { generateKeyPairSync, sign } from "node:crypto";
import { inspect as print } from "node:util";
import { describe, expect, test } from "vitest";
import { runtime } from "../../src/base/runtime.ts";
import { Curves } from "../../src/crypto/curves/choose.ts";
import { isEd25519PublicKey } from "../../src/crypto/curves/ed25519-keys.ts";
import { signingBy } from "../../src/crypto/curves/signing.ts";
import { WEB_CURVES_ROW } from "../../src/crypto/curves/webcrypto.ts";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { canonicalContext } from "../../src/crypto/keys/key-context.ts";
import {
  decodeSealedKeyBlob,
  encodeSealedHead,
  SEALED_SUITES,
} from "../../src/crypto/keys/sealed-key-blob.ts";
import { uuidToText } from "../../src/crypto/primitives/uuid.ts";
import { readRecipient } from "../../src/crypto/sealed/recipient-document.ts";
import { openSealedDataKey } from "../../src/crypto/sealed/sealed-data-key.ts";
import { senderId } from "../../src/crypto/sealed/sender.ts";
import {
  createSenderKey,
  SealedEncryptor,
  type SealedEncryptorOptions,
  type SealedSender,
  type SealedSenderOptions,
  sealedLease,
  sealedSender,
  tweetnacl,
} from "../../src/sealed/index.ts";
import { base64, concat, flipBit, fromBase64, toHexText, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { CONTEXT, ED25519_LOW_ORDER, makeRecipient, TOOLS, VALID_AT } from "../support/recipients.ts";
import { publicKeyPlain, senderIdPlain, signPlain } from "../support/sealed-plain.ts";

const SEED = new Uint8Array(32).fill(7);
const PUBLIC_KEY = publicKeyPlain("ed25519", SEED);
const { document, privateKey } = makeRecipient();
const recipient = readRecipient(document);
const now = () => VALID_AT;
const encryptorOf = (sender?: SealedSender, options: Partial<SealedEncryptorOptions> = {}) =>
  new SealedEncryptor({ recipient: document, now, sender, ...options });
const senderOf = (curves?: typeof tweetnacl) => sealedSender({ privateKey: SEED, curves });
/** As browsers have it: nothing answers at once. */
const web = () => new Curves([WEB_CURVES_ROW], runtime);

describe("a signed sealed key blob", () => {
  test("has the bytes of the page, and the signature is over all before it ([SDK-1], [SDK-50], [SDK-51])", () => {
    const { keyBlob } = encryptorOf(senderOf()).createDataKeySync();
    const context = canonicalContext(CONTEXT).bytes;
    const id = senderIdPlain(recipient.recipientId, PUBLIC_KEY);
    const head = concat(
      utf8Bytes("CFR.SDK.v1\0"),
      Uint8Array.of(1, 1),
      recipient.recipientId,
      Uint8Array.of(0, 0, 0, 1, 0, 0, 0, context.length),
      context,
      id,
    );
    expect(toHexText(keyBlob.subarray(0, head.length))).toBe(toHexText(head));
    expect(keyBlob).toHaveLength(head.length + 32 + 16 + 48 + 64);
    const message = concat(utf8Bytes("coffer/v1/sealed-data-key-sender\0"), keyBlob.subarray(0, -64));
    expect(toHexText(keyBlob.subarray(-64))).toBe(toHexText(signPlain(SEED, message)));
    expect(inspectKeyBlob(keyBlob)).toMatchObject({ format: "sealed", sender: uuidToText(id) });
    expect(uuidToText(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
    expect([...senderId(recipient.recipientId, PUBLIC_KEY)]).toEqual([...id]);
  });

  test.each([
    ["at once", async () => encryptorOf(senderOf()).createDataKeySync()],
    ["later", () => encryptorOf(senderOf()).createDataKey()],
    ["by tweetnacl", async () => encryptorOf(senderOf(tweetnacl)).createDataKeySync()],
    ["by Web Crypto alone", () => encryptorOf(senderOf(web()), { curves: web() }).createDataKey()],
  ])("is the same and opens, signed %s ([SDK-51])", async (_, make) => {
    const key = await make();
    const blob = decodeSealedKeyBlob(key.keyBlob);
    const message = concat(utf8Bytes("coffer/v1/sealed-data-key-sender\0"), blob.unsigned);
    expect(toHexText(blob.signature)).toBe(toHexText(signPlain(SEED, message)));
    expect(toHexText(openSealedDataKey(TOOLS, blob, privateKey))).toBe(toHexText(fromBase64(key.dataKey)));
  });

  test("does not open with flag or sender changed or taken off, whatever is signed ([SDK-51], [SDK-5])", () => {
    const { keyBlob } = encryptorOf(senderOf()).createDataKeySync();
    const { head, enc, dataKeyId, sealed, suite, recipientId, version, context } =
      decodeSealedKeyBlob(keyBlob);
    const target = { suite, recipientId, version, context };
    const open = (blob: Uint8Array) => openSealedDataKey(TOOLS, decodeSealedKeyBlob(blob), privateKey);
    const rest = concat(enc, dataKeyId, sealed);
    expect(open(keyBlob)).toHaveLength(32);
    expect(toHexText(encodeSealedHead({ ...target, senderId: senderId(recipientId, PUBLIC_KEY) }))).toBe(
      toHexText(head),
    );
    const failed = { code: "ERR_DECRYPT_FAILED" };
    expect(errorOf(() => open(concat(encodeSealedHead(target), rest)))).toMatchObject(failed);
    const thief = encodeSealedHead({ ...target, senderId: senderId(recipientId, new Uint8Array(32)) });
    expect(errorOf(() => open(concat(thief, rest, new Uint8Array(64))))).toMatchObject(failed);
    const unsigned = encryptorOf().createDataKeySync().keyBlob;
    const put = concat(head, unsigned.subarray(encodeSealedHead(target).length), new Uint8Array(64));
    expect(errorOf(() => open(put))).toMatchObject(failed);
  });

  test("is refused with any length or flag but its own ([SDK-2])", () => {
    const signed = encryptorOf(senderOf()).createDataKeySync().keyBlob;
    const unsigned = encryptorOf().createDataKeySync().keyBlob;
    const malformed = { code: "ERR_KEY_BLOB_MALFORMED" };
    for (const blob of [signed, unsigned]) {
      for (let length = 0; length < blob.length; length++) {
        expect(errorOf(() => decodeSealedKeyBlob(blob.slice(0, length)))).toMatchObject(malformed);
      }
      expect(errorOf(() => decodeSealedKeyBlob(concat(blob, Uint8Array.of(0))))).toMatchObject(malformed);
      for (let bit = 0; bit < 8; bit++) {
        expect(errorOf(() => decodeSealedKeyBlob(flipBit(blob, 8 * 12 + bit)))).toMatchObject(malformed);
      }
    }
  });

  test.each(SEALED_SUITES.filter(({ name }) => name === "x25519" || TOOLS.mlKem !== undefined))(
    "of suite $name travels in envelopes and leases, under one signature",
    async ({ name: suite }) => {
      const made = makeRecipient({ suite });
      const encryptor = new SealedEncryptor({ recipient: made.document, now, sender: senderOf() });
      for (const layout of ["native", "iv12"] as const) {
        const text = await encryptor.encrypt("hello", undefined, { layout });
        const id = uuidToText(senderIdPlain(readRecipient(made.document).recipientId, PUBLIC_KEY));
        expect(inspect(text)).toMatchObject({ layout, keyBlob: { sender: id } });
      }
      const lease = await sealedLease(encryptor);
      const blobs = [lease.encryptSync("a"), lease.encryptSync("b")].map(
        (text) => inspect(text).encryptedKeys,
      );
      expect(blobs[0]).toBe(blobs[1]);
    },
  );
});

describe("a sender", () => {
  test("is another one with each recipient, and the same with each version ([SDK-50])", () => {
    const ids = [1, 2].map((number) => {
      const { document: other } = makeRecipient({ number });
      const { keyBlob } = new SealedEncryptor({
        recipient: other,
        now,
        sender: senderOf(),
      }).createDataKeySync();
      return inspectKeyBlob(keyBlob).sender;
    });
    expect(new Set(ids).size).toBe(2);
    const { document: rotated } = makeRecipient({ version: 2 });
    const { keyBlob } = new SealedEncryptor({
      recipient: rotated,
      now,
      sender: senderOf(),
    }).createDataKeySync();
    expect(inspectKeyBlob(keyBlob).sender).toBe(ids[0]);
  });

  test("is made of a new key, of bytes, of base64, and of a key that is elsewhere", async () => {
    for (const curves of [undefined, tweetnacl, web()]) {
      const key = await createSenderKey({ curves });
      expect([fromBase64(key.privateKey).length, fromBase64(key.publicKey).length]).toEqual([32, 32]);
      expect(await sealedSender({ privateKey: key.privateKey, curves }).publicKey()).toBe(key.publicKey);
      expect(toHexText(publicKeyPlain("ed25519", fromBase64(key.privateKey)))).toBe(
        toHexText(fromBase64(key.publicKey)),
      );
    }
    const pair = generateKeyPairSync("ed25519");
    const publicKey = base64(pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32));
    const elsewhere = { publicKey, sign: (message: Uint8Array) => sign(null, message, pair.privateKey) };
    const later = { publicKey, sign: async (message: Uint8Array) => elsewhere.sign(message) };
    for (const signer of [elsewhere, later]) {
      const { keyBlob } = await encryptorOf(sealedSender(signer)).createDataKey();
      const { unsigned, signature } = decodeSealedKeyBlob(keyBlob);
      const message = concat(utf8Bytes("coffer/v1/sealed-data-key-sender\0"), unsigned);
      expect(toHexText(signature)).toBe(toHexText(elsewhere.sign(message)));
    }
    encryptorOf(sealedSender(elsewhere)).createDataKeySync().dispose();
    const unsupported = { code: "ERR_UNSUPPORTED" };
    expect(errorOf(() => encryptorOf(sealedSender(later)).createDataKeySync())).toMatchObject(unsupported);
    expect(errorOf(() => encryptorOf(senderOf(web())).createDataKeySync())).toMatchObject(unsupported);
  });

  test("has a new key that WebKit takes too: none begins with a byte of 0", async () => {
    // Of so many random ones some would, but for one run of 2,500.
    for (let n = 0; n < 2_000; n++) {
      const { privateKey } = await createSenderKey();
      expect(fromBase64(privateKey)[0]).not.toBe(0);
    }
  });

  test("says so where the runtime has no Ed25519", async () => {
    const none = new Curves([], {} as never);
    const signing = signingBy(none);
    expect(await signing.publicKey(SEED)).toHaveLength(32);
    const { webSigning } = await import("../../src/crypto/curves/webcrypto-signing.ts");
    for (const webcrypto of [
      undefined,
      { subtle: { importKey: async () => Promise.reject(new Error("no")) } },
    ]) {
      const lacking = webSigning(webcrypto as never);
      for (const call of [() => lacking.publicKey(SEED), () => lacking.sign(SEED, SEED)]) {
        expect(await rejectionOf(async () => call())).toMatchObject({ code: "ERR_UNSUPPORTED" });
      }
    }
  });

  test("does not print or outlive its disposal, and copies what it was given", async () => {
    const given = Uint8Array.from(SEED);
    const sender = sealedSender({ privateKey: given });
    given.fill(0);
    expect(await sender.publicKey()).toBe(base64(PUBLIC_KEY));
    expect(print(sender)).toBe("SealedSender { privateKey: [secret] }");
    expect(JSON.stringify(sender)).toBe("{}");
    sender.dispose();
    sender.dispose();
    expect(errorOf(() => encryptorOf(sender).createDataKeySync())).toMatchObject({ code: "ERR_DISPOSED" });
    expect(await rejectionOf(() => encryptorOf(sender).createDataKey())).toMatchObject({
      code: "ERR_DISPOSED",
    });
  });

  test("is refused unless it is one, as is a signature of another length", async () => {
    const sign = () => new Uint8Array(64);
    const publicKey = base64(PUBLIC_KEY);
    const wrong: unknown[] = [
      undefined,
      null,
      {},
      { privateKey: new Uint8Array(31) },
      { privateKey: "AAAA" },
      { privateKey: 5 },
      { privateKey: SEED, curves: {} },
      { privateKey: SEED, id: "x" },
      { publicKey, sign, curves: tweetnacl },
      { publicKey, sign: 5 },
      { publicKey: PUBLIC_KEY, sign },
      ...ED25519_LOW_ORDER.map((hex) => ({ publicKey: base64(Buffer.from(hex, "hex")), sign })),
    ];
    const invalid = { code: "ERR_INVALID_ARGUMENT" };
    for (const options of wrong) {
      expect(
        errorOf(() => sealedSender(options as SealedSenderOptions)),
        print(options),
      ).toMatchObject(invalid);
    }
    for (const options of [{ id: "x", privateKey: SEED }, "x", 5]) {
      expect(errorOf(() => encryptorOf(options as never))).toMatchObject(invalid);
    }
    for (const signature of [new Uint8Array(63), "x", undefined]) {
      const sender = sealedSender({ publicKey, sign: () => signature as never });
      expect(await rejectionOf(() => encryptorOf(sender).encrypt("x"))).toMatchObject(invalid);
    }
  });

  test("has a public key that only its owner signs with ([SDK-52])", () => {
    for (const hex of ED25519_LOW_ORDER) expect(isEd25519PublicKey(Buffer.from(hex, "hex")), hex).toBe(false);
    expect(isEd25519PublicKey(PUBLIC_KEY.subarray(1))).toBe(false);
    expect(isEd25519PublicKey(PUBLIC_KEY)).toBe(true);
    // The largest y that is reduced, and of no point of low order: p - 2.
    expect(isEd25519PublicKey(Buffer.from(`eb${"ff".repeat(30)}7f`, "hex"))).toBe(true);
  });
});

test("who signs nothing writes what was written before there were senders ([SDK-1])", () => {
  const { keyBlob } = encryptorOf().createDataKeySync();
  const { senderId: id, unsigned, signature } = decodeSealedKeyBlob(keyBlob);
  expect([id, signature.length, unsigned.length]).toEqual([undefined, 0, keyBlob.length]);
  expect(keyBlob[12]).toBe(0);
  expect("sender" in inspectKeyBlob(keyBlob)).toBe(false);
});

test("the plain implementation's key is RFC 8032's (section 7.1, test 1)", () => {
  const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
  expect(toHexText(publicKeyPlain("ed25519", seed))).toBe(
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
  );
});
