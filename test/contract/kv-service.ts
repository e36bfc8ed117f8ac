/**
 * What every KvService must do, in every implementation.
 *
 * Owns the contract of src/kv/kv-service.ts as tests: WorkOS's semantics, and our extensions where they are offered. A
 * test file calls {@link kvServiceContract} with a way to make a store. Must not know any implementation.
 *
 * @module
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KeyContext } from "../../src/crypto/keys/key-context.ts";
import type { ChangeOptions } from "../../src/keys/key-service.ts";
import type { KvListRequest, KvMetadata, KvObject, KvService, KvSummary } from "../../src/kv/kv-service.ts";
import { utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { kvModelTest } from "./kv-model.ts";

/** A store to test, empty. */
export interface KvServiceSubject {
  readonly kv: KvService;
  /** The same store for another environment: it must know nothing of what is in the first one. */
  readonly foreign?: KvService | undefined;
  /** Makes writes wait, until the function that it answers is called. */
  readonly stall?: (() => Promise<() => Promise<void>>) | undefined;
  close(): Promise<void>;
}

/** What only some stores can do. */
export interface KvServiceFeatures {
  /** Old versions can be read, deleted objects listed and brought back, versions destroyed; default true. */
  readonly hasExtensions?: boolean;
  /** Runs of the model-based test; default 60. */
  readonly modelRuns?: number;
}

const CONTEXT: KeyContext = { organization_id: "org_1" };

const VALUES: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["text", "hunter2"],
  ["a byte order mark", "\u{feff}text\u{feff}"],
  ["NUL", "a\0b\0"],
  ["all kinds of line ends", "\r\n\n\r\u2028"],
  ["characters of 4 bytes", "\u{1f511}\u{10ffff}"],
  ["JSON", '{"__proto__": 1}'],
  ["65,536 bytes", "x".repeat(65_536)],
  ["65,536 bytes of 2 each", "é".repeat(32_768)],
];

const NAMES: readonly (readonly [string, string])[] = [
  ["one character", "a"],
  ["200 characters", "n".repeat(200)],
  ["200 characters of 4 bytes", "\u{1f511}".repeat(200)],
  ["a path", "a/b/../c"],
  ["an encoded path", "a%2Fb%2e%2e"],
  ["dots", "..."],
  ["blanks", "  "],
  ["SQL", "x'; DROP TABLE kv_objects; --"],
  ["a pattern", "%_*?"],
  ["__proto__", "__proto__"],
  ["composed", "é"],
  ["decomposed", "e\u0301"],
  ["upper case", "NAME"],
  ["lower case", "name"],
];

/** Tests a KvService. */
export function kvServiceContract(
  title: string,
  makeSubject: () => Promise<KvServiceSubject>,
  { hasExtensions = true, modelRuns = 60 }: KvServiceFeatures = {},
): void {
  describe(`KvService: ${title}`, () => {
    let subject: KvServiceSubject;
    let kv: KvService;
    let names = 0;

    beforeAll(async () => {
      subject = await makeSubject();
      kv = subject.kv;
    });
    afterAll(() => subject.close());

    const freshName = (): string => `object-${++names}`;
    const create = (value = "value", name = freshName(), keyContext = CONTEXT): Promise<KvMetadata> =>
      kv.createKv({ name, value, keyContext });
    const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

    describe("create and read", () => {
      test("answer the object with its metadata", async () => {
        const name = freshName();
        const keyContext = { organization_id: "org_1", env: "prod" };
        const before = Date.now();
        const metadata = await kv.createKv({ name, value: "s3cret", keyContext });
        expect(metadata).toEqual({
          id: expect.any(String),
          environmentId: expect.any(String),
          keyId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5/),
          updatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          updatedBy: { id: expect.any(String), name: expect.any(String) },
          context: keyContext,
          versionId: expect.any(String),
        });
        expect(Math.abs(Date.parse(metadata.updatedAt) - before)).toBeLessThan(600_000);
        expect(metadata.versionId).not.toBe("");
        const object: KvObject = { id: metadata.id, name, value: "s3cret", metadata };
        expect(await kv.getKv({ id: metadata.id })).toEqual(object);
        expect(await kv.getName({ name })).toEqual(object);
        expect(await kv.listKvMetadata({ id: metadata.id })).toEqual({ id: metadata.id, name, metadata });
      });

      test.each(VALUES)("keep a value as it is: %s", async (_, value) => {
        const { id } = await create(value);
        expect((await kv.getKv({ id })).value).toBe(value);
      });

      test.each(NAMES)("keep a name as it is: %s", async (_, name) => {
        const { id } = await create("by name", name);
        expect(await kv.getName({ name })).toMatchObject({ id, name, value: "by name" });
      });

      test("give every object and version an id and a data key of its own", async () => {
        const all = await Promise.all(Array.from({ length: 20 }, () => create("same")));
        for (const part of ["id", "versionId", "keyId"] as const) {
          expect(new Set(all.map((metadata) => metadata[part])).size).toBe(20);
        }
        expect(new Set(all.map((metadata) => metadata.environmentId)).size).toBe(1);
      });

      test("a name that is taken is ERR_KV_EXISTS, and the object stays as it is", async () => {
        const name = freshName();
        const first = await create("first", name);
        expect(await codeOf(() => create("second", name))).toBe("ERR_KV_EXISTS");
        expect(await codeOf(() => create("second", name, { other: "context" }))).toBe("ERR_KV_EXISTS");
        expect(await kv.getName({ name })).toMatchObject({ id: first.id, value: "first", metadata: first });
      });

      test("of several creates of one name at the same time, exactly one wins", async () => {
        for (let round = 0; round < 5; round++) {
          const name = freshName();
          const results = await Promise.allSettled(
            Array.from({ length: 10 }, (_, i) => create(`value ${i}`, name)),
          );
          const won = results.flatMap((result, i) => (result.status === "fulfilled" ? [i] : []));
          expect(won).toHaveLength(1);
          for (const result of results) {
            if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "ERR_KV_EXISTS" });
          }
          expect((await kv.getName({ name })).value).toBe(`value ${won[0]}`);
        }
      });
    });

    describe("refuse bad arguments", () => {
      test.each([
        ["empty", "", "ERR_KV_NAME_INVALID"],
        ["201 characters", "n".repeat(201), "ERR_KV_NAME_INVALID"],
        ["201 characters of 4 bytes", "\u{1f511}".repeat(201), "ERR_KV_NAME_INVALID"],
        [".", ".", "ERR_KV_NAME_INVALID"],
        ["..", "..", "ERR_KV_NAME_INVALID"],
        ["NUL", "a\0b", "ERR_KV_NAME_INVALID"],
        ["a lone surrogate", "a\ud800", "ERR_KV_NAME_INVALID"],
        ["no text", 7, "ERR_INVALID_ARGUMENT"],
        ["null", null, "ERR_INVALID_ARGUMENT"],
      ])("names: %s", async (_, name, code) => {
        expect(await codeOf(() => create("v", name as string))).toBe(code);
        expect(await codeOf(() => kv.getName({ name: name as string }))).toBe(code);
      });

      test.each([
        ["a lone surrogate", "\udc00", "ERR_TEXT_MALFORMED"],
        ["65,537 bytes", "x".repeat(65_537), "ERR_KV_VALUE_TOO_LARGE"],
        ["65,537 bytes in fewer characters", `${"é".repeat(32_768)}x`, "ERR_KV_VALUE_TOO_LARGE"],
        ["bytes", new Uint8Array(3), "ERR_INVALID_ARGUMENT"],
        ["a number", 7, "ERR_INVALID_ARGUMENT"],
        ["null", null, "ERR_INVALID_ARGUMENT"],
      ])("values: %s", async (_, value, code) => {
        const name = freshName();
        expect(await codeOf(() => create(value as string, name))).toBe(code);
        expect(await codeOf(() => kv.getName({ name }))).toBe("ERR_KV_NOT_FOUND");
        const { id, versionId } = await create("kept");
        expect(await codeOf(() => kv.updateKv({ id, value: value as string }))).toBe(code);
        expect(await kv.getKv({ id })).toMatchObject({ value: "kept", metadata: { versionId } });
      });

      test.each([{}, { n: 7 }, { n: "" }, null, { n: "v".repeat(501) }])("contexts: %j", async (context) => {
        const name = freshName();
        expect(await codeOf(() => create("v", name, context as never))).toBe("ERR_KEY_CONTEXT_INVALID");
        expect(await codeOf(() => kv.getName({ name }))).toBe("ERR_KV_NOT_FOUND");
      });

      test.each(["", 7, null, undefined, {}])("ids: %j", async (id) => {
        for (const call of callsById(kv, id as string, hasExtensions)) {
          expect(await codeOf(call)).toBe("ERR_INVALID_ARGUMENT");
        }
      });

      test.each(["secret_0", "x", "'", "%", "a".repeat(10_000), "a\0b", "\ud800"])(
        "ids that do not exist: %j",
        async (id) => {
          for (const call of callsById(kv, id, hasExtensions)) {
            expect(await codeOf(call)).toBe("ERR_KV_NOT_FOUND");
          }
        },
      );

      test("version checks that are no version ids", async () => {
        const { id } = await create();
        for (const versionCheck of ["", 7, {}]) {
          const check = versionCheck as string;
          expect(await codeOf(() => kv.updateKv({ id, value: "v", versionCheck: check }))).toBe(
            "ERR_INVALID_ARGUMENT",
          );
          expect(await codeOf(() => kv.deleteKv({ id, versionCheck: check }))).toBe("ERR_INVALID_ARGUMENT");
        }
      });

      test("nonsense for a call is refused by every call, and does nothing", async () => {
        const { id } = await create("kept");
        const name = freshName();
        const all = (options: ChangeOptions): [() => Promise<unknown>, isChange: boolean][] => [
          [() => kv.createKv({ name, value: "v", keyContext: CONTEXT }, options), true],
          [() => kv.getKv({ id }, options), false],
          [() => kv.getName({ name }, options), false],
          [() => kv.updateKv({ id, value: "w" }, options), true],
          [() => kv.deleteKv({ id }, options), true],
          [() => kv.listKv({}, options), false],
          [() => kv.listKvVersions({ id }, options), false],
          [() => kv.listKvMetadata({ id }, options), false],
        ];
        for (const timeout of [0, -1, 1.5, Number.NaN, 2 ** 31, "5" as never]) {
          for (const [call] of all({ timeout })) {
            const error = await rejectionOf(call);
            expect(error).toBeInstanceOf(RangeError);
            expect(error.code).toBe("ERR_INVALID_ARGUMENT");
          }
        }
        for (const [call] of all({ headers: { authorization: "Bearer x" } })) {
          expect(await codeOf(call)).toBe("ERR_INVALID_ARGUMENT");
        }
        if (kv.takesHeaders !== true) {
          for (const [call] of all({ headers: { "x-trace": "1" } })) {
            expect(await codeOf(call)).toBe("ERR_INVALID_ARGUMENT");
          }
          for (const [call, isChange] of all({ idempotencyKey: "once" })) {
            if (isChange) expect(await codeOf(call)).toBe("ERR_INVALID_ARGUMENT");
          }
        } else {
          const told = { headers: { "x-trace": "1" }, timeout: 60_000 };
          expect((await kv.getKv({ id }, told)).value).toBe("kept");
        }
        expect(await kv.getKv({ id }, { timeout: 60_000 })).toMatchObject({ id, value: "kept" });
        expect(await codeOf(() => kv.getName({ name }))).toBe("ERR_KV_NOT_FOUND");
      });

      test("a write that is not done in its time is told, and nothing is half-written", async () => {
        if (subject.stall === undefined) return;
        const { id, versionId } = await create("kept");
        const name = freshName();
        const goOn = await subject.stall();
        try {
          for (const call of [
            () => kv.createKv({ name, value: "v", keyContext: CONTEXT }, { timeout: 30 }),
            () => kv.updateKv({ id, value: "w" }, { timeout: 30 }),
            () => kv.deleteKv({ id }, { timeout: 30 }),
          ]) {
            // A service behind a network may have made the change.
            const code = kv.takesHeaders === true ? "ERR_OUTCOME_UNKNOWN" : "ERR_SERVICE_TIMEOUT";
            expect(await codeOf(call)).toBe(code);
          }
        } finally {
          await goOn();
        }
        expect(await codeOf(() => kv.getName({ name }))).toBe("ERR_KV_NOT_FOUND");
        const object = await kv.getKv({ id });
        expect(object.value).toBe("kept");
        expect(object.metadata.versionId).toBe(versionId);
      });

      test("[KEY-49] an aborted call rejects with the signal's reason and does nothing", async () => {
        const reason = new Error("changed my mind");
        const options = { signal: AbortSignal.abort(reason) };
        const { id } = await create("kept");
        const name = freshName();
        for (const call of [
          () => kv.createKv({ name, value: "v", keyContext: CONTEXT }, options),
          () => kv.getKv({ id }, options),
          () => kv.getName({ name }, options),
          () => kv.updateKv({ id, value: "w" }, options),
          () => kv.deleteKv({ id }, options),
          () => kv.listKv({}, options),
          () => kv.listKvVersions({ id }, options),
          () => kv.listKvMetadata({ id }, options),
          ...(hasExtensions
            ? [() => kv.undeleteKv!({ id }, options), () => kv.destroyKv!({ id }, options)]
            : []),
        ]) {
          await expect(call()).rejects.toBe(reason);
        }
        expect((await kv.getKv({ id })).value).toBe("kept");
        expect(await codeOf(() => kv.getName({ name }))).toBe("ERR_KV_NOT_FOUND");
      });
    });

    describe("update", () => {
      test("writes a new version, and answers the object without its value", async () => {
        const name = freshName();
        const created = await create("one", name);
        const updated = await kv.updateKv({ id: created.id, value: "two" });
        expect(updated).toEqual({
          id: created.id,
          name,
          metadata: {
            ...created,
            keyId: expect.any(String),
            versionId: expect.any(String),
            updatedAt: expect.any(String),
          },
        });
        expect(updated.metadata.versionId).not.toBe(created.versionId);
        expect(updated.metadata.keyId).not.toBe(created.keyId);
        expect(await kv.getKv({ id: created.id })).toEqual({ ...updated, value: "two" });
      });

      test.each([
        ["absent", {}],
        ["undefined", { versionCheck: undefined }],
        ["null", { versionCheck: null }],
      ])("checks nothing if the version check is %s", async (_, check) => {
        const { id } = await create("one");
        await kv.updateKv({ id, value: "two", ...check });
        expect((await kv.getKv({ id })).value).toBe("two");
      });

      test("checks the version: the current one passes, an old or unknown one is a conflict", async () => {
        const { id, versionId: first } = await create("one");
        const second = (await kv.updateKv({ id, value: "two", versionCheck: first })).metadata.versionId;
        for (const versionCheck of [first, "unknown", second.toUpperCase(), `${second} `]) {
          if (versionCheck === second) continue;
          expect(await codeOf(() => kv.updateKv({ id, value: "three", versionCheck }))).toBe(
            "ERR_KV_VERSION_CONFLICT",
          );
        }
        expect(await kv.getKv({ id })).toMatchObject({ value: "two", metadata: { versionId: second } });
        expect((await kv.listKvVersions({ id })).data).toHaveLength(2);
      });

      test("of several updates that check the same version, exactly one wins", async () => {
        for (let round = 0; round < 5; round++) {
          const { id, versionId } = await create("start");
          const results = await Promise.allSettled(
            Array.from({ length: 10 }, (_, i) =>
              kv.updateKv({ id, value: `value ${i}`, versionCheck: versionId }),
            ),
          );
          const won = results.flatMap((result, i) => (result.status === "fulfilled" ? [i] : []));
          expect(won).toHaveLength(1);
          for (const result of results) {
            if (result.status === "rejected")
              expect(result.reason).toMatchObject({ code: "ERR_KV_VERSION_CONFLICT" });
          }
          expect((await kv.getKv({ id })).value).toBe(`value ${won[0]}`);
          expect((await kv.listKvVersions({ id })).data).toHaveLength(2);
        }
      });

      test("several updates without a check all count, one after the other", async () => {
        const { id } = await create("start");
        await Promise.all(Array.from({ length: 20 }, (_, i) => kv.updateKv({ id, value: `value ${i}` })));
        const { data } = await kv.listKvVersions({ id });
        expect(data).toHaveLength(21);
        expect(data.filter((version) => version.currentVersion)).toEqual([data[0]]);
        expect((await kv.getKv({ id })).metadata.versionId).toBe(data[0]!.id);
      });

      test("keeps the key context", async () => {
        const keyContext = { organization_id: "org_1", env: "kept" };
        const { id } = await create("one", freshName(), keyContext);
        expect((await kv.updateKv({ id, value: "two" })).metadata.context).toEqual(keyContext);
      });
    });

    describe("delete", () => {
      test("hides the object from every call and frees its name", async () => {
        const name = freshName();
        const { id } = await create("old", name);
        expect(await kv.deleteKv({ id })).toEqual({ success: true, name });
        for (const call of callsById(kv, id, false)) expect(await codeOf(call)).toBe("ERR_KV_NOT_FOUND");
        expect(await codeOf(() => kv.getName({ name }))).toBe("ERR_KV_NOT_FOUND");
        const again = await create("new", name);
        expect(again.id).not.toBe(id);
        expect((await kv.getName({ name })).value).toBe("new");
        expect(await codeOf(() => kv.getKv({ id }))).toBe("ERR_KV_NOT_FOUND");
      });

      test("checks the version if asked to", async () => {
        const { id, versionId } = await create("one");
        await kv.updateKv({ id, value: "two" });
        expect(await codeOf(() => kv.deleteKv({ id, versionCheck: versionId }))).toBe(
          "ERR_KV_VERSION_CONFLICT",
        );
        const current = (await kv.getKv({ id })).metadata.versionId;
        expect(await kv.deleteKv({ id, versionCheck: current })).toMatchObject({ success: true });
        const other = await create("one");
        expect(await kv.deleteKv({ id: other.id, versionCheck: null })).toMatchObject({ success: true });
      });

      test("a name can be used over and over", async () => {
        const name = freshName();
        for (let i = 0; i < 5; i++) {
          const { id } = await create(`value ${i}`, name);
          expect((await kv.getName({ name })).value).toBe(`value ${i}`);
          await kv.deleteKv({ id });
        }
      });

      test("of an update and a delete that check the same version, exactly one wins", async () => {
        for (let round = 0; round < 5; round++) {
          const { id, versionId } = await create();
          const results = await Promise.allSettled([
            kv.deleteKv({ id, versionCheck: versionId }),
            kv.updateKv({ id, value: "updated", versionCheck: versionId }),
          ]);
          expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
        }
      });
    });

    describe("versions", () => {
      test("are listed, the newest first, exactly one of them current", async () => {
        const { id, versionId: first } = await create("a");
        const second = (await kv.updateKv({ id, value: "b".repeat(1000) })).metadata.versionId;
        const page = await kv.listKvVersions({ id });
        expect(page.listMetadata).toEqual({ before: null, after: null });
        expect(page.data.map((version) => [version.id, version.currentVersion])).toEqual([
          [second, true],
          [first, false],
        ]);
        for (const version of page.data) {
          expect(version).toEqual({
            id: expect.any(String),
            createdAt: expect.stringMatching(/Z$/),
            currentVersion: expect.any(Boolean),
            size: expect.any(Number),
            etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
            isDestroyed: false,
          });
        }
        expect(page.data[0]!.size - page.data[1]!.size).toBe(999);
      });

      test("[KEY-31] etags tell nothing of the value: the same one has another each time", async () => {
        const { id } = await create("same");
        await kv.updateKv({ id, value: "same" });
        const { data } = await kv.listKvVersions({ id });
        expect(new Set(data.map((version) => version.etag)).size).toBe(2);
      });
    });

    describe("list", () => {
      /** A prefix of its own keeps each test's objects apart. */
      const several = async (count: number, prefix: string): Promise<string[]> => {
        const all: string[] = [];
        for (let i = 0; i < count; i++) {
          const name = `${prefix}${String(i).padStart(3, "0")}`;
          await create(`value ${i}`, name);
          all.push(name);
        }
        return all;
      };
      const walk = async (
        request: KvListRequest,
        next: (page: Awaited<ReturnType<KvService["listKv"]>>) => Partial<KvListRequest> | undefined,
      ): Promise<KvSummary[][]> => {
        const pages: KvSummary[][] = [];
        let page = await kv.listKv(request);
        pages.push([...page.data]);
        for (;;) {
          const more = next(page);
          if (more === undefined) return pages;
          page = await kv.listKv({ ...request, ...more });
          pages.push([...page.data]);
          if (pages.length > 200) throw new Error("the list does not end");
        }
      };
      const namesOf = (pages: readonly (readonly KvSummary[])[]): string[] =>
        pages.flat().map((object) => object.name);

      test("answers 10 objects, the newest first, unless told otherwise", async () => {
        const all = await several(12, "default-");
        const { data } = await kv.listKv({ search: "default-" });
        expect(data.map((object) => object.name)).toEqual(all.reverse().slice(0, 10));
        const whole = await kv.listKv();
        expect(whole.data).toHaveLength(10);
        expect(whole.data[0]).toEqual({
          id: expect.any(String),
          name: all[0],
          updatedAt: expect.stringMatching(/Z$/),
        });
      });

      test.each(["desc", "asc"] as const)(
        "walks on by either cursor, each name exactly once: %s",
        async (order) => {
          const prefix = `walk-${order}-`;
          const all = await several(23, prefix);
          if (order === "desc") all.reverse();
          for (const limit of [1, 2, 7, 22, 23, 24, 100]) {
            const request = { limit, order, search: prefix };
            for (const cursor of ["before", "after"] as const) {
              const pages = await walk(request, ({ listMetadata }) => {
                expect(listMetadata.before).toBe(listMetadata.after);
                const after = listMetadata[cursor];
                return after === null ? undefined : { after };
              });
              expect(namesOf(pages)).toEqual(all);
              expect(pages.map((page) => page.length)).toEqual(
                Array.from({ length: Math.ceil(23 / limit) }, (_, i) => Math.min(limit, 23 - i * limit)),
              );
            }
          }
        },
      );

      test.each(["desc", "asc"] as const)("pages backwards: %s", async (order) => {
        const prefix = `back-${order}-`;
        const all = await several(10, prefix);
        if (order === "desc") all.reverse();
        const { data } = await kv.listKv({ limit: 100, order, search: prefix });
        for (const limit of [1, 3, 9, 10, 100]) {
          for (let at = 0; at < 10; at++) {
            const page = await kv.listKv({ limit, order, search: prefix, before: data[at]!.id });
            expect(page.data.map((object) => object.name)).toEqual(all.slice(Math.max(0, at - limit), at));
            // Whatever comes before an object is followed by it.
            if (page.data.length > 0) {
              const onward = await kv.listKv({
                limit: 1,
                order,
                search: prefix,
                after: page.listMetadata.after!,
              });
              expect(onward.data[0]!.id).toBe(data[at]!.id);
            }
          }
        }
        const nothing = await kv.listKv({ order, search: prefix, before: data[0]!.id });
        expect(nothing).toEqual({ data: [], listMetadata: { before: null, after: null } });
      });

      test("takes any object's id as a cursor, and keeps its place while others come and go", async () => {
        const all = await several(6, "moving-");
        const request = { limit: 2, search: "moving-", order: "asc" } as const;
        const first = await kv.listKv(request);
        const after = first.listMetadata.after!;
        expect(after).toBe(first.data[1]!.id);
        await create("later", "moving-100");
        for (const object of first.data) await kv.deleteKv({ id: object.id });
        const rest = await walk({ ...request, after }, ({ listMetadata }) =>
          listMetadata.after === null ? undefined : { after: listMetadata.after },
        );
        expect(namesOf(rest)).toEqual([...all.slice(2), "moving-100"]);
      });

      test("each name exactly once while others are updated: order is by creation", async () => {
        const all = await several(6, "stable-");
        const request = { limit: 2, search: "stable-", order: "asc" } as const;
        const names: string[] = [];
        let after: string | undefined;
        do {
          const page = await kv.listKv({ ...request, after });
          names.push(...page.data.map((object) => object.name));
          for (const object of page.data) await kv.updateKv({ id: object.id, value: "touched" });
          after = page.listMetadata.after ?? undefined;
        } while (after !== undefined);
        expect(names).toEqual(all);
      });

      test("normal is the order that is used by default: the newest first", async () => {
        const names = await several(3, "normal-");
        for (const order of ["normal", "desc", undefined] as const) {
          expect(namesOf([(await kv.listKv({ search: "normal-", order })).data])).toEqual(
            [...names].reverse(),
          );
        }
      });

      test("searches names for a text, case-sensitively, with no character special", async () => {
        for (const name of ["q/Alpha", "q/alpha", "q/100%", "q/100", "q/a_b", "q/aXb", "q/é", "q/[x]*"]) {
          await create("v", name);
        }
        const found = async (search: string): Promise<string[]> =>
          (await kv.listKv({ search, order: "asc", limit: 100 })).data.map((object) => object.name);
        expect(await found("q/A")).toEqual(["q/Alpha"]);
        expect(await found("lpha")).toEqual(["q/Alpha", "q/alpha"]);
        expect(await found("100%")).toEqual(["q/100%"]);
        expect(await found("a_b")).toEqual(["q/a_b"]);
        expect(await found("q/é")).toEqual(["q/é"]);
        expect(await found("q/e\u0301")).toEqual([]);
        expect(await found("[x]*")).toEqual(["q/[x]*"]);
        expect(await found("q/no such name")).toEqual([]);
        expect(await found("' OR 1=1 --")).toEqual([]);
        expect(await found("\0")).toEqual([]);
        expect((await kv.listKv({ search: "" })).data).toHaveLength(10);
      });

      test("lists what was written after a moment: created or updated, not deleted", async () => {
        const [old] = await several(1, "moment-old-");
        const { id } = await create("v", "moment-updated");
        const gone = await create("v", "moment-gone");
        let moment = Math.max(...[id, gone.id].map(() => Date.now()));
        moment = Math.max(moment, Date.parse((await kv.listKvMetadata({ id })).metadata.updatedAt));
        while (Date.now() <= moment + 1) await new Promise((resolve) => setTimeout(resolve, 2));
        await kv.updateKv({ id, value: "w" });
        await create("v", "moment-new");
        await kv.deleteKv({ id: gone.id });
        for (const updatedAfter of [
          new Date(moment),
          new Date(moment).toISOString(),
          new Date(moment).toISOString().replace("Z", "+00:00"),
        ]) {
          const { data } = await kv.listKv({ updatedAfter, search: "moment-", order: "asc" });
          expect(data.map((object) => object.name)).toEqual(["moment-updated", "moment-new"]);
        }
        // The form in which WorkOS's Node SDK sends dates, to the second.
        const text = String(new Date(moment - 100_000));
        const { data } = await kv.listKv({ updatedAfter: text, search: "moment-old-" });
        expect(data.map((object) => object.name)).toEqual([old]);
        expect((await kv.listKv({ updatedAfter: new Date(Date.now() + 86_400_000) })).data).toEqual([]);
      });

      test("[KEY-2] refuses cursors that are not of this list", async () => {
        for (const cursor of ["no such id", "1", "'"]) {
          expect(await codeOf(() => kv.listKv({ after: cursor }))).toBe("ERR_CURSOR_INVALID");
          expect(await codeOf(() => kv.listKv({ before: cursor }))).toBe("ERR_CURSOR_INVALID");
        }
      });

      test.each([
        [{ limit: 0 }],
        [{ limit: 101 }],
        [{ limit: -1 }],
        [{ limit: 1.5 }],
        [{ limit: Number.NaN }],
        [{ limit: "10" }],
        [{ order: "ASC" }],
        [{ before: "" }],
        [{ after: "" }],
        [{ after: 7 }],
        [{ before: "a", after: "b" }],
        [{ search: 7 }],
        [{ updatedAfter: "yesterday" }],
        [{ updatedAfter: new Date(Number.NaN) }],
        [{ updatedAfter: 7 }],
      ])("refuses bad requests: %j", async (request) => {
        expect(await codeOf(() => kv.listKv(request as never))).toBe("ERR_INVALID_ARGUMENT");
      });
    });

    // Not a skip: where there are none, there is nothing to test.
    const describeExtensions = hasExtensions ? describe : (): void => {};
    describeExtensions("extensions", () => {
      test("old versions can be read", async () => {
        const name = freshName();
        const values = ["one", "two", "three"];
        const { id, versionId } = await create("one", name);
        const ids = [versionId];
        for (const value of values.slice(1)) ids.push((await kv.updateKv({ id, value })).metadata.versionId);
        for (const [i, version] of ids.entries()) {
          const object = await kv.getKv({ id, versionId: version });
          expect(object).toMatchObject({ id, name, value: values[i], metadata: { versionId: version } });
        }
        const other = await create("other");
        for (const version of [other.versionId, "unknown"]) {
          expect(await codeOf(() => kv.getKv({ id, versionId: version }))).toBe("ERR_KV_NOT_FOUND");
        }
        expect(await codeOf(() => kv.getKv({ id, versionId: "" }))).toBe("ERR_INVALID_ARGUMENT");
      });

      test("deleted objects are listed and can be brought back, versions and all", async () => {
        const name = freshName();
        const { id, versionId } = await create("one", name);
        const updated = await kv.updateKv({ id, value: "two" });
        expect(await codeOf(() => kv.undeleteKv!({ id }))).toBe("ERR_KV_NOT_DELETED");
        await kv.deleteKv({ id });
        const deleted = await kv.listKv({ deleted: true, search: name });
        expect(deleted.data).toEqual([{ id, name, updatedAt: updated.metadata.updatedAt }]);
        expect((await kv.listKv({ search: name })).data.filter((object) => object.id === id)).toEqual([]);
        expect(await kv.undeleteKv!({ id })).toEqual(updated);
        expect(await kv.getKv({ id })).toEqual({ ...updated, value: "two" });
        expect((await kv.getKv({ id, versionId })).value).toBe("one");
        expect((await kv.listKvVersions({ id })).data).toHaveLength(2);
      });

      test("an object is not brought back where its name has been taken", async () => {
        const name = freshName();
        const old = await create("old", name);
        await kv.deleteKv({ id: old.id });
        const now = await create("new", name);
        expect(await codeOf(() => kv.undeleteKv!({ id: old.id }))).toBe("ERR_KV_EXISTS");
        expect((await kv.getName({ name })).id).toBe(now.id);
        await kv.deleteKv({ id: now.id });
        await kv.undeleteKv!({ id: old.id });
        expect((await kv.getName({ name })).value).toBe("old");
      });

      test("[KEY-34] destroying a version erases its value and nothing else", async () => {
        const { id, versionId: first } = await create("one");
        const second = (await kv.updateKv({ id, value: "two" })).metadata.versionId;
        expect(await kv.destroyKv!({ id, versionId: first })).toEqual({ destroyedVersions: 1 });
        expect(await codeOf(() => kv.getKv({ id, versionId: first }))).toBe("ERR_KV_VERSION_DESTROYED");
        expect((await kv.getKv({ id })).value).toBe("two");
        const { data } = await kv.listKvVersions({ id });
        expect(data.map((version) => [version.id, version.isDestroyed, version.size === 0])).toEqual([
          [second, false, false],
          [first, true, true],
        ]);
        expect(await kv.destroyKv!({ id, versionId: first })).toEqual({ destroyedVersions: 0 });
      });

      test("destroying the current version leaves the object, which can be written again", async () => {
        const { id, versionId } = await create("one");
        await kv.destroyKv!({ id, versionId });
        expect(await codeOf(() => kv.getKv({ id }))).toBe("ERR_KV_VERSION_DESTROYED");
        expect((await kv.listKvMetadata({ id })).metadata.versionId).toBe(versionId);
        await kv.updateKv({ id, value: "two", versionCheck: versionId });
        expect((await kv.getKv({ id })).value).toBe("two");
      });

      test("destroying all versions deletes the object for good and frees its name", async () => {
        const name = freshName();
        const { id } = await create("one", name);
        await kv.updateKv({ id, value: "two" });
        await kv.updateKv({ id, value: "three" });
        expect(await kv.destroyKv!({ id })).toEqual({ destroyedVersions: 3 });
        expect(await codeOf(() => kv.getKv({ id }))).toBe("ERR_KV_NOT_FOUND");
        expect(await codeOf(() => kv.undeleteKv!({ id }))).toBe("ERR_KV_VERSION_DESTROYED");
        expect(await kv.destroyKv!({ id })).toEqual({ destroyedVersions: 0 });
        await create("new", name);
        expect((await kv.getName({ name })).value).toBe("new");
      });

      test("a deleted object can be destroyed", async () => {
        const { id } = await create("one");
        await kv.deleteKv({ id });
        expect(await kv.destroyKv!({ id })).toEqual({ destroyedVersions: 1 });
        expect(await codeOf(() => kv.undeleteKv!({ id }))).toBe("ERR_KV_VERSION_DESTROYED");
      });

      test("versions of other objects are not destroyed", async () => {
        const one = await create("one");
        const other = await create("other");
        expect(await codeOf(() => kv.destroyKv!({ id: one.id, versionId: other.versionId }))).toBe(
          "ERR_KV_NOT_FOUND",
        );
        expect((await kv.getKv({ id: other.id })).value).toBe("other");
      });
    });

    test("[KEY-47] its errors do not show values or contexts, and names neither", async () => {
      const canary = "canary-of-a-secret";
      const keyContext = { organization_id: canary };
      const { id, versionId } = await create(canary, canary, keyContext);
      await kv.updateKv({ id, value: canary });
      for (const call of [
        () => kv.createKv({ name: canary, value: canary, keyContext }),
        () => kv.createKv({ name: "other", value: `${canary}\ud800`, keyContext }),
        () => kv.createKv({ name: "other", value: canary, keyContext: { [canary]: `${canary}\ud800` } }),
        () => kv.createKv({ name: `${canary}\0`, value: canary, keyContext }),
        () => kv.updateKv({ id, value: canary, versionCheck: versionId }),
        () => kv.updateKv({ id, value: canary.repeat(10_000) }),
      ]) {
        expectNoTrace(await rejectionOf(call), [utf8Bytes(canary)]);
      }
    });

    test("[KEY-2] another environment knows nothing of it", async () => {
      const { foreign } = subject;
      if (foreign === undefined) return;
      const name = freshName();
      const { id, environmentId } = await create("ours", name);
      for (const call of callsById(foreign, id, hasExtensions)) {
        expect(await codeOf(call)).toBe("ERR_KV_NOT_FOUND");
      }
      expect(await codeOf(() => foreign.getName({ name }))).toBe("ERR_KV_NOT_FOUND");
      expect(await codeOf(() => foreign.listKv({ after: id }))).toBe("ERR_CURSOR_INVALID");
      expect(await codeOf(() => foreign.listKv({ before: id }))).toBe("ERR_CURSOR_INVALID");
      expect((await foreign.listKv({ search: name })).data).toEqual([]);
      const theirs = await foreign.createKv({ name, value: "theirs", keyContext: CONTEXT });
      expect(theirs.environmentId).not.toBe(environmentId);
      expect((await foreign.getName({ name })).value).toBe("theirs");
      expect((await kv.getName({ name })).value).toBe("ours");
      await foreign.deleteKv({ id: theirs.id });
      if (hasExtensions) {
        expect((await kv.listKv({ deleted: true, search: name })).data).toEqual([]);
        expect(await codeOf(() => kv.undeleteKv!({ id: theirs.id }))).toBe("ERR_KV_NOT_FOUND");
      }
      expect((await kv.getName({ name })).value).toBe("ours");
    });

    test("keeps any text under any name", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.string({ unit: "binary", maxLength: 200 }),
          fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
          async (value, text) => {
            const name = `${++names} ${text.replaceAll("\0", "0")}`;
            const { id } = await create(value, name);
            expect(await kv.getKv({ id })).toMatchObject({ name, value });
            expect((await kv.getName({ name })).id).toBe(id);
          },
        ),
        { numRuns: 30 },
      );
    });

    kvModelTest(makeSubject, { hasExtensions, runs: modelRuns });
  });
}

/** Every call that names an object by its id. */
function callsById(kv: KvService, id: string, withExtensions: boolean): (() => Promise<unknown>)[] {
  return [
    () => kv.getKv({ id }),
    () => kv.updateKv({ id, value: "v" }),
    () => kv.deleteKv({ id }),
    () => kv.listKvVersions({ id }),
    () => kv.listKvMetadata({ id }),
    ...(withExtensions ? [() => kv.undeleteKv!({ id }), () => kv.destroyKv!({ id })] : []),
  ];
}
