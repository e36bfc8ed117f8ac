/** Bytes of other realms (frames, contexts of `node:vm`, test runners' pages) are bytes; what only looks like them is not. */
import { randomBytes } from "node:crypto";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { isArrayBuffer, isUint8Array, ownBytes, toBytes } from "../../src/base/bytes.ts";
import { inspectNative } from "../../src/crypto/envelope/inspect.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { localDecrypt, localDecryptSync, localEncryptSync } from "../../src/crypto/local.ts";
import { nativeDecryptSync, nativeEncryptSync } from "../../src/crypto/native/one-shot.ts";
import { decryptRange } from "../../src/crypto/native/range.ts";
import { decryptStream, encryptStream } from "../../src/crypto/native/stream.ts";
import { openVault } from "../../src/vault/open-vault.ts";
import { verifyWebhook } from "../../src/wire/webhook.ts";
import { errorOf } from "../support/errors.ts";
import { SAMPLE_1 } from "../support/samples.ts";

interface Realm {
  readonly Uint8Array: typeof Uint8Array;
  readonly SharedArrayBuffer: typeof SharedArrayBuffer;
  readonly ArrayBuffer: typeof ArrayBuffer;
}
const realm = runInNewContext("({ Uint8Array, SharedArrayBuffer, ArrayBuffer })") as Realm;
const foreign = (bytes: Uint8Array): Uint8Array => realm.Uint8Array.from(bytes);

const DATA = Uint8Array.of(1, 2, 3);
const READ = { as: "bytes" } as const;

describe("bytes of another realm", () => {
  test("are told by what they are", () => {
    const bytes = foreign(DATA);
    expect(bytes instanceof Uint8Array).toBe(false);
    expect(isUint8Array(bytes)).toBe(true);
    expect(ownBytes(bytes, "data")).toEqual(DATA);
    expect(isArrayBuffer(new realm.ArrayBuffer(1))).toBe(true);
  });

  test("are encrypted and decrypted", async () => {
    const text = localEncryptSync(foreign(DATA), SAMPLE_1, foreign(DATA));
    expect(localDecryptSync(text, SAMPLE_1, DATA, READ)).toEqual(DATA);
    expect(await localDecrypt(text, SAMPLE_1, foreign(DATA), READ)).toEqual(DATA);
    const native = foreign(nativeEncryptSync(foreign(DATA), SAMPLE_1));
    expect(nativeDecryptSync(native, SAMPLE_1)).toEqual(DATA);
    expect(await decryptRange(native, SAMPLE_1, 1)).toEqual(DATA.subarray(1));
    expect(inspectNative(native).layout).toBe("native");
  });

  test("are keys", () => {
    const raw = randomBytes(32);
    const { encryptedKeys } = SAMPLE_1;
    using held = new DataKey({ id: "a", key: foreign(raw), encryptedKeys });
    const text = localEncryptSync("s3cret", held);
    expect(localDecryptSync(text, { dataKey: foreign(raw) })).toBe("s3cret");
  });

  test("stream by", async () => {
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(foreign(DATA));
        controller.close();
      },
    });
    const opened = source.pipeThrough(encryptStream(SAMPLE_1)).pipeThrough(decryptStream(SAMPLE_1));
    expect((await opened.getReader().read()).value).toEqual(DATA);
  });

  test("are a root key, and items of batches", async () => {
    await using vault = await openVault({ path: ":memory:", rootKey: foreign(randomBytes(32)) });
    const [result] = await vault.encryptMany([foreign(DATA)], { organization_id: "org_1" });
    if (!result!.ok) throw result!.error;
    expect(await vault.decrypt(result!.value, undefined, READ)).toEqual(DATA);
  });

  test("are a webhook's body", () => {
    const header = "t=1,v1=00";
    expect(errorOf(() => verifyWebhook(foreign(DATA), header, "whsec"))).toMatchObject({
      code: "ERR_WEBHOOK_INVALID",
    });
  });

  test("are copied where threads share their memory", () => {
    const shared = new realm.SharedArrayBuffer(3);
    const bytes = new realm.Uint8Array(shared);
    bytes.set(DATA);
    expect(isArrayBuffer(shared)).toBe(false);
    const own = ownBytes(bytes, "data");
    bytes[0] = 9;
    expect(own).toEqual(DATA);
  });
});

describe("what only looks like bytes is refused", () => {
  class Claims {
    readonly length = 3;
    get [Symbol.toStringTag](): string {
      return "Uint8Array";
    }
  }
  test.each([
    ["an heir", Object.create(Uint8Array.prototype) as Uint8Array],
    ["a proxy", new Proxy(DATA, {})],
    ["a tag", new Claims() as unknown as Uint8Array],
    ["another array", new Uint8ClampedArray(3) as unknown as Uint8Array],
    ["another view", new DataView(new ArrayBuffer(3)) as unknown as Uint8Array],
    ["memory", new ArrayBuffer(3) as unknown as Uint8Array],
  ])("%s", (_, bytes) => {
    expect(isUint8Array(bytes)).toBe(false);
    for (const call of [
      () => toBytes(bytes, "data"),
      () => localEncryptSync(bytes, SAMPLE_1),
      () => localEncryptSync("a", { ...SAMPLE_1, dataKey: bytes }),
      () => nativeDecryptSync(bytes, SAMPLE_1),
    ]) {
      expect(errorOf(call)).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARGUMENT" });
    }
  });

  test.each([null, undefined, 5, "text", [1, 2]])("%j", (value) => {
    expect(isUint8Array(value)).toBe(false);
    expect(isArrayBuffer(value)).toBe(false);
  });
});
