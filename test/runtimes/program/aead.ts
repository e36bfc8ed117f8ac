/**
 * AES-256-GCM by every provider of a runtime: published vectors, all short lengths, and lengths around its seams.
 *
 * Portable; must not know envelopes.
 *
 * @module
 */

import { concatBytes, fromHex } from "../../../src/base/bytes.ts";
import type { AeadProvider } from "../../../src/crypto/aead/aead.ts";
import { nobleProvider } from "../../../src/crypto/aead/noble.ts";
import { PIECE_BYTES } from "../../../src/crypto/aead/wasm/engine.ts";
import type { AeadVector } from "../report.ts";
import { codeOf } from "./checks.ts";
import { byteStream, type Context, flipped, lacksLongNonces } from "./context.ts";

/** Every length up to this one is tried, with each of the lengths of associated data. */
const LENGTH_MAX = 400;
const AAD_LENGTHS = [0, 1, 13, 16, 33, 255];
/** Around blocks, the crossover between providers and the pieces of the WebAssembly engine. */
const LONG_LENGTHS = [1024, 4096, 65_536, PIECE_BYTES].flatMap((n) => [n - 1, n, n + 1]).concat(300_001);

/** Cases 13 to 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega 2004), appendix B. */
const LONG_KEY = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
const LONG_PLAINTEXT =
  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
const LONG_CIPHERTEXT =
  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
const KNOWN: readonly AeadVector[] = [
  known("13", "00".repeat(32), "00".repeat(12), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
  known(
    "14",
    "00".repeat(32),
    "00".repeat(12),
    "",
    "00".repeat(16),
    "cea7403d4d606b6e074ec5d3baf39d18",
    "d0d1c8a799996bf0265b98b5d48ab919",
  ),
  known(
    "15",
    LONG_KEY,
    "cafebabefacedbaddecaf888",
    "",
    LONG_PLAINTEXT,
    LONG_CIPHERTEXT,
    "b094dac5d93471bdec1a502270e3cc6c",
  ),
  known(
    "16",
    LONG_KEY,
    "cafebabefacedbaddecaf888",
    "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    LONG_PLAINTEXT.slice(0, 120),
    LONG_CIPHERTEXT.slice(0, 120),
    "76fc6ece0f4e1768cddf8853bb2d551b",
  ),
];

function known(
  name: string,
  key: string,
  nonce: string,
  aad: string,
  plaintext: string,
  ciphertext: string,
  tag: string,
): AeadVector {
  return { name: `case ${name}`, key, nonce, aad, plaintext, ciphertext, tag, expect: "valid" };
}

export async function checkAead(context: Context): Promise<void> {
  for (const provider of context.available) {
    for (const vector of [...KNOWN, ...context.input.vectors.aead]) {
      const isLacking =
        vector.expect === "valid" && vector.nonce.length === 64 && lacksLongNonces(context, provider.name);
      await checkVector(context, provider, isLacking ? { ...vector, expect: "invalid" } : vector);
      if (vector.expect === "valid" && vector.nonce.length === 24) {
        await checkVector(context, provider, altered(vector));
      }
    }
    await checkLengths(context, provider);
    await checkReuse(context, provider);
  }
}

/** The same with one bit of the tag changed: refused. */
function altered(vector: AeadVector): AeadVector {
  const last = Number.parseInt(vector.tag.slice(-1), 16) ^ 1;
  const tag = vector.tag.slice(0, -1) + last.toString(16);
  return { ...vector, name: `${vector.name}, altered`, tag, expect: "invalid" };
}

async function checkVector({ checks }: Context, provider: AeadProvider, vector: AeadVector): Promise<void> {
  const what = (): string => `${provider.name}: ${vector.name}`;
  const [nonce, aad, ciphertext, tag, plaintext] = [
    vector.nonce,
    vector.aad,
    vector.ciphertext,
    vector.tag,
    vector.plaintext,
  ].map(fromHex) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  let opened: Uint8Array;
  try {
    const key = provider.importKey(fromHex(vector.key));
    opened = await key.open(nonce, ciphertext, tag, aad);
    if (vector.expect === "valid" && nonce.length === 12) {
      const sealed = await key.seal(nonce, plaintext, aad);
      checks.bytes(sealed, concatBytes(ciphertext, tag), () => `${what()}, sealed`);
    }
    key.dispose();
  } catch (error) {
    const isRight =
      vector.expect === "invalid"
        ? codeOf(error) === "ERR_DECRYPT_FAILED"
        : vector.expect === "refused" && error instanceof RangeError;
    checks.ok(isRight, () => `${what()}: ${codeOf(error)} where it is ${vector.expect}`);
    return;
  }
  checks.ok(vector.expect === "valid", () => `${what()}: opened where it is ${vector.expect}`);
  checks.bytes(opened, plaintext, what);
}

/** Holds a provider against @noble/ciphers, which is the same JavaScript everywhere. */
async function checkLengths({ checks }: Context, provider: AeadProvider): Promise<void> {
  const next = byteStream(1);
  for (const aadLength of AAD_LENGTHS) {
    const rawKey = next(32);
    const [key, oracle] = [provider.importKey(rawKey), nobleProvider.importKey(rawKey)];
    const one = async (length: number): Promise<void> => {
      const [nonce, plaintext, aad] = [next(12), next(length), next(aadLength)];
      const what = (): string => `${provider.name}: ${length} bytes with ${aadLength}`;
      const sealed = await key.seal(nonce, plaintext, aad);
      // noble is held against itself for a few lengths only: there it says no more than that it does not change.
      if (provider !== nobleProvider || length % 16 === 0) {
        checks.bytes(sealed, oracle.seal(nonce, plaintext, aad), what);
      }
      const [ciphertext, tag] = [sealed.subarray(0, length), sealed.subarray(length)];
      checks.bytes(await key.open(nonce, ciphertext, tag, aad), plaintext, () => `${what()}, opened`);
      if (length % 50 !== 1) return;
      const wrong = flipped(ciphertext, (length * 7) % (8 * length));
      const refused = (): unknown => key.open(nonce, wrong, tag, aad);
      await checks.refuses("ERR_DECRYPT_FAILED", refused, () => `${what()}, altered`);
    };
    const lengths = Array.from({ length: LENGTH_MAX + 1 }, (_, length) => length);
    // All at once: Web Crypto takes turns with other threads, one after the other would only wait.
    await Promise.all([...lengths, ...(aadLength < 14 ? LONG_LENGTHS : [])].map(one));
    key.dispose();
    oracle.dispose();
  }
}

/** A disposed key must not serve, a caller's array must not be kept or changed. */
async function checkReuse({ checks }: Context, provider: AeadProvider): Promise<void> {
  const next = byteStream(2);
  const [rawKey, nonce, plaintext, aad] = [next(32), next(12), next(50), next(20)];
  const before = [rawKey, nonce, plaintext, aad].map((bytes) => Uint8Array.from(bytes));
  const key = provider.importKey(rawKey);
  const expected = await nobleProvider.importKey(before[0]!).seal(before[1]!, before[2]!, before[3]!);
  checks.bytes(await key.seal(nonce, plaintext, aad), expected, `${provider.name}: before`);
  for (const [i, bytes] of [rawKey, nonce, plaintext, aad].entries()) {
    checks.bytes(bytes, before[i]!, `${provider.name}: argument ${i} is changed`);
  }
  rawKey.fill(0);
  checks.bytes(await key.seal(nonce, plaintext, aad), expected, `${provider.name}: its key is the caller's`);
  // Views into larger buffers, as everything is that was cut out of an envelope.
  const shifted = (bytes: Uint8Array): Uint8Array => {
    const room = new Uint8Array(bytes.length + 7);
    room.set(bytes, 3);
    return room.subarray(3, 3 + bytes.length);
  };
  const sealed = await key.seal(shifted(nonce), shifted(plaintext), shifted(aad));
  checks.bytes(sealed, expected, `${provider.name}: views`);
  key.dispose();
  const late = (): unknown => key.seal(nonce, plaintext, aad);
  await checks.refuses("ERR_DISPOSED", late, `${provider.name}: disposed`);
}
