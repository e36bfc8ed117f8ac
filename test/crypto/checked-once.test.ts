/** Arguments are checked once: how often each call with a key in hand runs the checks, as V8 counts them. */
import { describe, expect, test } from "vitest";
import * as crypto from "../../src/crypto/index.ts";
import { callCounts } from "../support/call-counts.ts";
import { SAMPLE_1 } from "../support/samples.ts";

/** What is counted, and the one function that does each check. */
const CHECKS = {
  aad: "associatedDataBytes",
  layout: "checkLayout",
  data: "checkPlaintext",
  ciphertext: "parseEnvelope",
  header: "parseNativeHeader",
  wrapped: "keyBlobFromText",
  base64: "decodeBase64",
  bytes: "toBytes",
  own: "ownBytes",
} as const;

type Counts = Partial<Record<keyof typeof CHECKS, number>>;

async function checksOf(work: () => unknown): Promise<Counts> {
  const counts = await callCounts(Object.values(CHECKS), work);
  const entries = Object.entries(CHECKS).map(([check, name]) => [check, counts[name]] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

const BYTES = new Uint8Array(100).fill(7);
const HELD = new crypto.DataKey({
  id: "id",
  key: Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64")),
  encryptedKeys: SAMPLE_1.encryptedKeys,
});
const TEXT = crypto.localEncryptSync("x", HELD, "aad");
const NATIVE_TEXT = crypto.localEncryptSync("x", HELD, "aad", { layout: "native" });
const NATIVE = crypto.nativeEncryptSync(BYTES, HELD, "aad");

/** All bytes through a stream. */
async function through(bytes: Uint8Array, stream: TransformStream<Uint8Array, Uint8Array>): Promise<void> {
  await new Response(
    new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(stream as never),
  ).bytes();
}

/** Calls with a key that is held. `own` counts each argument that is bytes, `bytes` each that is text or bytes. */
const CALLS: readonly [name: string, call: () => unknown, counts: Counts][] = [
  ["localEncrypt", () => crypto.localEncrypt("x", HELD, "aad"), { aad: 1, layout: 1, data: 1, bytes: 1 }],
  [
    "localEncrypt, bytes",
    () => crypto.localEncrypt(BYTES, HELD, "aad"),
    { aad: 1, layout: 1, data: 1, bytes: 1, own: 1 },
  ],
  [
    "localEncrypt, native",
    () => crypto.localEncrypt(BYTES, HELD, "aad", { layout: "native" }),
    { aad: 1, layout: 1, data: 1, bytes: 1, own: 1 },
  ],
  [
    "localEncryptSync",
    () => crypto.localEncryptSync("x", HELD, "aad"),
    { aad: 1, layout: 1, data: 1, bytes: 1 },
  ],
  ["localDecrypt", () => crypto.localDecrypt(TEXT, HELD, "aad"), { aad: 1, bytes: 1 }],
  ["localDecryptSync", () => crypto.localDecryptSync(TEXT, HELD, "aad"), { aad: 1, bytes: 1 }],
  [
    "localDecrypt, native",
    () => crypto.localDecrypt(NATIVE_TEXT, HELD, "aad"),
    { aad: 1, ciphertext: 1, header: 1, base64: 1, bytes: 1 },
  ],
  ["nativeEncrypt", () => crypto.nativeEncrypt(BYTES, HELD, "aad"), { aad: 1, bytes: 2, own: 1 }],
  ["nativeEncryptSync", () => crypto.nativeEncryptSync(BYTES, HELD, "aad"), { aad: 1, bytes: 2, own: 1 }],
  ["nativeDecrypt", () => crypto.nativeDecrypt(NATIVE, HELD, "aad"), { aad: 1, header: 1, bytes: 1, own: 1 }],
  ["encryptStream", () => through(BYTES, crypto.encryptStream(HELD, "aad")), { aad: 1, bytes: 1, own: 1 }],
  ["decryptStream", () => through(NATIVE, crypto.decryptStream(HELD, "aad")), { aad: 1, bytes: 1, own: 1 }],
  ["inspect", () => crypto.inspect(TEXT), { ciphertext: 1, base64: 1 }],
];

describe("with a data key that is held", () => {
  test.each(CALLS)("%s", async (_, call, counts) => {
    expect(await checksOf(call)).toEqual(counts);
  });
});

describe("with a data key as the API answers it, its wrapped form and the key are decoded too", () => {
  test("localEncrypt", async () => {
    const counts = { aad: 1, layout: 1, data: 1, wrapped: 1, base64: 2, bytes: 1 };
    expect(await checksOf(() => crypto.localEncrypt("x", SAMPLE_1, "aad"))).toEqual(counts);
  });

  test("localDecrypt", async () => {
    const counts = { aad: 1, ciphertext: 1, base64: 2, bytes: 1 };
    expect(await checksOf(() => crypto.localDecrypt(TEXT, SAMPLE_1, "aad"))).toEqual(counts);
  });

  test("encryptStream", async () => {
    // The key is held as bytes until the stream begins, and read from them there.
    const counts = { aad: 1, wrapped: 1, base64: 2, bytes: 1, own: 2 };
    expect(await checksOf(() => through(BYTES, crypto.encryptStream(SAMPLE_1, "aad")))).toEqual(counts);
  });
});
