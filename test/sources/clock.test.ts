/** Jobs on a database whose clock stands still or goes back: which job is the newest does not depend on it. */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import type { CiphertextSource } from "../../src/rekey/index.ts";
import { postgresTable, sqliteTable } from "../../src/sources/index.ts";
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
}

describe("on SQLite", () => suite(onSqlite));
describePostgres("on PostgreSQL", () => suite(onPostgres));
