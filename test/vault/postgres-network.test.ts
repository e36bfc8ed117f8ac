/** A network that swallows packets, connections that break, locks that others hold: every wait has an end. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Database } from "../../src/vault/storage/database.ts";
import { openPostgres } from "../../src/vault/storage/postgres/open.ts";
import { rejectionOf } from "../support/errors.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  freshDatabaseUrl,
  openTestPostgresHost,
} from "../support/postgres.ts";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { eventually, sessionOf } from "../support/vaults.ts";

/** Short, so that tests are. */
const LIMITS = { connectTimeoutMs: 300, answerTimeoutMs: 300, closeTimeoutMs: 300 };
/** Ten times what an abort may take. */
const ABORT_MS_MAX = 1_000;
/** Ten times the limits above. */
const CALL_MS_MAX = 6_000;

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await promise;
  expect(performance.now() - startedAt).toBeLessThan(milliseconds);
  return result;
}

describePostgres("a network that swallows packets", () => {
  let url: string;
  let proxy: PostgresProxy;
  let database: Database;
  const change = (): Promise<number> =>
    database.write((sql) => sql.run("INSERT INTO meta (name, value) VALUES ('x', ?)", Uint8Array.of(1)));

  beforeEach(async () => {
    const direct = await freshDatabaseUrl();
    ({ proxy, url } = await PostgresProxy.before(direct));
    database = await openPostgres({ url, ...LIMITS });
  });
  afterEach(async () => {
    await database.close();
    await proxy.close();
  });

  test("[KEY-51] every call ends with a retryable error, and works again afterwards", async () => {
    proxy.isSwallowing = true;
    const calls = [
      () => database.read((sql) => sql.get("SELECT 1 AS one")),
      change,
      () => database.writable(),
      () => database.lookAfresh(),
      () => openPostgres({ url, ...LIMITS }),
    ];
    for (const error of await within(CALL_MS_MAX, Promise.all(calls.map(rejectionOf)))) {
      expect(error).toMatchObject({ retryable: true });
      expect(error.code).toMatch(/^ERR_STORAGE_(UNAVAILABLE|BUSY)$/);
    }
    proxy.isSwallowing = false;
    await eventually(async () => {
      try {
        return (await change()) === 1;
      } catch {
        return false;
      }
    }, "a write");
  });

  test("[KEY-51] a connection that is cut under any call is a retryable error of the vault's", async () => {
    for (const call of [
      () => database.read((sql) => sql.get("SELECT 1 AS one")),
      () => database.writable(),
      () => database.lookAfresh(),
    ]) {
      // A connection of the pool is good until the call has been sent over it.
      await database.read((sql) => sql.get("SELECT 1 AS one"));
      proxy.isSwallowing = true;
      const failing = rejectionOf(call);
      await new Promise((resolve) => setTimeout(resolve, LIMITS.answerTimeoutMs / 6));
      proxy.cutAll();
      expect(await failing).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE", retryable: true });
      proxy.isSwallowing = false;
    }
  });

  test("[KEY-51] a statement within a transaction: nothing has happened", async () => {
    const error = await within(
      CALL_MS_MAX,
      rejectionOf(() =>
        database.write(async (sql) => {
          await sql.run("DELETE FROM meta");
          proxy.isSwallowing = true;
          await sql.run("DELETE FROM meta");
        }),
      ),
    );
    expect(error).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE", retryable: true });
  });

  test("[KEY-52] the COMMIT of a write is unknown, that of a read can be done again", async () => {
    proxy.cutNext("swallow", /INSERT INTO meta/);
    expect(await within(CALL_MS_MAX, rejectionOf(change))).toMatchObject({ code: "ERR_OUTCOME_UNKNOWN" });
    for (const mode of ["swallow", "before", "after", "fatal"] as const) {
      proxy.cutNext(mode, /SELECT 77/);
      const read = (): Promise<unknown> => database.read((sql) => sql.get("SELECT 77 AS n"));
      expect(await within(CALL_MS_MAX, rejectionOf(read))).toMatchObject({
        code: "ERR_STORAGE_UNAVAILABLE",
        retryable: true,
      });
    }
    expect(proxy.cuts).toBe(5);
  });

  test("[KEY-53] an abort is obeyed at once, whatever is waited for", async () => {
    const patient = await openPostgres({ url });
    const controller = new AbortController();
    const { signal } = controller;
    const isBegun = Promise.withResolvers<void>();
    const calls = [
      patient.write(
        async (sql) => {
          await sql.get("SELECT 1 AS one");
          proxy.isSwallowing = true;
          isBegun.resolve();
          await sql.get("SELECT 2 AS two");
        },
        { signal },
      ),
    ];
    await isBegun.promise;
    calls.push(
      ...Array.from({ length: 3 }, () =>
        patient.read(async (sql) => void (await sql.get("SELECT 1")), { signal }),
      ),
    );
    calls.push(patient.writable({ signal }));
    const rejections = calls.map((call) => rejectionOf(() => call));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const reason = new Error("changed my mind");
    controller.abort(reason);
    for (const error of await within(ABORT_MS_MAX, Promise.all(rejections))) expect(error).toBe(reason);
    await within(20_000, patient.close());
  });

  test("[KEY-54] closing ends what does not end by itself: a host's too", async () => {
    const host = await openTestPostgresHost(url, { ...LIMITS, answerTimeoutMs: 60_000 });
    const session = await sessionOf(host);
    await session.kv.createKv({ name: "n", value: "v", keyContext: { a: "b" } });
    const mine = await openPostgres({ url, ...LIMITS, answerTimeoutMs: 60_000 });
    const isBegun = Promise.withResolvers<void>();
    const hanging = rejectionOf(() =>
      mine.write(async (sql) => {
        await sql.get("SELECT 1 AS one");
        proxy.isSwallowing = true;
        isBegun.resolve();
        await sql.get("SELECT 2 AS two");
      }),
    );
    await isBegun.promise;
    await within(CALL_MS_MAX, mine.close());
    expect(await hanging).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE" });
    await within(CALL_MS_MAX, host.close());
  });
});

describePostgres("connections of a server's database", () => {
  test("[KEY-53] an abort ends the wait for a row's lock, on the server too", async () => {
    const url = await freshDatabaseUrl();
    const database = await openPostgres({ url, maxConnections: 2 });
    const isHeld = Promise.withResolvers<void>();
    const letGo = Promise.withResolvers<void>();
    const lock = "UPDATE counters SET value = value WHERE name = 'keks'";
    const holder = database.write(async (sql) => {
      await sql.run(lock);
      isHeld.resolve();
      await letGo.promise;
    });
    await isHeld.promise;
    const controller = new AbortController();
    const waiting = rejectionOf(() => database.write((sql) => sql.run(lock), { signal: controller.signal }));
    const waiters = async (): Promise<number> =>
      (await adminQuery("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).length;
    await eventually(async () => (await waiters()) === 1, "a wait for the lock");
    const reason = new Error("changed my mind");
    controller.abort(reason);
    expect(await within(ABORT_MS_MAX, waiting)).toBe(reason);
    await eventually(async () => (await waiters()) === 0, "the server's end of the wait");
    letGo.resolve();
    await holder;
    expect(await database.read(async () => "done")).toBe("done");
    await database.close();
  });

  test("[API-35] the connection that listens is missed when it is dead, and made again", async () => {
    const { proxy, url } = await PostgresProxy.before(await freshDatabaseUrl());
    const database = await openPostgres({ url, ...LIMITS });
    const listener = async (): Promise<unknown> =>
      (
        await adminQuery(
          `SELECT pid FROM pg_stat_activity WHERE datname = '${databaseName(url)}' AND query LIKE 'LISTEN%'`,
        )
      )[0]?.pid;
    const first = await listener();
    expect(first).toBeDefined();
    // No process is told: only a look can find out that no news would come.
    proxy.deafen();
    await eventually(async () => {
      const now = await listener();
      return now !== undefined && now !== first;
    }, "another connection that listens");
    await database.close();
    await proxy.close();
  });

  test("a single connection is enough for a change of counters", async () => {
    const database = await openPostgres({ url: await freshDatabaseUrl(), maxConnections: 1 });
    const startedAt = performance.now();
    await database.write((sql) => sql.raise("keks"));
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    expect(database.changes().keks).toBe(1);
    await database.close();
  });
});
