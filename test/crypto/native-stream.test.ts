/** The native format as streams: docs/spec/native-envelope.md section 5, and how streams behave. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { nativeDecryptSync, nativeEncryptSync } from "../../src/crypto/native/one-shot.ts";
import { type ByteTransform, decryptStream, encryptStream } from "../../src/crypto/native/stream.ts";
import { concat, flipBit, fromBase64, seededBytes, utf8Bytes } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { CHUNK, joinPlain, partsPlain } from "../support/native.ts";
import { PROVIDER_NAMES } from "../support/providers.ts";
import { SAMPLE_1, SAMPLE_2 } from "../support/samples.ts";
import { cutAt, pump } from "../support/streams.ts";

const BLOB = fromBase64(SAMPLE_1.encryptedKeys);
const DATA_KEY = fromBase64(SAMPLE_1.dataKey);
const SALT = new Uint8Array(24).fill(5);
const HEAD = 214 + 56;

function envelopeOf(plaintext: Uint8Array): Uint8Array {
  return joinPlain(partsPlain(DATA_KEY, BLOB, SALT, utf8Bytes("aad"), plaintext));
}

const random = (size: number): Uint8Array => seededBytes(size, size);
const decrypt = (): ByteTransform => decryptStream(SAMPLE_1, "aad");

describe("there and back", () => {
  test.each(PROVIDER_NAMES)("[NAT-10] every size, cut in every way (%s)", async (provider) => {
    for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 10 * CHUNK + 7]) {
      const plaintext = random(size);
      for (const step of [1_000, CHUNK, 40_000, 2 ** 21]) {
        const sealed = await pump(cutAt(plaintext, step), encryptStream(SAMPLE_1, "aad", { provider }));
        expect(sealed.error).toBeUndefined();
        expect(Buffer.compare(nativeDecryptSync(sealed.bytes, SAMPLE_1, "aad"), plaintext)).toBe(0);
        const opened = await pump(cutAt(sealed.bytes, step), decryptStream(SAMPLE_1, "aad", { provider }));
        expect(opened.error).toBeUndefined();
        expect(Buffer.compare(opened.bytes, plaintext)).toBe(0);
      }
    }
  });

  test("byte by byte", async () => {
    const plaintext = random(CHUNK + 3);
    const sealed = await pump(cutAt(plaintext, 1), encryptStream(SAMPLE_1, "aad"));
    const opened = await pump(cutAt(sealed.bytes, 1), decrypt());
    expect(Buffer.compare(opened.bytes, plaintext)).toBe(0);
  });

  test("under a data key as an object, which stays its owner's", async () => {
    using key = new DataKey({ id: "key_1", key: DATA_KEY, encryptedKeys: SAMPLE_1.encryptedKeys });
    const sealed = await pump(cutAt(random(10), 3), encryptStream(key, "aad"));
    const opened = await pump(cutAt(sealed.bytes, 7), decryptStream(key, "aad"));
    expect(Buffer.compare(opened.bytes, random(10))).toBe(0);
    expect(key.encryptedKeys).toBe(SAMPLE_1.encryptedKeys);
  });

  test("any cuts, empty pieces among them", async () => {
    const plaintext = random(2 * CHUNK + 50);
    const cuts = fc.array(fc.nat({ max: plaintext.length + 400 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(cuts, cuts, async (cutsIn, cutsOut) => {
        const sealed = await pump(split(plaintext, cutsIn), encryptStream(SAMPLE_1, "aad"));
        const opened = await pump(split(sealed.bytes, cutsOut), decrypt());
        expect(opened.error).toBeUndefined();
        expect(Buffer.compare(opened.bytes, plaintext)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("the largest header comes in pieces as well", async () => {
    const blob = concat(utf8Bytes("CFR.EKM.v1\0"), random(65_525));
    const key = { dataKey: DATA_KEY, encryptedKeys: Buffer.from(blob).toString("base64") };
    const envelope = nativeEncryptSync("x", key, "aad");
    for (const step of [1, 100, 65_600, 2 ** 20]) {
      const opened = await pump(cutAt(envelope, step), decrypt());
      expect(opened.bytes).toEqual(utf8Bytes("x"));
    }
  });

  test("plaintext comes out as soon as its chunk is complete", async () => {
    const plaintext = random(3 * CHUNK);
    const stream = decrypt();
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    const envelope = envelopeOf(plaintext);
    void writer.write(envelope.subarray(0, HEAD + 16_400));
    const first = await reader.read();
    expect(Buffer.compare(first.value!, plaintext.subarray(0, CHUNK))).toBe(0);
    await writer.abort();
  });

  test("a key may be lent, and disposed of at once", async () => {
    const make = (): DataKey =>
      new DataKey({ id: "1", key: DATA_KEY.slice(), encryptedKeys: SAMPLE_1.encryptedKeys });
    const asked: string[] = [];
    const plaintext = random(2 * CHUNK);
    const sealed = await pump(
      cutAt(plaintext, 5_000),
      encryptStream(async (use) => {
        await Promise.resolve();
        using key = make();
        return use(key);
      }),
    );
    const opened = await pump(
      cutAt(sealed.bytes, 5_000),
      decryptStream(async (encryptedKeys, use) => {
        asked.push(encryptedKeys);
        await Promise.resolve();
        using key = make();
        return use(key);
      }),
    );
    expect(Buffer.compare(opened.bytes, plaintext)).toBe(0);
    expect(asked).toEqual([SAMPLE_1.encryptedKeys]);
  });
});

describe("errors", () => {
  test("[NAT-13] [NAT-14] cut at every chunk boundary and one byte around it: an error, never an end", async () => {
    const plaintext = random(3 * CHUNK + 10);
    const envelope = envelopeOf(plaintext);
    const boundaries = [0, 6, 8, 214, 214 + 24, HEAD, HEAD + 16_400, HEAD + 2 * 16_400, HEAD + 3 * 16_400];
    for (const boundary of boundaries.flatMap((at) => [at - 1, at, at + 1]).filter((at) => at >= 0)) {
      const { bytes, error } = await pump(cutAt(envelope.subarray(0, boundary), 3_000), decrypt());
      const full = Math.max(0, Math.floor((boundary - HEAD) / 16_400));
      // One byte less than a full chunk is a length that a last chunk can have.
      const mayBeLast = boundary > HEAD + 16 && (boundary - HEAD) % 16_400 === 16_399;
      const code =
        boundary < 4 ? "ERR_NOT_CIPHERTEXT" : mayBeLast ? "ERR_DECRYPT_FAILED" : "ERR_ENVELOPE_MALFORMED";
      expect((error as { code?: string }).code, `cut at ${boundary}`).toBe(code);
      expect(Buffer.compare(bytes, plaintext.subarray(0, full * CHUNK)), `cut at ${boundary}`).toBe(0);
    }
    const shorter = await pump(cutAt(envelope.subarray(0, -1), 3_000), decrypt());
    expect(shorter.error).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
    expect(shorter.bytes).toHaveLength(3 * CHUNK);
  });

  test("[NAT-13] a damaged chunk ends it before the chunk's plaintext", async () => {
    const plaintext = random(4 * CHUNK);
    const envelope = envelopeOf(plaintext);
    for (const chunk of [0, 1, 3, 4]) {
      const damaged = flipBit(envelope, 8 * (HEAD + chunk * 16_400 + 3));
      for (const step of [1_000, 2 ** 20]) {
        const { bytes, error } = await pump(cutAt(damaged, step), decrypt());
        expect(error).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
        expect(bytes.length).toBeLessThanOrEqual(chunk * CHUNK);
        expect(Buffer.compare(bytes, plaintext.subarray(0, bytes.length))).toBe(0);
      }
    }
  });

  test("[NAT-9] a wrong key, associated data or commitment is told before any chunk", async () => {
    const envelope = envelopeOf(random(100));
    for (const stream of [
      decryptStream(SAMPLE_2, "aad"),
      decryptStream(SAMPLE_1, "other"),
      decryptStream(SAMPLE_1),
    ]) {
      const { bytes, error } = await pump([envelope.subarray(0, HEAD)], stream, { keepOpen: true });
      expect(error).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
      expect(bytes).toHaveLength(0);
    }
    const flipped = flipBit(envelope, 8 * (214 + 24));
    expect((await pump([flipped], decrypt())).error).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
  });

  test("[NAT-16] a bad header is refused at its first bad byte, without a key", async () => {
    const never = (): never => {
      throw new Error("the key was asked for");
    };
    for (const [start, code] of [
      ["444652310100", "ERR_NOT_CIPHERTEXT"],
      ["434652320100", "ERR_ENVELOPE_UNSUPPORTED"],
      ["434652310900", "ERR_ENVELOPE_UNSUPPORTED"],
      ["434652310108", "ERR_ENVELOPE_UNSUPPORTED"],
      ["434652310100ffffff7f", "ERR_ENVELOPE_MALFORMED"],
    ] as const) {
      const bytes = Uint8Array.from(Buffer.from(start, "hex"));
      const { error } = await pump(cutAt(bytes, 1), decryptStream(never), { keepOpen: true });
      expect(error).toMatchObject({ code });
    }
  });

  test("[NAT-14] what failed stays failed", async () => {
    const envelope = envelopeOf(random(2 * CHUNK));
    const stream = decrypt();
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    const outcomes = Promise.allSettled([
      writer.write(flipBit(envelope, 8 * HEAD)),
      writer.write(envelope),
      writer.close(),
    ]);
    for (let i = 0; i < 3; i++) {
      await expect(reader.read()).rejects.toMatchObject({ code: "ERR_DECRYPT_FAILED" });
    }
    for (const outcome of await outcomes) expect(outcome.status).toBe("rejected");
    await expect(writer.write(envelope)).rejects.toMatchObject({ code: "ERR_DECRYPT_FAILED" });
  });

  test("a source that fails midway fails the stream with its own error", async () => {
    const failure = new Error("the disk is gone");
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield envelopeOf(random(3 * CHUNK)).subarray(0, HEAD + 20_000);
      throw failure;
    }
    const read = ReadableStream.from(broken()).pipeThrough(decrypt());
    const bytes: Uint8Array[] = [];
    await expect(
      (async () => {
        for await (const piece of read) bytes.push(piece);
      })(),
    ).rejects.toBe(failure);
    expect(concat(...bytes).length).toBeLessThanOrEqual(CHUNK);
    const sealed = ReadableStream.from(broken()).pipeThrough(encryptStream(SAMPLE_1));
    await expect(new Response(sealed).arrayBuffer()).rejects.toThrow();
  });

  test("what is no bytes is a TypeError", async () => {
    for (const stream of [encryptStream(SAMPLE_1), decrypt()]) {
      const { error } = await pump(["text" as never], stream);
      expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
      expect(error).toBeInstanceOf(TypeError);
    }
    expect(errorOf(() => encryptStream(undefined as never)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => encryptStream({ dataKey: DATA_KEY, encryptedKeys: "AAAA" })).code).toBe(
      "ERR_KEY_BLOB_MALFORMED",
    );
    expect(errorOf(() => encryptStream(SAMPLE_1, 5 as never)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => decryptStream(SAMPLE_1, "\ud800")).code).toBe("ERR_TEXT_MALFORMED");
  });

  test("what the key's source throws, the stream throws", async () => {
    const failure = new Error("no such key");
    const fail = (): never => {
      throw failure;
    };
    expect((await pump([random(10)], encryptStream(fail))).error).toBe(failure);
    expect((await pump([envelopeOf(random(10))], decryptStream(fail))).error).toBe(failure);
    const short = { dataKey: new Uint8Array(31), encryptedKeys: SAMPLE_1.encryptedKeys };
    expect((await pump([random(10)], encryptStream(short))).error).toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
  });

  test("cancelled and aborted streams let go, before their key has come as well", async () => {
    const late = Promise.withResolvers<never>();
    const waiting = encryptStream(() => late.promise);
    const cancelled = waiting.readable.cancel();
    late.reject(new Error("too late"));
    await cancelled.catch(() => {});
    for (const stream of [encryptStream(SAMPLE_1), decrypt(), decrypt()]) {
      const writer = stream.writable.getWriter();
      writer.closed.catch(() => {});
      writer.write(envelopeOf(random(CHUNK))).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 5));
      await stream.readable.cancel();
    }
    const untouched = decrypt();
    await untouched.readable.cancel();
  });
});

describe("memory", () => {
  test("[NAT-16] backpressure: no more is taken in than is taken out", async () => {
    for (const [stream, piece] of [
      [encryptStream(SAMPLE_1), random(2 ** 16)],
      [decrypt(), envelopeOf(random(2 ** 22)).subarray(0, HEAD + 60 * 16_400)],
    ] as const) {
      let taken = 0;
      const source = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            taken += 1;
            controller.enqueue(piece);
          },
        },
        { highWaterMark: 0 },
      );
      const reader = source.pipeThrough(stream).getReader();
      await reader.read();
      const before = taken;
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(taken - before).toBeLessThanOrEqual(2);
      await reader.cancel();
    }
  });
});

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}
