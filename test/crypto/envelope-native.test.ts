/** The short way of native envelopes of one chunk: the bytes of the specification, and nothing of a message's key stays. */
import { describe, expect, test } from "vitest";
import { runtime } from "../../src/base/runtime.ts";
import type { AeadProviderName } from "../../src/crypto/aead/aead.ts";
import { MESSAGE_SLOT_AT, NONCE_AT, SLOT_BYTES } from "../../src/crypto/aead/wasm/layout.ts";
import type { WasmProvider } from "../../src/crypto/aead/wasm.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { EnvelopeKey, Platform } from "../../src/crypto/envelope/fast/envelope-key.ts";
import { ONE_CHUNK_BYTES_MAX, oneChunkWay } from "../../src/crypto/envelope/fast/envelope-native.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { localDecryptSync, localEncryptSync } from "../../src/crypto/local.ts";
import { parseNativeHeader } from "../../src/crypto/native/format.ts";
import { Lease } from "../../src/keys/lease.ts";
import { seededBytes, seededStream } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { joinPlain, partsPlain } from "../support/native.ts";
import { envelopeKeyOf, HASH_PROVIDERS, providersOf } from "../support/providers.ts";
import { SAMPLE_1, SAMPLE_2 } from "../support/samples.ts";
import { hex, wipedBy } from "../support/wiped.ts";

const RAW = Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64"));
const BLOB = Uint8Array.from(Buffer.from(SAMPLE_1.encryptedKeys, "base64"));
const LAYOUT = "native";
const NO_AAD = new Uint8Array(0);
const free = { spend: () => {} };
const TEXT = "a plaintext that is looked for in all the memory";

const newKey = (encryptedKeys: string = SAMPLE_1.encryptedKeys): DataKey =>
  new DataKey({ id: "id", key: Uint8Array.from(RAW), encryptedKeys });

/** The envelope that the specification makes of a message, written again with `node:crypto` alone. */
function sealPlain(salt: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): string {
  return Buffer.from(joinPlain(partsPlain(RAW, BLOB, salt, aad, plaintext))).toString("base64");
}

const saltOf = (text: string): Uint8Array => {
  const bytes = Buffer.from(text, "base64");
  const { bytes: at } = parseNativeHeader(bytes);
  return Uint8Array.from(bytes.subarray(at, at + 24));
};

const { memory } = (HERE.providers.sync("wasm") as WasmProvider).engine;
const moduleHolds = (bytes: Uint8Array): boolean =>
  Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength).includes(Buffer.from(bytes));
const isZero = (at: number, length: number): boolean =>
  memory.subarray(at, at + length).every((byte) => byte === 0);

describe("the bytes of the specification", () => {
  const sizes = [0, 1, 15, 16, 17, 31, 100, 127, 128, 129, 255, 256, 1000, 1023, 1024];
  const large = [1025, 5000, 5461, 5462, ONE_CHUNK_BYTES_MAX, ONE_CHUNK_BYTES_MAX + 1];

  test.each<AeadProviderName | undefined>([undefined, "wasm", "node", "noble"])(
    "[NAT-6] every size there and back by %s, beside another implementation",
    (provider) => {
      const [key, next] = [newKey(), seededStream(3)];
      for (const size of [...sizes, ...large]) {
        const text = Buffer.from(next(size))
          .toString("latin1")
          .replace(/[^ -~]/g, "x");
        const aad = size % 3 === 0 ? "" : "seq".repeat(1 + (size % 50));
        for (const data of [text, Uint8Array.from(Buffer.from(text))]) {
          const sealed = localEncryptSync(data, key, aad, { layout: LAYOUT, provider });
          expect(sealed).toBe(sealPlain(saltOf(sealed), Buffer.from(aad), Buffer.from(text)));
          const opened = envelopeKeyOf(key).open(sealed, Buffer.from(aad), LAYOUT, "text", provider);
          // Node's calls go the long way, and so does what is no longer small.
          const isShort = provider === "wasm" ? size <= ONE_CHUNK_BYTES_MAX : size <= 1024;
          if (provider === "wasm" || provider === undefined) expect(opened !== undefined).toBe(isShort);
          expect(opened ?? text).toBe(text);
          expect(localDecryptSync(sealed, { dataKey: RAW }, aad, { provider })).toBe(text);
        }
      }
    },
  );

  test("long associated data goes the long way, and opens either way", () => {
    const key = newKey();
    for (const length of [4096, 4097]) {
      const aad = "a".repeat(length);
      const sealed = localEncryptSync(TEXT, key, aad, { layout: LAYOUT });
      expect(sealed).toBe(sealPlain(saltOf(sealed), Buffer.from(aad), Buffer.from(TEXT)));
      expect(localDecryptSync(sealed, key, aad)).toBe(TEXT);
    }
  });

  test("characters of several bytes, bytes as they are", () => {
    const key = envelopeKeyOf(newKey());
    for (const text of ["\u00e9", "\ufeffx", "\ufffd", "\u{1f511}".repeat(200)]) {
      const sealed = key.seal(text, NO_AAD, LAYOUT, undefined, free) as string;
      expect(key.open(sealed, NO_AAD, LAYOUT, "text", undefined)).toBe(text);
      expect(key.open(sealed, NO_AAD, LAYOUT, "bytes", undefined)).toEqual(new TextEncoder().encode(text));
    }
    const sealed = key.seal(Uint8Array.of(0xff), NO_AAD, LAYOUT, undefined, free) as string;
    expect(errorOf(() => key.open(sealed, NO_AAD, LAYOUT, "text", undefined)).code).toBe(
      "ERR_PLAINTEXT_NOT_TEXT",
    );
    expect(key.open(sealed, NO_AAD, LAYOUT, "bytes", undefined)).toEqual(Uint8Array.of(0xff));
  });

  test("both layouts of one key in turns, and salts that all differ", () => {
    const key = newKey();
    const salts = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const native = localEncryptSync(`${i}`, key, "", { layout: LAYOUT });
      const other = localEncryptSync(`${i}`, key, "");
      expect(localDecryptSync(other, key)).toBe(`${i}`);
      expect(localDecryptSync(native, { dataKey: RAW })).toBe(`${i}`);
      salts.add(hex(saltOf(native)));
    }
    expect(salts.size).toBe(200);
  });
});

describe("what is not this key's message", () => {
  const sealed = sealPlain(seededBytes(1, 24), Buffer.from("aad"), Buffer.from(TEXT));
  const lease = (encryptedKeys?: string): Lease => new Lease(newKey(encryptedKeys), { layout: LAYOUT });

  test("[NAT-9] every altered byte is refused as the long way refuses it", () => {
    const bytes = Buffer.from(sealed, "base64");
    const held = lease();
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes);
      altered[at]! ^= 1;
      const text = altered.toString("base64");
      expect(
        envelopeKeyOf(newKey()).open(text, Buffer.from("aad"), LAYOUT, "text", undefined),
      ).toBeUndefined();
      const { code } = errorOf(() => held.decryptSync(text, "aad"));
      const isInBlob = at >= 20 && at < bytes.length - 72 - TEXT.length;
      if (isInBlob) expect(code).toBe("ERR_KEY_MISMATCH");
      if (at >= bytes.length - 72 - TEXT.length) expect(code).toBe("ERR_DECRYPT_FAILED");
    }
  });

  test("other associated data, another key blob, another layout, what is cut off or no base64", () => {
    const open = (text: string, aad: string): unknown =>
      envelopeKeyOf(newKey()).open(text, Buffer.from(aad), LAYOUT, "text", undefined);
    expect(open(sealed, "aad")).toBe(TEXT);
    expect(open(sealed, "")).toBeUndefined();
    expect(open(sealed.slice(0, 40), "aad")).toBeUndefined();
    expect(open(`${sealed.slice(0, -4)}A===`, "aad")).toBeUndefined();
    expect(open(localEncryptSync(TEXT, newKey(), "aad"), "aad")).toBeUndefined();
    expect(errorOf(() => lease(SAMPLE_2.encryptedKeys).decryptSync(sealed, "aad")).code).toBe(
      "ERR_KEY_MISMATCH",
    );
    expect(lease().decryptSync(sealed, "aad")).toBe(TEXT);
    expect(lease().decryptSync(sealed, "aad", { requireCommitment: true, layouts: ["native"] })).toBe(TEXT);
  });

  test("a key that was disposed of", () => {
    const key = newKey();
    const ready = envelopeKeyOf(key);
    ready.seal("x", NO_AAD, LAYOUT, undefined, free);
    key.dispose();
    const spent: number[] = [];
    const attempt = () => ready.seal(TEXT, NO_AAD, LAYOUT, undefined, { spend: (n) => spent.push(n) });
    expect(errorOf(attempt).code).toBe("ERR_DISPOSED");
    expect(moduleHolds(Buffer.from(TEXT))).toBe(false);
    const open = () => ready.open(sealed, Buffer.from("aad"), LAYOUT, "text", undefined);
    expect(errorOf(open).code).toBe("ERR_DISPOSED");
  });

  test("where there is no such way, and where there is no module, it is the long way's", () => {
    const { crypto, wasm } = runtime;
    const without = new EnvelopeKey(
      newKey(),
      new Platform(providersOf({ crypto, webcrypto: undefined, wasm }, "node"), Buffer, undefined),
    );
    const { hash } = HASH_PROVIDERS[0]!;
    const slow = new EnvelopeKey(
      newKey(),
      new Platform(providersOf({ crypto, webcrypto: undefined }, "node"), Buffer, oneChunkWay(hash)),
    );
    for (const key of [without, slow]) {
      expect(key.seal(TEXT, NO_AAD, LAYOUT, undefined, free)).toBeUndefined();
      expect(key.open(sealed, Buffer.from("aad"), LAYOUT, "text", undefined)).toBeUndefined();
    }
  });

  test.each(HASH_PROVIDERS)("by the hashes of $name, on a runtime without Buffer", ({ hash }) => {
    const { webcrypto, wasm } = runtime;
    const edge = providersOf({ crypto: undefined, webcrypto, wasm }, "other");
    const key = new EnvelopeKey(newKey(), new Platform(edge, undefined, oneChunkWay(hash)));
    const text = key.seal(TEXT, Buffer.from("aad"), LAYOUT, undefined, free) as string;
    expect(text).toBe(sealPlain(saltOf(text), Buffer.from("aad"), Buffer.from(TEXT)));
    expect(key.open(sealed, Buffer.from("aad"), LAYOUT, "text", undefined)).toBe(TEXT);
  });
});

describe("nothing stays", () => {
  const bytes = new TextEncoder().encode(TEXT);

  test("of a message, of its key and of what was derived", async () => {
    const key = envelopeKeyOf(newKey());
    const sealing = await wipedBy(() => key.seal(TEXT, NO_AAD, LAYOUT, undefined, free) as string);
    const opening = await wipedBy(() => key.open(sealing.value, NO_AAD, LAYOUT, "text", undefined));
    expect(opening.value).toBe(TEXT);
    const { keys } = partsPlain(RAW, BLOB, saltOf(sealing.value), NO_AAD, bytes);
    const derived = hex(keys.key) + hex(keys.nonce) + hex(keys.commitment);
    for (const { wiped } of [sealing, opening]) expect(wiped).toContain(derived);
    expect(moduleHolds(bytes)).toBe(false);
    expect(moduleHolds(keys.key)).toBe(false);
    expect(isZero(MESSAGE_SLOT_AT, SLOT_BYTES)).toBe(true);
    expect(isZero(NONCE_AT, 12)).toBe(true);
  });

  test("of one that is refused: by its commitment, by its tag, by the budget", async () => {
    const key = envelopeKeyOf(newKey());
    const refuses = {
      spend: () => {
        throw new Error("no budget");
      },
    };
    expect(() => key.seal(TEXT, NO_AAD, LAYOUT, undefined, refuses)).toThrow("no budget");
    expect(moduleHolds(bytes)).toBe(false);
    const sealed = key.seal(TEXT, NO_AAD, LAYOUT, undefined, free) as string;
    const { keys } = partsPlain(RAW, BLOB, saltOf(sealed), NO_AAD, bytes);
    for (const back of [1, 16 + TEXT.length + 1]) {
      const altered = Buffer.from(sealed, "base64");
      altered[altered.length - back]! ^= 1;
      const { wiped, value } = await wipedBy(() =>
        key.open(altered.toString("base64"), NO_AAD, LAYOUT, "text", undefined),
      );
      expect(value).toBeUndefined();
      expect(wiped).toContain(hex(keys.key) + hex(keys.nonce) + hex(keys.commitment));
      expect(moduleHolds(bytes)).toBe(false);
      expect(moduleHolds(keys.key)).toBe(false);
      expect(isZero(MESSAGE_SLOT_AT, SLOT_BYTES)).toBe(true);
    }
  });
});
