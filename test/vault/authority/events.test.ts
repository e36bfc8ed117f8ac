/** Events that were put in, altered or moved past coffer: neither listed nor delivered. On SQLite and on PostgreSQL. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { VaultHost } from "../../../src/vault/host.ts";
import {
  type AttackedVaults,
  attackedDatabases,
  attackedFiles,
  insert,
  type Run,
} from "../../support/attacked-vaults.ts";
import { rejectionOf } from "../../support/errors.ts";
import { describePostgres } from "../../support/postgres.ts";
import { TEST_ACTOR } from "../../support/vaults.ts";

interface Filled {
  readonly environment: string;
  readonly other: string;
  /** Of the environment, with nothing delivered yet. */
  readonly webhook: string;
  /** Ids of events, the oldest first. */
  readonly own: readonly string[];
  readonly others: readonly string[];
}

async function fill(host: VaultHost): Promise<Filled> {
  const environment = (await host.environment("default")).id;
  const other = (await host.environment("other")).id;
  const webhook = (await host.webhooks.create(environment, { url: "https://hooks.example/" })).id;
  const put = async (id: string, name: string): Promise<void> => {
    const { kv } = host.session(id, { actor: TEST_ACTOR });
    await kv.createKv({ name, value: "v", keyContext: { organization_id: "org_1" } });
  };
  await put(environment, "first");
  await put(other, "elsewhere");
  await put(environment, "second");
  const idsOf = async (id: string) =>
    (await host.events.list(id, { limit: 10 })).data.map((event) => event.id);
  return { environment, other, webhook, own: await idsOf(environment), others: await idsOf(other) };
}

function suite(vaults: AttackedVaults): void {
  let filled: Filled;
  const hosts: VaultHost[] = [];
  beforeAll(async () => {
    filled = await vaults.prepare(fill);
  });
  afterEach(async () => {
    for (const host of hosts.splice(0)) await host.close();
    await vaults.cleanUp();
  });

  async function attacked(attack: (run: Run) => Promise<unknown>): Promise<VaultHost[]> {
    const { host, run, reopen } = await vaults.open();
    hosts.push(host);
    await attack(run);
    const fresh = await reopen();
    hosts.push(fresh);
    return [host, fresh];
  }

  const idOf = (which: "first" | "latest"): string =>
    which === "first" ? filled.own[0]! : filled.own.at(-1)!;

  test.each([
    ["another time", "created_at = created_at + 1"],
    ["another kind", "kind = 'vault.kek.deleted'"],
    ["other data", "data = '{}'"],
    ["another generation", "generation = 0"],
    ["no MAC", "mac = NULL"],
    ["another id", "id = 'event_00' || substr(id, 9)"],
  ])("[AUT-24] an event with %s is not listed, and named", async (_, change) => {
    const [running, fresh] = await attacked((run) =>
      run(`UPDATE events SET ${change} WHERE id = ?`, idOf("first")),
    );
    for (const host of [running!, fresh!]) {
      const error = await rejectionOf(() => host.events.list(filled.environment, { limit: 10 }));
      expect([error.code, error.message]).toEqual([
        "ERR_STORAGE_CORRUPT",
        expect.stringContaining(change.startsWith("id") ? "the event event_00" : idOf("first")),
      ]);
      expect(error.message).not.toMatch(/org_|hooks/);
      // Of another environment they are as they were.
      expect((await host.events.list(filled.other, { limit: 10 })).data).toHaveLength(filled.others.length);
    }
  });

  test("[AUT-24] an event that was put in, or copied from another environment, is not listed", async () => {
    const [running, fresh] = await attacked(async (run) => {
      const [row] = await run("SELECT * FROM events WHERE id = ?", filled.others[0]!);
      const { sequence: _, ...rest } = row!;
      // Its id begins with an early time.
      await insert(run, "events", { ...rest, id: "event_00", environment_id: filled.environment });
    });
    for (const host of [running!, fresh!]) {
      const error = await rejectionOf(() => host.events.list(filled.environment, { limit: 10 }));
      expect([error.code, error.message]).toEqual([
        "ERR_STORAGE_CORRUPT",
        expect.stringContaining("event_00"),
      ]);
    }
  });

  test("[AUT-24] an altered event is not delivered; its delivery is given up and says why", async () => {
    const [running] = await attacked(async (run) => {
      await run("UPDATE events SET kind = 'vault.kek.deleted' WHERE id = ?", idOf("first"));
    });
    const claimed = await running!.webhooks.claim(new Map([[filled.webhook, 10]]));
    expect(claimed.map(({ event }) => event.id)).toEqual(filled.own.slice(1));
    expect(await running!.webhooks.dead(filled.environment)).toMatchObject([
      { eventId: idOf("first"), lastError: expect.stringContaining("not as it was recorded") },
    ]);
  });

  test("[AUT-24] a webhook gets events of its own environment only, whatever the rows of deliveries say", async () => {
    const [running] = await attacked((run) =>
      run("UPDATE webhook_deliveries SET event_id = ? WHERE event_id = ?", filled.others[0]!, idOf("first")),
    );
    const claimed = await running!.webhooks.claim(new Map([[filled.webhook, 10]]));
    expect(claimed.map(({ event }) => event.id)).toEqual(filled.own.slice(1));
  });

  test("[AUT-12] a vault whose newest event was altered is not opened, however the events are numbered", async () => {
    const { host, run, reopen } = await vaults.open();
    hosts.push(host);
    await run("UPDATE events SET sequence = 1000000 WHERE id = ?", idOf("first"));
    hosts.push(await reopen());
    await run("UPDATE events SET generation = 0 WHERE id = ?", idOf("latest"));
    const error = await rejectionOf(reopen);
    expect([error.code, error.message]).toEqual([
      "ERR_STORAGE_CORRUPT",
      expect.stringContaining(idOf("latest")),
    ]);
  });

  test("what this does not promise: events that were deleted are missing, and stand in the order that their rows say", async () => {
    const [running] = await attacked(async (run) => {
      await run("DELETE FROM webhook_deliveries");
      await run("DELETE FROM events WHERE id = ?", idOf("first"));
      await run("UPDATE events SET sequence = 1000000, write_id = 0 WHERE id = ?", filled.own[1]!);
      await run("UPDATE events SET write_id = 0");
    });
    const listed = (await running!.events.list(filled.environment, { limit: 10 })).data.map(({ id }) => id);
    expect(listed).toEqual([...filled.own.slice(2), filled.own[1]]);
  });
}

describe("SQLite", () => suite(attackedFiles()));

describePostgres("PostgreSQL", () => suite(attackedDatabases()));
