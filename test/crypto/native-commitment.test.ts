/**
 * Two keys, one ciphertext: what plain AES-256-GCM accepts and the native format does not
 * (docs/spec/native-envelope.md section 3).
 *
 * Owns the crafting: one free block of ciphertext makes the tags under two keys equal, because GHASH is linear in it.
 */
import { createCipheriv } from "node:crypto";
import { describe, expect, test } from "vitest";
import { localDecryptSync } from "../../src/crypto/local.ts";
import { nativeDecryptSync } from "../../src/crypto/native/one-shot.ts";
import { openNativeSource } from "../../src/crypto/native/range.ts";
import { decryptStream } from "../../src/crypto/native/stream.ts";
import { base64, concat, fromBase64, hex, seededBytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { derivePlain, FIXED_HEADER, joinPlain, nonceOf, type PlainKeys } from "../support/native.ts";
import { NODE, SYNC_AEAD_PROVIDERS } from "../support/providers.ts";
import { SAMPLE_1, SAMPLE_2 } from "../support/samples.ts";
import { pump } from "../support/streams.ts";

/** GCM's field: bit 0 is the highest of the first byte (NIST SP 800-38D section 6.3). */
const REDUCTION = 0xe1n << 120n;

function multiply(x: bigint, y: bigint): bigint {
  let product = 0n;
  let v = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= v;
    v = v & 1n ? (v >> 1n) ^ REDUCTION : v >> 1n;
  }
  return product;
}

/** x^(2^128 - 2): the inverse. */
function invert(x: bigint): bigint {
  let result = 1n << 127n;
  let square = x;
  for (let i = 1; i < 128; i++) {
    square = multiply(square, square);
    result = multiply(result, square);
  }
  return result;
}

const toBig = (block: Uint8Array): bigint => BigInt(`0x${Buffer.from(block).toString("hex")}`);
const toBlock = (value: bigint): Uint8Array => hex(value.toString(16).padStart(32, "0"));

function aesBlock(key: Uint8Array, block: Uint8Array): bigint {
  return toBig(createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(block));
}

/** What GCM makes of a key and a nonce: H, and the mask of the tag. */
function gcmOf(key: Uint8Array, nonce: Uint8Array): { h: bigint; mask: bigint } {
  return { h: aesBlock(key, new Uint8Array(16)), mask: aesBlock(key, concat(nonce, hex("00000001"))) };
}

/** GHASH over ciphertext blocks and their length, without associated data. */
function ghash(h: bigint, blocks: readonly bigint[]): bigint {
  let y = 0n;
  for (const block of [...blocks, BigInt(blocks.length * 128)]) y = multiply(y ^ block, h);
  return y;
}

/** A ciphertext with one tag that GCM accepts under both keys. */
function collide(
  a: { key: Uint8Array; nonce: Uint8Array },
  b: { key: Uint8Array; nonce: Uint8Array },
  start: Uint8Array,
): { ciphertext: Uint8Array; tag: Uint8Array } {
  const [one, two] = [gcmOf(a.key, a.nonce), gcmOf(b.key, b.nonce)];
  const blocks = [...Array(start.length / 16).keys()].map((i) => toBig(start.subarray(16 * i, 16 * i + 16)));
  blocks.push(0n);
  // The free block is the last: it is multiplied by H^2, once for itself and once for the length.
  const wanted = ghash(one.h, blocks) ^ one.mask ^ ghash(two.h, blocks) ^ two.mask;
  const factor = multiply(one.h, one.h) ^ multiply(two.h, two.h);
  blocks[blocks.length - 1] = multiply(wanted, invert(factor));
  return { ciphertext: concat(...blocks.map(toBlock)), tag: toBlock(ghash(one.h, blocks) ^ one.mask) };
}

describe("a ciphertext crafted for two keys", () => {
  const keys = [fromBase64(SAMPLE_1.dataKey), fromBase64(SAMPLE_2.dataKey)] as const;
  const [blob] = [fromBase64(SAMPLE_1.encryptedKeys)];
  const start = seededBytes(6, 64);

  test.each(SYNC_AEAD_PROVIDERS)("the control: plain AES-256-GCM opens it under both ($name)", (provider) => {
    const nonce = seededBytes(7, 12);
    const { ciphertext, tag } = collide({ key: keys[0], nonce }, { key: keys[1], nonce }, start);
    const [first, second] = keys.map((key) =>
      provider.importKey(key).open(nonce, ciphertext, tag, new Uint8Array(0)),
    );
    expect(first).toHaveLength(80);
    expect(second).toHaveLength(80);
    expect(Buffer.compare(first!, second!)).not.toBe(0);
    // And so does a WorkOS layout: it cannot commit.
    const iv12 = base64(concat(nonce, tag, hex("ce01"), blob, ciphertext));
    for (const dataKey of keys) {
      expect(localDecryptSync(iv12, { dataKey }, "", { as: "bytes", layouts: ["iv12"] })).toHaveLength(80);
      expect(errorOf(() => localDecryptSync(iv12, { dataKey }, "", { requireCommitment: true })).code).toBe(
        "ERR_LAYOUT_NOT_ALLOWED",
      );
    }
  });

  test("[NAT-9] a native envelope opens under one key at most", async () => {
    const salt = seededBytes(8, 24);
    const [one, two] = keys.map((key) => derivePlain(key, salt, FIXED_HEADER)) as [PlainKeys, PlainKeys];
    const { ciphertext, tag } = collide(one, two, start);
    // The chunk itself is accepted under both message keys.
    for (const derived of [one, two]) {
      const aead = NODE.importKey(derived.key);
      expect(aead.open(nonceOf(derived.nonce, 0), ciphertext, tag, new Uint8Array(0))).toHaveLength(80);
    }
    const commitments = [
      one.commitment,
      two.commitment,
      one.commitment.map((byte, i) => (i < 16 ? byte : two.commitment[i]!)),
      one.commitment.map((byte, i) => byte ^ two.commitment[i]!),
      new Uint8Array(32),
    ];
    for (const [i, commitment] of commitments.entries()) {
      const envelope = joinPlain({ keyBlob: blob, salt, commitment, chunks: [concat(ciphertext, tag)] });
      for (const [j, dataKey] of keys.entries()) {
        if (i === j) {
          expect(nativeDecryptSync(envelope, { dataKey })).toHaveLength(80);
          continue;
        }
        expect(errorOf(() => nativeDecryptSync(envelope, { dataKey })).code).toBe("ERR_DECRYPT_FAILED");
        expect(errorOf(() => localDecryptSync(base64(envelope), { dataKey })).code).toBe(
          "ERR_DECRYPT_FAILED",
        );
        const streamed = await pump([envelope], decryptStream({ dataKey }));
        expect(streamed).toMatchObject({ bytes: new Uint8Array(0), error: { code: "ERR_DECRYPT_FAILED" } });
        expect((await rejectionOf(() => openNativeSource(envelope, { dataKey }))).code).toBe(
          "ERR_DECRYPT_FAILED",
        );
      }
    }
  });
});
