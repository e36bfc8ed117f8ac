/** Rekey and rewrap: another wrapped key in the same envelope, for one ciphertext and for many. */
import fc from "fast-check";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type ParsedEnvelope, parseEnvelope, serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import type { WritableLayout } from "../../src/crypto/envelope/layouts.ts";
import { localDecrypt, localEncrypt } from "../../src/crypto/local.ts";
import type { KeyService } from "../../src/keys/key-service.ts";
import {
  REKEY_CONCURRENCY_DEFAULT,
  REKEY_CONCURRENCY_MAX,
  rekey,
  rekeyMany,
  rewrap,
  rewrapMany,
} from "../../src/rekey/index.ts";
import { anyData, writableLayout } from "../support/arbitraries.ts";
import { base64, fromBase64, utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { OFFICIAL_IV32_ENVELOPE, SAMPLE_1 } from "../support/samples.ts";
import { expectNoTrace } from "../support/secrets.ts";

const FROM = { organization_id: "org_1" };
const TO = { organization_id: "org_2" };

let service: MemoryKeyService;

beforeEach(() => {
  service = new MemoryKeyService();
});

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

async function encrypted(data: string | Uint8Array, layout?: WritableLayout): Promise<string> {
  using key = await service.createDataKey({ context: FROM });
  return await localEncrypt(data, key, "aad", { layout });
}

async function decrypted(text: string): Promise<string> {
  using key = await service.createDecrypt({ keys: base64(parseEnvelope(text).keyBlob) });
  return await localDecrypt(text, key, "aad");
}

/** What must stay. */
const body = ({ layout, nonce, ciphertext, tag }: ParsedEnvelope) => ({ layout, nonce, ciphertext, tag });

/** The service without what only some have. */
function plain(of: MemoryKeyService): KeyService {
  return {
    id: of.id,
    createDataKey: (request, options) => of.createDataKey(request, options),
    createDecrypt: (request, options) => of.createDecrypt(request, options),
    createRekey: (request, options) => of.createRekey(request, options),
  };
}

describe("one ciphertext", () => {
  test("[KEY-37] keeps layout, nonce, ciphertext and tag, and decrypts under its new key blob", async () => {
    await fc.assert(
      fc.asyncProperty(anyData, writableLayout, async (data, layout) => {
        const before = await encrypted(data, layout);
        const after = await rekey(service, before, TO);
        expect(body(parseEnvelope(after))).toEqual(body(parseEnvelope(before)));
        expect(parseEnvelope(after).keyBlob).not.toEqual(parseEnvelope(before).keyBlob);
        using key = await service.createDecrypt({ keys: base64(parseEnvelope(after).keyBlob) });
        expect(key.context).toEqual(TO);
        const bytes = typeof data === "string" ? utf8Bytes(data) : Uint8Array.from(data);
        expect(await localDecrypt(after, key, "aad", { as: "bytes" })).toEqual(bytes);
      }),
      { numRuns: 50 },
    );
  });

  test("costs one request and leaves no data key behind", async () => {
    const text = await encrypted("x");
    service.requests.length = 0;
    service.handedOut.length = 0;
    const moved = await rekey(service, text, TO);
    await rewrap(service, moved);
    expect(service.requests).toEqual(["createRekey", "createRewrap"]);
    expect(service.handedOut.map((key) => key.isDisposed)).toEqual([true, true]);
  });

  test("[KEY-36] rewraps by the service, or by a rekey to the context that is given", async () => {
    const text = await encrypted("x");
    const rewrapped = await rewrap(service, text);
    expect(await decrypted(rewrapped)).toBe("x");
    const byRekey = await rewrap(plain(service), text, { context: FROM });
    expect(await decrypted(byRekey)).toBe("x");
    expect(service.count("createRewrap")).toBe(1);
    expect(service.count("createRekey")).toBe(1);
    expect(await codeOf(() => rewrap(plain(service), text))).toBe("ERR_UNSUPPORTED");
  });

  test("is answered as it was where nothing was newer", async () => {
    const text = await encrypted("x");
    const same: KeyService = {
      ...plain(service),
      createRewrap: ({ encryptedKeys }) => service.createDecrypt({ keys: encryptedKeys }),
    };
    expect(await rewrap(same, text)).toBe(text);
  });

  test("of a WorkOS layout keeps it, also the one that is only read", async () => {
    const answering: KeyService = {
      ...plain(service),
      createRekey: async ({ encryptedKeys }) => {
        expect(encryptedKeys).toBe(SAMPLE_1.encryptedKeys);
        return service.createDataKey({ context: TO });
      },
    };
    const moved = await rekey(answering, OFFICIAL_IV32_ENVELOPE, TO);
    expect(body(parseEnvelope(moved))).toEqual(body(parseEnvelope(OFFICIAL_IV32_ENVELOPE)));
    expect(parseEnvelope(moved).layout).toBe("iv32");
  });

  test.each([
    ["no ciphertext", "hello", "ERR_NOT_CIPHERTEXT"],
    ["nothing", "", "ERR_NOT_CIPHERTEXT"],
    ["a number", 7, "ERR_INVALID_ARGUMENT"],
    ["undefined", undefined, "ERR_INVALID_ARGUMENT"],
  ])("asks for nothing where there is %s", async (_, text, code) => {
    expect(await codeOf(() => rekey(service, text as string, TO))).toBe(code);
    expect(await codeOf(() => rewrap(service, text as string))).toBe(code);
    expect(service.requests).toEqual([]);
  });

  test("asks for nothing where the context is bad or the layout is not accepted", async () => {
    const text = await encrypted("x");
    service.requests.length = 0;
    for (const context of [{}, null, { n: 7 }, { n: "" }]) {
      expect(await codeOf(() => rekey(service, text, context as never))).toBe("ERR_KEY_CONTEXT_INVALID");
    }
    expect(await codeOf(() => rekey(service, text, TO, { layouts: ["leb-first"] }))).toBe(
      "ERR_LAYOUT_NOT_ALLOWED",
    );
    expect(await codeOf(() => rewrap(service, text, { layouts: [] }))).toBe("ERR_LAYOUT_NOT_ALLOWED");
    expect(service.requests).toEqual([]);
  });

  test("is read leniently only if asked to, and written canonically then", async () => {
    const text = await encrypted("x");
    const lenient = `${text.slice(0, 20)}\n${text.slice(20)}`;
    expect(await codeOf(() => rekey(service, lenient, TO))).toBe("ERR_NOT_CIPHERTEXT");
    const moved = await rekey(service, lenient, TO, { lenient: true });
    expect(parseEnvelope(moved).isCanonical).toBe(true);
    expect(await decrypted(moved)).toBe("x");
  });

  test("fails with what the service fails with", async () => {
    const text = await encrypted("x");
    service.failure = new Error("down");
    expect(await rejectionOf(() => rekey(service, text, TO))).toBe(service.failure);
    const foreign = new MemoryKeyService();
    expect(await codeOf(() => rekey(foreign, text, TO))).toBe("ERR_KEY_NOT_FOUND");
  });

  test("[KEY-49] is not waited for when aborted, and its key goes also if it comes later", async () => {
    const text = await encrypted("x");
    const reason = new Error("no");
    await expect(rekey(service, text, TO, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(rewrap(service, text, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(service.requests).toEqual(["createDataKey"]);
    // A service that does not listen to signals.
    const deaf: KeyService = {
      ...plain(service),
      createRekey: (request) => service.createRekey(request),
      createRewrap: (request) => service.createRewrap(request),
    };
    service.handedOut.length = 0;
    for (const call of [
      (signal: AbortSignal) => rekey(deaf, text, TO, { signal }),
      (signal: AbortSignal) => rewrap(deaf, text, { signal }),
      (signal: AbortSignal) => rekeyMany(deaf, [text], TO, { signal }),
    ]) {
      const release = service.hold();
      const controller = new AbortController();
      const pending = rejectionOf(() => call(controller.signal));
      await settle();
      controller.abort(reason);
      expect(await pending).toBe(reason);
      release();
      await settle();
    }
    expect(service.handedOut.map((key) => key.isDisposed)).toEqual([true, true, true]);
  });

  test("[KEY-49] hands its signal on", async () => {
    const text = await encrypted("x");
    const { signal } = new AbortController();
    await rekey(service, text, TO, { signal });
    await rewrap(service, text, { signal });
    await rekeyMany(service, [text], TO, { signal });
    await rewrapMany(service, [text], { signal });
    expect(service.signals.slice(1)).toEqual([signal, signal, signal, signal]);
  });
});

describe("many ciphertexts", () => {
  test("have one result each, in order; one that fails does not stop the others", async () => {
    const good = [await encrypted("a"), await encrypted("b", "leb-first"), await encrypted("c", "dotnet")];
    using strange = await new MemoryKeyService().createDataKey({ context: FROM });
    const foreign = await localEncrypt("d", strange, "aad");
    const items = [good[0]!, "no ciphertext", good[1]!, foreign, 7 as never, good[2]!];
    for (const results of [await rekeyMany(service, items, TO), await rewrapMany(service, items)]) {
      expect(results.map((result) => (result.ok ? "ok" : (result.error as { code?: string }).code))).toEqual([
        "ok",
        "ERR_NOT_CIPHERTEXT",
        "ok",
        "ERR_KEY_NOT_FOUND",
        "ERR_INVALID_ARGUMENT",
        "ok",
      ]);
      const texts = results.flatMap((result) => (result.ok ? [result.value] : []));
      expect(await Promise.all(texts.map(decrypted))).toEqual(["a", "b", "c"]);
      expect(texts.map((text) => parseEnvelope(text).layout)).toEqual(["iv12", "leb-first", "dotnet"]);
    }
  });

  test("that share a wrapped key cost one request, and share the new one too", async () => {
    using key = await service.createDataKey({ context: FROM });
    const shared = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        localEncrypt(`${i}`, key, "aad", { layout: i % 2 === 0 ? "iv12" : "dotnet" }),
      ),
    );
    const single = await encrypted("single");
    for (const move of [
      () => rekeyMany(service, [...shared, single, ...shared], TO, { concurrency: 20 }),
      () => rewrapMany(service, [...shared, single, ...shared], { concurrency: 20 }),
    ]) {
      service.requests.length = 0;
      const results = await move();
      expect(service.requests).toHaveLength(2);
      const texts = results.map((result) => (result.ok ? result.value : ""));
      expect(new Set(texts.map((text) => base64(parseEnvelope(text).keyBlob))).size).toBe(2);
      for (const [i, text] of texts.slice(0, 100).entries()) expect(await decrypted(text)).toBe(`${i}`);
    }
  });

  test("that share a wrapped key which cannot be unwrapped all say so, for one request", async () => {
    using strange = await new MemoryKeyService().createDataKey({ context: FROM });
    const texts = await Promise.all(
      Array.from({ length: 10 }, (_, i) => localEncrypt(`${i}`, strange, "aad")),
    );
    const results = await rekeyMany(service, texts, TO);
    expect(service.requests).toHaveLength(1);
    for (const result of results) {
      expect(result.ok ? "ok" : (result.error as { code?: string }).code).toBe("ERR_KEY_NOT_FOUND");
    }
  });

  test("leave no data key behind", async () => {
    const texts = await Promise.all(Array.from({ length: 30 }, (_, i) => encrypted(`${i}`)));
    service.handedOut.length = 0;
    await rekeyMany(service, texts, TO);
    expect(service.handedOut).toHaveLength(30);
    expect(service.handedOut.every((key) => key.isDisposed)).toBe(true);
  });

  test.each([
    [undefined, REKEY_CONCURRENCY_DEFAULT],
    [1, 1],
    [3, 3],
    [REKEY_CONCURRENCY_MAX, 40],
  ])("are under way at once as allowed: %s", async (concurrency, most) => {
    const texts = await Promise.all(Array.from({ length: 40 }, (_, i) => encrypted(`${i}`)));
    service.mostUnderWay = 0;
    const release = service.hold();
    const moving = rekeyMany(service, texts, TO, { concurrency });
    // The texts are read in turns, so how soon all requests are under way depends on the machine's load.
    await vi.waitFor(() => expect(service.underWay).toBe(most), { timeout: 10_000, interval: 1 });
    await settle();
    release();
    expect((await moving).every((result) => result.ok)).toBe(true);
    expect(service.mostUnderWay).toBe(most);
  });

  test.each([0, -1, 1.5, REKEY_CONCURRENCY_MAX + 1, Number.NaN, "8"])(
    "are refused with a concurrency of %s",
    async (concurrency) => {
      const options = { concurrency: concurrency as number };
      expect(await codeOf(() => rekeyMany(service, [], TO, options))).toBe("ERR_INVALID_ARGUMENT");
      expect(await codeOf(() => rewrapMany(service, [], options))).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  test.each([["text"], [null], [undefined], [{ length: 1 }]])("must be an array: %j", async (texts) => {
    expect(await codeOf(() => rekeyMany(service, texts as never, TO))).toBe("ERR_INVALID_ARGUMENT");
    expect(await codeOf(() => rewrapMany(service, texts as never))).toBe("ERR_INVALID_ARGUMENT");
    expect(service.requests).toEqual([]);
  });

  test("ask for nothing where the context is bad or the service cannot", async () => {
    const text = await encrypted("x");
    service.requests.length = 0;
    expect(await codeOf(() => rekeyMany(service, [text], {} as never))).toBe("ERR_KEY_CONTEXT_INVALID");
    expect(await codeOf(() => rewrapMany(plain(service), [text]))).toBe("ERR_UNSUPPORTED");
    expect(await rekeyMany(service, [], TO)).toEqual([]);
    expect(service.requests).toEqual([]);
  });

  test("tell their progress, one by one, failures too", async () => {
    const items = [await encrypted("a"), "bad", await encrypted("b")];
    const progress: [number, number][] = [];
    await rekeyMany(service, items, TO, { onProgress: (done, total) => void progress.push([done, total]) });
    expect(progress).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  test("stop when the progress callback throws, with its error", async () => {
    const texts = await Promise.all(Array.from({ length: 100 }, (_, i) => encrypted(`${i}`)));
    service.requests.length = 0;
    const reason = new Error("mine");
    const onProgress = (): void => {
      throw reason;
    };
    await expect(rekeyMany(service, texts, TO, { onProgress, concurrency: 2 })).rejects.toBe(reason);
    await settle();
    await settle();
    expect(service.requests.length).toBeLessThan(10);
  });

  test("[KEY-49] stop when aborted: before, between and during requests", async () => {
    const texts = await Promise.all(Array.from({ length: 100 }, (_, i) => encrypted(`${i}`)));
    const reason = new Error("enough");
    service.requests.length = 0;
    await expect(rekeyMany(service, texts, TO, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(service.requests).toEqual([]);

    const between = new AbortController();
    const onProgress = (done: number): void => {
      if (done === 10) between.abort(reason);
    };
    await expect(
      rekeyMany(service, texts, TO, { signal: between.signal, onProgress, concurrency: 2 }),
    ).rejects.toBe(reason);
    await settle();
    expect(service.requests.length).toBeLessThan(15);

    const during = new AbortController();
    service.hold();
    const moving = rejectionOf(() => rekeyMany(service, texts, TO, { signal: during.signal }));
    await settle();
    during.abort(reason);
    expect(await moving).toBe(reason);
    expect(service.underWay).toBe(0);
  });

  test("of which most share the little there is to do give others their turn", async () => {
    using key = await service.createDataKey({ context: FROM });
    const text = await localEncrypt("x".repeat(20_000), key, "aad");
    let turns = 0;
    let isOver = false;
    const others = (async () => {
      while (!isOver) {
        await settle();
        turns += 1;
      }
    })();
    await rekeyMany(
      service,
      Array.from({ length: 6_000 }, () => text),
      TO,
    );
    isOver = true;
    await others;
    expect(turns).toBeGreaterThan(2);
  });
});

test("[KEY-47] errors show no context, and none of a ciphertext", async () => {
  const canary = "canary-of-a-context";
  const text = await encrypted("x".repeat(50));
  const damaged = serializeEnvelope({ ...parseEnvelope(text), keyBlob: fromBase64(SAMPLE_1.encryptedKeys) });
  for (const call of [
    () => rekey(service, text, { [canary]: `${canary}\ud800` }),
    () => rekey(service, damaged, { organization_id: canary }),
    () => rekey(service, canary, { organization_id: canary }),
  ]) {
    expectNoTrace(await rejectionOf(call), [utf8Bytes(canary), parseEnvelope(text).ciphertext.slice(0, 20)]);
  }
});
