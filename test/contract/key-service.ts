/**
 * What every KeyService must do, in every implementation.
 *
 * Owns the contract of src/keys/key-service.ts as tests. A test file calls {@link keyServiceContract} with a way to
 * make a service; what only some services can do (other environments, control over KEKs) is tested where it is given.
 * Must not know any implementation.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeKeyBlob, encodeKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { canonicalContext, type KeyContext } from "../../src/crypto/keys/key-context.ts";
import { isVaultError, type VaultErrorCode } from "../../src/errors.ts";
import { makeKeys, rekeyKeys, rewrapKeys, unwrapKeys } from "../../src/keys/batch-calls.ts";
import type { CallOptions, KeyService } from "../../src/keys/key-service.ts";
import { base64, flipBit, fromBase64, utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { SAMPLE_1, TRUNCATED_SAMPLE } from "../support/samples.ts";
import { expectNoTrace } from "../support/secrets.ts";

/** Changes the KEK of one context entry. */
export interface KekControls {
  rotate(name: string, value: string): Promise<unknown>;
  disable(name: string, value: string): Promise<unknown>;
  enable(name: string, value: string): Promise<unknown>;
  shred(name: string, value: string): Promise<unknown>;
}

/** A service to test, empty. */
export interface KeyServiceSubject {
  readonly service: KeyService;
  /** The same service for another environment: it must know nothing that the first one made. */
  readonly foreign?: KeyService | undefined;
  /** Control over its KEKs; needed unless `hasKeks` is false. */
  readonly keks?: KekControls | undefined;
  /** Whether `createDecrypt` tells the context; WorkOS's API does not. */
  readonly tellsContext: boolean;
  /**
   * Reached over a wire that tells less: unknown KEKs look like altered blobs, errors do not name KEKs, and a rewrap
   * does not answer the key. Default false.
   */
  readonly isRemote?: boolean;
  /** Makes calls that need something new wait, until the function that it answers is called. */
  readonly stall?: (() => Promise<() => Promise<void>>) | undefined;
  close(): Promise<void>;
}

/** Contexts that differ in ways a careless implementation would lose. */
const DISTINCT_CONTEXTS: readonly KeyContext[] = [
  { organization_id: "org_1" },
  { organization_id: "org_2" },
  { organization_id: "ORG_1" },
  { organization_id: "org_1 " },
  { organizationId: "org_1" },
  { organization_id: "org_1", env: "prod" },
  { organization_id: "org_1", env: "prod", x: "1" },
  { a: "b=c" },
  { "a=b": "c" },
  { a: "é" },
  { a: "e\u0301" },
  { a: "\0" },
  { a: "\0\0" },
  { "1": "one", "0": "zero" },
  { constructor: "x", toString: "y" },
  { "\u{10000}": "1", "\u{ff61}": "2" },
  { a: "%00", "'": "''", '"': ";--" },
  Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`name-${i}`, "v".repeat(500)])),
];

const BAD_CONTEXTS: readonly (readonly [string, unknown])[] = [
  ["none", undefined],
  ["null", null],
  ["text", "organization_id=org_1"],
  ["an array", ["org_1"]],
  ["no entries", {}],
  ["11 entries", Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`n${i}`, "v"]))],
  ["a number", { organization_id: 1 }],
  ["an empty name", { "": "org_1" }],
  ["an empty value", { organization_id: "" }],
  ["a long name", { ["n".repeat(121)]: "v" }],
  ["a long value", { n: "v".repeat(501) }],
  ["a lone surrogate", { n: "\ud800" }],
  ["__proto__", JSON.parse('{"__proto__": "x"}')],
  ["a reserved name", { "coffer:x": "y" }],
];

const BAD_KEYS: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["no base64", "not base64!"],
  ["unpadded base64", "Q0ZSLkVLTS52MQ"],
  ["random bytes", "AAECAwQFBgcICQoLDA0ODw=="],
  ["only a magic", base64(utf8Bytes("CFR.EKM.v1\0"))],
  ["65,537 bytes", base64(new Uint8Array(65_537))],
];

/** What a key blob of another vault, or one that is damaged, may be refused with. */
const REFUSALS: readonly VaultErrorCode[] = [
  "ERR_KEY_BLOB_MALFORMED",
  "ERR_KEY_NOT_FOUND",
  "ERR_DECRYPT_FAILED",
];

/** What only some services can do. */
export interface KeyServiceFeatures {
  /** KEKs that can be named and changed, one per context entry; default true. */
  readonly hasKeks?: boolean;
  /** Whose key blobs it writes; default coffer's. */
  readonly blobFormat?: "coffer" | "test";
}

/** Tests a KeyService. */
export function keyServiceContract(
  name: string,
  makeSubject: () => Promise<KeyServiceSubject>,
  { hasKeks = true, blobFormat = "coffer" }: KeyServiceFeatures = {},
): void {
  describe(`KeyService: ${name}`, () => {
    let subject: KeyServiceSubject;
    let service: KeyService;

    beforeAll(async () => {
      subject = await makeSubject();
      service = subject.service;
    });
    afterAll(() => subject.close());

    /** The key itself of a wrapped form, or the code it is refused with. */
    const opened = async (encryptedKeys: string, by: KeyService = service): Promise<string> => {
      try {
        using key = await by.createDecrypt({ keys: encryptedKeys });
        return key.dataKey;
      } catch (error) {
        if (isVaultError(error)) return error.code;
        throw error;
      }
    };
    const made = async (context: KeyContext) => {
      using key = await service.createDataKey({ context });
      return { dataKey: key.dataKey, encryptedKeys: key.encryptedKeys, id: key.id };
    };

    describe("batches", () => {
      const contexts = Array.from({ length: 130 }, (_, i) => ({ organization_id: `batch-${i % 7}` }));
      const bad = "AAECAwQFBgcICQoLDA0ODw==";
      const codeOf = (result: { ok: boolean; error?: Error } | undefined): unknown =>
        (result?.error as { code?: string } | undefined)?.code;

      test("unwrap in order, more than one request holds, with the errors of wrong items at their place", async () => {
        const keys = await Promise.all(contexts.map(made));
        const asked = keys.map((key, i) => (i % 50 === 20 ? bad : key.encryptedKeys));
        const results = await unwrapKeys(service, asked, {});
        expect(results).toHaveLength(asked.length);
        for (const [i, result] of results.entries()) {
          if (i % 50 === 20) {
            expect(codeOf(result)).toBe("ERR_KEY_BLOB_MALFORMED");
            continue;
          }
          if (!result.ok) throw result.error;
          using key = result.value;
          expect([key.id, key.dataKey]).toEqual([keys[i]!.id, keys[i]!.dataKey]);
          expect(key.context).toEqual(subject.tellsContext ? contexts[i] : undefined);
        }
      });

      test("rekey in order, each item to its own context", async () => {
        const keys = await Promise.all(contexts.map(made));
        const items = keys.map((key, i) => ({
          encryptedKeys: i === 3 ? bad : key.encryptedKeys,
          context: i === 5 ? ({} as KeyContext) : { organization_id: `moved-${i % 3}` },
        }));
        const results = await rekeyKeys(service, items, {});
        expect([codeOf(results[3]), codeOf(results[5])]).toEqual([
          "ERR_KEY_BLOB_MALFORMED",
          "ERR_KEY_CONTEXT_INVALID",
        ]);
        for (const [i, result] of results.entries()) {
          if (i === 3 || i === 5) continue;
          if (!result.ok) throw result.error;
          expect(await opened(base64(result.value.keyBlob))).toBe(keys[i]!.dataKey);
          if (result.value.context !== undefined) expect(result.value.context).toEqual(items[i]!.context);
        }
      });

      test("rewrap in order where the service can, and say so where it cannot", async () => {
        const keys = await Promise.all(contexts.map(made));
        const asked = keys.map((key, i) => (i === 110 ? bad : key.encryptedKeys));
        const single = await service.createRewrap?.({ encryptedKeys: asked[0]! }).catch((error) => error);
        if (single === undefined || isVaultError(single, "ERR_UNSUPPORTED")) {
          expect((await rejectionOf(() => rewrapKeys(service, asked, {}))).code).toBe("ERR_UNSUPPORTED");
          return;
        }
        const results = await rewrapKeys(service, asked, {});
        expect(codeOf(results[110])).toBe("ERR_KEY_BLOB_MALFORMED");
        for (const [i, result] of results.entries()) {
          if (i === 110) continue;
          if (!result.ok) throw result.error;
          expect(await opened(base64(result.value.keyBlob))).toBe(keys[i]!.dataKey);
        }
      });

      test("make as many fresh keys as are asked for", async () => {
        const keys = await makeKeys(service, contexts[0]!, 103, {});
        expect(new Set(keys.map((key) => key.dataKey)).size).toBe(103);
        expect(await opened(keys[102]!.encryptedKeys)).toBe(keys[102]!.dataKey);
        for (const key of keys) key.dispose();
      });

      test("[KEY-49] stop when aborted", async () => {
        const { encryptedKeys } = await made(contexts[0]!);
        const reason = new Error("enough");
        const signal = AbortSignal.abort(reason);
        await expect(unwrapKeys(service, [encryptedKeys], { signal })).rejects.toBe(reason);
        await expect(rekeyKeys(service, [{ encryptedKeys, context: contexts[0]! }], { signal })).rejects.toBe(
          reason,
        );
      });
    });

    test("names itself", () => {
      expect(service.id).toEqual(expect.any(String));
      expect(service.id).not.toBe("");
    });

    test("[KEY-22] makes a fresh key of 32 bytes for each call, wrapped in a blob of known magic", async () => {
      const context = { organization_id: "fresh" };
      const keys = await Promise.all(Array.from({ length: 20 }, () => made(context)));
      for (const key of keys) {
        expect(fromBase64(key.dataKey)).toHaveLength(32);
        expect(inspectKeyBlob(fromBase64(key.encryptedKeys)).bytes).toBeGreaterThan(11);
      }
      for (const part of ["dataKey", "encryptedKeys", "id"] as const) {
        expect(new Set(keys.map((key) => key[part])).size).toBe(20);
      }
    });

    test.each(DISTINCT_CONTEXTS.map((context, index) => [index, context] as const))(
      "gives a key back for its wrapped form: context %i",
      async (_, context) => {
        using key = await service.createDataKey({ context });
        expect(key.context).toEqual({ ...context });
        using back = await service.createDecrypt({ keys: key.encryptedKeys });
        expect(back.dataKey).toBe(key.dataKey);
        expect(back.id).toBe(key.id);
        expect(back.encryptedKeys).toBe(key.encryptedKeys);
        expect(back.context).toEqual(subject.tellsContext ? { ...context } : undefined);
      },
    );

    test("reads a context once", async () => {
      let reads = 0;
      const context = {
        get organization_id() {
          reads += 1;
          return `read ${reads}`;
        },
      };
      using key = await service.createDataKey({ context });
      expect(reads).toBe(1);
      expect(key.context).toEqual({ organization_id: "read 1" });
    });

    test("makes each KEK once, however many ask for it at the same time", async () => {
      const context = { organization_id: "crowd", env: "crowd" };
      const keys = await Promise.all(Array.from({ length: 50 }, () => made(context)));
      for (const key of keys) expect(await opened(key.encryptedKeys)).toBe(key.dataKey);
      expect(new Set(keys.flatMap((key) => kekIds(key.encryptedKeys).join())).size).toBe(hasKeks ? 1 : 50);
    });

    test.each(BAD_CONTEXTS)("refuses a bad context: %s", async (_, context) => {
      const bad = context as KeyContext;
      const { encryptedKeys } = await made({ organization_id: "good" });
      expect((await rejectionOf(() => service.createDataKey({ context: bad }))).code).toBe(
        "ERR_KEY_CONTEXT_INVALID",
      );
      expect((await rejectionOf(() => service.createRekey({ context: bad, encryptedKeys }))).code).toBe(
        "ERR_KEY_CONTEXT_INVALID",
      );
    });

    test.each(BAD_KEYS)("[KEY-28] refuses what is no key blob: %s", async (_, keys) => {
      const context = { organization_id: "good" };
      expect((await rejectionOf(() => service.createDecrypt({ keys }))).code).toBe("ERR_KEY_BLOB_MALFORMED");
      expect((await rejectionOf(() => service.createRekey({ context, encryptedKeys: keys }))).code).toBe(
        "ERR_KEY_BLOB_MALFORMED",
      );
    });

    test.each([undefined, null, 7, new Uint8Array(3)])("refuses keys that are no text: %s", async (keys) => {
      const error = await rejectionOf(() => service.createDecrypt({ keys: keys as never }));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    });

    test.each([SAMPLE_1, TRUNCATED_SAMPLE])("refuses other people's key blobs: %#", async (sample) => {
      expect(REFUSALS).toContain(await opened(sample.encryptedKeys));
    });

    test("[KEY-26] refuses a key blob with any bit changed", async () => {
      const blob = fromBase64((await made({ organization_id: "bits" })).encryptedKeys);
      const answers = new Map<string, number>();
      for (let bit = 0; bit < blob.length * 8; bit++) {
        const answer = await opened(base64(flipBit(blob, bit)));
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
      expect(REFUSALS).toEqual(expect.arrayContaining([...answers.keys()]));
    });

    test("[KEY-26] refuses parts of several key blobs put together", async () => {
      const context = { organization_id: "parts", env: "parts" };
      const one = decodeKeyBlob(fromBase64((await made(context)).encryptedKeys), blobFormat);
      const other = decodeKeyBlob(fromBase64((await made(context)).encryptedKeys), blobFormat);
      const third = decodeKeyBlob(
        fromBase64((await made({ organization_id: "other" })).encryptedKeys),
        blobFormat,
      );
      const last = { ...one.keks.at(-1)! };
      for (const mixed of [
        { ...one, dataKeyId: other.dataKeyId },
        { ...one, nonce: other.nonce },
        { ...one, wrapped: other.wrapped },
        { ...one, keks: third.keks },
        { ...third, keks: one.keks },
        { ...one, keks: [...one.keks].reverse() },
        { ...one, keks: [one.keks[0]!, one.keks[0]!] },
        { ...one, keks: [...one.keks, one.keks[0]!] },
        { ...one, keks: one.keks.slice(0, 1) },
        { ...one, keks: [...one.keks.slice(0, -1), { ...last, version: last.version + 1 }] },
      ]) {
        const text = base64(encodeKeyBlob(mixed, blobFormat));
        // Where a service has one KEK per blob, some of these change nothing.
        if (text === base64(encodeKeyBlob(one, blobFormat))) continue;
        expect(REFUSALS).toContain(await opened(text));
      }
    });

    test("[KEY-37] rekeys: the same key for another context, and the old form stays valid", async () => {
      const from = await made({ organization_id: "rekey-1" });
      const context = { organization_id: "rekey-2", env: "prod" };
      using moved = await service.createRekey({ context, encryptedKeys: from.encryptedKeys });
      expect(moved.dataKey).toBe(from.dataKey);
      expect(moved.context).toEqual(context);
      expect(moved.encryptedKeys).not.toBe(from.encryptedKeys);
      expect(await opened(moved.encryptedKeys)).toBe(from.dataKey);
      expect(await opened(from.encryptedKeys)).toBe(from.dataKey);
      using back = await service.createDecrypt({ keys: moved.encryptedKeys });
      expect(back.id).toBe(moved.id);
    });

    test("rekeys to the same context too", async () => {
      const context = { organization_id: "rekey-same" };
      const from = await made(context);
      using moved = await service.createRekey({ context, encryptedKeys: from.encryptedKeys });
      expect(moved.dataKey).toBe(from.dataKey);
      expect(await opened(moved.encryptedKeys)).toBe(from.dataKey);
    });

    test("[KEY-36] rewraps: the same key and context", async () => {
      if (service.createRewrap === undefined) return;
      const context = { organization_id: "rewrap" };
      const from = await made(context);
      using again = await service.createRewrap({ encryptedKeys: from.encryptedKeys });
      if (!subject.isRemote) expect(again.dataKey).toBe(from.dataKey);
      if (subject.tellsContext) expect(again.context).toEqual(context);
      if (hasKeks) expect(again.encryptedKeys).toBe(from.encryptedKeys);
      expect(await opened(again.encryptedKeys)).toBe(from.dataKey);
      const error = await rejectionOf(() => service.createRewrap!({ encryptedKeys: SAMPLE_1.encryptedKeys }));
      expect(REFUSALS).toContain(error.code);
    });

    test("[KEY-49] an aborted call rejects with the signal's reason", async () => {
      const reason = new Error("changed my mind");
      const signal = AbortSignal.abort(reason);
      const context = { organization_id: "abort" };
      const { encryptedKeys } = await made(context);
      await expect(service.createDataKey({ context }, { signal })).rejects.toBe(reason);
      await expect(service.createDecrypt({ keys: encryptedKeys }, { signal })).rejects.toBe(reason);
      await expect(service.createRekey({ context, encryptedKeys }, { signal })).rejects.toBe(reason);
      if (service.createRewrap !== undefined) {
        await expect(service.createRewrap({ encryptedKeys }, { signal })).rejects.toBe(reason);
      }
    });

    describe("what a call is told", () => {
      const context = { organization_id: "told" };

      /** Every call of the port. */
      const calls = async (): Promise<((options: CallOptions) => Promise<unknown>)[]> => {
        const { encryptedKeys } = await made(context);
        return [
          (options) => service.createDataKey({ context }, options),
          (options) => service.createDecrypt({ keys: encryptedKeys }, options),
          (options) => service.createRekey({ context, encryptedKeys }, options),
          (options) => service.createRewrap?.({ encryptedKeys }, options) ?? Promise.resolve(),
          (options) => service.unwrapMany?.({ keys: [encryptedKeys] }, options) ?? Promise.resolve(),
          (options) =>
            service.rekeyMany?.({ items: [{ context, encryptedKeys }] }, options) ?? Promise.resolve(),
          (options) => service.rewrapMany?.({ encryptedKeys: [encryptedKeys] }, options) ?? Promise.resolve(),
          (options) => service.createDataKeys?.({ context, count: 1 }, options) ?? Promise.resolve(),
        ];
      };
      const offered = [
        true,
        true,
        true,
        "createRewrap",
        "unwrapMany",
        "rekeyMany",
        "rewrapMany",
        "createDataKeys",
      ] as const;

      test("nonsense is refused by every call, enough time changes nothing", async () => {
        for (const [index, call] of (await calls()).entries()) {
          const name = offered[index]!;
          if (name !== true && service[name] === undefined) continue;
          for (const timeout of [0, -1, 1.5, Number.NaN, 2 ** 31, "5" as never]) {
            const error = await rejectionOf(() => call({ timeout }));
            expect(error).toBeInstanceOf(RangeError);
            expect(error.code).toBe("ERR_INVALID_ARGUMENT");
          }
          const outcome = await call({ timeout: 60_000 }).catch((error: { code: string }) => error.code);
          if (outcome !== "ERR_UNSUPPORTED") expect(outcome).toBeInstanceOf(Object);
        }
      });

      test("headers are taken over HTTP, and refused elsewhere; coffer's own are refused", async () => {
        for (const [index, call] of (await calls()).entries()) {
          const name = offered[index]!;
          if (name !== true && service[name] === undefined) continue;
          const own = await rejectionOf(() => call({ headers: { authorization: "Bearer x" } }));
          expect(own.code).toBe("ERR_INVALID_ARGUMENT");
          const outcome = await call({ headers: { "x-trace": "1" } }).catch(
            (error: { code: string }) => error.code,
          );
          if (service.takesHeaders !== true) expect(outcome).toBe("ERR_INVALID_ARGUMENT");
          else if (outcome !== "ERR_UNSUPPORTED") expect(outcome).toBeInstanceOf(Object);
        }
      });

      test("a call that is not done in its time is ERR_SERVICE_TIMEOUT, and others go on", async () => {
        if (subject.stall === undefined) return;
        const goOn = await subject.stall();
        try {
          const error = await rejectionOf(() =>
            service.createDataKey({ context: { organization_id: "in vain" } }, { timeout: 30 }),
          );
          expect(error).toMatchObject({ code: "ERR_SERVICE_TIMEOUT", retryable: true });
        } finally {
          await goOn();
        }
        await made({ organization_id: "in vain" });
      });
    });

    test("[KEY-46] what it answers does not show the key", async () => {
      using key = await service.createDataKey({ context: { organization_id: "canary-of-a-context" } });
      expectNoTrace(key, [fromBase64(key.dataKey), utf8Bytes("canary-of-a-context")]);
      using back = await service.createDecrypt({ keys: key.encryptedKeys });
      expectNoTrace(back, [fromBase64(key.dataKey), utf8Bytes("canary-of-a-context")]);
    });

    test("[KEY-47] its errors do not show contexts or keys", async () => {
      const canary = "canary-of-a-context-value";
      const bad = { [canary]: `${canary}\ud800` };
      const { encryptedKeys, dataKey } = await made({ organization_id: canary });
      const damaged = base64(flipBit(fromBase64(encryptedKeys), 8 * (fromBase64(encryptedKeys).length - 60)));
      for (const call of [
        () => service.createDataKey({ context: bad }),
        () => service.createRekey({ context: bad, encryptedKeys }),
        () => service.createDecrypt({ keys: damaged }),
      ]) {
        expectNoTrace(await rejectionOf(call), [utf8Bytes(canary), fromBase64(dataKey)]);
      }
    });

    test("[KEY-2] another environment knows nothing of it", async () => {
      const { foreign } = subject;
      if (foreign === undefined) return;
      const context = { organization_id: "isolated" };
      const ours = await made(context);
      using theirs = await foreign.createDataKey({ context });
      expect(foreign.id).not.toBe(service.id);
      expect(kekIds(theirs.encryptedKeys)).not.toEqual(kekIds(ours.encryptedKeys));
      const unknown = subject.isRemote ? "ERR_DECRYPT_FAILED" : "ERR_KEY_NOT_FOUND";
      expect(await opened(ours.encryptedKeys, foreign)).toBe(unknown);
      expect(await opened(theirs.encryptedKeys)).toBe(unknown);
      for (const call of [
        () => foreign.createRekey({ context, encryptedKeys: ours.encryptedKeys }),
        () =>
          foreign.createRewrap?.({ encryptedKeys: ours.encryptedKeys }) ??
          Promise.reject(notOffered(unknown)),
      ]) {
        expect((await rejectionOf(call)).code).toBe(unknown);
      }
    });

    if (!hasKeks) return;
    test("takes the order of a context's entries for nothing", async () => {
      const one = await made({ env: "order", organization_id: "o" });
      const other = await made({ organization_id: "o", env: "order" });
      expect(kekIds(one.encryptedKeys)).toEqual(kekIds(other.encryptedKeys));
    });

    test("tells contexts apart: they share KEKs only where they share entries", async () => {
      const ids = new Map<string, string>();
      for (const context of DISTINCT_CONTEXTS) {
        const { encryptedKeys } = await made(context);
        const { entries } = canonicalContext(context);
        for (const [index, kek] of kekIds(encryptedKeys).entries()) {
          const entry = JSON.stringify(entries[index]);
          expect(ids.get(entry) ?? kek).toBe(kek);
          ids.set(entry, kek);
        }
      }
      expect(new Set(ids.values()).size).toBe(ids.size);
    });

    describe("where KEKs can be changed", () => {
      const withKeks = (what: string, body: (keks: KekControls) => Promise<void>): void => {
        test(what, () => body(subject.keks!));
      };

      withKeks("[KEY-35] [KEY-36] a rotation changes what is made, not what was", async (keks) => {
        const context = { organization_id: "rotated", env: "prod" };
        const before = await made(context);
        await keks.rotate("organization_id", "rotated");
        const after = await made(context);
        expect(await opened(before.encryptedKeys)).toBe(before.dataKey);
        expect(await opened(after.encryptedKeys)).toBe(after.dataKey);
        expect(versionsOf(before.encryptedKeys)).toEqual([1, 1]);
        expect(versionsOf(after.encryptedKeys)).toEqual([1, 2]);
        expect(kekIds(after.encryptedKeys)).toEqual(kekIds(before.encryptedKeys));
        if (service.createRewrap === undefined) return;
        using rewrapped = await service.createRewrap({ encryptedKeys: before.encryptedKeys });
        if (!subject.isRemote) expect(rewrapped.dataKey).toBe(before.dataKey);
        expect(rewrapped.context).toEqual(context);
        expect(versionsOf(rewrapped.encryptedKeys)).toEqual([1, 2]);
        expect(await opened(rewrapped.encryptedKeys)).toBe(before.dataKey);
        expect(await opened(before.encryptedKeys)).toBe(before.dataKey);
      });

      withKeks("[KEY-3] [KEY-4] a disabled KEK is of no use until it is enabled", async (keks) => {
        const context = { organization_id: "disabled", env: "prod" };
        const before = await made(context);
        const revision = service.revisions?.newest();
        await keks.disable("env", "prod");
        await service.revisions?.refresh?.({});
        if (revision !== undefined) expect(service.revisions!.newest()!.id).not.toBe(revision.id);
        expect(await opened(before.encryptedKeys)).toBe("ERR_KEY_DISABLED");
        for (const call of [
          () => service.createDataKey({ context }),
          () => service.createDataKey({ context: { env: "prod" } }),
          () => service.createRekey({ context: { x: "y" }, encryptedKeys: before.encryptedKeys }),
        ]) {
          expect((await rejectionOf(call)).code).toBe("ERR_KEY_DISABLED");
        }
        const elsewhere = await made({ organization_id: "disabled" });
        const error = await rejectionOf(() =>
          service.createRekey({ context, encryptedKeys: elsewhere.encryptedKeys }),
        );
        expect(error.code).toBe("ERR_KEY_DISABLED");
        await keks.enable("env", "prod");
        expect(await opened(before.encryptedKeys)).toBe(before.dataKey);
        await made(context);
      });

      withKeks("[KEY-23] destroying any one KEK of a context shreds everything under it", async (keks) => {
        for (const victim of ["a", "b", "c"]) {
          const context = { a: `shred ${victim}`, b: `shred ${victim}`, c: `shred ${victim}` };
          const lost = await made(context);
          const kept = await made({ ...context, [victim]: "another" });
          const revision = service.revisions?.newest();
          await keks.shred(victim, `shred ${victim}`);
          await service.revisions?.refresh?.({});
          if (revision !== undefined) expect(service.revisions!.newest()!.id).not.toBe(revision.id);
          expect(await opened(lost.encryptedKeys)).toBe("ERR_KEY_DESTROYED");
          expect(await opened(kept.encryptedKeys)).toBe(kept.dataKey);
          expect((await rejectionOf(() => service.createDataKey({ context }))).code).toBe(
            "ERR_KEY_DESTROYED",
          );
        }
      });

      withKeks("[KEY-4] a destroyed KEK is told before a disabled one", async (keks) => {
        const context = { a: "both", b: "both" };
        const { encryptedKeys } = await made(context);
        await keks.disable("a", "both");
        await keks.shred("b", "both");
        expect(await opened(encryptedKeys)).toBe("ERR_KEY_DESTROYED");
        expect((await rejectionOf(() => service.createDataKey({ context }))).code).toBe("ERR_KEY_DESTROYED");
      });

      withKeks("[KEY-7] a rotation after a shred begins anew", async (keks) => {
        const context = { organization_id: "anew" };
        const lost = await made(context);
        await keks.shred("organization_id", "anew");
        await keks.rotate("organization_id", "anew");
        const after = await made(context);
        expect(await opened(after.encryptedKeys)).toBe(after.dataKey);
        expect(await opened(lost.encryptedKeys)).toBe("ERR_KEY_DESTROYED");
        expect(kekIds(after.encryptedKeys)).toEqual(kekIds(lost.encryptedKeys));
        expect(versionsOf(after.encryptedKeys)).toEqual([2]);
      });

      withKeks("[KEY-47] errors name KEKs by id, not by context", async (keks) => {
        const canary = "canary-of-a-tenant";
        const context = { organization_id: canary };
        const { encryptedKeys } = await made(context);
        await keks.disable("organization_id", canary);
        const disabled = await rejectionOf(() => service.createDecrypt({ keys: encryptedKeys }));
        await keks.shred("organization_id", canary);
        const destroyed = await rejectionOf(() => service.createDataKey({ context }));
        for (const error of [disabled, destroyed]) {
          expectNoTrace(error, [utf8Bytes(canary)]);
          if (!subject.isRemote) expect(error.message).toContain(kekIds(encryptedKeys)[0]!);
        }
      });
    });
  });
}

function kekIds(encryptedKeys: string): string[] {
  return inspectKeyBlob(fromBase64(encryptedKeys)).keks.map((kek) => kek.id);
}

function versionsOf(encryptedKeys: string): (number | undefined)[] {
  return inspectKeyBlob(fromBase64(encryptedKeys)).keks.map((kek) => kek.version);
}

function notOffered(code: string): Error {
  return Object.assign(new Error("not offered"), { code });
}
