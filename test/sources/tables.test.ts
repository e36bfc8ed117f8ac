/** Tables as sources: what is refused before the first write, what the database refuses of a page, and odd names and types. */
import { afterEach, describe, expect, test } from "vitest";
import type { Counts, Finding } from "../../src/rekey/index.ts";
import type { TableOptions } from "../../src/sources/sql/table-options.ts";
import type { TableSource } from "../../src/sources/sql/table-source.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres } from "../support/postgres.ts";
import { postgresDatabase, sqliteDatabase, type TestDatabase } from "./tables.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function opened<T extends TestDatabase>(make: () => Promise<T>): Promise<T> {
  const database = await make();
  closing.push(() => database.close());
  return database;
}

async function sourceOf(database: TestDatabase, options: TableOptions): Promise<TableSource> {
  const source = await database.open(options);
  closing.push(() => source.close());
  return source;
}

/** Replaces every value by itself with a suffix, in pages, as a job does. */
async function moveAll(
  source: TableSource,
  suffix = "+",
  onPage: () => Promise<void> = async () => {},
): Promise<{ counts: Counts; findings: Finding[]; pending: number }> {
  const { rows: planned } = await source.survey({ cuts: 0 });
  const job = await source.createJob({
    settings: "{}",
    rows: planned,
    ranges: [{ after: null, upTo: null }],
  });
  let claim = (await source.claim(job.id, 60_000))!;
  for (;;) {
    const rows = await source.readPage(claim.range, claim.position, 10);
    if (rows.length === 0) break;
    await onPage();
    claim = await source.commitPage(claim, {
      rows: rows.map((row) => ({
        row,
        values: row.values.map((value) =>
          value === null
            ? { outcome: "empty" as const }
            : { outcome: "moved" as const, replacement: `${value}${suffix}` },
        ),
      })),
      position: rows[rows.length - 1]!.key,
      leaseMs: 60_000,
    });
  }
  const { counts, pending } = await source.status(job.id);
  return { counts, findings: await source.findings(job.id, 100), pending };
}

const surveyed = async (database: TestDatabase, options: TableOptions): Promise<string> => {
  const source = await sourceOf(database, options);
  return (await rejectionOf(() => source.survey({ cuts: 3 }))).message;
};

function onEither(name: string, make: () => Promise<TestDatabase>): void {
  describe(`tables of ${name}`, () => {
    test("[JOB-17] are refused before the first write where a job could not go on", async () => {
      const database = await opened(make);
      await database.query("CREATE TABLE bare (id INTEGER, body TEXT)");
      await database.query("CREATE TABLE two (a TEXT, b TEXT, body TEXT, UNIQUE (a, b))");
      await database.query("INSERT INTO two VALUES ('x', NULL, 'c')");
      await database.query(
        "CREATE TABLE computed (id INTEGER PRIMARY KEY, body TEXT, twice TEXT GENERATED ALWAYS AS (body || body) STORED)",
      );
      await database.query("CREATE VIEW seen AS SELECT * FROM computed");
      const columns = ["body"];
      for (const [options, problem] of [
        [{ table: "nowhere", columns }, "no such table"],
        [{ table: "seen", columns }, "not a table"],
        [{ table: "bare", columns }, "no primary key"],
        [{ table: "bare", columns, key: ["id"] }, "no unique index"],
        [{ table: "two", columns, key: ["a"] }, "no unique index"],
        [{ table: "two", columns, key: ["a", "b"] }, "NULL"],
        [{ table: "computed", columns: ["lost"] }, "no column lost"],
        [{ table: "computed", columns, fields: ["lost"] }, "no column lost"],
        [{ table: "computed", columns: ["twice"] }, "computed"],
        [{ table: "computed", columns: ["id"] }, /key|text/],
      ] as const) {
        expect(await surveyed(database, options)).toMatch(problem);
      }
      await database.query("DELETE FROM two");
      await database.query("INSERT INTO two VALUES ('x', 'y', 'c')");
      const { counts } = await moveAll(await sourceOf(database, { table: "two", columns, key: ["b", "a"] }));
      expect(counts).toMatchObject({ rows: 1, moved: 1 });
    });

    test("[JOB-16] may have any names, and any texts as keys", async () => {
      const database = await opened(make);
      const table = 'odd "; DROP TABLE x; --';
      const quoted = `"${table.replaceAll('"', '""')}"`;
      await database.query(
        `CREATE TABLE ${quoted} ("primary" TEXT PRIMARY KEY, "select ' ""k0" TEXT, v TEXT)`,
      );
      const keys = ["'", '"', "a'; --", "日本", "?", "$1", ""];
      for (const key of keys) await database.query(`INSERT INTO ${quoted} VALUES (?, ?, ?)`, [key, "c", "v"]);
      const source = await sourceOf(database, { table, columns: ["select ' \"k0", "v"], fields: ["v"] });
      const { counts } = await moveAll(source);
      expect(counts).toMatchObject({ rows: keys.length, moved: 2 * keys.length });
      const rows = await database.query(`SELECT "select ' ""k0" AS c, v FROM ${quoted}`);
      expect(rows.every(({ c, v }) => c === "c+" && v === "v+")).toBe(true);
    });

    test.each([
      { columns: "body" },
      { columns: [] },
      { columns: ["body", "body"] },
      { columns: [{ column: "body", path: [] }] },
      { columns: [1] },
      { columns: ["body"], table: "" },
      { columns: ["body"], unknown: true },
    ])("options are checked: %j", async (options) => {
      const database = await opened(make);
      expect((await rejectionOf(() => database.open({ table: "t", ...options } as never))).code).toBe(
        "ERR_INVALID_ARGUMENT",
      );
    });

    test("have ciphertexts in several columns and within JSON, and a row is written once", async () => {
      const database = await opened(make);
      const json = name === "PostgreSQL" ? "jsonb" : "TEXT";
      await database.query(`CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, data ${json}, b TEXT)`);
      await database.query("INSERT INTO t VALUES (1, 'a', ?, 'b'), (2, NULL, ?, 'b'), (3, 'a', NULL, NULL)", [
        '{"keep": 1, "o\'dd": {"list": ["x", "y"]}, "top": "z"}',
        '{"keep": 2}',
      ]);
      const source = await sourceOf(database, {
        table: "t",
        columns: [
          "a",
          { column: "data", path: ["o'dd", "list", "1"] },
          { column: "data", path: ["top"] },
          "b",
        ],
      });
      expect(source.slots).toEqual(["a", "data:/o'dd/list/1", "data:/top", "b"]);
      const { counts } = await moveAll(source);
      expect(counts).toMatchObject({ rows: 3, moved: 6, empty: 6 });
      const rows = await database.query("SELECT a, data, b FROM t ORDER BY id");
      const dataOf = ({ data }: Record<string, unknown>): unknown =>
        typeof data === "string" ? JSON.parse(data) : data;
      expect(rows.map((row) => [row.a, dataOf(row), row.b])).toEqual([
        ["a+", { keep: 1, "o'dd": { list: ["x", "y+"] }, top: "z+" }, "b+"],
        [null, { keep: 2 }, "b+"],
        ["a+", null, null],
      ]);
    });

    test("[JOB-12] a row of which one value has changed is not written at all", async () => {
      const database = await opened(make);
      await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
      await database.query("INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b')");
      const source = await sourceOf(database, { table: "t", columns: ["a", "b"] });
      const { counts, pending } = await moveAll(source, "+", async () => {
        await database.query("UPDATE t SET b = 'B' WHERE id = 2");
      });
      expect([counts.rows, counts.moved, counts.conflicts, pending]).toEqual([1, 2, 1, 1]);
      expect(await database.query("SELECT a, b FROM t ORDER BY id")).toEqual([
        { a: "a+", b: "b+" },
        { a: "a", b: "B" },
      ]);
    });

    test("[JOB-6] what a constraint or a trigger refuses is its row's, and all others are written", async () => {
      const database = await opened(make);
      await database.query(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT CHECK (body <> 'bad+') UNIQUE)",
      );
      await database.query("INSERT INTO t VALUES (1, 'a'), (2, 'bad'), (3, 'c'), (4, 'd'), (5, 'd+')");
      const { counts, findings } = await moveAll(await sourceOf(database, { table: "t", columns: ["body"] }));
      expect(counts).toMatchObject({ rows: 5, moved: 3, refused: 2 });
      expect(findings.map(({ outcome, reason }) => [outcome, reason])).toEqual([
        ["refused", "constraint"],
        ["refused", "constraint"],
      ]);
      const bodies = (await database.query("SELECT body FROM t ORDER BY id")).map((row) => row.body);
      expect(bodies).toEqual(["a+", "bad", "c+", "d", "d++"]);
    });

    test("that change under the plan fail the page, and what was written stays", async () => {
      const database = await opened(make);
      await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
      for (let i = 0; i < 25; i++) await database.query("INSERT INTO t VALUES (?, 'a')", [i]);
      const source = await sourceOf(database, { table: "t", columns: ["body"] });
      let pages = 0;
      const error = await rejectionOf(() =>
        moveAll(source, "+", async () => {
          if (++pages === 2) await database.query("ALTER TABLE t RENAME COLUMN body TO text");
        }),
      );
      expect(error.code).toBe("ERR_SOURCE_CHANGED");
      const moved = await database.query("SELECT count(*) AS n FROM t WHERE text = 'a+'");
      expect(Number(moved[0]!.n)).toBe(10);
      const status = (await source.findJob())!;
      expect((await source.status(status.id)).counts.rows).toBe(10);
    });
  });
}

onEither("SQLite", sqliteDatabase);
describePostgres("on PostgreSQL", () => {
  onEither("PostgreSQL", postgresDatabase);

  test("[JOB-15] rows that an application has locked are left for later, and hold nobody up", async () => {
    const database = await opened(postgresDatabase);
    await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
    await database.query("INSERT INTO t SELECT i, 'a' FROM generate_series(1, 8) i");
    const source = await sourceOf(database, { table: "t", columns: ["body"] });
    const holder = await database.pool.connect();
    await holder.query("BEGIN");
    await holder.query("UPDATE t SET body = 'own' WHERE id = 3");
    const { counts, pending } = await moveAll(source);
    await holder.query("COMMIT");
    holder.release();
    expect([counts.moved, counts.conflicts, pending]).toEqual([7, 1, 1]);
    const bodies = (await database.query("SELECT body FROM t ORDER BY id")).map((row) => row.body);
    expect(bodies).toEqual(["a+", "a+", "own", "a+", "a+", "a+", "a+", "a+"]);
  });

  test("[JOB-19] a value that is too long for its column is refused, not cut off", async () => {
    const database = await opened(postgresDatabase);
    await database.query("CREATE TABLE t (id uuid PRIMARY KEY, body varchar(4))");
    await database.query(
      "INSERT INTO t SELECT gen_random_uuid(), b FROM unnest(ARRAY['a', 'abcd', 'abc']) b",
    );
    const source = await sourceOf(database, { table: "t", columns: ["body"] });
    expect((await source.survey({ cuts: 1 })).charactersMax).toEqual([4]);
    const { counts } = await moveAll(source);
    expect(counts).toMatchObject({ rows: 3, moved: 2, refused: 1 });
    const bodies = (await database.query("SELECT body FROM t ORDER BY body")).map((row) => row.body);
    expect(bodies.sort()).toEqual(["a+", "abc+", "abcd"]);
  });

  test.each([
    ["timestamptz", "now() + i * interval '1 microsecond'"],
    ["numeric(30,10)", "i / 3.0"],
    ["uuid", "gen_random_uuid()"],
    ["bytea", "decode(lpad(to_hex(i * 1000), 8, '0'), 'hex')"],
    ["bigint", "9007199254740993 + i"],
    ["double precision", "i / 3.0"],
  ])("a key of type %s is found again", async (type, expression) => {
    const database = await opened(postgresDatabase);
    await database.query(`CREATE TABLE t (id ${type} PRIMARY KEY, body TEXT)`);
    await database.query(`INSERT INTO t SELECT ${expression}, 'a' FROM generate_series(1, 25) i`);
    const source = await sourceOf(database, { table: "t", columns: ["body"] });
    expect((await source.survey({ cuts: 3 })).cuts).toHaveLength(3);
    expect((await moveAll(source)).counts).toMatchObject({ rows: 25, moved: 25, conflicts: 0 });
  });

  test("a table in another schema, of bytes, and with policies", async () => {
    const database = await opened(postgresDatabase);
    await database.query("CREATE SCHEMA other");
    await database.query("CREATE TABLE other.t (id INTEGER PRIMARY KEY, body TEXT, raw bytea, doc jsonb)");
    await database.query("INSERT INTO other.t VALUES (1, 'a')");
    await database.query("ALTER TABLE other.t ENABLE ROW LEVEL SECURITY");
    const source = await sourceOf(database, { schema: "other", table: "t", columns: ["body"] });
    expect((await source.survey({ cuts: 1 })).warnings.join()).toContain("row-level security");
    expect((await moveAll(source)).counts.moved).toBe(1);
    for (const column of ["raw", "doc"])
      expect(await surveyed(database, { schema: "other", table: "t", columns: [column] })).toContain(
        "no text type",
      );
  });
});

test("[JOB-12] SQLite's guard compares bytes, whatever collation the column has", async () => {
  const database = await opened(sqliteDatabase);
  await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT COLLATE NOCASE)");
  await database.query("INSERT INTO t VALUES (1, 'abc')");
  const source = await sourceOf(database, { table: "t", columns: ["body"] });
  const { counts } = await moveAll(source, "+", async () => {
    await database.query("UPDATE t SET body = 'ABC'");
  });
  expect(counts).toMatchObject({ moved: 0, conflicts: 1 });
});

test("SQLite's keys of any type are found again", async () => {
  const database = await opened(sqliteDatabase);
  await database.query("CREATE TABLE t (id PRIMARY KEY NOT NULL, body TEXT)");
  const keys = [1, "1", 2.5, 9007199254740993n, Uint8Array.of(1, 0, 255), "", -5n];
  for (const key of keys) await database.query("INSERT INTO t VALUES (?, 'a')", [key]);
  const source = await sourceOf(database, { table: "t", columns: ["body"] });
  expect((await moveAll(source)).counts).toMatchObject({
    rows: keys.length,
    moved: keys.length,
    conflicts: 0,
  });
});
