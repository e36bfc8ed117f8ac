/** Changes of one KEK take turns on PostgreSQL, where transactions otherwise do not wait for what others have read. */
import { expect, test } from "vitest";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { sessionOf } from "../support/vaults.ts";

const KEK = { name: "organization_id", value: "org_1" };
const CONTEXT = { organization_id: "org_1" };
const TURNS = 16;

describePostgres("KEKs on PostgreSQL", () => {
  test("[KEY-5] rotations at the same time, of two servers, give one version each, one of them active", async () => {
    const url = await freshDatabaseUrl();
    const hosts = [await openTestPostgresHost(url), await openTestPostgresHost(url)];
    const sessions = [await sessionOf(hosts[0]!), await sessionOf(hosts[1]!)];
    await sessions[0]!.keys.createDataKey({ context: CONTEXT });
    await Promise.all(Array.from({ length: TURNS }, (_, i) => sessions[i % 2]!.keks.rotate(KEK)));
    const kek = await sessions[0]!.keks.get(KEK);
    expect(kek.versions.map(({ version }) => version)).toEqual(
      Array.from({ length: TURNS + 1 }, (_, i) => TURNS + 1 - i),
    );
    expect(kek.versions.filter(({ state }) => state === "active")).toHaveLength(1);
    for (const host of hosts) await host.close();
  });

  test("[KEY-5] rotations, disables and enables at the same time: each is done whole, or refused by the state that it found", async () => {
    const url = await freshDatabaseUrl();
    const hosts = [await openTestPostgresHost(url), await openTestPostgresHost(url)];
    const sessions = [await sessionOf(hosts[0]!), await sessionOf(hosts[1]!)];
    await sessions[0]!.keys.createDataKey({ context: CONTEXT });
    const acts = ["rotate", "disable", "rotate", "enable"] as const;
    const done = await Promise.allSettled(
      Array.from({ length: TURNS }, (_, i) => sessions[i % 2]!.keks[acts[i % acts.length]!](KEK)),
    );
    const refusals = done.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : []));
    // A rotation after a disable.
    expect(refusals.filter((code) => code !== "ERR_KEY_STATE")).toEqual([]);
    await sessions[1]!.keks.enable(KEK);
    const kek = await sessions[0]!.keks.get(KEK);
    expect(kek.versions.map(({ state }) => state)).toEqual([
      "active",
      ...kek.versions.slice(1).map(() => "decrypt-only"),
    ]);
    for (const host of hosts) await host.close();
  });
});
