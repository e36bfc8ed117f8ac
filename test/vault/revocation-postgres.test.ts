/** Revocations on PostgreSQL, where several servers write at the same time (docs/spec/revocation.md section 1). */
import { expect, test } from "vitest";
import type { VaultHost } from "../../src/vault/host.ts";
import { kekLock } from "../../src/vault/keks/locks.ts";
import { openPostgres } from "../../src/vault/storage/postgres/open.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  freshDatabaseUrl,
  openTestPostgresHost,
} from "../support/postgres.ts";
import { disableUnderLoad, lostWriteRound } from "../support/revocation-races.ts";
import { eventually, sessionOf } from "../support/vaults.ts";

const WRITERS = 30;

/** Servers of one vault: the first changes KEKs, the others write. None hears of the others but by looking. */
async function servers(count: number): Promise<{ hosts: VaultHost[]; close(): Promise<void> }> {
  const url = await freshDatabaseUrl();
  const hosts = [await openTestPostgresHost(url)];
  while (hosts.length < count) {
    hosts.push(await openTestPostgresHost(url, { listen: false, maxConnections: 20 }));
  }
  return {
    hosts,
    close: async () => {
      for (const host of hosts) await host.close();
    },
  };
}

const codesOf = (errors: readonly unknown[]): string[] => [
  ...new Set(errors.map((error) => (error as { code: string }).code)),
];

describePostgres("behind writers that do not wait for each other", () => {
  test("[REV-1] [REV-2] [REV-3] a disable ends when those under way have, and none writes afterwards", async () => {
    const { hosts, close } = await servers(3);
    const [admin, ...sessions] = await Promise.all(hosts.map((host) => sessionOf(host)));
    for (let round = 0; round < 3; round++) {
      const met = await disableUnderLoad(sessions, admin!, WRITERS, `round ${round}`);
      // About one write for each writer; ten times that is a lock that is not fair.
      expect(met.acknowledgedMeanwhile).toBeLessThanOrEqual(10 * WRITERS);
      expect(codesOf(met.errors)).toEqual(["ERR_KEY_DISABLED"]);
      expect(met.errors).toHaveLength(WRITERS);
    }
    await close();
  });

  test("[REV-1] [REV-2] [REV-5] rotate, rewrap, shred the old version: no acknowledged write is lost", async () => {
    const { hosts, close } = await servers(3);
    const [admin, ...sessions] = await Promise.all(hosts.map((host) => sessionOf(host)));
    for (let round = 0; round < 3; round++) {
      const { acknowledged, lost, errors } = await lostWriteRound(sessions, admin!, 8, `round ${round}`);
      expect(acknowledged).toBeGreaterThan(0);
      expect({ lost, codes: codesOf(errors) }).toEqual({ lost: 0, codes: [] });
    }
    await close();
  });

  test("[REV-4] a revocation under way keeps no writer of another KEK waiting", async () => {
    const url = await freshDatabaseUrl();
    const host = await openTestPostgresHost(url);
    const { keks, kv, environmentId } = await sessionOf(host);
    for (const tenant of ["a", "b"])
      await kv.createKv({ name: tenant, value: "x", keyContext: { organization_id: tenant } });
    const { id } = await keks.get({ name: "organization_id", value: "a" });
    const [isUnderWay, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const database = await openPostgres({ url });
    const revocation = database.write(async (sql) => {
      await sql.lock(kekLock(id));
      await sql.raise("keks", "revocations");
      isUnderWay.resolve();
      await letGo.promise;
    });
    await isUnderWay.promise;
    const written = await kv.createKv({ name: "c", value: "y", keyContext: { organization_id: "b" } });
    expect(written.environmentId).toBe(environmentId);
    letGo.resolve();
    await revocation;
    await database.close();
    await host.close();
  });

  test("[REV-5] a shred's report counts what was being written when it was asked for", async () => {
    const url = await freshDatabaseUrl();
    const [host, other] = [await openTestPostgresHost(url), await openTestPostgresHost(url)];
    const [{ kv }, { keks }] = [await sessionOf(host), await sessionOf(other)];
    const keyContext = { organization_id: "a" };
    await kv.createKv({ name: "first", value: "x", keyContext });
    // A write gets as far as its event, the last of its rows.
    const database = await openPostgres({ url });
    const [isHeld, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const holder = database.write(async (sql) => {
      await sql.run("LOCK TABLE events IN ACCESS EXCLUSIVE MODE");
      isHeld.resolve();
      await letGo.promise;
    });
    await isHeld.promise;
    const waiting = async (type: string): Promise<boolean> => {
      const found = await adminQuery(
        `SELECT 1 FROM pg_locks WHERE locktype = '${type}' AND NOT granted`,
        databaseName(url),
      );
      return found.length > 0;
    };
    const writing = kv.createKv({ name: "second", value: "y", keyContext });
    await eventually(() => waiting("relation"), "a write that waits with its event");
    const shredding = keks.shred({ name: "organization_id", value: "a" });
    await eventually(() => waiting("advisory"), "a shred that waits for the write");
    letGo.resolve();
    await Promise.all([holder, writing]);
    const report = await shredding;
    expect([report.kvVersions, report.kvObjects.count]).toEqual([2, 2]);
    for (const each of [database, host, other]) await each.close();
  });
});

describePostgres("delayed shreds", () => {
  test("[REV-19] follow the database's clock, whatever the servers' are", async () => {
    const url = await freshDatabaseUrl();
    const host = await openTestPostgresHost(url, { now: () => 0 });
    const { keks, keys } = await sessionOf(host);
    const selector = { name: "organization_id", value: "a" };
    await keys.createDataKey({ context: { organization_id: "a" } });
    const stateOf = async (): Promise<string> => (await keks.get(selector)).state;
    const before = Date.now();
    const { destroyAt } = await keks.shred(selector, { delayMs: 60_000 });
    // The cluster runs on this machine.
    expect(Date.parse(destroyAt!)).toBeGreaterThanOrEqual(before + 60_000 - 1);
    const ahead = await openTestPostgresHost(url, { now: () => Date.now() + 3_600_000 });
    await ahead.destroyDue();
    expect(await stateOf()).toBe("pending-destroy");
    // By its own clock the time would never come.
    const soon = { name: "organization_id", value: "b" };
    await keys.createDataKey({ context: { organization_id: "b" } });
    await keks.shred(soon, { delayMs: 1 });
    await eventually(async () => {
      await host.destroyDue();
      return (await keks.get(soon)).state === "destroyed";
    }, "the shred");
    for (const each of [host, ahead]) await each.close();
  });
});
