/** What a data key is asked for, and what it asks for: seen in the calls, not in the answers. */
import type { webcrypto } from "node:crypto";
import { beforeEach, expect, test, vi } from "vitest";
import { DataKey, holdDataKey, keyBlobOf, withAeadKey, withRawKey } from "../../src/crypto/keys/data-key.ts";
import { encodeKeyBlob, kekReferences } from "../../src/crypto/keys/key-blob.ts";
import { hash } from "../../src/crypto/primitives/hash.ts";
import type { SubtleHmac } from "../../src/crypto/primitives/hash-port.ts";
import { expandSha512Later } from "../../src/crypto/primitives/hash-webcrypto.ts";
import { expandSha512 } from "../../src/crypto/primitives/hkdf-expand.ts";
import { errorOf } from "../support/errors.ts";
import { NODE } from "../support/providers.ts";
import { SAMPLE_1 } from "../support/samples.ts";

const device = vi.hoisted(() => ({ ready: 0, isThere: true }));
vi.mock("../../src/crypto/primitives/random.ts", async (load) => ({
  ...(await load<object>()),
  readyRandom: () => {
    device.ready += 1;
    if (!device.isThere) throw new Error("no randomness");
  },
}));

const RAW = Uint8Array.from({ length: 32 }, (_, i) => i);
const newKey = () => new DataKey({ id: "id", key: RAW, encryptedKeys: SAMPLE_1.encryptedKeys });

beforeEach(() => {
  device.ready = 0;
  device.isThere = true;
});

test("[ENV-2] randomness is made ready with a data key; without it the key still opens", () => {
  newKey();
  expect(device.ready).toBe(1);
  device.isThere = false;
  expect(newKey().dataKey).toBe(Buffer.from(RAW).toString("base64"));
});

test("[ENV-35] a held key is used itself: its text, which cannot be zeroed, is never made", () => {
  const key = newKey();
  const text = vi.spyOn(DataKey.prototype, "dataKey", "get");
  withAeadKey(key, NODE, (aead) => aead.seal(new Uint8Array(12), RAW, new Uint8Array(0)));
  expect(withRawKey(key, (raw) => [...raw])).toEqual([...RAW]);
  const held = holdDataKey(key);
  expect(held.key).toBe(key);
  held.release();
  expect(key.isDisposed).toBe(false);
  expect(text).not.toHaveBeenCalled();
  text.mockRestore();
});

test("[ENV-35] of a key that was given as text no second copy is made, which would stay", () => {
  const from = vi.spyOn(Uint8Array, "from");
  const { key, release } = holdDataKey({ dataKey: SAMPLE_1.dataKey });
  expect(from).not.toHaveBeenCalled();
  from.mockRestore();
  release();
  expect((key as { dataKey: Uint8Array }).dataKey).toEqual(new Uint8Array(32));
});

test("the wrapped form that was given as bytes is the one that is used", () => {
  const keyBlob = encodeKeyBlob({
    dataKeyId: new Uint8Array(16).fill(1),
    keks: [
      { id: new Uint8Array(16).fill(2), version: 3 },
      { id: new Uint8Array(16).fill(4), version: 5 },
    ],
    nonce: new Uint8Array(24),
    wrapped: new Uint8Array(80),
  });
  expect(new DataKey({ id: "id", key: RAW, encryptedKeys: "", keyBlob }).keyBlob).toEqual(keyBlob);
  // Count, then of each KEK its id and version.
  const references = kekReferences(keyBlob);
  expect(references).toHaveLength(1 + 2 * 20);
  expect(Buffer.from(references).toString("hex")).toBe(
    `02${"02".repeat(16)}00000003${"04".repeat(16)}00000005`,
  );
});

test("[NAT-6] what is derived later is what is derived at once, of a held key and of one that is given", async () => {
  const { subtle } = globalThis.crypto as unknown as { subtle: SubtleHmac };
  const info = Uint8Array.of(1, 2, 3);
  const expected = withRawKey({ dataKey: RAW }, (raw) => expandSha512(hash, raw, info, 96));
  for (const key of [newKey(), { dataKey: RAW }, { dataKey: Buffer.from(RAW).toString("base64") }]) {
    expect(await withRawKey(key, (raw) => expandSha512Later(subtle, raw, info, 96))).toEqual(expected);
  }
  for (const dataKey of [RAW.subarray(1), new Uint8Array(33)]) {
    expect(errorOf(() => withRawKey({ dataKey }, () => {})).code).toBe("ERR_INVALID_ARGUMENT");
  }
});

test("[NAT-6] a key that Web Crypto is lent cannot be had back from it, and its copy is zeroed", async () => {
  const { subtle } = globalThis.crypto as unknown as { subtle: SubtleHmac<webcrypto.CryptoKey> };
  const imported: { readonly copy: Uint8Array; readonly key: webcrypto.CryptoKey }[] = [];
  const watched: SubtleHmac<webcrypto.CryptoKey> = {
    importKey: async (format, copy, ...rest) => {
      const key = await subtle.importKey(format, copy, ...rest);
      imported.push({ copy, key });
      return key;
    },
    sign: (algorithm, key, data) => subtle.sign(algorithm, key, data),
  };
  await expandSha512Later(watched as SubtleHmac, RAW, new Uint8Array(0), 64);
  expect(imported.map(({ key }) => [key.extractable, key.usages])).toEqual([[false, ["sign"]]]);
  expect(imported[0]!.copy).toEqual(new Uint8Array(32));
});

test("what is no key has no wrapped form: a wrong argument, not a crash", () => {
  for (const nothing of [undefined, null, {}, 7]) {
    expect(errorOf(() => keyBlobOf(nothing as never)).code).toBe("ERR_INVALID_ARGUMENT");
  }
});
