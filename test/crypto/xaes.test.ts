/** KC-XAES-256-GCM: published vectors, refusals, and that it commits to its key. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BlockCipher, SyncAeadProvider } from "../../src/crypto/aead/aead.ts";
import {
  COMMITMENT_BYTES,
  KcXaesKey,
  kcXaesOpen,
  kcXaesSeal,
  XAES_NONCE_BYTES,
} from "../../src/crypto/primitives/xaes.ts";
import { flipBit, hex, toHexText } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { SYNC_AEAD_PROVIDERS } from "../support/providers.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";

const PROVIDERS = SYNC_AEAD_PROVIDERS.map((provider) => [provider.name, provider] as const);
const KEY = new Uint8Array(32).fill(3);
const NONCE = Uint8Array.from({ length: 24 }, (_, i) => i);
const NONE = new Uint8Array(0);

const isZero = (array: Uint8Array) => array.every((byte) => byte === 0);
const bytes = fc.uint8Array({ maxLength: 70 });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe("KC-XAES-256-GCM", () => {
  test("both providers seal alike and open what the other sealed", () => {
    fc.assert(
      fc.property(exactly(32), exactly(24), bytes, bytes, (key, nonce, plaintext, aad) => {
        const [first, second] = SYNC_AEAD_PROVIDERS.map((provider) =>
          kcXaesSeal(provider, key, nonce, plaintext, aad),
        );
        expect(second).toEqual(first);
        expect(first).toHaveLength(plaintext.length + 16 + COMMITMENT_BYTES);
        for (const provider of SYNC_AEAD_PROVIDERS) {
          expect(kcXaesOpen(provider, key, nonce, first!, aad)).toEqual(plaintext);
        }
      }),
    );
  });

  describe.each(PROVIDERS)("%s", (_, provider) => {
    test("every altered bit is refused alike, without a cause", () => {
      const aad = Uint8Array.of(1);
      const sealed = kcXaesSeal(provider, KEY, NONCE, Uint8Array.of(1, 2, 3), aad);
      const attempts: [key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array][] = [];
      for (let bit = 0; bit < 8 * sealed.length; bit++)
        attempts.push([KEY, NONCE, flipBit(sealed, bit), aad]);
      for (let bit = 0; bit < 8 * NONCE.length; bit++) attempts.push([KEY, flipBit(NONCE, bit), sealed, aad]);
      for (let bit = 0; bit < 8 * KEY.length; bit++) attempts.push([flipBit(KEY, bit), NONCE, sealed, aad]);
      attempts.push([KEY, NONCE, sealed, NONE], [KEY, NONCE, sealed, flipBit(aad, 0)]);
      for (const [key, nonce, altered, data] of attempts) {
        const error = errorOf(() => kcXaesOpen(provider, key, nonce, altered, data));
        expect(error).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
        expect(error).not.toHaveProperty("cause");
      }
      expect([...kcXaesOpen(provider, KEY, NONCE, sealed, aad)]).toEqual([1, 2, 3]);
    });

    test("every shorter message is refused, also one too short for tag and commitment", () => {
      const sealed = kcXaesSeal(provider, KEY, NONCE, Uint8Array.of(1, 2, 3), NONE);
      for (let length = 0; length < sealed.length; length++) {
        const error = errorOf(() => kcXaesOpen(provider, KEY, NONCE, sealed.subarray(0, length), NONE));
        expect(error.code, `${length} bytes`).toBe("ERR_DECRYPT_FAILED");
      }
    });

    test("the commitment alone, or with a part of the tag, opens nothing", () => {
      const sealed = kcXaesSeal(provider, KEY, NONCE, NONE, NONE);
      for (let left = 0; left < sealed.length; left++) {
        const rest = sealed.subarray(sealed.length - left);
        const error = errorOf(() => kcXaesOpen(provider, KEY, NONCE, rest, NONE));
        expect([error.name, error.code], `${left} bytes`).toEqual(["VaultError", "ERR_DECRYPT_FAILED"]);
      }
    });

    test("a message whose tag is right but whose commitment is another key's is refused", () => {
      const sealed = kcXaesSeal(provider, KEY, NONCE, Uint8Array.of(1), NONE);
      const other = kcXaesSeal(provider, flipBit(KEY, 0), NONCE, Uint8Array.of(1), NONE);
      const mixed = Uint8Array.from([
        ...sealed.subarray(0, -COMMITMENT_BYTES),
        ...other.subarray(-COMMITMENT_BYTES),
      ]);
      expect(errorOf(() => kcXaesOpen(provider, KEY, NONCE, mixed, NONE)).code).toBe("ERR_DECRYPT_FAILED");
    });

    test("both halves of the nonce reach the commitment", () => {
      const commitments = new Set(
        [NONCE, flipBit(NONCE, 0), flipBit(NONCE, 8 * 23)].map((nonce) =>
          toHexText(kcXaesSeal(provider, KEY, nonce, NONE, NONE).subarray(-COMMITMENT_BYTES)),
        ),
      );
      expect(commitments.size).toBe(3);
    });

    test("the derived key is zeroed after use, also where the message is refused", () => {
      const derived: Uint8Array[] = [];
      const importKey: SyncAeadProvider["importKey"] = (raw) => {
        derived.push(raw);
        expect(isZero(raw)).toBe(false);
        return provider.importKey(raw);
      };
      const watched: SyncAeadProvider = { ...provider, importKey, importBriefly: importKey };
      const sealed = kcXaesSeal(watched, KEY, NONCE, NONE, NONE);
      kcXaesOpen(watched, KEY, NONCE, sealed, NONE);
      expect(errorOf(() => kcXaesOpen(watched, KEY, NONCE, sealed, Uint8Array.of(1))).code).toBe(
        "ERR_DECRYPT_FAILED",
      );
      expect(derived.map(isZero)).toEqual([true, true, true]);
    });

    test("the message key is let go of", () => {
      let disposed = 0;
      const importKey: SyncAeadProvider["importKey"] = (raw) => {
        const key = (provider.importBriefly ?? provider.importKey)(raw);
        const dispose = key.dispose.bind(key);
        key.dispose = () => {
          disposed++;
          dispose();
        };
        return key;
      };
      const watched: SyncAeadProvider = { ...provider, importKey, importBriefly: importKey };
      kcXaesOpen(watched, KEY, NONCE, kcXaesSeal(watched, KEY, NONCE, NONE, NONE), NONE);
      expect(disposed).toBe(2);
    });

    test("the block cipher is let go of: held, or used once", () => {
      const plain = provider.blockCipher(KEY);
      plain.encrypt(new Uint8Array(16));
      plain.dispose();
      expect(errorOf(() => plain.encrypt(new Uint8Array(16))).code).toBe("ERR_DISPOSED");

      const made: BlockCipher[] = [];
      const watched: SyncAeadProvider = {
        ...provider,
        blockCipher: (raw) => {
          const cipher = provider.blockCipher(raw);
          made.push(cipher);
          return cipher;
        },
      };
      new KcXaesKey(watched, KEY).dispose();
      kcXaesOpen(watched, KEY, NONCE, kcXaesSeal(watched, KEY, NONCE, NONE, NONE), NONE);
      expect(made.map((cipher) => errorOf(() => cipher.encrypt(new Uint8Array(16))).code)).toEqual(
        Array(3).fill("ERR_DISPOSED"),
      );
    });

    test("what was derived for CMAC is zeroed by dispose", () => {
      const enciphered: Uint8Array[] = [];
      // A cipher that works on after dispose: what it is given then shows K1, which is XORed onto the first block.
      const watched: SyncAeadProvider = {
        ...provider,
        blockCipher: (raw) => {
          const { encrypt } = provider.blockCipher(raw);
          return {
            encrypt: (blocks) => {
              enciphered.push(Uint8Array.from(blocks));
              return encrypt(blocks);
            },
            dispose: () => {},
          };
        },
      };
      const held = new KcXaesKey(watched, KEY);
      const firstBlock = (): number[] => {
        enciphered.length = 0;
        held.seal(NONCE, NONE, NONE);
        return [...enciphered[0]!.subarray(0, 16)];
      };
      /** What K1 adds to the last block of the commitment, besides the nonce's second half and the block before it. */
      const addedToLast = (): number[] => {
        const [first, last] = enciphered as [Uint8Array, Uint8Array];
        const before = provider.blockCipher(KEY).encrypt(first.slice(32, 48));
        return [...NONCE.subarray(12)].map((byte, j) => byte ^ last[j]! ^ before[j]!);
      };
      const nonce = [...NONCE.subarray(0, 12)];
      expect(firstBlock().slice(4)).not.toEqual(nonce);
      expect(addedToLast()).not.toEqual(Array(12).fill(0));
      held.dispose();
      // Nothing but the nonce is left, neither K1 nor what was made of it.
      expect(firstBlock()).toEqual([0, 0, 0, 0, ...nonce]);
      expect(addedToLast()).toEqual(Array(12).fill(0));
    });

    test.each([0, 12, 23, 25, 32])("a nonce of %i bytes is refused", (length) => {
      const nonce = new Uint8Array(length);
      for (const call of [
        () => kcXaesSeal(provider, KEY, nonce, NONE, NONE),
        () => kcXaesOpen(provider, KEY, nonce, new Uint8Array(48), NONE),
      ]) {
        const error = errorOf(call);
        expect(error).toBeInstanceOf(RangeError);
        expect(error.code).toBe("ERR_INVALID_ARGUMENT");
      }
    });

    test.each([0, 16, 31, 33])("a key of %i bytes is refused", (length) => {
      const error = errorOf(() => kcXaesSeal(provider, new Uint8Array(length), NONCE, NONE, NONE));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    });
  });
});

interface XaesFile {
  xaes: { key: string; nonce: string; aad: string; pt: string; ct_and_tag: string }[];
  kc_xaes: { key: string; nonce: string; aad: string; pt: string; ct_tag_kc: string }[];
  xaes_accumulated: { "10000": string };
  kc_xaes_accumulated_10000: { value: string };
}

describeVectors("XAES vectors", "c2sp-xaes/xaes-256-gcm.json", (file) => {
  test.each(PROVIDERS)("XAES-256-GCM and KC-XAES-256-GCM: %s", (name, provider) => {
    const { xaes, kc_xaes } = file.json<XaesFile>();
    for (const { key, nonce, aad, pt, ct_and_tag } of xaes) {
      // XAES-256-GCM is what stands before the commitment.
      const sealed = kcXaesSeal(provider, hex(key), hex(nonce), hex(pt), hex(aad));
      expect(toHexText(sealed.subarray(0, -COMMITMENT_BYTES))).toBe(ct_and_tag);
    }
    for (const { key, nonce, aad, pt, ct_tag_kc } of kc_xaes) {
      const sealed = kcXaesSeal(provider, hex(key), hex(nonce), hex(pt), hex(aad));
      expect(toHexText(sealed)).toBe(ct_tag_kc);
      expect(toHexText(kcXaesOpen(provider, hex(key), hex(nonce), sealed, hex(aad)))).toBe(pt);
    }
    expect([xaes.length, kc_xaes.length]).toEqual([2, 2]);
    reportChecked(xaes.length + kc_xaes.length, `XAES messages on ${name}`);
  });

  // One hash over 10,000 random messages, as the specification gives it.
  test.each(PROVIDERS)("accumulated over 10,000 messages: %s", (name, provider) => {
    const MESSAGES = 10_000;
    const random = shake128Stream();
    const xaesHash = createHash("shake128", { outputLength: 32 });
    const kcHash = createHash("shake128", { outputLength: 32 });
    for (let i = 0; i < MESSAGES; i++) {
      const key = random(32);
      const nonce = random(XAES_NONCE_BYTES);
      const plaintext = random(random(1)[0]!);
      const aad = random(random(1)[0]!);
      const sealed = kcXaesSeal(provider, key, nonce, plaintext, aad);
      xaesHash.update(sealed.subarray(0, -COMMITMENT_BYTES));
      kcHash.update(sealed);
    }
    const { xaes_accumulated, kc_xaes_accumulated_10000 } = file.json<XaesFile>();
    expect(xaesHash.digest("hex")).toBe(xaes_accumulated["10000"]);
    expect(kcHash.digest("hex")).toBe(kc_xaes_accumulated_10000.value);
    reportChecked(MESSAGES, `accumulated XAES messages on ${name}`);
  });
});

/** The output of SHAKE-128 over nothing, piece by piece: 10,000 messages take less than 6 MiB. */
function shake128Stream(): (length: number) => Uint8Array {
  const output = createHash("shake128", { outputLength: 6 * 1024 * 1024 }).digest();
  let at = 0;
  return (length) => {
    if (at + length > output.length) throw new Error("the stream is used up");
    at += length;
    return output.subarray(at - length, at);
  };
}
