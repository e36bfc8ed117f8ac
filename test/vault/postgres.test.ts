/** PostgreSQL fulfils the contracts of databases, key services and stores. */
import { expect, test } from "vitest";
import type { Sql, SqlValue } from "../../src/vault/storage/database.ts";
import { migratePostgres } from "../../src/vault/storage/postgres/migrate.ts";
import { openPostgres } from "../../src/vault/storage/postgres/open.ts";
import { SCHEMA_VERSION } from "../../src/vault/storage/schema.ts";
import { databaseContract } from "../contract/database.ts";
import { kekServiceContract } from "../contract/kek-service.ts";
import { keyServiceContract } from "../contract/key-service.ts";
import { kvServiceContract } from "../contract/kv-service.ts";
import { rejectionOf } from "../support/errors.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  emptyDatabaseUrl,
  freePort,
  freshDatabaseUrl,
  openTestPostgresHost,
  readerUrl,
  stallDatabase,
} from "../support/postgres.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { sessionOf } from "../support/vaults.ts";

describePostgres("on PostgreSQL", () => {
  databaseContract(
    "PostgreSQL",
    async () => {
      const url = await freshDatabaseUrl();
      const database = await openPostgres({ url });
      return {
        database,
        another: () => openPostgres({ url }),
        readOnly: async () => openPostgres({ url: await readerUrl(url) }),
        close: () => database.close(),
      };
    },
    { text: "TEXT", bytes: "BYTEA", integer: "BIGINT" },
    { isServer: true },
  );

  keyServiceContract("embedded, on PostgreSQL", async () => {
    const url = await freshDatabaseUrl();
    const host = await openTestPostgresHost(url);
    const session = await sessionOf(host);
    return {
      service: session.keys,
      foreign: (await sessionOf(host, "other")).keys,
      keks: {
        rotate: (name, value) => session.keks.rotate({ name, value }),
        disable: (name, value) => session.keks.disable({ name, value }),
        enable: (name, value) => session.keks.enable({ name, value }),
        shred: (name, value) => session.keks.shred({ name, value }),
      },
      tellsContext: true,
      stall: () => stallDatabase(url),
      close: () => host.close(),
    };
  });

  kekServiceContract("embedded, on PostgreSQL", async () => {
    const url = await freshDatabaseUrl();
    const host = await openTestPostgresHost(url);
    const { keks, keys, kv } = await sessionOf(host);
    const { keks: foreign } = await sessionOf(host, "other");
    const stall = () => stallDatabase(url);
    return { keks, keys, kv, foreign, erasure: "logical", stall, close: () => host.close() };
  });

  kvServiceContract(
    "embedded, on PostgreSQL",
    async () => {
      const url = await freshDatabaseUrl();
      const host = await openTestPostgresHost(url);
      const { kv } = await sessionOf(host);
      const { kv: foreign } = await sessionOf(host, "other");
      return { kv, foreign, stall: () => stallDatabase(url), close: () => host.close() };
    },
    { modelRuns: 5 },
  );
});

describePostgres("a server's database", () => {
  test("[KEY-49] an abort ends the wait for a connection, which then serves others", async () => {
    const database = await openPostgres({ url: await freshDatabaseUrl(), maxConnections: 1 });
    const letGo = Promise.withResolvers<void>();
    const isHeld = Promise.withResolvers<void>();
    const holder = database.write(async () => {
      isHeld.resolve();
      await letGo.promise;
    });
    await isHeld.promise;
    const controller = new AbortController();
    const waiting = [database.write, database.read].map((call) =>
      rejectionOf(() => call.call(database, async () => "done", { signal: controller.signal })),
    );
    const reason = new Error("changed my mind");
    controller.abort(reason);
    for (const call of waiting) expect(await call).toBe(reason);
    letGo.resolve();
    await holder;
    expect(await database.write(async () => "done")).toBe("done");
    await database.close();
  });

  test("texts with NUL are found nowhere, and refused where they would be stored", async () => {
    const database = await openPostgres({ url: await freshDatabaseUrl() });
    const found = database.read((sql) =>
      sql.get("SELECT count(*) AS n FROM meta WHERE name = ? OR replace(name, ?, '') <> name", "a\0", "\0"),
    );
    expect((await found)!.n).toBe(0);
    const refused = await rejectionOf(() =>
      database.write((sql) =>
        sql.run("INSERT INTO meta (name, value) VALUES (?, ?)", "a\0", Uint8Array.of(0)),
      ),
    );
    expect(refused.code).toBe("ERR_INVALID_ARGUMENT");
    await database.close();
  });

  test("[EVT-9] an event of a write that ends late is not passed over, nor one of a restored dump hidden", async () => {
    const url = await freshDatabaseUrl();
    const host = await openTestPostgresHost(url);
    const database = await openPostgres({ url });
    const { id } = await host.environment("default");
    // Events as coffer records them, taken away and put back in an order of this test.
    const session = await sessionOf(host);
    for (const name of ["a", "b", "c"])
      await session.kv.createKv({ name, value: "v", keyContext: { organization_id: "org_1" } });
    const recorded = await adminQuery("DELETE FROM events RETURNING *", databaseName(url));
    const insert = (sql: Sql, nth: 0 | 1 | 2): Promise<number> => {
      const { id: event, environment_id, kind, data, created_at, generation, mac } = recorded[nth]!;
      return sql.run(
        "INSERT INTO events (id, environment_id, kind, data, created_at, generation, mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
        ...([event, environment_id, kind, data, Number(created_at), Number(generation), mac] as SqlValue[]),
      );
    };
    const [eventFirst, eventSecond, eventThird] = recorded.map((row) => row.id as string);
    const listed = async (after?: string): Promise<string[]> =>
      (await host.events.list(id, { after, limit: 100 })).data.map((event) => event.id);
    // The first write has the smaller id, the second one the smaller number; the second ends last.
    const steps = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const first = database.write(async (sql) => {
      await sql.get("SELECT pg_current_xact_id() AS id");
      steps[0]!.resolve();
      await steps[1]!.promise;
      await insert(sql, 0);
    });
    await steps[0]!.promise;
    const second = database.write(async (sql) => {
      await insert(sql, 1);
      steps[1]!.resolve();
      await steps[2]!.promise;
    });
    await first;
    const before = await listed();
    steps[2]!.resolve();
    await second;
    expect(before).toEqual([eventFirst]);
    expect(await listed(eventFirst)).toEqual([eventSecond]);

    await adminQuery("UPDATE events SET write_id = 1000000000000", databaseName(url));
    expect(await listed()).toEqual([]);
    const restored = await openTestPostgresHost(url);
    await database.write((sql) => insert(sql, 2));
    // In the order of their numbers now.
    expect(await listed()).toEqual([eventSecond, eventFirst, eventThird]);
    for (const open of [restored, host, database]) await open.close();
  });

  test("a database without tables, or with tables of a newer coffer, is refused", async () => {
    const url = await emptyDatabaseUrl();
    expect((await rejectionOf(() => openPostgres({ url }))).code).toBe("ERR_STORAGE_SCHEMA");
    expect(await migratePostgres({ url })).toEqual({ from: 0, to: SCHEMA_VERSION });
    // Several at once take turns.
    const again = await Promise.all(Array.from({ length: 4 }, () => migratePostgres({ url })));
    expect(again).toEqual(Array.from({ length: 4 }, () => ({ from: SCHEMA_VERSION, to: SCHEMA_VERSION })));
    await (await openPostgres({ url })).close();
    await adminQuery("UPDATE coffer_schema SET version = 99", databaseName(url));
    expect((await rejectionOf(() => openPostgres({ url }))).code).toBe("ERR_STORAGE_SCHEMA");
    expect((await rejectionOf(() => migratePostgres({ url }))).code).toBe("ERR_STORAGE_SCHEMA");
  });

  test("a database that cannot be reached is ERR_STORAGE_UNAVAILABLE, and says nothing of its URL", async () => {
    const url = `postgres://user:hunter2@127.0.0.1:${await freePort()}/nowhere`;
    for (const call of [() => openPostgres({ url }), () => migratePostgres({ url })]) {
      const error = await rejectionOf(call);
      expect(error).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE", retryable: true });
      expectNoTrace(error, [Buffer.from("hunter2")]);
    }
  });
});
