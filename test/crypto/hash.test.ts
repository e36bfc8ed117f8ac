/** The hash port: both providers against each other and against published vectors. */
import nodeCrypto, { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runtime } from "../../src/base/runtime.ts";
import { hash, selectHash } from "../../src/crypto/primitives/hash.ts";
import { nobleHash } from "../../src/crypto/primitives/hash-noble.ts";
import { nodeHash } from "../../src/crypto/primitives/hash-node.ts";
import type { HashName } from "../../src/crypto/primitives/hash-port.ts";
import { hmacSha256 } from "../../src/crypto/primitives/hmac-sha256.ts";
import { hex, toHexText, utf8Bytes } from "../support/bytes.ts";
import { HASH_PROVIDERS } from "../support/providers.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";
import { wipedBy } from "../support/wiped.ts";

const PROVIDERS = HASH_PROVIDERS.map((provider) => [provider.name, provider.hash] as const);
const HASH_BYTES: Record<HashName, number> = { sha256: 32, sha512: 64 };

describe("hash", () => {
  test("the native provider is taken where there is one", () => {
    expect(selectHash(undefined)).toBe(nobleHash);
    expect(selectHash(runtime.crypto)).not.toBe(nobleHash);
    expect(toHexText(hash.sha1(utf8Bytes("abc")))).toBe("a9993e364706816aba3e25717850c26c9cd0d89d");
  });

  test("both providers agree", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 200 }), (a, b, c, length) => {
        const [first, second] = PROVIDERS.map(([, provider]) => ({
          sha1: toHexText(provider.sha1(a)),
          sha256: toHexText(provider.sha256(a)),
          hmac: (["sha256", "sha512"] as const).map((name) => toHexText(provider.hmac(name, a, b))),
          hmacUnder: (["sha256", "sha512"] as const).map((name) => {
            const key = Uint8Array.from(a);
            const made = provider.hmacUnder(name, key);
            key.fill(0);
            return [toHexText(made(b)), toHexText(made(c)), toHexText(made(b))];
          }),
          hkdf: (["sha256", "sha512"] as const).map((name) =>
            toHexText(provider.hkdf(name, a, b, c, length)),
          ),
        }));
        expect(second).toEqual(first);
        for (const [i, name] of (["sha256", "sha512"] as const).entries()) {
          const [mac, other] = [b, c].map((of) => toHexText(hash.hmac(name, a, of)));
          expect(first!.hmacUnder[i]).toEqual([mac, other, mac]);
        }
        expect(first!.sha256).toBe(createHash("sha256").update(a).digest("hex"));
      }),
    );
  });
});

describe.each(["sha256", "sha512"] as const)("%s", (name) => {
  describeVectors("Wycheproof HMAC", `wycheproof/hmac_${name}_test.json`, (file) => {
    test.each(PROVIDERS)("every case: %s", (providerName, provider) => {
      const { numberOfTests, testGroups } = file.json<{
        numberOfTests: number;
        testGroups: {
          tagSize: number;
          tests: { tcId: number; key: string; msg: string; tag: string; result: string }[];
        }[];
      }>();
      let checks = 0;
      for (const { tagSize, tests } of testGroups) {
        for (const { tcId, key, msg, tag, result } of tests) {
          // Some cases cut the tag.
          const computed = toHexText(provider.hmac(name, hex(key), hex(msg)).subarray(0, tagSize / 8));
          expect(computed === tag, `tcId ${tcId}`).toBe(result === "valid");
          checks++;
        }
      }
      expect(checks).toBe(numberOfTests);
      reportChecked(checks, `HMAC ${name} checks on ${providerName}`);
    });
  });

  describeVectors("Wycheproof HKDF", `wycheproof/hkdf_${name}_test.json`, (file) => {
    test.each(PROVIDERS)("every case: %s", (providerName, provider) => {
      const { numberOfTests, testGroups } = file.json<{
        numberOfTests: number;
        testGroups: {
          tests: {
            tcId: number;
            ikm: string;
            salt: string;
            info: string;
            size: number;
            okm: string;
            result: string;
          }[];
        }[];
      }>();
      let checks = 0;
      let tooLong = 0;
      for (const { tests } of testGroups) {
        for (const { tcId, ikm, salt, info, size, okm, result } of tests) {
          const derive = () => toHexText(provider.hkdf(name, hex(ikm), hex(salt), hex(info), size));
          if (size > 255 * HASH_BYTES[name]) {
            // More than RFC 5869 can derive, which is beyond the port; it must not answer all the same.
            expect(derive, `tcId ${tcId}`).toThrow();
            tooLong++;
          } else {
            expect(result).toBe("valid");
            expect(derive(), `tcId ${tcId}`).toBe(okm);
            checks++;
          }
        }
      }
      expect(checks + tooLong).toBe(numberOfTests);
      reportChecked(
        checks,
        `HKDF ${name} checks on ${providerName}, and ${tooLong} of too many bytes refused`,
      );
    });
  });
});

test("HMAC-SHA-256 is the same by node:crypto and by @noble/hashes", () => {
  const [key, bytes] = [Uint8Array.from({ length: 70 }, (_, i) => i), new Uint8Array(200).fill(7)];
  const expected = hash.hmac("sha256", key, bytes);
  expect(hmacSha256(key, bytes)).toEqual(new Uint8Array(expected));
  const withoutOneCall = { ...nodeCrypto, hash: undefined } as unknown as typeof nodeCrypto;
  for (const crypto of [undefined, withoutOneCall]) {
    expect(hmacSha256(key, bytes, { crypto })).toEqual(new Uint8Array(expected));
  }
  for (const length of [0, 1, 63, 64, 65, 200]) {
    const other = createHmac("sha256", bytes.subarray(0, length)).update(key).digest();
    expect(hmacSha256(bytes.subarray(0, length), key), `${length}`).toEqual(new Uint8Array(other));
  }
});

test("HMAC-SHA-256 leaves no copy of its key", async () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  const { wiped } = await wipedBy(() => hmacSha256(key, utf8Bytes("x")));
  const padded = (pad: number): string =>
    toHexText(Uint8Array.from({ length: 64 }, (_, i) => (key[i] ?? 0) ^ pad));
  expect(wiped).toContain(padded(0));
  for (const pad of [0x36, 0x5c]) expect(wiped.some((range) => range.startsWith(padded(pad)))).toBe(true);
  expect(key[31]).toBe(32);
});

test("node:crypto gives the same with and without its hash of one call, which not every runtime has", () => {
  const whole = nodeHash(nodeCrypto);
  const without = nodeHash({ ...nodeCrypto, hash: undefined } as unknown as typeof nodeCrypto);
  for (const size of [0, 1, 32, 64, 65, 128, 129, 300]) {
    const key = new Uint8Array(size).fill(7);
    const bytes = Uint8Array.from({ length: size }, (_, i) => i);
    expect(whole.sha1(bytes)).toEqual(without.sha1(bytes));
    expect(whole.sha256(bytes)).toEqual(without.sha256(bytes));
    for (const hash of ["sha256", "sha512"] as const) {
      expect(whole.hmac(hash, key, bytes)).toEqual(without.hmac(hash, key, bytes));
    }
    // The key stays the caller's.
    expect(key).toEqual(new Uint8Array(size).fill(7));
  }
});
