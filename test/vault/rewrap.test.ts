/** Rewrapping the store under the newest KEK versions, while others go on. */

import { beforeEach, describe, expect, test } from "vitest";
import { IdempotentWrites } from "../../src/vault/access/idempotency.ts";
import type { EmbeddedVault } from "../../src/vault/index.ts";
import { Keyring } from "../../src/vault/keks/keyring.ts";
import { EmbeddedKvStore } from "../../src/vault/kv/store.ts";
import type { Database, Sql, WaitOptions } from "../../src/vault/storage/database.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { openTestDatabase } from "../support/authority.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { racingDatabase } from "../support/racing-database.ts";
import { freshPath, openTestVault, TEST_ACTOR, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const KEK = { name: "organization_id", value: "org_1" };

let path: string;
let vault: EmbeddedVault;

beforeEach(async () => {
  path = freshPath(true);
  vault = await openTestVault({ path });
});

type StoredVersion = { id: string; key_id: string; key_blob: Uint8Array | null; sealed: Uint8Array | null };
const stored = (): StoredVersion[] =>
  tamper(path, (db) =>
    db.prepare("SELECT id, key_id, key_blob, sealed, etag FROM kv_versions ORDER BY id").all(),
  ) as never;

async function fillStore(objects: number): Promise<string[]> {
  const made = await Promise.all(
    Array.from({ length: objects }, (_, i) =>
      vault.createKv({ name: `object ${i}`, value: `value ${i}`, keyContext: CONTEXT }),
    ),
  );
  return made.map((metadata) => metadata.id);
}

const versionsUnder = async (): Promise<number[]> =>
  (await listKeks(vault, KEK))[0]!.versions.map((version) => version.kvVersions);

describe("rewrapKv", () => {
  test("[KEY-39] moves every stored version, old ones and deleted objects' too, and nothing else", async () => {
    const ids = await fillStore(20);
    for (const id of ids.slice(0, 5)) await vault.updateKv({ id, value: "newer" });
    await vault.deleteKv({ id: ids[19]! });
    await vault.destroyKv({ id: ids[18]! });
    await vault.createKv({ name: "other", value: "other", keyContext: { organization_id: "org_2" } });
    const before = stored();
    expect(await vault.rewrapKv()).toEqual({ checked: 0, rewrapped: 0, skipped: 0 });
    expect(stored()).toEqual(before);
    await vault.keks.rotate(KEK);
    expect(await versionsUnder()).toEqual([0, 24]);
    expect(await vault.rewrapKv()).toEqual({ checked: 24, rewrapped: 24, skipped: 0 });
    expect(await versionsUnder()).toEqual([24, 0]);
    const after = stored();
    for (const [i, row] of after.entries()) {
      expect({ ...row, key_blob: null }).toEqual({ ...before[i], key_blob: null });
    }
    expect(await vault.rewrapKv()).toEqual({ checked: 0, rewrapped: 0, skipped: 0 });
    // The old KEK version is of no more use: everything reads without it.
    await vault.keks.shred({ ...KEK, version: 1 });
    for (const [i, id] of ids.slice(0, 18).entries()) {
      const { data } = await vault.listKvVersions({ id });
      expect((await vault.getKv({ id, versionId: data.at(-1)!.id })).value).toBe(`value ${i}`);
    }
    await vault.undeleteKv({ id: ids[19]! });
    expect((await vault.getKv({ id: ids[19]! })).value).toBe("value 19");
  });

  test("[KEY-39] keeps to its environment", async () => {
    await fillStore(3);
    const other = await openTestVault({ path, environment: "other" });
    await other.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    await other.keks.rotate(KEK);
    await vault.keks.rotate(KEK);
    expect(await vault.rewrapKv()).toEqual({ checked: 3, rewrapped: 3, skipped: 0 });
    expect(await other.rewrapKv()).toEqual({ checked: 1, rewrapped: 1, skipped: 0 });
  });

  test("[KEY-39] leaves out what cannot be unwrapped, or has nothing to be wrapped under", async () => {
    await fillStore(2);
    const tenants = ["disabled", "destroyed", "half", "newest-disabled"];
    for (const tenant of tenants) {
      await vault.createKv({ name: tenant, value: tenant, keyContext: { organization_id: tenant } });
    }
    const kek = (value: string) => ({ name: "organization_id", value });
    for (const tenant of tenants) await vault.keks.rotate(kek(tenant));
    await vault.keks.rotate(KEK);
    await vault.keks.disable(kek("disabled"));
    await vault.keks.shred(kek("destroyed"));
    await vault.keks.shred({ ...kek("half"), version: 2 });
    await vault.keks.disable({ ...kek("newest-disabled"), version: 2 });
    expect(await vault.rewrapKv()).toEqual({ checked: 6, rewrapped: 2, skipped: 4 });
    expect((await vault.getName({ name: "half" })).value).toBe("half");
    await vault.keks.enable(kek("disabled"));
    await vault.keks.enable(kek("newest-disabled"));
    await vault.keks.rotate(kek("half"));
    expect(await vault.rewrapKv()).toEqual({ checked: 4, rewrapped: 3, skipped: 1 });
  });

  test("tells its progress, batch by batch", async () => {
    await fillStore(250);
    await vault.keks.rotate(KEK);
    const progress: [number, number][] = [];
    await vault.rewrapKv({ onProgress: (done, total) => void progress.push([done, total]) });
    expect(progress).toEqual([
      [100, 250],
      [200, 250],
      [250, 250],
    ]);
  });

  test("[KEY-39] [KEY-49] stops between two batches when aborted, and goes on when called again", async () => {
    await fillStore(250);
    await vault.keks.rotate(KEK);
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = (done: number): void => {
      if (done === 100) controller.abort(reason);
    };
    await expect(vault.rewrapKv({ signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(await versionsUnder()).toEqual([100, 150]);
    expect(await vault.rewrapKv()).toEqual({ checked: 150, rewrapped: 150, skipped: 0 });
    expect(await versionsUnder()).toEqual([250, 0]);
  });

  test("[KEY-39] two at the same time, and writers meanwhile, lose nothing", async () => {
    const ids = await fillStore(150);
    const other = await openTestVault({ path });
    await vault.keks.rotate(KEK);
    const values = new Map(ids.map((id, i) => [id, `value ${i}`]));
    const write = async (): Promise<void> => {
      for (const [i, id] of ids.slice(0, 40).entries()) {
        await other.updateKv({ id, value: `newer ${i}` });
        values.set(id, `newer ${i}`);
        if (i % 10 === 0) await other.keks.rotate(KEK);
      }
    };
    const reports = await Promise.all([vault.rewrapKv(), other.rewrapKv(), write()]);
    expect(reports[0]!.skipped + reports[1]!.skipped).toBe(0);
    await vault.rewrapKv();
    const counts = await versionsUnder();
    expect(counts[0]).toBe(190);
    for (const [id, value] of values) expect((await vault.getKv({ id })).value).toBe(value);
  });

  test("[KEY-39] a version that is destroyed meanwhile stays destroyed", async () => {
    const ids = await fillStore(120);
    await vault.keks.rotate(KEK);
    let destroyed = 0;
    const report = await vault.rewrapKv({
      onProgress: (done) => {
        if (done === 100) void Promise.all(ids.map((id) => vault.destroyKv({ id }))).then(() => destroyed++);
      },
    });
    expect(report.checked).toBeGreaterThanOrEqual(100);
    await Promise.all(ids.map((id) => vault.destroyKv({ id })));
    expect(stored().every((row) => row.sealed === null && row.key_blob === null)).toBe(true);
    expect(await versionsUnder()).toEqual([0, 0]);
    expect(destroyed).toBe(1);
  });
});

describe("how much a rewrap visits", () => {
  test("[KEY-39] only what is under old versions, each once, by indexes: skipped ones too", async () => {
    await fillStore(230);
    const both = { organization_id: "org_1", app: "a" };
    for (let i = 0; i < 120; i++) await vault.createKv({ name: `both ${i}`, value: "v", keyContext: both });
    for (let i = 0; i < 150; i++) {
      await vault.createKv({ name: `lost ${i}`, value: "v", keyContext: { organization_id: "lost" } });
    }
    await vault.createKv({ name: "new", value: "v", keyContext: { organization_id: "new" } });
    await vault.keks.rotate(KEK);
    await vault.keks.rotate({ name: "app", value: "a" });
    await vault.keks.disable({ name: "organization_id", value: "lost" });
    const statements = new Map<string, number>();
    const { store, database } = await storeWith((statement, rows) => {
      statements.set(statement, (statements.get(statement) ?? 0) + rows);
    });
    expect(await store.rewrapKv()).toEqual({ checked: 500, rewrapped: 350, skipped: 150 });
    const pages = [...statements].filter(([statement]) =>
      statement.includes("FROM kv_version_keks vk CROSS JOIN kv_versions v"),
    );
    expect(pages.map(([, rows]) => rows)).toEqual([500]);
    // The plans show that no statement looks through a table, or sorts what is left.
    const walk = [...statements.keys()].filter((statement) => statement.includes("kv_version_keks"));
    expect(walk.filter((statement) => statement.startsWith("SELECT"))).toHaveLength(5);
    for (const statement of walk) {
      const plan = tamper(path, (db) =>
        db
          .prepare(`EXPLAIN QUERY PLAN ${statement.replaceAll("?", "'1'")}`)
          .all()
          .map((step) => step.detail as string),
      );
      expect(plan.join("; ")).not.toContain("TEMP B-TREE");
      // The few versions of KEKs are walked in their order; the stored ones are searched for.
      // An index of those with the label of applications holds nothing else.
      for (const step of plan)
        expect(step).not.toMatch(/SCAN (v|vk|w)\b(?! USING INDEX kv_versions_(old|by_old_key))/);
      if (statement.includes("FROM kv_version_keks vk CROSS JOIN kv_versions v")) {
        expect(plan[0]).toContain("kv_version_keks_by_kek (kek_id=? AND kek_version=? AND version_id>?)");
      }
    }
    await database.close();
  });

  test("[API-70] parts end, go on where the one before stopped, and refuse what is no cursor", async () => {
    await fillStore(1_050);
    await vault.keks.rotate(KEK);
    const { store, database } = await storeWith(() => {});
    const first = await store.rewrapPart();
    expect(first).toMatchObject({ total: 1_050, skipped: 0 });
    expect(first.checked).toBeLessThanOrEqual(1_000);
    expect(first.rewrapped).toBe(first.checked);
    let done = first.checked;
    for (let after = first.after; after !== null; ) {
      const part = await store.rewrapPart({ after });
      expect(part.total).toBeNull();
      done += part.checked;
      after = part.after;
    }
    expect(done).toBe(1_050);
    expect(await versionsUnder()).toEqual([1_050, 0]);
    for (const after of ["", "x", "..", "1.2.3.4", "' OR 1=1"]) {
      expect((await rejectionOf(() => store.rewrapPart({ after }))).code).toBe("ERR_CURSOR_INVALID");
    }
    await database.close();
  });

  /** A store over the same file, whose statements are told with how many rows they had. */
  async function storeWith(
    onStatement: (statement: string, rows: number) => void,
  ): Promise<{ store: EmbeddedKvStore; database: Database }> {
    const database = await openSqlite(path, { create: false, lockWaitMs: 10_000 });
    const told = (sql: Sql): Sql => ({
      began: sql.began,
      all: async (statement, ...parameters) => {
        const rows = await sql.all(statement, ...parameters);
        onStatement(statement, rows.length);
        return rows;
      },
      get: async (statement, ...parameters) => {
        onStatement(statement, 1);
        return sql.get(statement, ...parameters);
      },
      run: (statement, ...parameters) => sql.run(statement, ...parameters),
      send: (statement, parameters, must) => sql.send(statement, parameters, must),
      lock: (...locks) => sql.lock(...locks),
      now: (own) => sql.now(own),
      raise: (...counters) => sql.raise(...counters),
    });
    const telling = new Proxy(database, {
      get: (target, name) => {
        const member = Reflect.get(target, name) as unknown;
        if (name === "read") {
          return (work: (sql: Sql) => Promise<unknown>, options?: WaitOptions) =>
            target.read((sql) => work(told(sql)), options);
        }
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    return { store: await storeOver(telling), database };
  }
});

async function storeOver(database: Database): Promise<EmbeddedKvStore> {
  const opened = await openTestDatabase(database);
  const { environmentId } = vault;
  const keyring = new Keyring(opened, environmentId);
  const events = { append: async () => {}, note: () => {} };
  const access = {
    environmentId,
    actor: TEST_ACTOR,
    scope: [],
    mayRekeyAny: true,
    absorbsOnly: false,
    events,
  };
  return new EmbeddedKvStore({ ...opened, keyring, access, writes: new IdempotentWrites(opened) });
}

describe("races with a shred", () => {
  /** A store over the same file, with something happening between its reading and its first write. */
  async function storeWith(
    beforeWrite: () => Promise<void>,
  ): Promise<{ store: EmbeddedKvStore; database: Database }> {
    const database = await openSqlite(path, { create: false, lockWaitMs: 10_000 });
    const racing = racingDatabase(database, beforeWrite);
    return { store: await storeOver(racing), database };
  }

  test("[KEY-33] a value is not stored under a KEK that was destroyed a moment before", async () => {
    const { id } = await vault.createKv({ name: "n", value: "old", keyContext: CONTEXT });
    const { store, database } = await storeWith(async () => {
      await vault.keks.shred(KEK);
    });
    expect((await rejectionOf(() => store.updateKv({ id, value: "new" }))).code).toBe("ERR_KEY_DESTROYED");
    expect((await vault.listKvVersions({ id })).data).toHaveLength(1);
    await database.close();
  });

  test("[KEY-33] a value is stored under the next version if its KEK's was destroyed a moment before", async () => {
    const { id } = await vault.createKv({ name: "n", value: "old", keyContext: CONTEXT });
    const { store, database } = await storeWith(async () => {
      await vault.keks.shred(KEK);
      await vault.keks.rotate(KEK);
    });
    await store.updateKv({ id, value: "new" });
    expect((await vault.getKv({ id })).value).toBe("new");
    await database.close();
  });

  test("[KEY-33] a rewrap does not move a value under a version that was destroyed a moment before", async () => {
    const ids = await fillStore(3);
    await vault.keks.rotate(KEK);
    const { store, database } = await storeWith(async () => {
      await vault.keks.shred({ ...KEK, version: 2 });
    });
    expect(await store.rewrapKv()).toEqual({ checked: 3, rewrapped: 0, skipped: 3 });
    for (const [i, id] of ids.entries()) expect((await vault.getKv({ id })).value).toBe(`value ${i}`);
    await database.close();
  });

  test("[KEY-33] a rewrap moves on to the version after one that was disabled a moment before", async () => {
    const ids = await fillStore(3);
    await vault.keks.rotate(KEK);
    const { store, database } = await storeWith(async () => {
      await vault.keks.shred({ ...KEK, version: 2 });
      await vault.keks.rotate(KEK);
    });
    expect(await store.rewrapKv()).toEqual({ checked: 3, rewrapped: 3, skipped: 0 });
    for (const [i, id] of ids.entries()) expect((await vault.getKv({ id })).value).toBe(`value ${i}`);
    expect(await versionsUnder()).toEqual([3, 0, 0]);
    await database.close();
  });
});
