/**
 * The native format: the testkit, whole messages, web streams and ranges.
 *
 * Portable; must not know key services.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "../../../src/base/base64.ts";
import { fromUtf8, toHex } from "../../../src/base/bytes.ts";
import { nobleHash } from "../../../src/crypto/primitives/hash-noble.ts";
import { SAMPLE_1, SAMPLE_2 } from "../../support/samples.ts";
import type { KitFile } from "../report.ts";
import { codeOf } from "./checks.ts";
import {
  decryptRange,
  decryptStream,
  encryptStream,
  localDecrypt,
  localDecryptSync,
  nativeDecrypt,
  nativeDecryptSync,
  nativeEncrypt,
  nativeEncryptSync,
  openNativeSource,
} from "./coffer.ts";
import { byteStream, type Context, flipped, isSync, lacksLongNonces } from "./context.ts";

/** Bytes of a chunk's plaintext (docs/spec/native-envelope.md). */
const CHUNK = 16_384;
/** Around the chunks, and a run of chunks that are handled together (1 MiB) with one more. */
const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5, 64 * CHUNK + 1];
/** For JavaScript alone, which would take seconds for a MiB in so many ways. */
const SHORT_SIZES = SIZES.slice(0, -1);
/** How many bytes a writer hands over at a time. */
const STEPS = [1000, CHUNK, 300_007];

export async function checkTestkit(context: Context): Promise<void> {
  for (const file of context.input.testkit) {
    const payload = decodeBase64(file.payload)!;
    const text = file.layout === "native" ? file.payload : fromUtf8(payload)!;
    const key = { dataKey: decodeBase64(file.key)! };
    const aad = decodeBase64(file.aad)!;
    for (const provider of [undefined, ...context.available]) {
      const options = { as: "bytes", provider: provider?.name } as const;
      const by = provider?.name ?? "default";
      if (file.layout === "iv32" && file.expect === "ok" && lacksLongNonces(context, provider?.name))
        continue;
      await expectFile(context, file, by, () => localDecrypt(text, key, aad, options));
      if (provider === undefined || isSync(provider)) {
        await expectFile(context, file, `${by} at once`, () => localDecryptSync(text, key, aad, options));
      }
      if (file.layout !== "native") continue;
      await expectFile(context, file, `${by}, bytes`, () => nativeDecrypt(payload, key, aad, options));
      if (context.input.expected.lacksStreams === true) continue;
      const { bytes, error } = await pump(cut(payload, 5000), decryptStream(key, aad, options));
      const end = error === undefined ? "ok" : codeOf(error);
      context.checks.same(end, file.expect, () => `${file.name} as a stream by ${by}`);
      context.checks.ok(bytes.length <= file.releasedBytes, () => `${file.name} by ${by} releases too much`);
      if (bytes.length === file.releasedBytes) expectHash(context, file, bytes, "stream");
    }
  }
}

async function expectFile(context: Context, file: KitFile, by: string, call: () => unknown): Promise<void> {
  const what = (): string => `${file.name} by ${by}`;
  if (file.expect !== "ok") return await context.checks.refuses(file.expect, call, what);
  const bytes = (await call()) as Uint8Array;
  context.checks.same(bytes.length, file.releasedBytes, what);
  expectHash(context, file, bytes, by);
}

function expectHash({ checks }: Context, file: KitFile, bytes: Uint8Array, by: string): void {
  checks.same(toHex(nobleHash.sha256(bytes)), file.releasedSha256, () => `${file.name} by ${by}`);
}

export async function checkNative(context: Context): Promise<void> {
  const { checks } = context;
  for (const provider of [undefined, ...context.available]) {
    const options = { provider: provider?.name };
    const next = byteStream(11);
    for (const size of provider?.name === "noble" ? SHORT_SIZES : SIZES) {
      const data = next(size);
      const what = `${size} bytes by ${provider?.name}`;
      const sealed = await nativeEncrypt(data, SAMPLE_1, "aad", options);
      checks.bytes(await nativeDecrypt(sealed, SAMPLE_1, "aad", options), data, what);
      if (provider === undefined || isSync(provider)) {
        checks.bytes(nativeDecryptSync(sealed, SAMPLE_1, "aad", options), data, `${what}, at once`);
        const now = nativeEncryptSync(data, SAMPLE_1, "aad", options);
        checks.bytes(await nativeDecrypt(now, SAMPLE_1, "aad", options), data, `${what}, sealed at once`);
      }
      checks.bytes(
        await localDecrypt(encodeBase64(sealed), SAMPLE_1, "aad", { as: "bytes", ...options }),
        data,
        `${what}, as text`,
      );
      if (context.input.expected.lacksStreams !== true) await checkStreams(context, data, sealed, options);
      await checkRanges(context, data, sealed, options);
    }
  }
}

type Options = { readonly provider: "node" | "webcrypto" | "wasm" | "noble" | undefined };

async function checkStreams(
  { checks }: Context,
  data: Uint8Array,
  sealed: Uint8Array,
  options: Options,
): Promise<void> {
  for (const step of STEPS) {
    const what = `${data.length} bytes in steps of ${step} by ${options.provider}`;
    const written = await pump(cut(data, step), encryptStream(SAMPLE_1, "aad", options));
    checks.same(written.error, undefined, what);
    checks.bytes(await nativeDecrypt(written.bytes, SAMPLE_1, "aad", options), data, `${what}, written`);
    const read = await pump(cut(sealed, step), decryptStream(SAMPLE_1, "aad", options));
    checks.same(read.error, undefined, what);
    checks.bytes(read.bytes, data, `${what}, read`);
  }
  // As applications write it.
  const through = new Blob([data as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(encryptStream(SAMPLE_1, "", options) as never)
    .pipeThrough(decryptStream(SAMPLE_1, "", options) as never) as ReadableStream<Uint8Array>;
  checks.bytes(
    new Uint8Array(await new Response(through as never).arrayBuffer()),
    data,
    "a Blob piped through",
  );
  const short = await pump(cut(sealed.subarray(0, -1), 5000), decryptStream(SAMPLE_1, "aad", options));
  checks.ok(short.error !== undefined, "a stream that ends too early ends with an error");
  const wrong = await pump(cut(sealed, 5000), decryptStream(SAMPLE_2, "aad", options));
  checks.same(
    [codeOf(wrong.error), wrong.bytes.length],
    ["ERR_DECRYPT_FAILED", 0],
    "a stream with another key",
  );
  const altered = await pump(
    cut(flipped(sealed, 8 * (sealed.length - 1)), 5000),
    decryptStream(SAMPLE_1, "aad", options),
  );
  checks.same(codeOf(altered.error), "ERR_DECRYPT_FAILED", "an altered stream");
}

async function checkRanges(
  { checks, input }: Context,
  data: Uint8Array,
  sealed: Uint8Array,
  options: Options,
): Promise<void> {
  const sources = [
    sealed,
    ...(input.expected.lacksStreams === true ? [] : [new Blob([sealed as Uint8Array<ArrayBuffer>])]),
    { size: sealed.length, read: async (at: number, length: number) => sealed.slice(at, at + length) },
  ];
  const { length } = data;
  const ranges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, length - 1, length]
    .filter((start) => start >= 0 && start <= length)
    .flatMap((start) =>
      [0, 1, 100, CHUNK + 3].map((size) => [start, Math.min(start + size, length)] as const),
    );
  for (const source of sources) {
    const reader = await openNativeSource(source, SAMPLE_1, "aad", options);
    checks.same(reader.size, length, "size of a source");
    for (const [start, end] of ranges) {
      const what = (): string => `${start} to ${end} of ${length} by ${options.provider}`;
      checks.bytes(await reader.read(start, end), data.subarray(start, end), what);
    }
    reader.dispose();
    if (length > 0) await checks.refuses("ERR_DISPOSED", () => reader.read(0, 1), "a disposed reader");
    const whole = await decryptRange(source, SAMPLE_1, 0, undefined, "aad", options);
    checks.bytes(whole, data, `the whole range of ${length}`);
    const beyond = (): unknown => decryptRange(source, SAMPLE_1, 0, length + 1, "aad", options);
    await checks.refuses("ERR_INVALID_ARGUMENT", beyond, "a range beyond the end");
    const wrong = (): unknown => openNativeSource(source, SAMPLE_1, "other", options);
    await checks.refuses("ERR_DECRYPT_FAILED", wrong, "a source with other associated data");
  }
}

function cut(bytes: Uint8Array, step: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.slice(at, at + step));
  return pieces;
}

/** Writes pieces into a transform and reads all that comes out, also before an error. */
async function pump(
  pieces: readonly Uint8Array[],
  stream: TransformStream<Uint8Array, Uint8Array>,
): Promise<{ bytes: Uint8Array; error: unknown }> {
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  const writing = (async () => {
    for (const piece of pieces) {
      await writer.ready;
      writer.write(piece).catch(() => {});
    }
    await writer.close();
  })().catch(() => {});
  const out: Uint8Array[] = [];
  let error: unknown;
  const reader = stream.readable.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      out.push(value);
    }
  } catch (caught) {
    error = caught;
  }
  await writing;
  const bytes = new Uint8Array(out.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of out) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return { bytes, error };
}
