/**
 * What every KekService must do, in every implementation.
 *
 * Owns the contract of src/keks/kek-service.ts as tests. A test file calls {@link kekServiceContract} with a way to make an
 * environment. Must not know any implementation.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Erasure, KekInfo, KekSelector, KekService } from "../../src/keks/index.ts";
import { SHRED_DELAY_MS_MAX } from "../../src/keks/index.ts";
import type { ChangeOptions, KeyService } from "../../src/keys/key-service.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { rejectionOf } from "../support/errors.ts";

/** An environment to test, empty. */
export interface KekServiceSubject {
  readonly keks: KekService;
  /** Of the same environment. */
  readonly keys: KeyService;
  readonly kv: KvService;
  /** Of another environment. */
  readonly foreign: KekService;
  /** How far the storage behind it erases ([REV-20]). */
  readonly erasure: Erasure;
  /** Makes changes wait, until the function that it answers is called. */
  readonly stall?: (() => Promise<() => Promise<void>>) | undefined;
  close(): Promise<void>;
}

const states = (kek: KekInfo): string[] => kek.versions.map(({ version, state }) => `${version} ${state}`);

/** Runs the contract. */
export function kekServiceContract(title: string, open: () => Promise<KekServiceSubject>): void {
  describe(`KekService: ${title}`, () => {
    let subject: KekServiceSubject;
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(() => subject.close());

    /** A KEK of one's own. */
    const kekOf = async (value: string): Promise<KekSelector> => {
      (await subject.keys.createDataKey({ context: { tenant: value } })).dispose();
      return { name: "tenant", value };
    };
    const codeOf = async (work: () => Promise<unknown>): Promise<string> => (await rejectionOf(work)).code;
    const makesKeys = async (value: string): Promise<void> =>
      (await subject.keys.createDataKey({ context: { tenant: value } })).dispose();

    test("lists by name and value, page by page, each once", async () => {
      const values = ["list-a", "list-b", "list-c", "list-d", "list-e"];
      for (const value of values) await kekOf(value);
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await subject.keks.list({ limit: 2, after });
        expect(page.data.length).toBeLessThanOrEqual(2);
        seen.push(...page.data.map((kek) => kek.value));
        after = page.listMetadata.after ?? undefined;
      } while (after !== undefined);
      expect(seen.filter((value) => value.startsWith("list-"))).toEqual(values);
      expect(seen).toEqual([...new Set(seen)].sort());
    });

    test("gets one by name and by id, with version 1 active", async () => {
      const selector = await kekOf("one");
      const kek = await subject.keks.get(selector);
      expect(kek).toMatchObject({ ...selector, state: "active" });
      expect(kek.versions).toEqual([
        { version: 1, state: "active", createdAt: kek.createdAt, destroyAt: null, kvVersions: 0 },
      ]);
      expect(new Date(kek.createdAt).toISOString()).toBe(kek.createdAt);
      expect(await subject.keks.get({ kekId: kek.id })).toEqual(kek);
    });

    test("rotates: the newest version is active, older ones only unwrap", async () => {
      const selector = await kekOf("rotated");
      using old = await subject.keys.createDataKey({ context: { tenant: "rotated" } });
      expect(states(await subject.keks.rotate(selector))).toEqual(["2 active", "1 decrypt-only"]);
      expect(states(await subject.keks.get(selector))).toEqual(["2 active", "1 decrypt-only"]);
      using again = await subject.keys.createDecrypt({ keys: old.encryptedKeys });
      expect(again.dataKey).toBe(old.dataKey);
    });

    test("disables and enables, all versions or one", async () => {
      const selector = await kekOf("disabled");
      await subject.keks.rotate(selector);
      expect(states(await subject.keks.disable({ ...selector, version: 1 }))).toEqual([
        "2 active",
        "1 disabled",
      ]);
      await makesKeys("disabled");
      expect((await subject.keks.disable(selector)).state).toBe("disabled");
      expect(await codeOf(() => makesKeys("disabled"))).toBe("ERR_KEY_DISABLED");
      expect(await codeOf(() => subject.keks.rotate(selector))).toBe("ERR_KEY_STATE");
      expect(states(await subject.keks.enable(selector))).toEqual(["2 active", "1 decrypt-only"]);
      await makesKeys("disabled");
    });

    test("a dry run tells what a shred would cost, and changes nothing", async () => {
      const selector = await kekOf("dry");
      await subject.kv.createKv({ name: "dry-1", value: "v", keyContext: { tenant: "dry" } });
      const report = await subject.keks.shred(selector, { dryRun: true });
      expect(report).toMatchObject({
        ...selector,
        versions: [1],
        isDryRun: true,
        destroyAt: null,
        erasure: subject.erasure,
        contexts: { count: 1, sample: [{ tenant: "dry" }] },
        kvObjects: { count: 1, sample: ["dry-1"] },
        kvVersions: 1,
        recipientVersions: 0,
        uncoveredRecipients: { count: 0, sample: [] },
      });
      expect((await subject.keks.get(selector)).state).toBe("active");
    });

    test("[REV-20] [API-71] shreds one version, and all; what is under it is gone", async () => {
      const selector = await kekOf("shredded");
      using old = await subject.keys.createDataKey({ context: { tenant: "shredded" } });
      await subject.keks.rotate(selector);
      const { versions, isDryRun, destroyAt, erasure } = await subject.keks.shred({
        ...selector,
        version: 1,
      });
      expect([versions, isDryRun, erasure]).toEqual([[1], false, subject.erasure]);
      expect(Number.isNaN(Date.parse(destroyAt!))).toBe(false);
      const unwrap = () => subject.keys.createDecrypt({ keys: old.encryptedKeys });
      expect(await codeOf(unwrap)).toBe("ERR_KEY_DESTROYED");
      await makesKeys("shredded");
      await subject.keks.shred(selector);
      expect((await subject.keks.get(selector)).state).toBe("destroyed");
      for (const change of ["disable", "enable", "shred"] as const) {
        expect(await codeOf(() => subject.keks[change](selector)), change).toBe("ERR_KEY_DESTROYED");
      }
      expect((await subject.keks.rotate(selector)).state).toBe("active");
    });

    test("a shred that is put off can be taken back", async () => {
      const selector = await kekOf("later");
      const { destroyAt, erasure } = await subject.keks.shred(selector, { delayMs: 86_400_000 });
      expect(erasure).toBe(subject.erasure);
      expect(await subject.keks.get(selector)).toMatchObject({ state: "pending-destroy" });
      expect((await subject.keks.get(selector)).versions[0]!.destroyAt).toBe(destroyAt);
      expect(await codeOf(() => subject.keks.disable(selector))).toBe("ERR_KEY_STATE");
      expect((await subject.keks.enable(selector)).state).toBe("active");
    });

    test("knows nothing of another environment", async () => {
      const selector = await kekOf("ours");
      const { id } = await subject.keks.get(selector);
      expect((await subject.foreign.list()).data).toEqual([]);
      for (const named of [selector, { kekId: id }]) {
        expect(await codeOf(() => subject.foreign.get(named))).toBe("ERR_KEY_NOT_FOUND");
        expect(await codeOf(() => subject.foreign.rotate(named))).toBe("ERR_KEY_NOT_FOUND");
        expect(await codeOf(() => subject.foreign.shred(named))).toBe("ERR_KEY_NOT_FOUND");
      }
      expect(await codeOf(() => subject.foreign.list({ after: id }))).toBe("ERR_CURSOR_INVALID");
    });

    test("refuses a version that is not there, and what is wrong", async () => {
      const selector = await kekOf("refused");
      for (const version of [9, 0, 1.5, "1" as never]) {
        expect(await codeOf(() => subject.keks.disable({ ...selector, version }))).toBe("ERR_KEY_NOT_FOUND");
      }
      expect(await codeOf(() => subject.keks.get({ name: "tenant", value: "none" }))).toBe(
        "ERR_KEY_NOT_FOUND",
      );
      const wrong: (() => Promise<unknown>)[] = [
        () => subject.keks.get(null as never),
        () => subject.keks.get({ kekId: 1 } as never),
        () => subject.keks.rotate({ name: "tenant" } as never),
        () => subject.keks.shred(selector, { delayMs: -1 }),
        () => subject.keks.shred(selector, { delayMs: SHRED_DELAY_MS_MAX + 1 }),
        () => subject.keks.list({ limit: 0 }),
        () => subject.keks.list({ limit: 101 }),
        () => subject.keks.list({ after: 1 as never }),
      ];
      for (const work of wrong) expect(await codeOf(work), String(work)).toBe("ERR_INVALID_ARGUMENT");
      expect((await subject.keks.get(selector)).state).toBe("active");
    });

    test("ends with the signal's reason, and changes nothing", async () => {
      const selector = await kekOf("aborted");
      const reason = new Error("enough");
      const options = { signal: AbortSignal.abort(reason) };
      const calls: (() => Promise<unknown>)[] = [
        () => subject.keks.list({}, options),
        () => subject.keks.get(selector, options),
        () => subject.keks.rotate(selector, options),
        () => subject.keks.disable(selector, options),
        () => subject.keks.enable(selector, options),
        () => subject.keks.shred(selector, options),
        () => subject.keks.shred(selector, { ...options, dryRun: true }),
      ];
      for (const call of calls) {
        const error: unknown = await call().catch((thrown: unknown) => thrown);
        expect(error, String(call)).toBe(reason);
      }
      expect(states(await subject.keks.get(selector))).toEqual(["1 active"]);
    });

    test("refuses nonsense for a call in every call, and changes nothing", async () => {
      const selector = await kekOf("told");
      const { keks } = subject;
      const calls: ((options: ChangeOptions) => Promise<unknown>)[] = [
        (options) => keks.list({}, options),
        (options) => keks.get(selector, options),
        (options) => keks.rotate(selector, options),
        (options) => keks.disable(selector, options),
        (options) => keks.enable(selector, options),
        (options) => keks.shred(selector, options),
        (options) => keks.shred(selector, { ...options, dryRun: true }),
      ];
      for (const call of calls) {
        for (const timeout of [0, 1.5, 2 ** 31, "5" as never]) {
          expect(await rejectionOf(() => call({ timeout }))).toBeInstanceOf(RangeError);
        }
        expect(await codeOf(() => call({ headers: { authorization: "Bearer x" } }))).toBe(
          "ERR_INVALID_ARGUMENT",
        );
        if (keks.takesHeaders !== true) {
          expect(await codeOf(() => call({ headers: { "x-trace": "1" } }))).toBe("ERR_INVALID_ARGUMENT");
        }
      }
      const told = keks.takesHeaders === true ? { headers: { "x-trace": "1" } } : {};
      expect(states(await keks.get(selector, { ...told, timeout: 60_000 }))).toEqual(["1 active"]);
    });

    test("tells of a change that was not made in its time, and makes no half of it", async () => {
      if (subject.stall === undefined) return;
      const selector = await kekOf("in vain");
      const goOn = await subject.stall();
      try {
        // A service behind a network may have made the change.
        const code = subject.keks.takesHeaders === true ? "ERR_OUTCOME_UNKNOWN" : "ERR_SERVICE_TIMEOUT";
        expect(await codeOf(() => subject.keks.rotate(selector, { timeout: 30 }))).toBe(code);
      } finally {
        await goOn();
      }
      expect(states(await subject.keks.get(selector))).toEqual(["1 active"]);
    });

    test("reads its arguments before a call returns", async () => {
      const selector = { ...(await kekOf("read")) } as { name: string; value: string };
      const rotated = subject.keks.rotate(selector);
      selector.value = "another";
      expect((await rotated).value).toBe("read");
    });
  });
}
