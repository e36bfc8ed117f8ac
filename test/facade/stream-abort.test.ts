/** A stream's signal: an abort ends it before the key is there, after it, between two writes and within one. */
import { beforeAll, describe, expect, test } from "vitest";
import type { ByteTransform, Vault } from "../../src/index.ts";
import { openTestVault } from "../support/vaults.ts";

const KEY_CONTEXT = { organization_id: "org_1" };
const REASON = new Error("enough");
const MEBIBYTE = new Uint8Array(1024 * 1024);
const PIECE = 4 * 1024;

let vault: Vault;
beforeAll(async () => {
  vault = await openTestVault();
});

/** What reading to the end gives: the bytes, or the error. */
async function drain(stream: ReadableStream<Uint8Array>): Promise<number | unknown> {
  let bytes = 0;
  try {
    for await (const chunk of stream) bytes += chunk.length;
    return bytes;
  } catch (error) {
    return error;
  }
}

/** Writes piece by piece until it is refused; answers why. */
async function writeOn(stream: ByteTransform, bytes: Uint8Array): Promise<unknown> {
  const writer = stream.writable.getWriter();
  try {
    for (let at = 0; at < bytes.length; at += PIECE) await writer.write(bytes.subarray(at, at + PIECE));
    await writer.close();
    return "never refused";
  } catch (error) {
    return error;
  }
}

async function sealed(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(vault.encryptStream(KEY_CONTEXT));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

describe.each(["encryptStream", "decryptStream"] as const)("%s", (call) => {
  function open(signal: AbortSignal): ByteTransform {
    return call === "encryptStream"
      ? vault.encryptStream(KEY_CONTEXT, "", { signal })
      : vault.decryptStream("", { signal });
  }

  test("before it begins", async () => {
    const stream = open(AbortSignal.abort(REASON));
    const [read, written] = await Promise.all([drain(stream.readable), writeOn(stream, MEBIBYTE)]);
    expect([read, written]).toEqual([REASON, REASON]);
  });

  test.each([0, 1, 3, 10, 30])("%i turns of the event loop after it began", async (turns) => {
    const controller = new AbortController();
    const stream = open(controller.signal);
    const chunk = call === "encryptStream" ? MEBIBYTE : await sealed(MEBIBYTE);
    const written = writeOn(stream, chunk);
    const read = drain(stream.readable);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    controller.abort(REASON);
    expect([await read, await written]).toEqual([REASON, REASON]);
  });

  test("between two writes: neither reader nor writer goes on, and closing is refused", async () => {
    const controller = new AbortController();
    const stream = open(controller.signal);
    const writer = stream.writable.getWriter();
    const closed = writer.closed.catch((error: unknown) => error);
    const read = drain(stream.readable);
    await writer.write((await sealed(new Uint8Array(100_000))).subarray(0, 40_000));
    controller.abort(REASON);
    expect(await read).toBe(REASON);
    expect(await closed).toBe(REASON);
    await expect(writer.close()).rejects.toThrow();
  });

  test("after its end it changes nothing, and the signal holds on to nothing", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const stream = open(signal);
    const input = call === "encryptStream" ? new Uint8Array(100) : await sealed(new Uint8Array(100));
    const read = drain(new Blob([input]).stream().pipeThrough(stream));
    expect(await read).toBeTypeOf("number");
    expect(listeners).toBe(0);
    controller.abort(REASON);
  });
});
