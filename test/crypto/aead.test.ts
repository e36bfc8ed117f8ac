/** The AEAD port: what every provider must do alike. Sizes and refusals are rules of docs/spec/envelope.md. */
import * as nodeCrypto from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WebCryptoSubtle } from "../../src/base/runtime.ts";
import { nobleProvider } from "../../src/crypto/aead/noble.ts";
import { nodeProvider } from "../../src/crypto/aead/node.ts";
import { PIECE_BYTES } from "../../src/crypto/aead/wasm/engine.ts";
import { webCryptoProvider } from "../../src/crypto/aead/webcrypto.ts";
import { flipBit } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { AEAD_PROVIDERS, NOBLE, NODE, SYNC_AEAD_PROVIDERS } from "../support/providers.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const NONCE = new Uint8Array(12).fill(9);
const NONE = new Uint8Array(0);
const MESSAGE = Uint8Array.of(1, 2, 3, 4, 5);

const bytes = fc.uint8Array({ maxLength: 70 });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A sealed message, cut into ciphertext and tag. */
function cut(sealed: Uint8Array): { ciphertext: Uint8Array; tag: Uint8Array } {
  return { ciphertext: sealed.subarray(0, -16), tag: sealed.subarray(-16) };
}

test("all providers seal alike and open what any of them sealed", async () => {
  await fc.assert(
    fc.asyncProperty(exactly(32), exactly(12), bytes, bytes, async (rawKey, nonce, plaintext, aad) => {
      const expected = NODE.importKey(rawKey).seal(nonce, plaintext, aad);
      for (const provider of AEAD_PROVIDERS) {
        const key = provider.importKey(rawKey);
        const sealed = await key.seal(nonce, plaintext, aad);
        expect(sealed, provider.name).toEqual(expected);
        const { ciphertext, tag } = cut(sealed);
        expect(await key.open(nonce, ciphertext, tag, aad), provider.name).toEqual(plaintext);
      }
    }),
  );
});

test("all providers open the 32-byte nonces of old SDKs alike", async () => {
  const nonce = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
  const cipher = nodeCrypto.createCipheriv("aes-256-gcm", KEY, nonce);
  cipher.setAAD(Buffer.from("aad"));
  const ciphertext = Uint8Array.from(cipher.update(MESSAGE));
  cipher.final();
  const tag = Uint8Array.from(cipher.getAuthTag());
  for (const provider of AEAD_PROVIDERS) {
    const opened = await provider.importKey(KEY).open(nonce, ciphertext, tag, Buffer.from("aad"));
    expect(opened, provider.name).toEqual(MESSAGE);
  }
});

describe.each(AEAD_PROVIDERS.map((provider) => [provider.name, provider] as const))("%s", (_, provider) => {
  test.each([0, 16, 24, 31, 33, 64])("[ENV-1] a key of %i bytes is refused", (length) => {
    const error = errorOf(() => provider.importKey(new Uint8Array(length)));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  });

  test.each([["text"], [[1, 2]], [null], [undefined], [{ length: 32 }]])("[ENV-1] %j is no key", (wrong) => {
    const error = errorOf(() => provider.importKey(wrong as never));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  });

  test.each([0, 1, 8, 11, 13, 16, 32])(
    "[ENV-1] sealing with a nonce of %i bytes is refused",
    async (length) => {
      const key = provider.importKey(KEY);
      const error = await rejectionOf(async () => key.seal(new Uint8Array(length), MESSAGE, NONE));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  test.each([0, 1, 8, 11, 13, 16, 31, 33])(
    "[ENV-1] opening with a nonce of %i bytes is refused",
    async (length) => {
      const key = provider.importKey(KEY);
      const error = await rejectionOf(async () =>
        key.open(new Uint8Array(length), MESSAGE, new Uint8Array(16), NONE),
      );
      expect(error).toBeInstanceOf(RangeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  test.each([0, 4, 8, 12, 13, 14, 15, 17, 32])(
    "[ENV-1] a tag of %i bytes is refused, also where it is the beginning of the right one",
    async (length) => {
      const key = provider.importKey(KEY);
      const { ciphertext, tag } = cut(await key.seal(NONCE, MESSAGE, NONE));
      const other = new Uint8Array(length);
      other.set(tag.subarray(0, Math.min(length, 16)));
      const error = await rejectionOf(async () => key.open(NONCE, ciphertext, other, NONE));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  test("[ENV-1] a refused length never reaches a disposed key's check: sizes come first", async () => {
    const key = provider.importKey(KEY);
    key.dispose();
    expect(await rejectionOf(async () => key.seal(NONE, MESSAGE, NONE))).toBeInstanceOf(RangeError);
    expect(await rejectionOf(async () => key.open(NONCE, MESSAGE, NONE, NONE))).toBeInstanceOf(RangeError);
  });

  test("[ENV-3] [ENV-32] every altered bit of nonce, ciphertext, tag, data and key is refused alike", async () => {
    const aad = Uint8Array.of(7, 7);
    const key = provider.importKey(KEY);
    const { ciphertext, tag } = cut(await key.seal(NONCE, MESSAGE, aad));
    const attempts: (() => unknown)[] = [];
    for (let bit = 0; bit < 8 * NONCE.length; bit++) {
      attempts.push(() => key.open(flipBit(NONCE, bit), ciphertext, tag, aad));
    }
    for (let bit = 0; bit < 8 * ciphertext.length; bit++) {
      attempts.push(() => key.open(NONCE, flipBit(ciphertext, bit), tag, aad));
    }
    for (let bit = 0; bit < 8 * tag.length; bit++) {
      attempts.push(() => key.open(NONCE, ciphertext, flipBit(tag, bit), aad));
    }
    for (let bit = 0; bit < 8 * aad.length; bit++) {
      attempts.push(() => key.open(NONCE, ciphertext, tag, flipBit(aad, bit)));
    }
    for (let bit = 0; bit < 8 * KEY.length; bit++) {
      attempts.push(() => provider.importKey(flipBit(KEY, bit)).open(NONCE, ciphertext, tag, aad));
    }
    attempts.push(() => key.open(NONCE, ciphertext, tag, NONE));
    attempts.push(() => key.open(NONCE, NONE, tag, aad));
    const messages = new Set<string>();
    for (const attempt of attempts) {
      const error = await rejectionOf(async () => attempt());
      expect(error.code).toBe("ERR_DECRYPT_FAILED");
      expect(error).not.toHaveProperty("cause");
      messages.add(error.message);
    }
    expect(messages.size).toBe(1);
    // The attempts did not spoil the key.
    expect(await key.open(NONCE, ciphertext, tag, aad)).toEqual(MESSAGE);
  });

  test("[ENV-29] empty associated data is no associated data", async () => {
    const key = provider.importKey(KEY);
    const sealed = await key.seal(NONCE, MESSAGE, NONE);
    const { ciphertext, tag } = cut(sealed);
    expect(sealed).toEqual(NODE.importKey(KEY).seal(NONCE, MESSAGE, Buffer.alloc(0)));
    expect(await key.open(NONCE, ciphertext, tag, Buffer.alloc(0))).toEqual(MESSAGE);
  });

  test("answers are plain arrays that share memory with nothing", async () => {
    const key = provider.importKey(KEY);
    for (const message of [NONE, MESSAGE, Buffer.from("a pooled buffer")]) {
      const sealed = await key.seal(Buffer.from(NONCE), message, Buffer.from("aad"));
      const { ciphertext, tag } = cut(sealed);
      const opened = await key.open(
        Buffer.from(NONCE),
        Buffer.from(ciphertext),
        Buffer.from(tag),
        Buffer.from("aad"),
      );
      expect([...opened]).toEqual([...message]);
      for (const answer of [sealed, opened]) {
        expect(answer.constructor).toBe(Uint8Array);
        expect(answer.buffer.byteLength).toBe(answer.length);
      }
    }
  });

  test("[ENV-35] the raw key is copied: neither zeroed nor needed afterwards", async () => {
    const rawKey = Uint8Array.from(KEY);
    const key = provider.importKey(rawKey);
    expect(rawKey).toEqual(KEY);
    rawKey.fill(0);
    expect(await key.seal(NONCE, MESSAGE, NONE)).toEqual(NODE.importKey(KEY).seal(NONCE, MESSAGE, NONE));
  });

  test("inputs are left as they were", async () => {
    const [rawKey, nonce, message, aad] = [KEY, NONCE, MESSAGE, MESSAGE].map((array) =>
      Uint8Array.from(array),
    ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const key = provider.importKey(rawKey);
    const { ciphertext, tag } = cut(await key.seal(nonce, message, aad));
    const before = [ciphertext, tag].map((array) => Uint8Array.from(array));
    await key.open(nonce, ciphertext, tag, aad);
    key.dispose();
    expect([rawKey, nonce, message, aad]).toEqual([KEY, NONCE, MESSAGE, MESSAGE]);
    expect([ciphertext, tag]).toEqual(before);
  });

  test("[ENV-35] a disposed key is refused; disposing twice is harmless", async () => {
    const key = provider.importKey(KEY);
    const { ciphertext, tag } = cut(await key.seal(NONCE, MESSAGE, NONE));
    key.dispose();
    key.dispose();
    expect(await rejectionOf(async () => key.seal(NONCE, MESSAGE, NONE))).toMatchObject({
      code: "ERR_DISPOSED",
    });
    expect(await rejectionOf(async () => key.open(NONCE, ciphertext, tag, NONE))).toMatchObject({
      code: "ERR_DISPOSED",
    });
  });
});

describe("node", () => {
  test("[ENV-3] what was decrypted before the tag proved wrong is zeroed", () => {
    const released: Uint8Array[] = [];
    const watched = {
      ...nodeCrypto,
      createDecipheriv: (...args: Parameters<typeof nodeCrypto.createDecipheriv>) => {
        const decipher = nodeCrypto.createDecipheriv(...args);
        const update = decipher.update.bind(decipher);
        decipher.update = ((bytes: Uint8Array) => {
          const plaintext = update(bytes);
          released.push(plaintext);
          return plaintext;
        }) as typeof decipher.update;
        return decipher;
      },
    } as unknown as typeof nodeCrypto;
    const key = nodeProvider(watched).importKey(KEY);
    const { ciphertext, tag } = cut(key.seal(NONCE, MESSAGE, NONE));
    expect(errorOf(() => key.open(NONCE, ciphertext, flipBit(tag, 0), NONE)).code).toBe("ERR_DECRYPT_FAILED");
    expect(released).toHaveLength(1);
    expect([...released[0]!]).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("webcrypto", () => {
  const subtle = globalThis.crypto.subtle as unknown as WebCryptoSubtle;
  /** How the provider imports: one of the overloads of importKey. */
  type ImportRaw = (
    format: "raw",
    bytes: Uint8Array,
    ...rest: [algorithm: string, extractable: boolean, usages: nodeCrypto.webcrypto.KeyUsage[]]
  ) => Promise<nodeCrypto.webcrypto.CryptoKey>;

  test("calls under way finish after dispose", async () => {
    const key = webCryptoProvider(subtle).importKey(KEY);
    const sealing = key.seal(NONCE, MESSAGE, NONE);
    key.dispose();
    expect(await sealing).toEqual(NODE.importKey(KEY).seal(NONCE, MESSAGE, NONE));
  });

  test("[ENV-35] its copy of the raw key is zeroed after the import, and the key cannot be exported", async () => {
    let copy: Uint8Array | undefined;
    let imported: nodeCrypto.webcrypto.CryptoKey | undefined;
    const watched = watchedSubtle(async (format, bytes, ...rest) => {
      copy = bytes;
      expect(copy).toEqual(KEY);
      imported = await subtle.importKey(format, bytes as Uint8Array<ArrayBuffer>, ...rest);
      return imported;
    });
    const rawKey = Uint8Array.from(KEY);
    await webCryptoProvider(watched).importKey(rawKey).seal(NONCE, MESSAGE, NONE);
    expect(copy).not.toBe(rawKey);
    expect(copy).toEqual(new Uint8Array(32));
    expect(rawKey).toEqual(KEY);
    expect(imported).toMatchObject({ extractable: false, usages: ["encrypt", "decrypt"] });
  });

  test("a failed import is reported by the calls that need the key, and by nothing else", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", listen);
    let copy: Uint8Array | undefined;
    const refusing = watchedSubtle(async (_, bytes) => {
      copy = bytes;
      throw new Error("no keys here");
    });
    const provider = webCryptoProvider(refusing);
    provider.importKey(KEY);
    const key = provider.importKey(KEY);
    // Rejections are reported as unhandled after the microtasks of a turn.
    await new Promise((done) => setImmediate(done));
    expect(await rejectionOf(() => key.seal(NONCE, MESSAGE, NONE))).toMatchObject({
      message: "no keys here",
    });
    await new Promise((done) => setImmediate(done));
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
    expect(copy).toEqual(new Uint8Array(32));
  });

  /** The runtime's Web Crypto with another importKey. */
  function watchedSubtle(importKey: ImportRaw) {
    return new Proxy(subtle, {
      get: (target, name) => {
        if (name === "importKey") return importKey;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
});

describe.each(SYNC_AEAD_PROVIDERS.map((provider) => [provider.name, provider] as const))(
  "%s block cipher",
  (_, provider) => {
    // FIPS 197 appendix C.3.
    const fipsKey = Uint8Array.from({ length: 32 }, (_, i) => i);
    const block = Uint8Array.from({ length: 16 }, (_, i) => i * 0x11);
    const expected = "8ea2b7ca516745bfeafc49904b496089";

    test("enciphers each block alone", () => {
      const cipher = provider.blockCipher(fipsKey);
      const twice = cipher.encrypt(Uint8Array.from([...block, ...block]));
      expect(Buffer.from(twice).toString("hex")).toBe(expected + expected);
      expect(cipher.encrypt(NONE)).toHaveLength(0);
      cipher.dispose();
    });

    test("enciphers more blocks than go through the module's memory at once", () => {
      const cipher = provider.blockCipher(fipsKey);
      const count = PIECE_BYTES / block.length + 1;
      const blocks = Buffer.concat(Array.from({ length: count }, () => block));
      expect(Buffer.from(cipher.encrypt(blocks)).toString("hex")).toBe(expected.repeat(count));
      cipher.dispose();
    });

    test("[ENV-1] refuses other key sizes", () => {
      expect(errorOf(() => provider.blockCipher(new Uint8Array(16))).code).toBe("ERR_INVALID_ARGUMENT");
    });
  },
);

test("what node opened into a place of the caller's is wiped before its memory is given back", () => {
  const { transfer } = ArrayBuffer.prototype;
  const given: Uint8Array[] = [];
  ArrayBuffer.prototype.transfer = function (length) {
    given.push(new Uint8Array(this).slice());
    return transfer.call(this, length);
  };
  try {
    const key = NODE.importKey(KEY);
    const { ciphertext, tag } = cut(key.seal(NONCE, MESSAGE, NONE));
    const out = new Uint8Array(7);
    key.openInto?.(NONCE, ciphertext, tag, NONE, out, 1);
    expect(out).toEqual(Uint8Array.of(0, ...MESSAGE, 0));
    expect(given).toEqual([new Uint8Array(MESSAGE.length)]);
  } finally {
    ArrayBuffer.prototype.transfer = transfer;
  }
});

test("noble is the pure JavaScript provider", () => {
  expect(NOBLE).toBe(nobleProvider);
  expect(AEAD_PROVIDERS.map((provider) => provider.name)).toEqual(["node", "webcrypto", "wasm", "noble"]);
});
