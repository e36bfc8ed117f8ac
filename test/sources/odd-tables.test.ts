/** Tables that an application made in odd ways: nothing of theirs is lost, skipped or changed in silence. */
import { afterEach, describe, expect, test } from "vitest";
import type { Counts, Finding } from "../../src/rekey/index.ts";
import type { TableOptions } from "../../src/sources/sql/table-options.ts";
import type { TableSource } from "../../src/sources/sql/table-source.ts";
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

/** Replaces every value by itself with `+` behind, three rows a page, and tells what came of it. */
async function moveAll(
  database: TestDatabase,
  options: TableOptions,
): Promise<{ counts: Counts; findings: Finding[]; source: TableSource }> {
  const source = await database.open(options);
  closing.push(() => source.close());
  const { rows: planned } = await source.survey({ cuts: 0 });
  const job = await source.createJob({
    settings: "{}",
    rows: planned,
    ranges: [{ after: null, upTo: null }],
  });
  let claim = (await source.claim(job.id, 60_000))!;
  for (let page = 0; ; page++) {
    if (page > 50) throw new Error("it does not come to an end");
    const rows = await source.readPage(claim.range, claim.position, 3);
    if (rows.length === 0) break;
    claim = await source.commitPage(claim, {
      rows: rows.map((row) => ({
        row,
        values: row.values.map((value) =>
          value === null
            ? { outcome: "empty" as const }
            : value === ""
              ? { outcome: "plaintext" as const }
              : { outcome: "moved" as const, replacement: `${value}+` },
        ),
      })),
      position: rows[rows.length - 1]!.key,
      leaseMs: 60_000,
    });
  }
  const { counts } = await source.status(job.id);
  return { counts, findings: await source.findings(job.id, 100), source };
}

const column = async (database: TestDatabase, statement: string): Promise<unknown[]> =>
  (await database.query(statement)).map((row) => Object.values(row)[0]);

function onEither(name: string, make: () => Promise<TestDatabase>): void {
  describe(`on ${name}`, () => {
    test.each(["k0", "v0", "f0", "coffer_n", "i"])("a key column may have the name %s", async (key) => {
      const database = await opened(make);
      await database.query(`CREATE TABLE t (${key} INTEGER PRIMARY KEY, body TEXT)`);
      for (let i = 1; i <= 25; i++)
        await database.query("INSERT INTO t VALUES (?, ?)", [i, `${(i * 7) % 25}`]);
      const { counts } = await moveAll(database, { table: "t", columns: ["body"], fields: ["body"] });
      expect(counts).toMatchObject({ rows: 25, moved: 25 });
    });

    test("a member of an object may have digits for its name", async () => {
      const database = await opened(make);
      await database.query(
        `CREATE TABLE t (id INTEGER PRIMARY KEY, doc ${name === "SQLite" ? "TEXT" : "jsonb"})`,
      );
      await database.query(
        `INSERT INTO t VALUES (1, '{"a":{"0":"x"}}'), (2, '{"a":["x"]}'), (3, '{"a":{"0":{"1":"x"}}}')`,
      );
      const { counts } = await moveAll(database, {
        table: "t",
        columns: [{ column: "doc", path: ["a", "0"] }],
      });
      expect(counts).toMatchObject({ rows: 3, empty: 0 });
      const docs = await column(database, "SELECT doc FROM t ORDER BY id");
      expect(docs.slice(0, 2).map((doc) => (typeof doc === "string" ? JSON.parse(doc) : doc))).toEqual([
        { a: { "0": "x+" } },
        { a: ["x+"] },
      ]);
    });

    test.each([
      'o"dd',
      "back\\slash",
      "'",
      "$",
      ".",
      "[0]",
      "é",
      "日本",
      "a b",
      "\n",
      "\\u0061",
      "-1",
      "#",
      "#-1",
    ])("a member may have the name %j", async (member) => {
      const database = await opened(make);
      await database.query(
        `CREATE TABLE t (id INTEGER PRIMARY KEY, doc ${name === "SQLite" ? "TEXT" : "jsonb"})`,
      );
      await database.query("INSERT INTO t VALUES (1, ?)", [JSON.stringify({ [member]: "x", other: 1 })]);
      const { counts } = await moveAll(database, {
        table: "t",
        columns: [{ column: "doc", path: [member] }],
      });
      expect(counts).toMatchObject({ rows: 1, moved: 1 });
      const [doc] = await column(database, "SELECT doc FROM t");
      expect(typeof doc === "string" ? JSON.parse(doc) : doc).toEqual({ [member]: "x+", other: 1 });
    });

    test("[JOB-28] JSON keeps its numbers, its form and members with the same name", async () => {
      const database = await opened(make);
      await database.query(
        `CREATE TABLE t (id INTEGER PRIMARY KEY, doc ${name === "SQLite" ? "TEXT" : "json"})`,
      );
      const docs = [
        '{"a":"x","n":12345678901234567890.10,"e":1E400,"z":-0}',
        '{"a":"x","a":"y"}',
        '{"b":{"a":1}, "b":{"a":2}, "a":"x"}',
        '{ "z": 1, "a": "x" }',
        '{"a":"x","n":"\\u0000"}',
        '{"\\u0061":"x"}',
        '{"a":"x","b":"x"}',
      ];
      for (const [i, doc] of docs.entries()) await database.query("INSERT INTO t VALUES (?, ?)", [i, doc]);
      const { counts } = await moveAll(database, { table: "t", columns: [{ column: "doc", path: ["a"] }] });
      const after = await column(database, `SELECT CAST(doc AS TEXT) FROM t ORDER BY id`);
      if (name === "SQLite") {
        expect(counts).toMatchObject({ rows: 7, moved: 7 });
        // Of members with the same name SQLite reads the first, and it leaves out white space.
        expect(after).toEqual([
          '{"a":"x+","n":12345678901234567890.10,"e":1E400,"z":-0}',
          '{"a":"x+","a":"y"}',
          '{"b":{"a":1},"b":{"a":2},"a":"x+"}',
          '{"z":1,"a":"x+"}',
          '{"a":"x+","n":"\\u0000"}',
          '{"\\u0061":"x+"}',
          '{"a":"x+","b":"x"}',
        ]);
      } else {
        expect(counts).toMatchObject({ rows: 7, moved: 5, plaintext: 1, refused: 1 });
        // PostgreSQL reads the last one; a text that stands twice in the document is not guessed.
        expect(after).toEqual([
          '{"a":"x+","n":12345678901234567890.10,"e":1E400,"z":-0}',
          '{"a":"x","a":"y+"}',
          '{"b":{"a":1}, "b":{"a":2}, "a":"x+"}',
          '{ "z": 1, "a": "x+" }',
          docs[4],
          '{"\\u0061":"x+"}',
          docs[6],
        ]);
      }
    });

    test("[JOB-28] a trigger that leaves a row out", async () => {
      const database = await opened(make);
      await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
      await database.query("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
      if (name === "SQLite")
        await database.query(
          "CREATE TRIGGER skip BEFORE UPDATE ON t WHEN new.id = 1 BEGIN SELECT RAISE(IGNORE); END",
        );
      else {
        await database.query(
          "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 1 THEN RETURN NULL; END IF; RETURN new; END'",
        );
        await database.query("CREATE TRIGGER skip BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION skip()");
      }
      const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
      expect(await column(database, "SELECT body FROM t ORDER BY id")).toEqual(["a", "b+"]);
      expect(counts).toMatchObject({ rows: 2, moved: 1, refused: 1 });
    });

    test("[JOB-28] a trigger that writes something else than it is given", async () => {
      const database = await opened(make);
      await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
      await database.query("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
      if (name === "SQLite")
        await database.query(
          "CREATE TRIGGER cut AFTER UPDATE ON t BEGIN UPDATE t SET body = substr(new.body, 1, 1) WHERE id = new.id AND id = 1; END",
        );
      else {
        await database.query(
          "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 1 THEN new.body := substr(new.body, 1, 1); END IF; RETURN new; END'",
        );
        await database.query("CREATE TRIGGER cut BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION cut()");
      }
      const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
      expect(await column(database, "SELECT body FROM t ORDER BY id")).toEqual(["a", "b+"]);
      expect(counts).toMatchObject({ rows: 2, moved: 1, refused: 1 });
    });
  });
}

onEither("SQLite", sqliteDatabase);
describePostgres("on PostgreSQL", () => {
  onEither("PostgreSQL", postgresDatabase);

  test("[JOB-28] a trigger that refuses with a code of its own", async () => {
    const database = await opened(postgresDatabase);
    await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
    await database.query("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    await database.query(
      "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 1 THEN RAISE EXCEPTION USING ERRCODE = ''MYAPP''; END IF; RETURN new; END'",
    );
    await database.query("CREATE TRIGGER no BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION no()");
    const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
    expect(counts).toMatchObject({ rows: 2, moved: 1, refused: 1 });
  });

  test("[JOB-28] a constraint that waits for the end of the transaction is its row's", async () => {
    const database = await opened(postgresDatabase);
    await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
    await database.query("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    await database.query(
      "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 1 THEN RAISE EXCEPTION ''no %'', new.body; END IF; RETURN new; END'",
    );
    await database.query(
      "CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()",
    );
    const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
    expect(counts).toMatchObject({ rows: 2, moved: 1, refused: 1 });
  });

  test("[JOB-29] tables whose children have the same keys", async () => {
    const database = await opened(postgresDatabase);
    await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
    await database.query("CREATE TABLE child () INHERITS (t)");
    await database.query("INSERT INTO t SELECT i, 'a' FROM generate_series(1, 10) i");
    await database.query("INSERT INTO child SELECT i, 'b' FROM generate_series(1, 10) i");
    const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
    expect(counts).toMatchObject({ rows: 10, moved: 10 });
    expect(await column(database, "SELECT DISTINCT body FROM ONLY t")).toEqual(["a+"]);
    expect(await column(database, "SELECT DISTINCT body FROM child")).toEqual(["b"]);
  });
});

describe("on SQLite alone", () => {
  test("a key with NUL", async () => {
    const database = await opened(sqliteDatabase);
    await database.query("CREATE TABLE t (id TEXT PRIMARY KEY, body TEXT)");
    await database.query(
      "INSERT INTO t VALUES ('a', 'x'), ('b', 'x'), ('a' || char(0) || 'b', 'x'), ('zz', 'x')",
    );
    const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
    expect(counts).toMatchObject({ rows: 4, moved: 4 });
  });

  test.each(["x'ff'", "x'61ff62'"])(
    "[JOB-29] a key of %s, which is no text, is refused and named",
    async (bytes) => {
      const database = await opened(sqliteDatabase);
      await database.query("CREATE TABLE t (id TEXT PRIMARY KEY, body TEXT)");
      await database.query(`INSERT INTO t VALUES ('a', 'x'), (CAST(${bytes} AS TEXT), 'x'), ('zz', 'x')`);
      await expect(moveAll(database, { table: "t", columns: ["body"] })).rejects.toMatchObject({
        code: "ERR_SOURCE_INVALID",
        message: expect.stringContaining("no UTF-8"),
      });
    },
  );

  test.each(["ROLLBACK", "REPLACE", "IGNORE", "FAIL", "ABORT"])(
    "[JOB-28] a constraint ON CONFLICT %s",
    async (clause) => {
      const database = await opened(sqliteDatabase);
      await database.query(`CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT UNIQUE ON CONFLICT ${clause})`);
      await database.query("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'b+'), (5, 'e')");
      const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
      expect(await column(database, "SELECT body FROM t ORDER BY id")).toEqual([
        "a+",
        "b",
        "c+",
        "b++",
        "e+",
      ]);
      expect(counts).toMatchObject({ rows: 5, moved: 4, refused: 1 });
    },
  );

  test.each(["ROLLBACK", "FAIL", "ABORT"])("[JOB-28] a trigger that raises %s", async (action) => {
    const database = await opened(sqliteDatabase);
    await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
    await database.query("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')");
    await database.query(
      `CREATE TRIGGER no AFTER UPDATE ON t WHEN new.id = 2 BEGIN SELECT RAISE(${action}, 'no'); END`,
    );
    const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
    expect(await column(database, "SELECT body FROM t ORDER BY id")).toEqual(["a+", "b", "c+", "d+"]);
    expect(counts).toMatchObject({ rows: 4, moved: 3, refused: 1 });
  });

  test("text in a column of bytes", async () => {
    const database = await opened(sqliteDatabase);
    await database.query("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB) STRICT");
    await database.query("INSERT INTO t VALUES (1, CAST('a' AS BLOB)), (2, x'ff00ff')");
    const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
    expect(counts).toMatchObject({ rows: 2, plaintext: 2 });
    expect(await column(database, "SELECT hex(body) FROM t ORDER BY id")).toEqual(["61", "FF00FF"]);
  });

  test("[JOB-29] a unique index whose collation is not the column's", async () => {
    const database = await opened(sqliteDatabase);
    await database.query("CREATE TABLE t (email TEXT NOT NULL COLLATE NOCASE, body TEXT)");
    await database.query("CREATE UNIQUE INDEX u ON t (email COLLATE BINARY)");
    for (const email of ["a", "A", "b", "B", "c", "C"])
      await database.query("INSERT INTO t VALUES (?, 'x')", [email]);
    const { counts } = await moveAll(database, { table: "t", columns: ["body"], key: ["email"] });
    expect(counts).toMatchObject({ rows: 6, moved: 6 });
  });

  test("WITHOUT ROWID", async () => {
    const database = await opened(sqliteDatabase);
    await database.query(
      "CREATE TABLE t (a TEXT, b INTEGER, body TEXT, PRIMARY KEY (b DESC, a COLLATE NOCASE)) WITHOUT ROWID",
    );
    for (let i = 0; i < 25; i++)
      await database.query("INSERT INTO t VALUES (?, ?, 'x')", [`k${i % 5}`, i % 7]);
    const { counts } = await moveAll(database, { table: "t", columns: ["body"] });
    expect(counts).toMatchObject({ rows: 25, moved: 25 });
  });
});
