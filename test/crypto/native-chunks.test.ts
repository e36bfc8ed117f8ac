/** The native body: docs/spec/native-envelope.md sections 3 and 4, and the 35 official vectors of the construction. */
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { AeadProvider } from "../../src/crypto/aead/aead.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import type { DataKeyInput } from "../../src/crypto/keys/data-key.ts";
import {
  chunkNonce,
  committed,
  deriveMessageKey,
  openRun,
  openRunSync,
  sealRun,
  sealRunSync,
} from "../../src/crypto/native/chunks.ts";
import { NATIVE_PREFIX_BYTES, SEALED_CHUNK_BYTES, shapeOfChunks } from "../../src/crypto/native/format.ts";
import { concat, fromBase64, hex, seededBytes, toHexText } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { CHUNK, derivePlain, nonceOf, sealChunksPlain } from "../support/native.ts";
import { nativeExample } from "../support/native-example.ts";
import { AEAD_PROVIDERS, NODE, SYNC_AEAD_PROVIDERS, WEBCRYPTO } from "../support/providers.ts";
import { SAMPLE_1 } from "../support/samples.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";

interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: "valid" | "invalid";
  readonly key: string;
  readonly ctx: string;
  /** Hex of a zlib stream. */
  readonly ct: string;
  readonly aeadKey?: string;
  readonly baseNonce?: string;
  readonly msgLength?: number;
  readonly msgSha512?: string;
}

/** What a decryption released before it ended, and the code it ended with. */
interface Outcome {
  readonly released: Uint8Array;
  readonly code: string | undefined;
}

/** A message's key, if the envelope commits to it. */
function recover(
  provider: AeadProvider,
  dataKey: DataKeyInput,
  parts: { readonly salt: Uint8Array; readonly commitment: Uint8Array },
  context: Uint8Array,
) {
  return committed(deriveMessageKey(HERE, provider, dataKey, parts.salt, context), parts);
}

/** Decrypts chunk by chunk, as a stream would. */
async function open(provider: AeadProvider, vector: Vector): Promise<Outcome> {
  const bytes = inflateSync(hex(vector.ct));
  const released: Uint8Array[] = [];
  const end = (code?: string): Outcome => ({ released: concat(...released), code });
  try {
    if (bytes.length < NATIVE_PREFIX_BYTES) return end("ERR_ENVELOPE_MALFORMED");
    const parts = { salt: bytes.subarray(0, 24), commitment: bytes.subarray(24, 56) };
    const key = recover(provider, { dataKey: hex(vector.key) }, parts, hex(vector.ctx));
    let at = NATIVE_PREFIX_BYTES;
    for (let index = 0; ; index++) {
      const sealed = bytes.subarray(at, at + SEALED_CHUNK_BYTES);
      const isLast = sealed.length < SEALED_CHUNK_BYTES;
      const out = new Uint8Array(isLast ? shapeOfChunks(sealed.length).plaintextBytes : CHUNK);
      await openRun(key, index, sealed, out);
      released.push(out);
      if (isLast) return end();
      at += sealed.length;
    }
  } catch (error) {
    return end((error as { code: string }).code);
  }
}

describeVectors(
  "[NAT-6] [NAT-9] [NAT-10] [NAT-11] [NAT-13] Cobblestone-256",
  "wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json",
  (file) => {
    test.each(AEAD_PROVIDERS)("$name", async (provider) => {
      const { testGroups } = file.json<{ testGroups: { tests: Vector[] }[] }>();
      const vectors = testGroups.flatMap((group) => group.tests);
      expect(vectors).toHaveLength(35);
      for (const vector of vectors) {
        const what = `${vector.tcId} ${vector.comment}`;
        const { released, code } = await open(provider, vector);
        expect(code === undefined, what).toBe(vector.result === "valid");
        if (vector.flags.includes("InvalidKeySize")) expect(code, what).toBe("ERR_INVALID_ARGUMENT");
        else if (code !== undefined) expect(code, what).toMatch(/^ERR_(DECRYPT_FAILED|ENVELOPE_MALFORMED)$/);
        // What was released is the message, or for invalid ones exactly the longest valid start of it.
        expect(released, what).toHaveLength(vector.msgLength ?? 0);
        if (vector.msgSha512 !== undefined) {
          expect(createHash("sha512").update(released).digest("hex"), what).toBe(vector.msgSha512);
        }
        if (vector.baseNonce !== undefined) {
          const salt = inflateSync(hex(vector.ct)).subarray(0, 24);
          const { key } = deriveMessageKey(
            HERE,
            provider,
            { dataKey: hex(vector.key) },
            salt,
            hex(vector.ctx),
          );
          expect(toHexText(key.baseNonce), what).toBe(vector.baseNonce);
          expect(toHexText(derivePlain(hex(vector.key), salt, hex(vector.ctx)).key)).toBe(vector.aeadKey);
        }
      }
      reportChecked(vectors.length, `Cobblestone-256 by ${provider.name}`);
    });
  },
);

describe("derivation", () => {
  const page = nativeExample();
  const salt = Uint8Array.from({ length: 24 }, (_, i) => i);
  const context = hex("43465231010073657131");

  test.each(AEAD_PROVIDERS)("[NAT-6] [NAT-7] gives the worked example ($name)", async (provider) => {
    for (const dataKey of [SAMPLE_1.dataKey, fromBase64(SAMPLE_1.dataKey)]) {
      const { key, commitment } = deriveMessageKey(HERE, provider, { dataKey }, salt, context);
      expect(toHexText(key.baseNonce)).toBe(toHexText(page.baseNonce));
      expect(toHexText(commitment)).toBe(toHexText(page.commitment));
      const sealed = new Uint8Array(30);
      await sealRun(key, 0, new TextEncoder().encode("secret api key"), true, sealed);
      expect(toHexText(sealed)).toBe(toHexText(page.tableEnd.subarray(-30)));
    }
  });

  test("[NAT-6] refuses data keys of another length, and leaves the caller's bytes alone", () => {
    for (const length of [0, 16, 31, 33, 64]) {
      const error = errorOf(() =>
        deriveMessageKey(HERE, NODE, { dataKey: new Uint8Array(length) }, salt, context),
      );
      expect(error).toBeInstanceOf(RangeError);
    }
    const dataKey = fromBase64(SAMPLE_1.dataKey);
    deriveMessageKey(HERE, NODE, { dataKey }, salt, context);
    expect(dataKey).toEqual(fromBase64(SAMPLE_1.dataKey));
  });

  test.each(AEAD_PROVIDERS)("[NAT-9] refuses another commitment, whatever its chunks ($name)", (provider) => {
    const { commitment } = derivePlain(fromBase64(SAMPLE_1.dataKey), salt, context);
    for (let bit = 0; bit < 256; bit++) {
      const other = Uint8Array.from(commitment);
      other[bit >> 3]! ^= 1 << (bit & 7);
      const error = errorOf(() => recover(provider, SAMPLE_1, { salt, commitment: other }, context));
      expect(error.code).toBe("ERR_DECRYPT_FAILED");
    }
    const short = { salt, commitment: commitment.subarray(1) };
    expect(errorOf(() => recover(provider, SAMPLE_1, short, context)).code).toBe("ERR_DECRYPT_FAILED");
  });
});

describe("chunks", () => {
  const dataKey = { dataKey: fromBase64(SAMPLE_1.dataKey) };
  const salt = new Uint8Array(24).fill(9);
  const plainKeys = derivePlain(dataKey.dataKey, salt, hex("00"));
  const sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 9 * CHUNK + 5, 17 * CHUNK];

  test("[NAT-11] nonces count with all 38 bits", () => {
    const base = hex("0102030405060708090a0b0c");
    for (const index of [0, 1, 255, 256, 65_535, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 38 - 1]) {
      expect(toHexText(chunkNonce(base, index))).toBe(toHexText(nonceOf(base, index)));
    }
    expect(toHexText(base)).toBe("0102030405060708090a0b0c");
  });

  test.each(AEAD_PROVIDERS)("[NAT-10] are cut and sealed as the page says ($name)", async (provider) => {
    for (const size of sizes) {
      const plaintext = seededBytes(size, size);
      const expected = concat(...sealChunksPlain(plainKeys, plaintext));
      const { key } = deriveMessageKey(HERE, provider, dataKey, salt, hex("00"));
      const out = new Uint8Array(expected.length + 7);
      await sealRun(key, 0, plaintext, true, out, 7);
      expect(Buffer.compare(out.subarray(7), expected), `${size} bytes`).toBe(0);
      const back = new Uint8Array(size + 3);
      await openRun(key, 0, expected, back, 3);
      expect(Buffer.compare(back.subarray(3), plaintext), `${size} bytes`).toBe(0);
    }
  });

  test.each(SYNC_AEAD_PROVIDERS)("runs in the middle go on with their numbers ($name)", async (provider) => {
    const plaintext = seededBytes(3, 4 * CHUNK + 9);
    const { key } = deriveMessageKey(HERE, provider, dataKey, salt, hex("00"));
    const later = deriveMessageKey(HERE, WEBCRYPTO, dataKey, salt, hex("00")).key;
    const [out, laterOut] = [new Uint8Array(4 * 16_400 + 25), new Uint8Array(4 * 16_400 + 25)];
    sealRunSync(key, 0, plaintext.subarray(0, 3 * CHUNK), false, out);
    sealRunSync(key, 3, plaintext.subarray(3 * CHUNK), true, out, 3 * 16_400);
    await sealRun(later, 0, plaintext.subarray(0, 3 * CHUNK), false, laterOut);
    await sealRun(later, 3, plaintext.subarray(3 * CHUNK), true, laterOut, 3 * 16_400);
    expect(Buffer.compare(out, concat(...sealChunksPlain(plainKeys, plaintext)))).toBe(0);
    expect(Buffer.compare(out, laterOut)).toBe(0);
  });

  test("[NAT-11] there are no more than 2^38", async () => {
    const { key } = deriveMessageKey(HERE, NODE, dataKey, salt, hex("00"));
    const later = deriveMessageKey(HERE, WEBCRYPTO, dataKey, salt, hex("00")).key;
    const last = 2 ** 38 - 1;
    const [full, room] = [new Uint8Array(CHUNK), new Uint8Array(2 * 16_400)];
    // The last one may be short, but not full: another would follow.
    sealRunSync(key, last, full.subarray(1), true, room);
    openRunSync(key, last, room.subarray(0, 16_399), room.slice());
    expect(errorOf(() => sealRunSync(key, last, full, true, room)).code).toBe("ERR_PLAINTEXT_TOO_LARGE");
    expect(errorOf(() => sealRunSync(key, last + 1, full, false, room)).code).toBe("ERR_PLAINTEXT_TOO_LARGE");
    expect((await rejectionOf(() => sealRun(later, last, full, true, room))).code).toBe(
      "ERR_PLAINTEXT_TOO_LARGE",
    );
    expect(errorOf(() => openRunSync(key, last + 1, room, room.slice())).code).toBe("ERR_ENVELOPE_TOO_LARGE");
    expect((await rejectionOf(() => openRun(later, last, room, room))).code).toBe("ERR_ENVELOPE_TOO_LARGE");
  });

  test("in place or not, chunks are the same, also with associated data", () => {
    const key = NODE.importKey(new Uint8Array(32).fill(1));
    for (const aad of [new Uint8Array(0), hex("0102")]) {
      const sealed = key.seal(new Uint8Array(12), hex("aabb"), aad);
      const out = new Uint8Array(20);
      key.sealInto!(new Uint8Array(12), hex("aabb"), aad, out, 1);
      expect(out.subarray(1, 19)).toEqual(sealed);
      key.openInto!(new Uint8Array(12), sealed.subarray(0, 2), sealed.subarray(2), aad, out, 18);
      expect(out.subarray(18)).toEqual(hex("aabb"));
      out.fill(0);
      const wrong = errorOf(() =>
        key.openInto!(new Uint8Array(12), hex("0000"), sealed.subarray(2), aad, out, 0),
      );
      expect([wrong.code, ...out.subarray(0, 2)]).toEqual(["ERR_DECRYPT_FAILED", 0, 0]);
    }
  });
});
