/** UUIDs, and the relation between a data key and its id in WorkOS's published samples. */
import { describe, expect, test } from "vitest";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { uuidFromText, uuidToText, uuidV4, uuidV5 } from "../../src/crypto/primitives/uuid.ts";
import { fromBase64, hex, utf8Bytes } from "../support/bytes.ts";
import { HASH_PROVIDERS } from "../support/providers.ts";
import { SAMPLE_1, SAMPLE_2 } from "../support/samples.ts";

describe("text", () => {
  const text = "0205e0ec-828e-5594-96ac-a68fc8257fb7";

  test("there and back", () => {
    expect(uuidFromText(text)).toEqual(hex(text.replaceAll("-", "")));
    expect(uuidToText(uuidFromText(text)!)).toBe(text);
  });

  test.each([
    "",
    text.toUpperCase(),
    text.replaceAll("-", ""),
    `{${text}}`,
    `${text}\n`,
    ` ${text}`,
    `${text}0`,
    text.slice(1),
    text.replace("0", "g"),
    text.replace("0", "\u{ff10}"),
  ])("%j is no UUID", (wrong) => {
    expect(uuidFromText(wrong)).toBeUndefined();
  });
});

describe("version 4", () => {
  test("has version and variant, and never repeats", () => {
    const all = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      const uuid = uuidToText(uuidV4());
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      all.add(uuid);
    }
    expect(all.size).toBe(1000);
  });
});

describe.each(HASH_PROVIDERS)("version 5 by $name", ({ hash }) => {
  test("RFC 9562 appendix A.4", () => {
    const dns = uuidFromText("6ba7b810-9dad-11d1-80b4-00c04fd430c8")!;
    expect(uuidToText(uuidV5(dns, utf8Bytes("www.example.com"), hash))).toBe(
      "2ed6657d-e927-568b-95e1-2665a8aea6a2",
    );
  });

  test.each([SAMPLE_1, SAMPLE_2])(
    "a data key's id is the UUID of its bytes under the KEK's id: $dataKeyId",
    (sample) => {
      const key = fromBase64(sample.dataKey);
      const blob = inspectKeyBlob(fromBase64(sample.encryptedKeys));
      expect(blob.keks).toEqual([{ id: sample.kekId }]);
      expect(blob.dataKeyId).toBe(sample.dataKeyId);
      expect(uuidToText(uuidV5(uuidFromText(sample.kekId)!, key, hash))).toBe(sample.dataKeyId);
      // The name is a key: it must not be changed, nor the answer share memory with a digest.
      expect(key).toEqual(fromBase64(sample.dataKey));
    },
  );
});

test("version 5 leaves no copy of the name behind, which may be a key", () => {
  const inputs: Uint8Array[] = [];
  const { hash } = HASH_PROVIDERS[0]!;
  const watched = {
    ...hash,
    sha1: (bytes: Uint8Array) => {
      inputs.push(bytes);
      return hash.sha1(bytes);
    },
  };
  const uuid = uuidV5(uuidFromText(SAMPLE_1.kekId)!, fromBase64(SAMPLE_1.dataKey), watched);
  expect(uuidToText(uuid)).toBe(SAMPLE_1.dataKeyId);
  expect(inputs).toEqual([new Uint8Array(48)]);
});

test("version 5 takes the runtime's hash unless told otherwise", () => {
  const namespace = uuidFromText(SAMPLE_1.kekId)!;
  expect(uuidToText(uuidV5(namespace, fromBase64(SAMPLE_1.dataKey)))).toBe(SAMPLE_1.dataKeyId);
});
