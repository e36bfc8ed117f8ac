/** Jobs: what becomes of each value, in every mode, and that a job goes on where it stopped. */
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { parseEnvelope, serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { Vault, VaultError } from "../../src/index.ts";
import type { KeyService } from "../../src/keys/index.ts";
import {
  type CiphertextSource,
  type Counts,
  RekeyJob,
  type RekeyJobOptions,
  type RunOptions,
  type RunWait,
  type SourceRow,
} from "../../src/rekey/index.ts";
import { patiently } from "../../src/rekey/job/patience.ts";
import { sqliteTable } from "../../src/sources/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { OFFICIAL_IV32_ENVELOPE } from "../support/samples.ts";
import { openTestHost, sessionOf } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const OTHER = { organization_id: "org_2" };

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A vault, and a table whose bodies are given. */
async function setting(bodies: readonly (string | null)[] = []) {
  const host = await openTestHost();
  closing.push(() => host.close());
  const session = await sessionOf(host);
  const { keys, kv } = session;
  const vault = new Vault({ keys, kv, keks: session.keks, cache: { maxAgeMs: 0 } });
  const database = new DatabaseSync(":memory:");
  closing.push(() => database.close());
  database.exec("CREATE TABLE secrets (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, body TEXT)");
  const insert = database.prepare("INSERT INTO secrets (tenant, body) VALUES ('org_1', ?)");
  const add = (...more: readonly (string | null)[]): void => {
    for (const body of more) insert.run(body);
  };
  add(...bodies);
  const source = sqliteTable({ database, table: "secrets", columns: ["body"], fields: ["tenant"] });
  const job = (options: Partial<RekeyJobOptions> = {}): RekeyJob =>
    new RekeyJob({ keys: vault.keys, source, mode: "rewrap", ...options });
  const bodiesNow = (): (string | null)[] =>
    database
      .prepare("SELECT body FROM secrets ORDER BY id")
      .all()
      .map((row) => row.body as string | null);
  return { vault, database, source, job, add, bodiesNow, keks: session.keks };
}

/** The same service, which notes what it is asked, and may answer differently. */
function watched(
  keys: KeyService,
  change: Partial<KeyService> = {},
): { keys: KeyService; calls: string[]; items: number[] } {
  const calls: string[] = [];
  const items: number[] = [];
  const names = [
    "createDataKey",
    "createDecrypt",
    "createRekey",
    "createRewrap",
    "unwrapMany",
    "rekeyMany",
    "rewrapMany",
    "createDataKeys",
  ] as const;
  const wrapped: Record<string, unknown> = { id: keys.id };
  for (const name of names) {
    wrapped[name] = (request: Record<string, unknown>, options: object) => {
      calls.push(name);
      const list = Object.values(request).find((value) => Array.isArray(value)) as unknown[] | undefined;
      items.push(list?.length ?? 1);
      return ((change[name] ?? keys[name]) as (...args: unknown[]) => unknown).call(keys, request, options);
    };
  }
  return { keys: wrapped as unknown as KeyService, calls, items };
}

const body = (text: string) => {
  const { layout, nonce, ciphertext, tag } = parseEnvelope(text);
  return { layout, nonce, ciphertext, tag };
};
const versions = (text: string): unknown => inspect(text).keyBlob.keks.map(({ version }) => version);

describe("rewrap", () => {
  test("[JOB-1] [JOB-20] moves every layout to the newest KEK version, and touches nothing else", async () => {
    const { vault, job, add, bodiesNow, keks } = await setting();
    const layouts = ["iv12", "leb-first", "dotnet", "native"] as const;
    const before = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        vault.encrypt(`secret ${i}`, CONTEXT, "aad", { layout: layouts[i % 4]! }),
      ),
    );
    add(...before);
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const { keys, calls } = watched(vault.keys);
    const report = await job({ keys, check: "none" }).run();
    expect(report).toMatchObject({ isComplete: true, leftBehind: 0, counts: { rows: 40, moved: 40 } });
    expect(new Set(calls)).toEqual(new Set(["rewrapMany"]));
    for (const [i, text] of bodiesNow().entries()) {
      expect(body(text!)).toEqual(body(before[i]!));
      expect(versions(text!)).toEqual([2]);
      expect(await vault.decrypt(text!, "aad")).toBe(`secret ${i}`);
    }
  });

  test("[JOB-2] leaves what is under the newest version as it is", async () => {
    const { vault, job, add, bodiesNow } = await setting();
    add(await vault.encrypt("a", CONTEXT));
    const before = bodiesNow();
    expect((await job().run()).counts).toMatchObject({ rows: 1, current: 1, moved: 0 });
    expect(bodiesNow()).toEqual(before);
  });

  test("[JOB-4] [JOB-5] asks in batches of 100, and once for a data key that values share", async () => {
    const { vault, job, add, keks } = await setting();
    const shared = await vault.encryptMany(Array(300).fill("x"), CONTEXT);
    const own = await Promise.all(Array.from({ length: 250 }, () => vault.encrypt("y", CONTEXT)));
    add(...shared.map((result) => (result.ok ? (result.value as string) : null)), ...own);
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const { keys, calls, items } = watched(vault.keys);
    await job({ keys, check: "none" }).run({ workers: 1, pageRows: 1_000 });
    expect(Math.max(...items)).toBe(100);
    // The first page is short: its data key is asked for once more by the second.
    expect(items.reduce((a, b) => a + b, 0)).toBe(250 + 2);
    expect(calls.length).toBeLessThanOrEqual(5);
  });

  test("[JOB-6] counts and lists what it cannot move, and moves all else", async () => {
    const { vault, job, add, bodiesNow, keks } = await setting();
    const strange = await setting();
    const good = await vault.encrypt("good", CONTEXT);
    const lost = await vault.encrypt("lost", OTHER);
    const foreign = await strange.vault.encrypt("foreign", CONTEXT);
    const envelope = parseEnvelope(good);
    const keyBlob = Uint8Array.from(envelope.keyBlob);
    keyBlob[keyBlob.length - 1]! ^= 1;
    const altered = serializeEnvelope({ ...envelope, keyBlob });
    add(
      good,
      null,
      "plain text",
      "",
      foreign,
      altered,
      lost,
      good.slice(0, -8),
      OFFICIAL_IV32_ENVELOPE,
      good,
    );
    await keks.shred({ name: "organization_id", value: "org_2" });
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const before = bodiesNow();
    const report = await job().run();
    expect(report.counts).toEqual({
      rows: 10,
      conflicts: 0,
      gone: 0,
      moved: 2,
      current: 0,
      empty: 1,
      plaintext: 2,
      foreign: 2,
      unreadable: 3,
      refused: 0,
    });
    expect([report.isComplete, report.leftBehind]).toEqual([true, 5]);
    const reasons = Object.fromEntries(
      report.findings.map(({ key, reason }) => [JSON.parse(key)[0], reason]),
    );
    expect(reasons).toMatchObject({
      i3: "ERR_NOT_CIPHERTEXT",
      i4: "ERR_NOT_CIPHERTEXT",
      i5: "ERR_KEY_NOT_FOUND",
      i6: "ERR_DECRYPT_FAILED",
      i7: "ERR_KEY_DESTROYED",
    });
    expect(JSON.stringify(report)).not.toContain("plain text");
    expect(bodiesNow().slice(1, 9)).toEqual(before.slice(1, 9));
  });

  test("compares the context that the job tells", async () => {
    const { vault, job, add, bodiesNow, keks } = await setting();
    add(await vault.encrypt("a", CONTEXT), await vault.encrypt("b", OTHER));
    for (const value of ["org_1", "org_2"]) await keks.rotate({ name: "organization_id", value });
    const before = bodiesNow();
    const report = await job({ context: ({ fields }) => ({ organization_id: fields.tenant! }) }).run();
    expect(report.counts).toMatchObject({ moved: 1, unreadable: 1 });
    expect(report.findings[0]).toMatchObject({ reason: "ERR_KEY_MISMATCH" });
    expect(bodiesNow()[1]).toBe(before[1]);
  });

  test("a context function that fails is about its row", async () => {
    const { vault, job, add } = await setting();
    add(
      await vault.encrypt("a", CONTEXT),
      await vault.encrypt("b", CONTEXT),
      await vault.encrypt("c", CONTEXT),
    );
    const context = ({ key }: SourceRow): Record<string, string> => {
      if (key === '["i1"]') throw new Error("secret detail");
      return key === '["i2"]' ? {} : CONTEXT;
    };
    const report = await job({ context, mode: "rekey" }).run();
    expect(report.counts).toMatchObject({ rows: 3, unreadable: 2, current: 1 });
    expect(report.findings.map(({ reason }) => reason)).toEqual(["context", "context"]);
    expect(JSON.stringify(report)).not.toContain("secret detail");
  });
});

describe("rekey", () => {
  test("[JOB-1] moves each row to its own context, once", async () => {
    const { vault, job, add, bodiesNow, database } = await setting();
    add(...(await Promise.all(["a", "b", "c"].map((text) => vault.encrypt(text, { app: "all" }, "aad")))));
    database.exec("UPDATE secrets SET tenant = 'org_' || id");
    const before = bodiesNow();
    const context = ({ fields }: SourceRow): Record<string, string> => ({ organization_id: fields.tenant! });
    const first = await job({ mode: "rekey", context }).run();
    expect(first.counts).toMatchObject({ rows: 3, moved: 3 });
    for (const [i, text] of bodiesNow().entries()) {
      expect(body(text!)).toEqual(body(before[i]!));
      expect(await vault.decrypt(text!, "aad", { context: { organization_id: `org_${i + 1}` } })).toBe(
        "abc"[i],
      );
    }
    const second = await job({ mode: "rekey", context }).run();
    expect(second.counts).toMatchObject({ rows: 3, moved: 0, current: 3 });
  });
});

describe("modes that encrypt anew", () => {
  test("[JOB-3] [JOB-21] re-encrypt changes data key and payload, and keeps layout, context and associated data", async () => {
    const { vault, job, add, bodiesNow } = await setting();
    const before = [
      await vault.encrypt("a", CONTEXT, "aad:1"),
      await vault.encrypt("b", CONTEXT, "aad:2", { layout: "native" }),
      await vault.encrypt("c", OTHER, "aad:3", { layout: "dotnet" }),
      await vault.encrypt("d", CONTEXT, "wrong"),
    ];
    add(...before);
    const associatedData = ({ fields }: SourceRow): string => `aad:${fields.id}`;
    const report = await job({ mode: "re-encrypt", associatedData }).run();
    expect(report.counts).toMatchObject({ rows: 4, moved: 3, unreadable: 1 });
    expect(report.findings[0]).toMatchObject({ key: '["i4"]', reason: "ERR_DECRYPT_FAILED" });
    const after = bodiesNow() as string[];
    expect(after[3]).toBe(before[3]);
    for (const [i, context] of [CONTEXT, CONTEXT, OTHER].entries()) {
      expect(await vault.decrypt(after[i]!, `aad:${i + 1}`, { context })).toBe("abc"[i]);
      expect(inspect(after[i]!).layout).toBe(inspect(before[i]!).layout);
      expect(inspect(after[i]!).keyBlob.dataKeyId).not.toBe(inspect(before[i]!).keyBlob.dataKeyId);
    }
  });

  test("[JOB-4] re-encrypt lets values go on sharing a data key", async () => {
    const { vault, job, add, bodiesNow } = await setting();
    const shared = await vault.encryptMany(["a", "b", "c"], CONTEXT);
    add(
      ...shared.map((result) => (result.ok ? (result.value as string) : null)),
      await vault.encrypt("d", CONTEXT),
    );
    await job({ mode: "re-encrypt" }).run();
    const ids = bodiesNow().map((text) => inspect(text!).keyBlob.dataKeyId);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(new Set(ids).size).toBe(2);
  });

  test("upgrade lays WorkOS's layouts out anew without a key, and re-encrypts to and from native", async () => {
    const { vault, job, add, bodiesNow } = await setting();
    const before = [
      await vault.encrypt("a", CONTEXT, "aad"),
      await vault.encrypt("b", CONTEXT, "aad", { layout: "leb-first" }),
      await vault.encrypt("c", CONTEXT, "aad", { layout: "native" }),
    ];
    add(...before);
    const { keys, calls, items } = watched(vault.keys);
    const report = await job({
      keys,
      mode: "upgrade",
      layout: "leb-first",
      associatedData: () => "aad",
    }).run();
    expect(report.counts).toMatchObject({ rows: 3, moved: 2, current: 1 });
    expect(calls).toEqual(["unwrapMany", "createDataKeys"]);
    expect(items).toEqual([1, 1]);
    const after = bodiesNow() as string[];
    for (const [i, text] of after.entries()) {
      expect(inspect(text).layout).toBe("leb-first");
      expect(await vault.decrypt(text, "aad")).toBe("abc"[i]);
    }
    expect(inspect(after[0]!).encryptedKeys).toBe(inspect(before[0]!).encryptedKeys);
    expect(inspect(after[2]!).keyBlob.dataKeyId).not.toBe(inspect(before[2]!).keyBlob.dataKeyId);
  });

  test("[JOB-2] [JOB-3] bind adds associated data to values that have none, under a new key", async () => {
    const { vault, job, add, bodiesNow } = await setting();
    const before = [
      await vault.encrypt("a", CONTEXT),
      await vault.encrypt("b", CONTEXT, "row:2"),
      await vault.encrypt("c", CONTEXT, "another row"),
    ];
    add(...before);
    const associatedData = ({ fields }: SourceRow): string => `row:${fields.id}`;
    expect((await job({ associatedData }).verify({ open: "all" })).unbound).toBe(1);
    const report = await job({ mode: "bind", associatedData }).run();
    expect(report.counts).toMatchObject({ rows: 3, moved: 1, current: 1, unreadable: 1 });
    const after = bodiesNow() as string[];
    expect(await vault.decrypt(after[0]!, "row:1")).toBe("a");
    expect((await rejectionOf(() => vault.decrypt(after[0]!))).code).toBe("ERR_DECRYPT_FAILED");
    expect(after.slice(1)).toEqual(before.slice(1));
    expect(inspect(after[0]!).keyBlob.dataKeyId).not.toBe(inspect(before[0]!).keyBlob.dataKeyId);
    expect((await job({ associatedData }).verify({ open: "all" })).unbound).toBe(0);
  });
});

describe("a key service that fails", () => {
  test("[JOB-7] ends the run without a written value, and the next run goes on", async () => {
    const { vault, job, add, bodiesNow, keks } = await setting();
    add(...(await Promise.all(Array.from({ length: 120 }, () => vault.encrypt("x", CONTEXT)))));
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const before = bodiesNow();
    const failure = Object.assign(new Error("down"), { code: "ERR_TEST" });
    let left = 1;
    const { keys } = watched(vault.keys, {
      rewrapMany: async (request, options) => {
        if (left-- <= 0) throw failure;
        return vault.keys.rewrapMany!(request, options);
      },
    });
    await expect(job({ keys, check: "none" }).run({ workers: 1 })).rejects.toBe(failure);
    const status = (await job().status())!;
    expect(status).toMatchObject({ isComplete: false, counts: { rows: 50, moved: 50, unreadable: 0 } });
    expect(status.ranges.leased).toBe(0);
    expect(bodiesNow().slice(50)).toEqual(before.slice(50));
    const report = await job().run();
    expect(report).toMatchObject({ isComplete: true, counts: { rows: 120, moved: 120 } });
  });

  test.each(["ERR_SERVICE_RATE_LIMITED", "ERR_SERVICE_TIMEOUT"] as const)(
    "with %s is asked again after a wait, and no row is counted twice",
    async (code) => {
      const { vault, job, add, keks } = await setting();
      add(...(await Promise.all(Array.from({ length: 60 }, () => vault.encrypt("x", CONTEXT)))));
      await keks.rotate({ name: "organization_id", value: "org_1" });
      let asked = 0;
      const { keys } = watched(vault.keys, {
        rewrapMany: async (request, options) => {
          if (++asked === 2) throw new VaultError(code, "later", { retryable: true });
          return vault.keys.rewrapMany!(request, options);
        },
      });
      const report = await job({ keys, check: "none" }).run({ workers: 1 });
      expect(report).toMatchObject({ isComplete: true, counts: { rows: 60, moved: 60 } });
      expect(asked).toBe(3);
    },
  );

  test("whose KEK is disabled has its values listed, and moves them once it is enabled again", async () => {
    const { vault, job, add, bodiesNow, keks } = await setting();
    add(await vault.encrypt("x", CONTEXT));
    const kek = { name: "organization_id", value: "org_1" };
    await keks.rotate(kek);
    await keks.disable(kek);
    const before = bodiesNow();
    const report = await job().run();
    expect(report).toMatchObject({ isComplete: true, leftBehind: 1, counts: { unreadable: 1, moved: 0 } });
    expect(report.findings).toMatchObject([{ reason: "ERR_KEY_DISABLED" }]);
    expect(bodiesNow()).toEqual(before);
    await keks.enable(kek);
    expect((await job().run()).counts).toMatchObject({ rows: 1, moved: 1 });
  });

  test("[JOB-5] [JOB-20] that answers for another item is told, and the value stays", async () => {
    const { vault, job, add, bodiesNow, keks } = await setting();
    add(...(await Promise.all(Array.from({ length: 6 }, () => vault.encrypt("x", CONTEXT)))));
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const before = bodiesNow();
    const { keys } = watched(vault.keys, {
      rewrapMany: async (request, options) => (await vault.keys.rewrapMany!(request, options)).reverse(),
    });
    const report = await job({ keys, check: "none" }).run();
    expect(report.counts).toMatchObject({ rows: 6, unreadable: 6, moved: 0 });
    expect(report.findings[0]).toMatchObject({ reason: "ERR_SERVICE_BAD_RESPONSE" });
    expect(bodiesNow()).toEqual(before);
  });

  test("[JOB-22] a sample that unwraps to another key ends the run; with all, it is its value's", async () => {
    const { vault, job, add, bodiesNow } = await setting();
    add(...(await Promise.all(Array.from({ length: 6 }, () => vault.encrypt("x", CONTEXT)))));
    const before = bodiesNow();
    // Of one context, a rekey's answers tell no difference: only unwrapping shows that two are mixed up.
    const { keys, calls } = watched(vault.keys, {
      rekeyMany: async (request, options) => {
        const [a, b, ...rest] = await vault.keys.rekeyMany!(request, options);
        return [b!, a!, ...rest];
      },
    });
    const context = (): Record<string, string> => OTHER;
    const error = await rejectionOf(() => job({ keys, mode: "rekey", context }).run());
    expect(error.code).toBe("ERR_SERVICE_BAD_RESPONSE");
    expect(bodiesNow()).toEqual(before);
    await job({ mode: "rekey", context }).abort();
    const report = await job({ keys, mode: "rekey", context, check: "all" }).run();
    expect(report.counts).toMatchObject({ moved: 4, unreadable: 2 });
    expect(calls).toContain("unwrapMany");
    expect(bodiesNow().slice(0, 2)).toEqual(before.slice(0, 2));
  });
});

describe("before the first write", () => {
  test("[JOB-18] a plan writes nothing, and says what a run would do", async () => {
    const { vault, job, add, bodiesNow, database, keks } = await setting();
    add(...(await Promise.all(Array.from({ length: 10 }, () => vault.encrypt("x", CONTEXT)))), "plain");
    database.exec("CREATE TRIGGER watch AFTER UPDATE ON secrets BEGIN SELECT 1; END");
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const before = bodiesNow();
    const plan = await job().plan();
    expect(plan).toMatchObject({ rows: 11, mode: "rewrap", growth: 0, openJob: undefined });
    expect(plan.sample.counts.moved + plan.sample.counts.plaintext).toBe(plan.sample.counts.rows);
    expect(plan.warnings.join()).toContain("watch");
    expect(bodiesNow()).toEqual(before);
    const tables = database
      .prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name LIKE 'coffer%'")
      .get();
    expect(tables).toEqual({ n: 0 });
  });

  test.each([
    ["an unknown mode", { mode: "rot13" }],
    ["a rekey without a context", { mode: "rekey" }],
    ["an upgrade without a layout", { mode: "upgrade" }],
    ["a bind without associated data", { mode: "bind" }],
    ["a layout for a splice", { mode: "rewrap", layout: "native" }],
    ["a wrong check", { check: "most" }],
    ["an unknown option", { colour: "red" }],
  ])("%s is refused at once", async (_, options) => {
    const { job } = await setting();
    expect(() => job(options as never)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
  });

  test.each([
    { workers: 0 },
    { workers: 1.5 },
    { pageRows: 0 },
    { rate: 0 },
    { rate: Number.NaN },
    { leaseMs: 1 },
    { unknown: 1 },
  ])("run refuses %j", async (options) => {
    const { job } = await setting();
    expect((await rejectionOf(() => job().run(options as never))).code).toBe("ERR_INVALID_ARGUMENT");
  });

  test("[JOB-9] a run with other settings than the open job's is refused, until it is aborted", async () => {
    const { vault, job, add } = await setting();
    add(await vault.encrypt("x", CONTEXT));
    const stop = AbortSignal.abort();
    await job().run({ stop });
    const other = job({ mode: "re-encrypt" });
    expect((await rejectionOf(() => other.run())).code).toBe("ERR_JOB_CONFLICT");
    expect((await job().abort()).record.state).toBe("aborted");
    expect((await rejectionOf(() => job().abort())).code).toBe("ERR_JOB_NOT_FOUND");
    expect((await other.run()).isComplete).toBe(true);
  });

  test("[JOB-9] a run that finds a job begun, and ended, by another process runs its own", async () => {
    const { vault, job, add, source } = await setting();
    add(await vault.encrypt("x", CONTEXT));
    let others = 0;
    const late = new Proxy(source, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          if (name === "createJob" && others++ < 2) {
            await job().run();
            throw new VaultError("ERR_JOB_CONFLICT", "a job is open on this source");
          }
          return value.apply(target, args);
        };
      },
    });
    expect(await job({ source: late }).run()).toMatchObject({ isComplete: true, counts: { current: 1 } });
    expect(others).toBe(3);
  });

  test("[JOB-10] an open job of another version's is not touched", async () => {
    const { vault, job, add, database } = await setting();
    add(await vault.encrypt("x", CONTEXT));
    await job().run({ stop: AbortSignal.abort() });
    database.exec("UPDATE coffer_rekey_jobs SET format = 99");
    for (const call of [() => job().run(), () => job().status(), () => job().plan(), () => job().abort()])
      expect((await rejectionOf(call)).code).toBe("ERR_STORAGE_SCHEMA");
  });
});

describe("a source that is away", () => {
  const away = () => new VaultError("ERR_STORAGE_UNAVAILABLE", "away", { retryable: true });

  /** The same source, some of whose calls fail at first. */
  function failing(source: CiphertextSource, failures: Partial<Record<keyof CiphertextSource, number>>) {
    return new Proxy(source, {
      get: (target, name: keyof CiphertextSource) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const left = failures[name] ?? 0;
          failures[name] = left - 1;
          if (left > 0) throw away();
          return value.apply(target, args);
        };
      },
    });
  }

  test("[JOB-7] is waited for when a run begins and when it ends, and its user is told", async () => {
    const { vault, source, job, add, keks } = await setting();
    add(await vault.encrypt("x", CONTEXT));
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const waits: unknown[] = [];
    const onWait = ({ error, waitMs, triesLeft }: RunWait): void => {
      waits.push([error.code, waitMs, triesLeft]);
    };
    const begins = failing(source, { survey: 1, createJob: 1 });
    const first = [
      ["ERR_STORAGE_UNAVAILABLE", 500, 6],
      ["ERR_STORAGE_UNAVAILABLE", 1_000, 5],
    ];
    const report = await job({ source: begins }).run({ onWait });
    expect(report).toMatchObject({ isComplete: true, counts: { rows: 1, moved: 1 } });
    expect(waits.splice(0)).toEqual(first);
    expect(await job({ source: failing(source, { closeJob: 1 }) }).run({ onWait })).toMatchObject({
      isComplete: true,
      counts: { rows: 1, current: 1 },
    });
    expect(waits).toEqual(first.slice(0, 1));
  });

  test("[JOB-7] ends a run by its own error where it does not pass, at once or at last", async () => {
    const { source, job } = await setting();
    const gone = new VaultError("ERR_SOURCE_INVALID", "gone");
    const told: RunWait[] = [];
    const run = (error: Error, options: RunOptions = {}) =>
      job({
        source: new Proxy(source, {
          get: (target, name) =>
            name === "survey" ? () => Promise.reject(error) : Reflect.get(target, name),
        }),
      }).run({ ...options, onWait: (wait) => void told.push(wait) });
    await expect(run(gone)).rejects.toBe(gone);
    expect(told).toEqual([]);
    const error = away();
    await expect(run(error, { stop: AbortSignal.abort() })).rejects.toBe(error);
    expect(told).toEqual([]);

    const waited: number[] = [];
    const patience = { isStopping: () => false, signal: undefined, onWait: undefined };
    const waiting = patiently(
      () => Promise.reject(error),
      patience,
      async (ms) => void waited.push(ms),
    );
    await expect(waiting).rejects.toBe(error);
    expect(waited.reduce((sum, ms) => sum + ms)).toBe(31_500);
  });

  test("[KEY-49] a signal ends the wait, and a call that does not come back, with its reason; stop with the error", async () => {
    const { source, job } = await setting();
    const reason = new Error("enough");
    const error = away();
    const survey = (answer: () => Promise<never>) =>
      new Proxy(source, {
        get: (target, name) => (name === "survey" ? answer : Reflect.get(target, name)),
      });
    for (const [end, expected] of [
      ["signal", reason],
      ["stop", error],
    ] as const) {
      const ending = new AbortController();
      const run = job({ source: survey(() => Promise.reject(error)) }).run({
        [end]: ending.signal,
        onWait: () => void setImmediate(() => ending.abort(reason)),
      });
      await expect(run).rejects.toBe(expected);
    }
    const ending = new AbortController();
    const silent = survey(() => {
      setImmediate(() => ending.abort(reason));
      return new Promise<never>(() => {});
    });
    await expect(job({ source: silent }).run({ signal: ending.signal })).rejects.toBe(reason);
    expect(await job().status()).toBeUndefined();
  });
});

describe("what goes wrong in the database", () => {
  test("[JOB-11] a full disk ends the run with whole pages, and the next run goes on", async () => {
    const { vault, job, add, database, bodiesNow, keks } = await setting();
    // The new texts are longer by six KEKs, so that the table grows.
    add(...(await Promise.all(Array.from({ length: 400 }, () => vault.encrypt("x", CONTEXT)))));
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const wide = { ...CONTEXT, a: "1", b: "1", c: "1", d: "1", e: "1", f: "1" };
    const mode = { mode: "rekey", context: () => wide, check: "none" } as const;
    await job(mode).run({ stop: AbortSignal.abort() });
    const { page_count: pages } = database.prepare("PRAGMA page_count").get() as { page_count: number };
    database.exec(`PRAGMA max_page_count = ${pages + 4}`);
    const failed = await rejectionOf(() => job(mode).run({ workers: 1, pageRows: 20 }));
    expect(failed.code).toBe("ERR_STORAGE_FULL");
    const { counts, ranges } = (await job(mode).status())!;
    expect([counts.rows % 20, counts.moved, ranges.leased]).toEqual([0, counts.rows, 0]);
    expect(counts.rows).toBeLessThan(400);
    const keksOf = (text: string | null): number => inspect(text!).keyBlob.keks.length;
    expect(bodiesNow().filter((text) => keksOf(text) === 7)).toHaveLength(counts.rows);
    database.exec("PRAGMA max_page_count = 100000");
    expect(await job(mode).run()).toMatchObject({ isComplete: true, counts: { rows: 400, moved: 400 } });
  });

  test("[JOB-13] a clock that has jumped back keeps no range of a dead worker", async () => {
    const { vault, job, add, database } = await setting();
    add(await vault.encrypt("x", CONTEXT));
    await job().run({ stop: AbortSignal.abort() });
    // As a worker left it that died before the clock went back by a year.
    database.exec(
      `UPDATE coffer_rekey_ranges SET token = 'dead', leased_until = ${Date.now() + 365 * 86_400_000}`,
    );
    expect((await job().status())!.ranges).toEqual({ open: 1, leased: 0, done: 0 });
    expect(await job().run({ signal: AbortSignal.timeout(10_000) })).toMatchObject({ isComplete: true });
  });
});

describe("runs", () => {
  test("tell their progress, stop after a page, and go on behind it", async () => {
    const { vault, job, add, keks } = await setting();
    add(...(await Promise.all(Array.from({ length: 200 }, () => vault.encrypt("x", CONTEXT)))));
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const stop = new AbortController();
    const seen: number[] = [];
    const first = await job().run({
      workers: 1,
      pageRows: 20,
      stop: stop.signal,
      onProgress: ({ counts, rows }) => {
        seen.push(counts.rows);
        expect(rows).toBe(200);
        if (counts.rows >= 60) stop.abort();
      },
    });
    expect(seen).toEqual([20, 40, 60]);
    expect(first).toMatchObject({ isComplete: false, counts: { rows: 60, moved: 60 } });
    const second = await job().run({
      workers: 1,
      pageRows: 70,
      onProgress: ({ counts }) => void seen.push(counts.rows),
    });
    expect(seen.slice(3)).toEqual([110, 180, 200]);
    expect(second).toMatchObject({ isComplete: true, counts: { rows: 200, moved: 200, conflicts: 0 } });
  });

  test("[KEY-49] reject with the signal's reason, and leave whole pages only", async () => {
    const { vault, job, add, keks } = await setting();
    add(...(await Promise.all(Array.from({ length: 100 }, () => vault.encrypt("x", CONTEXT)))));
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const reason = new Error("enough");
    await expect(job().run({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await job().status()).toBeUndefined();
    const during = new AbortController();
    const run = job().run({
      workers: 1,
      pageRows: 10,
      signal: during.signal,
      onProgress: () => during.abort(reason),
    });
    await expect(run).rejects.toBe(reason);
    expect((await job().status())!.counts).toMatchObject({ rows: 10, moved: 10 });
  });

  test("pause while they are told to, and keep to a rate", async () => {
    const { vault, job, add } = await setting();
    add(...(await Promise.all(Array.from({ length: 30 }, () => vault.encrypt("x", CONTEXT)))));
    let asked = 0;
    const begun = performance.now();
    const report = await job().run({ workers: 1, pageRows: 10, rate: 100, isPaused: () => ++asked <= 2 });
    expect(asked).toBeGreaterThan(2);
    // Two pauses, and 20 rows at 100 a second before the last page.
    expect(performance.now() - begun).toBeGreaterThan(400);
    expect(report.isComplete).toBe(true);
  });

  test("[JOB-12] a value that is written meanwhile is kept, and moved afterwards", async () => {
    const { vault, job, add, bodiesNow, database, keks } = await setting();
    const first = await Promise.all(Array.from({ length: 40 }, (_, i) => vault.encrypt(`old ${i}`, CONTEXT)));
    add(...first);
    const own = await vault.encrypt("new", CONTEXT);
    await keks.rotate({ name: "organization_id", value: "org_1" });
    let isFirst = true;
    const { keys } = watched(vault.keys, {
      rewrapMany: async (request, options) => {
        const answer = await vault.keys.rewrapMany!(request, options);
        if (isFirst) {
          database.prepare("UPDATE secrets SET body = ? WHERE id = 7").run(own);
          database.exec("DELETE FROM secrets WHERE id = 9");
        }
        isFirst = false;
        return answer;
      },
    });
    const report = await job({ keys, check: "none" }).run({ workers: 1 });
    expect(report).toMatchObject({
      isComplete: true,
      pending: 0,
      counts: { rows: 39, moved: 39, conflicts: 2, gone: 1 },
    });
    const now = bodiesNow();
    expect(await vault.decrypt(now[6]!)).toBe("new");
    expect(now.every((text) => (versions(text!) as number[])[0] === 2)).toBe(true);
  });

  test("list a row that changes each time that it is read", async () => {
    const { vault, job, add, database, keks } = await setting();
    add(await vault.encrypt("x", CONTEXT));
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const old = await Promise.all(Array.from({ length: 30 }, () => vault.encrypt("x", CONTEXT)));
    const { keys } = watched(vault.keys, {
      rewrapMany: async (request, options) => {
        const answer = await vault.keys.rewrapMany!(request, options);
        database.prepare("UPDATE secrets SET body = ? WHERE id = 1").run(old.pop()!);
        return answer;
      },
    });
    // Each write is by a key that is not the newest any more.
    await keks.rotate({ name: "organization_id", value: "org_1" });
    const report = await job({ keys, check: "none" }).run({ workers: 1 });
    expect(report).toMatchObject({ isComplete: true, leftBehind: 1, counts: { rows: 1, refused: 1 } });
    expect(report.findings[0]).toMatchObject({ reason: "changing" });
  });
});

test("[JOB-23] verify counts references by KEK version, and reaches zero for the old one", async () => {
  const { vault, job, add, keks, database } = await setting();
  add(...(await Promise.all(Array.from({ length: 30 }, () => vault.encrypt("x", CONTEXT)))), null, "plain");
  await keks.rotate({ name: "organization_id", value: "org_1" });
  add(await vault.encrypt("y", CONTEXT));
  const before = await job().verify();
  expect(before).toMatchObject({ rows: 33, ciphertexts: 31, empty: 1, plaintext: 1, unreadable: 0 });
  expect(before.keks.map(({ version, references }) => [version, references])).toEqual([
    [1, 30],
    [2, 1],
  ]);
  await job().run();
  const changes = database.prepare("SELECT total_changes() AS n");
  const written = changes.get();
  const after = await job().verify({ open: "all" });
  expect(changes.get()).toEqual(written);
  expect(after.keks.map(({ version, references }) => [version, references])).toEqual([[2, 31]]);
  expect(after.opened).toBe(31);
});

test("[JOB-8] [JOB-14] however a job is interrupted, each row is moved once and the counts add up", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("old", "new", "null", "plain"), { minLength: 1, maxLength: 60 }),
      fc.array(
        fc.record({
          workers: fc.integer({ min: 1, max: 3 }),
          pageRows: fc.integer({ min: 1, max: 20 }),
          pages: fc.integer({ min: 0, max: 4 }),
          dies: fc.boolean(),
        }),
        { maxLength: 5 },
      ),
      async (kinds, runs) => {
        const { vault, job, add, bodiesNow, keks, source } = await setting();
        const olds = await Promise.all(kinds.map((_, i) => vault.encrypt(`${i}`, CONTEXT)));
        await keks.rotate({ name: "organization_id", value: "org_1" });
        const news = await Promise.all(kinds.map((_, i) => vault.encrypt(`${i}`, CONTEXT)));
        const texts = kinds.map(
          (kind, i) => ({ old: olds[i]!, new: news[i]!, null: null, plain: `plain ${i}` })[kind]!,
        );
        add(...texts);
        for (const { workers, pageRows, pages, dies } of runs) {
          // A further run would be a new job.
          if ((await job().status())?.isComplete) break;
          const stop = new AbortController();
          let left = pages;
          const dying: CiphertextSource = dies ? cutOff(source, () => left-- <= 0) : source;
          await job({ source: dying })
            .run({
              workers,
              pageRows,
              leaseMs: 200,
              stop: stop.signal,
              onProgress: () => !dies && left-- <= 1 && stop.abort(),
            })
            .catch((error) => expect(error.message).toBe("killed"));
          const status = await job().status();
          if (status !== undefined) addUp(status.counts);
        }
        const last = await job().status();
        const report = last?.isComplete ? last : await job().run({ leaseMs: 200 });
        addUp(report.counts);
        const expected = { old: "moved", new: "current", null: "empty", plain: "plaintext" } as const;
        for (const [kind, outcome] of Object.entries(expected))
          expect(report.counts[outcome as "moved"]).toBe(kinds.filter((one) => one === kind).length);
        expect(report.isComplete).toBe(true);
        for (const [i, text] of bodiesNow().entries()) {
          if (kinds[i] === "old" || kinds[i] === "new") {
            expect(versions(text!)).toEqual([2]);
            expect(await vault.decrypt(text!)).toBe(`${i}`);
          } else expect(text).toBe(texts[i]);
        }
        for (const close of closing.splice(0).reverse()) await close();
      },
    ),
    { numRuns: 12 },
  );
});

function addUp(counts: Counts): void {
  const outcomes = ["moved", "current", "empty", "plaintext", "foreign", "unreadable", "refused"] as const;
  expect(outcomes.reduce((sum, name) => sum + counts[name], 0)).toBe(counts.rows);
}

/** Half of the processes die right after a commit. */
let deaths = 0;

/** A source whose process dies at some commit: before it or right after it, and can then not even let go of its range. */
function cutOff(source: CiphertextSource, isOver: () => boolean): CiphertextSource {
  let isDead = false;
  let commits = deaths++;
  return new Proxy(source, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        if (isDead) throw new Error("killed");
        if (name === "commitPage" && isOver()) {
          isDead = true;
          if (commits++ % 2 === 0) await value.apply(target, args);
          throw new Error("killed");
        }
        return value.apply(target, args);
      };
    },
  });
}
