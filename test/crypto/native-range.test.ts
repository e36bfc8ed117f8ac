/** Random access: docs/spec/native-envelope.md section 6, over every kind of source. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decryptRange, openNativeSource } from "../../src/crypto/native/range.ts";
import type { ByteSource, RangeSource } from "../../src/crypto/native/source.ts";
import { concat, flipBit, fromBase64, seededBytes, utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { CHUNK, joinPlain, lebPlain, partsPlain } from "../support/native.ts";
import { PROVIDER_NAMES } from "../support/providers.ts";
import { SAMPLE_1, SAMPLE_2 } from "../support/samples.ts";

const BLOB = fromBase64(SAMPLE_1.encryptedKeys);
const DATA_KEY = fromBase64(SAMPLE_1.dataKey);
const SALT = new Uint8Array(24).fill(5);
const HEAD = 214 + 56;
const SEALED = 16_400;

const random = (size: number): Uint8Array => seededBytes(size, size);

function envelopeOf(plaintext: Uint8Array, blob = BLOB): Uint8Array {
  return joinPlain(partsPlain(DATA_KEY, blob, SALT, utf8Bytes("aad"), plaintext));
}

const PLAINTEXT = random(100 * CHUNK + 777);
const ENVELOPE = envelopeOf(PLAINTEXT);

/** A source that remembers what was read of it. */
function watched(
  bytes: Uint8Array,
  size = bytes.length,
): ByteSource & { readonly reads: [number, number][] } {
  const reads: [number, number][] = [];
  return {
    size,
    reads,
    read: async (offset, length) => {
      reads.push([offset, length]);
      return bytes.subarray(offset, offset + length);
    },
  };
}

const range = (source: RangeSource, start: number, end?: number): Promise<Uint8Array> =>
  decryptRange(source, SAMPLE_1, start, end, "aad");

describe("ranges", () => {
  test.each(PROVIDER_NAMES)("around every step, and random ones (%s)", async (provider) => {
    const size = 3 * CHUNK + 50;
    const reader = await openNativeSource(envelopeOf(PLAINTEXT.subarray(0, size)), SAMPLE_1, "aad", {
      provider,
    });
    expect(reader.size).toBe(size);
    expect(reader.encryptedKeys).toBe(SAMPLE_1.encryptedKeys);
    const steps = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK, size - 1, size];
    for (const start of steps) {
      for (const end of steps.filter((step) => step >= start)) {
        expect(Buffer.compare(await reader.read(start, end), PLAINTEXT.subarray(start, end))).toBe(0);
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: size }), fc.nat({ max: size }), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        expect(Buffer.compare(await reader.read(start, end), PLAINTEXT.subarray(start, end))).toBe(0);
      }),
      { numRuns: provider === "noble" ? 10 : 50 },
    );
    reader.dispose();
  });

  test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])("the whole of %i bytes", async (size) => {
    const envelope = envelopeOf(PLAINTEXT.subarray(0, size));
    expect(Buffer.compare(await range(envelope, 0), PLAINTEXT.subarray(0, size))).toBe(0);
    expect(await range(envelope, size)).toHaveLength(0);
    expect(await range(envelope, size, size)).toHaveLength(0);
  });

  test("longer than a run, read and streamed", async () => {
    using reader = await openNativeSource(ENVELOPE, SAMPLE_1, "aad");
    expect(Buffer.compare(await reader.read(), PLAINTEXT)).toBe(0);
    const streamed = new Uint8Array(await new Response(reader.stream(5, PLAINTEXT.length - 5)).arrayBuffer());
    expect(Buffer.compare(streamed, PLAINTEXT.subarray(5, -5))).toBe(0);
    expect(Buffer.compare(await reader.read(70 * CHUNK - 3), PLAINTEXT.subarray(70 * CHUNK - 3))).toBe(0);
    const all = new Uint8Array(await new Response(reader.stream()).arrayBuffer());
    expect(Buffer.compare(all, PLAINTEXT)).toBe(0);
  });

  test("costs header, last chunk, and the range's own chunks", async () => {
    const source = watched(ENVELOPE);
    const reader = await openNativeSource(source, SAMPLE_1, "aad");
    expect(source.reads).toEqual([
      [0, 1024],
      [HEAD + 100 * SEALED, 777 + 16],
    ]);
    await reader.read(10 * CHUNK + 1, 11 * CHUNK + 1);
    expect(source.reads.slice(2)).toEqual([[HEAD + 10 * SEALED, 2 * SEALED]]);
    await reader.read(5, 5);
    expect(source.reads).toHaveLength(3);
    const stream = reader.stream().getReader();
    await stream.read();
    // Backpressure: what is not asked for is not read.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(source.reads.slice(3)).toEqual([[HEAD, 64 * SEALED]]);
    await stream.cancel();
    reader.dispose();
    reader.dispose();
    expect((await rejectionOf(() => reader.read(0, 1))).code).toBe("ERR_DISPOSED");
  });

  test("a long header is read a second time, whole", async () => {
    for (const blobBytes of [900, 980, 65_536]) {
      const envelope = envelopeOf(PLAINTEXT.subarray(0, 70), concat(BLOB, new Uint8Array(blobBytes - 206)));
      expect(await range(envelope, 10, 60)).toEqual(PLAINTEXT.subarray(10, 60));
    }
  });

  test("[NAT-18] outside the plaintext is a RangeError, with an authentic size", async () => {
    const envelope = envelopeOf(PLAINTEXT.subarray(0, 100));
    for (const [start, end] of [
      [0, 101],
      [101, undefined],
      [101, 101],
      [5, 4],
      [-1, 5],
      [0.5, 5],
      [0, Number.NaN],
      [0, Number.POSITIVE_INFINITY],
      [2 ** 53, 2 ** 53],
      ["0", 5],
    ] as [number, number | undefined][]) {
      const error = await rejectionOf(() => range(envelope, start, end));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    }
    using reader = await openNativeSource(envelope, SAMPLE_1, "aad");
    expect(() => reader.stream(0, 101)).toThrow(RangeError);
  });
});

describe("sources", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "coffer-range-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test("bytes, Blobs, file handles and whatever reads", async () => {
    const path = join(directory, "file.coffer");
    writeFileSync(path, ENVELOPE);
    const file = await open(path);
    const half = {
      // A handle that reads in small pieces, as handles may.
      stat: () => file.stat(),
      read: (buffer: Uint8Array, offset: number, length: number, position: number) =>
        file.read(buffer, offset, Math.min(length, 1_000), position),
    };
    for (const source of [ENVELOPE, new Blob([ENVELOPE as never]), file, half, watched(ENVELOPE)]) {
      const part = await range(source, 50 * CHUNK - 10, 52 * CHUNK + 10);
      expect(Buffer.compare(part, PLAINTEXT.subarray(50 * CHUNK - 10, 52 * CHUNK + 10))).toBe(0);
    }
    // One that is shorter than it says is cut off.
    const liar = { stat: async () => ({ size: ENVELOPE.length + 5 }), read: file.read.bind(file) };
    expect((await rejectionOf(() => range(liar, 0, 1))).code).toBe("ERR_ENVELOPE_MALFORMED");
    await file.close();
  });

  test("anything else is a TypeError", async () => {
    const read = (): Uint8Array => new Uint8Array(1);
    for (const source of [undefined, null, "text", 5, {}, { size: 5 }, { read }, [1], { size: "5", read }]) {
      expect((await rejectionOf(() => range(source as never, 0))).code).toBe("ERR_INVALID_ARGUMENT");
    }
    for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect((await rejectionOf(() => range({ size, read }, 0))).code).toBe("ERR_INVALID_ARGUMENT");
    }
    for (const answer of ["text", undefined, new Uint8Array(5_000)]) {
      const source = { size: 2_000, read: () => answer as never };
      expect((await rejectionOf(() => range(source, 0))).code).toBe("ERR_INVALID_ARGUMENT");
    }
  });

  test("[NAT-16] [NAT-18] a claimed size of 3 TiB costs no memory, and the lie is told", async () => {
    const source = watched(ENVELOPE, 3 * 2 ** 40);
    const before = process.memoryUsage().arrayBuffers;
    expect((await rejectionOf(() => range(source, 0, 10))).code).toBe("ERR_ENVELOPE_MALFORMED");
    expect(Math.max(...source.reads.map(([, length]) => length))).toBeLessThanOrEqual(SEALED);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 2 ** 20);
    // A header that claims the most a header can, in a file that has less.
    const header = concat(Uint8Array.from([0x43, 0x46, 0x52, 0x31, 1, 0]), lebPlain(65_536), BLOB);
    expect((await rejectionOf(() => range(header, 0))).code).toBe("ERR_ENVELOPE_MALFORMED");
    expect((await rejectionOf(() => range(watched(header, 2 ** 52), 0))).code).toBe("ERR_ENVELOPE_MALFORMED");
    expect((await rejectionOf(() => range(watched(ENVELOPE, 2 ** 53 - 1), 0))).code).toBe(
      "ERR_ENVELOPE_TOO_LARGE",
    );
  });

  test("a source that fails fails the call with its own error", async () => {
    const failure = new Error("the disk is gone");
    for (const failAt of [0, 1, 2]) {
      let reads = 0;
      const source: ByteSource = {
        size: ENVELOPE.length,
        read(offset, length) {
          if (reads++ === failAt) throw failure;
          return ENVELOPE.subarray(offset, offset + length);
        },
      };
      expect(await rejectionOf(() => range(source, 0, 10))).toBe(failure);
    }
  });

  test("a source that has become shorter is cut off", async () => {
    const source = { size: ENVELOPE.length, read: watched(ENVELOPE).read };
    using reader = await openNativeSource(source, SAMPLE_1, "aad");
    source.read = watched(ENVELOPE.subarray(0, HEAD + 20 * SEALED)).read;
    expect((await rejectionOf(() => reader.read(15 * CHUNK, 25 * CHUNK))).code).toBe(
      "ERR_ENVELOPE_MALFORMED",
    );
    const stream = reader.stream(15 * CHUNK, 25 * CHUNK);
    expect((await rejectionOf(() => new Response(stream).bytes())).message).toBeTruthy();
  });

  test("a signal ends the wait", async () => {
    const reason = new Error("enough");
    const { signal } = AbortSignal.abort(reason) && { signal: AbortSignal.abort(reason) };
    const open = () => openNativeSource(ENVELOPE, SAMPLE_1, "aad", { signal });
    expect(await rejectionOf(open)).toBe(reason);
    const controller = new AbortController();
    const source: ByteSource = {
      size: ENVELOPE.length,
      read(offset, length) {
        if (offset > HEAD) controller.abort(reason);
        return ENVELOPE.subarray(offset, offset + length);
      },
    };
    const { signal: later } = controller;
    expect(await rejectionOf(() => decryptRange(source, SAMPLE_1, 0, 5, "aad", { signal: later }))).toBe(
      reason,
    );
  });
});

describe("authenticity", () => {
  test("[NAT-17] a file cut off anywhere, or with another end, is refused whatever is asked of it", async () => {
    for (const length of [0, 3, 5, 213, HEAD - 1, HEAD, HEAD + 15, HEAD + SEALED, HEAD + 50 * SEALED]) {
      const { code } = await rejectionOf(() => range(ENVELOPE.subarray(0, length), 0, 0));
      expect(code).toBe(length < 4 ? "ERR_NOT_CIPHERTEXT" : "ERR_ENVELOPE_MALFORMED");
    }
    for (const other of [
      ENVELOPE.subarray(0, -1),
      ENVELOPE.subarray(0, HEAD + 50 * SEALED + 100),
      concat(ENVELOPE, Uint8Array.of(0)),
      flipBit(ENVELOPE, 8 * (ENVELOPE.length - 1)),
    ]) {
      expect((await rejectionOf(() => range(other, 0, 1))).code).toBe("ERR_DECRYPT_FAILED");
    }
  });

  test("[NAT-9] key, associated data, salt and commitment come first", async () => {
    for (const call of [
      () => decryptRange(ENVELOPE, SAMPLE_2, 0, 1, "aad"),
      () => decryptRange(ENVELOPE, SAMPLE_1, 0, 1, "other"),
      () => range(flipBit(ENVELOPE, 8 * 214), 0, 1),
      () => range(flipBit(ENVELOPE, 8 * 240), 0, 1),
    ]) {
      expect((await rejectionOf(call)).code).toBe("ERR_DECRYPT_FAILED");
    }
  });

  test("[NAT-13] a damaged chunk fails the ranges that touch it, and no others", async () => {
    const damaged = flipBit(ENVELOPE, 8 * (HEAD + 30 * SEALED + 9));
    using reader = await openNativeSource(damaged, SAMPLE_1, "aad");
    expect(await reader.read(31 * CHUNK, 31 * CHUNK + 5)).toEqual(
      PLAINTEXT.subarray(31 * CHUNK, 31 * CHUNK + 5),
    );
    for (const [start, end] of [
      [30 * CHUNK, 30 * CHUNK + 1],
      [31 * CHUNK - 1, 31 * CHUNK],
      [0, PLAINTEXT.length],
    ] as const) {
      expect((await rejectionOf(() => reader.read(start, end))).code).toBe("ERR_DECRYPT_FAILED");
    }
  });

  test("the key is lent once, and no more needed for later ranges", async () => {
    const lent: string[] = [];
    const reader = await openNativeSource(
      ENVELOPE,
      async (encryptedKeys, use) => {
        lent.push(encryptedKeys);
        return use(SAMPLE_1);
      },
      "aad",
    );
    await reader.read(0, 5);
    await reader.read(5, 10);
    expect(lent).toEqual([SAMPLE_1.encryptedKeys]);
    const failure = new Error("no such key");
    const fail = (): never => {
      throw failure;
    };
    expect(await rejectionOf(() => decryptRange(ENVELOPE, fail, 0))).toBe(failure);
  });
});
