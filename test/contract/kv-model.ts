/**
 * The KV store against a model: random calls, one after the other, on a store and on plain arrays.
 *
 * Owns the model, which is the shortest program that could be right. Must not know any store.
 *
 * @module
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isVaultError } from "../../src/errors.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import type { KvServiceSubject } from "./kv-service.ts";

interface ModelVersion {
  readonly id: string;
  /** undefined: destroyed. */
  value: string | undefined;
}

interface ModelObject {
  readonly id: string;
  readonly name: string;
  /** The current one last. */
  readonly versions: ModelVersion[];
  isDeleted: boolean;
}

/** Objects in the order of their creation. */
interface Model {
  readonly objects: ModelObject[];
}

interface Real {
  readonly kv: KvService;
  readonly hasExtensions: boolean;
}

/** Few names, so that they clash. */
const name = fc.constantFrom("a", "b", "A", "a/b");
const value = fc.string({ maxLength: 10, unit: "grapheme" });
/** Which of the objects that were made so far, deleted ones too. */
const pick = fc.nat({ max: 30 });
const check = fc.constantFrom("none", "null", "current", "stale", "unknown");

type Check = "none" | "null" | "current" | "stale" | "unknown";

/** One call with arguments that are chosen when it runs, when the objects are known. */
class Call implements fc.AsyncCommand<Model, Real> {
  readonly #title: string;
  readonly #run: (model: Model, real: Real) => Promise<void>;

  constructor(title: string, run: (model: Model, real: Real) => Promise<void>) {
    this.#title = title;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, real: Real): Promise<void> {
    return this.#run(model, real);
  }

  toString(): string {
    return this.#title;
  }
}

/** What a call answers, or the code it fails with. */
async function outcome<T>(call: () => Promise<T>): Promise<T | string> {
  try {
    return await call();
  } catch (error) {
    if (isVaultError(error)) return error.code;
    throw error;
  }
}

function picked(model: Model, at: number): ModelObject | undefined {
  return model.objects.length === 0 ? undefined : model.objects[at % model.objects.length];
}

function current(object: ModelObject): ModelVersion {
  return object.versions.at(-1)!;
}

function versionCheckOf(object: ModelObject, how: Check): { versionCheck?: string | null } {
  if (how === "none") return {};
  if (how === "null") return { versionCheck: null };
  if (how === "current") return { versionCheck: current(object).id };
  if (how === "unknown") return { versionCheck: "unknown" };
  return { versionCheck: object.versions[0]!.id };
}

function passes(object: ModelObject, how: Check): boolean {
  if (how === "unknown") return false;
  return how !== "stale" || object.versions.length === 1;
}

function expectedRead(object: ModelObject | undefined): string {
  if (object === undefined || object.isDeleted) return "ERR_KV_NOT_FOUND";
  const { value: stored } = current(object);
  return stored === undefined ? "ERR_KV_VERSION_DESTROYED" : `value ${stored}`;
}

async function read(call: () => Promise<{ value: string }>): Promise<string> {
  const got = await outcome(call);
  return typeof got === "string" ? got : `value ${got.value}`;
}

const create = fc.tuple(name, value).map(
  ([n, v]) =>
    new Call(`create ${n}`, async (model, { kv }) => {
      const isTaken = model.objects.some((object) => object.name === n && !object.isDeleted);
      const made = await outcome(() => kv.createKv({ name: n, value: v, keyContext: { tenant: n } }));
      if (isTaken) {
        expect(made).toBe("ERR_KV_EXISTS");
        return;
      }
      if (typeof made === "string") throw new Error(`create failed with ${made}`);
      model.objects.push({
        id: made.id,
        name: n,
        versions: [{ id: made.versionId, value: v }],
        isDeleted: false,
      });
    }),
);

const update = fc.tuple(pick, value, check).map(
  ([at, v, how]) =>
    new Call(`update ${at} ${how}`, async (model, { kv }) => {
      const object = picked(model, at);
      if (object === undefined) return;
      const got = await outcome(() =>
        kv.updateKv({ id: object.id, value: v, ...versionCheckOf(object, how) }),
      );
      if (object.isDeleted) expect(got).toBe("ERR_KV_NOT_FOUND");
      else if (!passes(object, how)) expect(got).toBe("ERR_KV_VERSION_CONFLICT");
      else {
        if (typeof got === "string") throw new Error(`update failed with ${got}`);
        expect(got).toMatchObject({ id: object.id, name: object.name });
        object.versions.push({ id: got.metadata.versionId, value: v });
      }
    }),
);

const remove = fc.tuple(pick, check).map(
  ([at, how]) =>
    new Call(`delete ${at} ${how}`, async (model, { kv }) => {
      const object = picked(model, at);
      if (object === undefined) return;
      const got = await outcome(() => kv.deleteKv({ id: object.id, ...versionCheckOf(object, how) }));
      if (object.isDeleted) expect(got).toBe("ERR_KV_NOT_FOUND");
      else if (!passes(object, how)) expect(got).toBe("ERR_KV_VERSION_CONFLICT");
      else {
        expect(got).toEqual({ success: true, name: object.name });
        object.isDeleted = true;
      }
    }),
);

const undelete = pick.map(
  (at) =>
    new Call(`undelete ${at}`, async (model, { kv }) => {
      const object = picked(model, at);
      if (object === undefined) return;
      const got = await outcome(() => kv.undeleteKv!({ id: object.id }));
      const isTaken = model.objects.some((other) => other.name === object.name && !other.isDeleted);
      if (!object.isDeleted) expect(got).toBe("ERR_KV_NOT_DELETED");
      else if (current(object).value === undefined) expect(got).toBe("ERR_KV_VERSION_DESTROYED");
      else if (isTaken) expect(got).toBe("ERR_KV_EXISTS");
      else {
        expect(got).toMatchObject({ id: object.id, metadata: { versionId: current(object).id } });
        object.isDeleted = false;
      }
    }),
);

const destroy = fc.tuple(pick, fc.option(pick)).map(
  ([at, which]) =>
    new Call(`destroy ${at} ${which ?? "all"}`, async (model, { kv }) => {
      const object = picked(model, at);
      if (object === undefined) return;
      const meant = which === null ? object.versions : [object.versions[which % object.versions.length]!];
      const there = meant.filter((version) => version.value !== undefined);
      const request = which === null ? {} : { versionId: meant[0]!.id };
      const got = await outcome(() => kv.destroyKv!({ id: object.id, ...request }));
      expect(got).toEqual({ destroyedVersions: there.length });
      for (const version of there) version.value = undefined;
      if (which === null) object.isDeleted = true;
    }),
);

const readOne = pick.map(
  (at) =>
    new Call(`read ${at}`, async (model, { kv, hasExtensions }) => {
      const object = picked(model, at);
      if (object === undefined) return;
      expect(await read(() => kv.getKv({ id: object.id }))).toBe(expectedRead(object));
      if (!hasExtensions) return;
      for (const version of object.versions) {
        const got = await read(() => kv.getKv({ id: object.id, versionId: version.id }));
        const whole = { ...object, versions: [version] };
        expect(got).toBe(expectedRead(whole));
      }
    }),
);

const readName = name.map(
  (n) =>
    new Call(`read name ${n}`, async (model, { kv }) => {
      const object = model.objects.find((other) => other.name === n && !other.isDeleted);
      expect(await read(() => kv.getName({ name: n }))).toBe(expectedRead(object));
    }),
);

const versions = pick.map(
  (at) =>
    new Call(`versions ${at}`, async (model, { kv }) => {
      const object = picked(model, at);
      if (object === undefined) return;
      const got = await outcome(() => kv.listKvVersions({ id: object.id }));
      if (object.isDeleted) {
        expect(got).toBe("ERR_KV_NOT_FOUND");
        return;
      }
      if (typeof got === "string") throw new Error(`versions failed with ${got}`);
      expect(got.data.map((v) => [v.id, v.currentVersion, v.isDestroyed])).toEqual(
        object.versions
          .map((version, i) => [version.id, i === object.versions.length - 1, version.value === undefined])
          .reverse(),
      );
    }),
);

const list = fc
  .record({
    limit: fc.integer({ min: 1, max: 5 }),
    order: fc.constantFrom("asc" as const, "desc" as const),
    search: fc.option(fc.constantFrom("a", "A", "/"), { nil: undefined }),
    deleted: fc.boolean(),
  })
  .map(
    (request) =>
      new Call(`list ${JSON.stringify(request)}`, async (model, { kv, hasExtensions }) => {
        const deleted = request.deleted && hasExtensions;
        const expected = model.objects.filter(
          (object) => object.isDeleted === deleted && object.name.includes(request.search ?? ""),
        );
        if (request.order === "desc") expected.reverse();
        const got: string[] = [];
        let after: string | undefined;
        do {
          const page = await kv.listKv({ ...request, deleted, after });
          expect(page.data.length).toBeLessThanOrEqual(request.limit);
          got.push(...page.data.map((object) => object.id));
          after = page.listMetadata.before ?? undefined;
        } while (after !== undefined);
        expect(got).toEqual(expected.map((object) => object.id));
      }),
  );

/** A test of random histories; each gets a store of its own. */
export function kvModelTest(
  makeSubject: () => Promise<KvServiceSubject>,
  { hasExtensions, runs }: { hasExtensions: boolean; runs: number },
): void {
  test("behaves like the model, whatever is called in whatever order", async () => {
    // More chances for what makes and changes objects.
    const calls = [create, create, create, update, update, remove, readOne, readName, versions, list];
    if (hasExtensions) calls.push(undelete, undelete, destroy);
    await fc.assert(
      fc.asyncProperty(fc.commands(calls, { maxCommands: 40, size: "max" }), async (commands) => {
        const subject = await makeSubject();
        try {
          await fc.asyncModelRun(
            () => ({ model: { objects: [] }, real: { kv: subject.kv, hasExtensions } }),
            commands,
          );
        } finally {
          await subject.close();
        }
      }),
      { numRuns: runs },
    );
  }, 60_000);
}
