/** Copies of plaintexts, keys and keystreams are zeroed before a call ends: the module's memory is looked through, arrays are watched. */
import { createCipheriv } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import type { WasmProvider } from "../../src/crypto/aead/wasm.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { prepareOpens, prepareSeals } from "../../src/crypto/envelope/batch-items.ts";
import { parseEnvelope, serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { openMany, sealMany } from "../../src/crypto/envelope/fast/envelope-batch.ts";
import { PIECE_CHARS, PIECE_DIGITS } from "../../src/crypto/envelope/fast/envelope-node.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { localDecryptSync, localEncrypt, localEncryptSync } from "../../src/crypto/local.ts";
import { deriveMessageKey } from "../../src/crypto/native/chunks.ts";
import { nativeEncrypt, nativeEncryptSync } from "../../src/crypto/native/one-shot.ts";
import { encryptStream } from "../../src/crypto/native/stream.ts";
import { envelopeKeyOf } from "../support/providers.ts";
import { SAMPLE_1 } from "../support/samples.ts";
import { hex, wipedBy } from "../support/wiped.ts";

const RAW = Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64"));
const TEXT = "a plaintext that is looked for in all the memory";
const BYTES = new TextEncoder().encode(TEXT);
const AAD = new Uint8Array(0);
const LAYOUT = "iv12";
const free = { spend: () => {} };
const refuses = {
  spend: () => {
    throw new Error("no budget");
  },
};

const newKey = (): DataKey =>
  new DataKey({ id: "id", key: Uint8Array.from(RAW), encryptedKeys: SAMPLE_1.encryptedKeys });

const moduleHolds = (bytes: Uint8Array): boolean => {
  const { memory } = (HERE.providers.sync("wasm") as WasmProvider).engine;
  return Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength).includes(Buffer.from(bytes));
};

/** AES-CTR from the block after GCM's first (NIST SP 800-38D section 7.1): what a plaintext is XORed with. */
function keystream(nonce: Uint8Array, bytes: number): Buffer {
  const cipher = createCipheriv("aes-256-ctr", RAW, Buffer.concat([nonce, Buffer.from([0, 0, 0, 2])]));
  return cipher.update(Buffer.alloc(bytes));
}

describe("in the WebAssembly module's memory", () => {
  test("a plaintext that was opened does not stay", () => {
    const key = newKey();
    const text = localEncryptSync(TEXT, key, "", { layout: LAYOUT, provider: "wasm" });
    for (const as of ["text", "bytes"] as const) {
      expect(envelopeKeyOf(key).open(text, AAD, LAYOUT, as, "wasm")).toEqual(as === "text" ? TEXT : BYTES);
      expect(moduleHolds(BYTES)).toBe(false);
    }
  });

  test("a plaintext whose budget was refused does not stay", () => {
    const key = envelopeKeyOf(newKey());
    expect(() => key.seal(TEXT, AAD, LAYOUT, "wasm", refuses)).toThrow("no budget");
    expect(moduleHolds(BYTES)).toBe(false);
    const [result] = sealMany(key, prepareSeals([TEXT], ""), LAYOUT, undefined, refuses);
    expect(result?.ok).toBe(false);
    expect(moduleHolds(BYTES)).toBe(false);
  });

  // From 16 messages on one native call makes the keystream of all.
  test.each([1, 16])(
    "of a batch of %s neither plaintexts nor keystream stay, nor a second copy",
    async (count) => {
      const key = envelopeKeyOf(newKey());
      const items = Array.from({ length: count }, (_, i) => `${i}:${TEXT}`);
      const sealing = await wipedBy(() => sealMany(key, prepareSeals(items, ""), LAYOUT, undefined, free));
      const texts = sealing.value.map((result) => (result?.ok === true ? result.value : ""));
      const opening = await wipedBy(() => openMany(key, prepareOpens(texts, ""), LAYOUT, "text", undefined));
      expect(opening.value.map((result) => result?.ok === true && result.value)).toEqual(items);
      expect(moduleHolds(BYTES)).toBe(false);
      const streams = texts.map((text) => keystream(parseEnvelope(text).nonce, TEXT.length));
      for (const stream of streams) expect(moduleHolds(stream)).toBe(false);
      if (count < 16) return;
      // Twice where it was made and where it was used, so it was looked for at the right place.
      for (const { wiped } of [sealing, opening]) {
        expect(wiped.filter((range) => range.includes(hex(streams[0]!)))).toHaveLength(2);
      }
    },
  );
});

describe("in arrays", () => {
  const long = "0123456789abcdef".repeat((2 * PIECE_CHARS) / 16) + TEXT;
  const longBytes = hex(new TextEncoder().encode(long));

  test("a long text's last piece does not stay where it was encoded", async () => {
    const { wiped, value } = await wipedBy(() => localEncryptSync(long, newKey(), "", { provider: "node" }));
    // Ciphertext was put over it, up to the piece's end.
    expect(wiped.some((range) => range.length >= 2 * PIECE_CHARS)).toBe(true);
    expect(localDecryptSync(value, newKey(), "")).toBe(long);
  });

  test("a message with a wrong tag does not stay", async () => {
    const { layout, keyBlob, nonce, ciphertext, tag } = parseEnvelope(localEncryptSync(TEXT, newKey()));
    const wrong = serializeEnvelope({ layout, keyBlob, nonce, ciphertext, tag: tag.map((byte) => byte ^ 1) });
    const key = envelopeKeyOf(newKey());
    const { wiped, value } = await wipedBy(() => key.open(wrong, AAD, LAYOUT, "text", "node"));
    expect(value).toBeUndefined();
    expect(wiped).toContain(hex(BYTES));
  });

  test("the pieces of a long message do not stay", async () => {
    const text = localEncryptSync(long, newKey());
    const key = envelopeKeyOf(newKey());
    const { wiped, value } = await wipedBy(() => key.open(text, AAD, LAYOUT, "text", "node"));
    expect(value).toBe(long);
    const pieces = wiped.filter((range) => range !== "" && longBytes.includes(range));
    expect(pieces.join("")).toBe(longBytes);
  });

  test("a long message whose text is not canonical does not stay", async () => {
    const longer = "0123456789abcdef".repeat((4 * PIECE_CHARS) / 16);
    const text = localEncryptSync(longer, newKey());
    // Padding at the end of the second piece of several.
    expect(text.length).toBeGreaterThan(3 * PIECE_DIGITS);
    const at = 2 * PIECE_DIGITS - 4;
    const padded = `${text.slice(0, at)}AA==${text.slice(at + 4)}`;
    const key = envelopeKeyOf(newKey());
    const { wiped, value } = await wipedBy(() => key.open(padded, AAD, LAYOUT, "text", "node"));
    expect(value).toBeUndefined();
    // First the piece that was deciphered, then the array that it was put into, which is as long as the whole.
    const whole = wiped.filter((range) => range.length === 2 * longer.length);
    expect(whole.map((range) => range.slice(0, 64))).toEqual([hex(Buffer.from(longer.slice(0, 32)))]);
  });

  test("what a stream holds back does not stay", async () => {
    const stream = encryptStream(newKey());
    const { wiped } = await wipedBy(async () => {
      const writer = stream.writable.getWriter();
      const writing = writer.write(BYTES).then(() => writer.close());
      await Promise.all([
        writing,
        new Response(stream.readable as ReadableStream<Uint8Array<ArrayBuffer>>).bytes(),
      ]);
    });
    expect(wiped.some((range) => range.startsWith(hex(BYTES)))).toBe(true);
  });

  test("a call that waits keeps neither its copy of the plaintext nor of the key", async () => {
    const key = { dataKey: RAW, encryptedKeys: SAMPLE_1.encryptedKeys };
    for (const encrypt of [localEncrypt, nativeEncrypt]) {
      const { wiped } = await wipedBy<unknown>(() => encrypt(BYTES, key, "", { provider: "webcrypto" }));
      expect(wiped).toContain(hex(BYTES));
      expect(wiped).toContain(hex(RAW));
    }
    expect(hex(RAW)).toBe(hex(Buffer.from(SAMPLE_1.dataKey, "base64")));
    expect(new TextDecoder().decode(BYTES)).toBe(TEXT);
  });

  test("a data key that was given as text does not stay", async () => {
    for (const encrypt of [localEncryptSync, nativeEncryptSync]) {
      const { wiped } = await wipedBy<unknown>(() => encrypt(BYTES, SAMPLE_1, "", { provider: "node" }));
      expect(wiped).toContain(hex(RAW));
    }
  });

  test("a message's own key does not stay", async () => {
    const [salt, context] = [new Uint8Array(24), new Uint8Array(4)];
    const expand = vi.spyOn(HERE, "expand");
    const { wiped, value } = await wipedBy(() =>
      deriveMessageKey(HERE, HERE.providers.sync("node"), newKey(), salt, context),
    );
    value.key.aead.dispose();
    const [, info] = expand.mock.lastCall!;
    expand.mockRestore();
    expect(wiped).toContain(hex(HERE.expand(newKey(), info, 32)));
  });
});
