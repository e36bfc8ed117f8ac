/** AES-256-GCM of every provider against published vectors. */
import { expect, test } from "vitest";
import { concatBytes } from "../../src/base/bytes.ts";
import type { AeadProvider } from "../../src/crypto/aead/aead.ts";
import { isVaultError } from "../../src/errors.ts";
import { hex } from "../support/bytes.ts";
import { AEAD_PROVIDERS } from "../support/providers.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";

const PROVIDERS = AEAD_PROVIDERS.map((provider) => [provider.name, provider] as const);

interface GcmCase {
  readonly name: string;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
  readonly valid: boolean;
  /** Absent where the source gives none to an invalid case. */
  readonly plaintext: Uint8Array | undefined;
}

/** Opens a case, and seals it too if it is valid and the nonce is one that is written; answers the checks made. */
async function check(provider: AeadProvider, vector: GcmCase): Promise<number> {
  const key = provider.importKey(vector.key);
  let opened: Uint8Array | undefined;
  try {
    opened = await key.open(vector.nonce, vector.ciphertext, vector.tag, vector.aad);
  } catch (error) {
    if (!isVaultError(error, "ERR_DECRYPT_FAILED")) throw error;
  }
  expect(opened, vector.name).toEqual(vector.valid ? vector.plaintext : undefined);
  if (!vector.valid || vector.nonce.length !== 12) return 1;
  const sealed = await key.seal(vector.nonce, vector.plaintext!, vector.aad);
  expect(sealed, vector.name).toEqual(concatBytes(vector.ciphertext, vector.tag));
  return 2;
}

describeVectors("vault profile", "derived/vault-profile-aes256gcm-iv96-tag128.json", (file) => {
  test.each(PROVIDERS)(
    "every case opens or is refused, every valid one is sealed alike: %s",
    async (name, provider) => {
      const { tests, valid, invalid } = file.json<{
        valid: number;
        invalid: number;
        tests: {
          src: string;
          key: string;
          iv: string;
          aad: string;
          pt?: string | null;
          ct: string;
          tag: string;
          result: string;
        }[];
      }>();
      let checks = 0;
      for (const { src, key, iv, aad, pt, ct, tag, result } of tests) {
        checks += await check(provider, {
          name: src,
          key: hex(key),
          nonce: hex(iv),
          aad: hex(aad),
          ciphertext: hex(ct),
          tag: hex(tag),
          valid: result === "valid",
          plaintext: pt === undefined || pt === null ? undefined : hex(pt),
        });
      }
      expect(checks).toBe(2 * valid + invalid);
      expect(checks).toBe(1414);
      reportChecked(checks, `AES-GCM checks on ${name}`);
    },
  );
});

describeVectors("BoringSSL AES-256-GCM", "boringssl/aes_256_gcm_tests.txt", (file) => {
  test.each(PROVIDERS)("every case with a 12-byte nonce: %s", async (name, provider) => {
    const blocks = file
      .text()
      .split("\n\n")
      // Nothing is written as nothing, or as "".
      .map((block) =>
        Object.fromEntries(
          [...block.matchAll(/^(\w+): ?(?:""|([0-9a-f]*))$/gm)].map((m) => [m[1], m[2] ?? ""]),
        ),
      )
      .filter((fields) => fields.KEY !== undefined);
    let checks = 0;
    let otherNonces = 0;
    for (const { KEY, NONCE, IN, AD, CT, TAG } of blocks as Record<string, string>[]) {
      const vector: GcmCase = {
        name: `NONCE ${NONCE}`,
        key: hex(KEY!),
        nonce: hex(NONCE!),
        aad: hex(AD!),
        ciphertext: hex(CT!),
        tag: hex(TAG!),
        valid: true,
        plaintext: hex(IN!),
      };
      if (vector.nonce.length === 12) checks += await check(provider, vector);
      else {
        await expect(async () => check(provider, vector)).rejects.toBeInstanceOf(RangeError);
        otherNonces++;
      }
    }
    expect(blocks).toHaveLength(66);
    expect(checks + 2 * otherNonces).toBe(132);
    reportChecked(
      checks,
      `BoringSSL AES-GCM checks on ${name}, and ${otherNonces} nonces of other sizes refused`,
    );
  });
});

describeVectors("Wycheproof AES-GCM", "wycheproof/aes_gcm_test.json", (file) => {
  test.each(PROVIDERS)(
    "[ENV-1] 256-bit keys; sizes that no layout has are refused: %s",
    async (name, provider) => {
      const { testGroups } = file.json<{
        testGroups: {
          keySize: number;
          ivSize: number;
          tagSize: number;
          tests: {
            tcId: number;
            comment: string;
            key: string;
            iv: string;
            aad: string;
            msg: string;
            ct: string;
            tag: string;
            result: string;
          }[];
        }[];
      }>();
      let checks = 0;
      let longNonces = 0;
      let refused = 0;
      for (const { keySize, ivSize, tests } of testGroups) {
        for (const { tcId, comment, key, iv, aad, msg, ct, tag, result } of tests) {
          const vector: GcmCase = {
            name: `tcId ${tcId} (${comment})`,
            key: hex(key),
            nonce: hex(iv),
            aad: hex(aad),
            ciphertext: hex(ct),
            tag: hex(tag),
            valid: result === "valid",
            plaintext: hex(msg),
          };
          if (keySize === 256 && (ivSize === 96 || ivSize === 256)) {
            checks += await check(provider, vector);
            if (ivSize === 256) longNonces++;
          } else {
            await expect(async () => check(provider, vector), vector.name).rejects.toBeInstanceOf(RangeError);
            refused++;
          }
        }
      }
      expect(checks).toBeGreaterThan(66);
      expect(longNonces).toBe(1);
      reportChecked(
        checks,
        `Wycheproof AES-GCM checks on ${name} (${longNonces} with a 32-byte nonce), and ${refused} refused by size`,
      );
    },
  );
});
