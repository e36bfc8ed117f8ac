/** Jobs on a database whose clock stands still or goes back: which job is the newest, and which lease is over. */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import type { CiphertextSource } from "../../src/rekey/index.ts";
import { postgresTable, sqliteTable } from "../../src/sources/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A source, and its database's clock in milliseconds since 1970. */
interface Clocked {
  readonly source: CiphertextSource;
  readonly set: (ms: number) => Promise<void> | void;
}

function onSqlite(): Clocked {
  const database = new DatabaseSync(":memory:");
  closing.push(() => database.close());
  database.exec("CREATE TABLE secrets (id INTEGER PRIMARY KEY, body TEXT)");
  let now = 0;
  database.function("unixepoch", { varargs: true }, () => now / 1_000);
  const source = sqliteTable({ database, table: "secrets", columns: ["body"] });
  return {
    source,
    set: (ms) => {
      now = ms;
    },
  };
}

async function onPostgres(): Promise<Clocked> {
  const connectionString = await emptyDatabaseUrl();
  // What is named before pg_catalog takes the place of the functions there.
  const pool = new pg.Pool({ connectionString, options: "-c search_path=public,pg_catalog" });
  pool.on("error", () => {}); // A connection that the cluster's end cuts before it has closed itself.
  closing.push(() => pool.end());
  await pool.query(`CREATE TABLE secrets (id integer PRIMARY KEY, body text);
    CREATE TABLE clock (at timestamptz NOT NULL); INSERT INTO clock VALUES (to_timestamp(0));
    CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT at FROM public.clock'`);
  const source = postgresTable({ pool, table: "secrets", columns: ["body"] });
  return {
    source,
    set: async (ms) => {
      await pool.query("UPDATE clock SET at = to_timestamp($1::float8 / 1000)", [ms]);
    },
  };
}

const NOW = 1_700_000_000_000;
const create = (source: CiphertextSource, settings: string) =>
  source.createJob({ settings, rows: 0, ranges: [{ after: null, upTo: null }] });

function suite(make: () => Promise<Clocked> | Clocked): void {
  test.each([
    ["stands still", [0, 0, 0, 0, 0, 0, 0, 0]],
    ["goes back", [0, -1, -2, -1_000, -86_400_000, -86_400_000, 5, 4]],
  ])("[JOB-9] the newest job is the one made last, where the clock %s", async (_, steps) => {
    const { source, set } = await make();
    let before = 0;
    for (const [n, step] of steps.entries()) {
      await set(NOW + step);
      const made = await create(source, `{"n":${n}}`);
      expect(made).toMatchObject({ settings: `{"n":${n}}`, state: "open" });
      expect(made.createdAt).toBeGreaterThan(before);
      before = made.createdAt;
      expect(await source.findJob()).toEqual(made);
      await source.closeJob(made.id, n % 2 === 0 ? "aborted" : "done");
      expect((await source.findJob())?.id).toBe(made.id);
    }
  });

  const LEASE_MS = 15_000;
  test.each([1, 1_000, LEASE_MS, 3_600_000, 86_400_000 - 1, 365 * 86_400_000])(
    "[JOB-13] a lease is over when the clock has gone back by %d ms since it began",
    async (step) => {
      const { source, set } = await make();
      await set(NOW);
      const { id } = await create(source, "{}");
      const dead = (await source.claim(id, LEASE_MS))!;
      expect(await source.claim(id, LEASE_MS)).toBeUndefined();
      await set(NOW - step);
      expect((await source.status(id)).ranges).toEqual({ open: 1, leased: 0, done: 0 });
      const next = (await source.claim(id, 2 * LEASE_MS))!;
      expect(next.number).toBe(dead.number);
      expect((await source.status(id)).ranges).toEqual({ open: 0, leased: 1, done: 0 });
      const page = { rows: [], position: '["1"]', leaseMs: LEASE_MS };
      expect((await rejectionOf(() => source.commitPage(dead, page))).code).toBe("ERR_LEASE_EXPIRED");
      // Renewed for another length than it was claimed for.
      const renewed = await source.commitPage(next, page);
      expect(await source.claim(id, LEASE_MS)).toBeUndefined();
      await set(NOW - step - 1);
      expect((await source.claim(id, LEASE_MS))?.number).toBe(dead.number);
      expect((await rejectionOf(() => source.endClaim(renewed, "done"))).code).toBe("ERR_LEASE_EXPIRED");
    },
  );

  test("[JOB-13] a lease lasts for its length by a clock that goes on, however often it is renewed", async () => {
    const { source, set } = await make();
    await set(NOW);
    const { id } = await create(source, "{}");
    let claim = (await source.claim(id, LEASE_MS))!;
    for (const [n, at] of [0, 1, LEASE_MS, 2 * LEASE_MS].entries()) {
      await set(NOW + at);
      expect(await source.claim(id, LEASE_MS)).toBeUndefined();
      claim = await source.commitPage(claim, { rows: [], position: `["${n}"]`, leaseMs: LEASE_MS });
    }
    await set(NOW + 3 * LEASE_MS);
    expect(await source.claim(id, LEASE_MS)).toBeUndefined();
    await set(NOW + 3 * LEASE_MS + 1);
    expect((await source.claim(id, LEASE_MS))?.position).toBe('["3"]');
  });
}

describe("on SQLite", () => suite(onSqlite));
describePostgres("on PostgreSQL", () => suite(onPostgres));
