/** `coffer rekey-data`: a table moved to new keys by the command, on SQLite and on PostgreSQL. */
import { rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { readTemplate } from "../../src/cli/input/templates.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { type Workplace, workplace } from "../support/cli.ts";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";

vi.setConfig({ testTimeout: 60_000 });

const CONTEXT = { organization_id: "org_1" };
const TABLE = ["--table", "users", "--column", "ssn"];

/** A vault, and a table with as many rows as there are texts. */
async function setting(
  values: (vault: EmbeddedVault) => Promise<readonly (string | null)[]>,
): Promise<{ place: Workplace; vault: EmbeddedVault; database: DatabaseSync; texts: () => string[] }> {
  const place = workplace();
  const vault = await openVault({ path: place.path("vault.db"), onNotice: () => {}, cache: { maxAgeMs: 0 } });
  onTestFinished(() => vault.close());
  const database = new DatabaseSync(place.path("app.db"), { timeout: 5_000 });
  onTestFinished(() => database.close());
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, org TEXT NOT NULL, ssn TEXT)");
  const insert = database.prepare("INSERT INTO users (org, ssn) VALUES (?, ?)");
  const inserted = await values(vault);
  // One transaction: a disk that is slow under load would take as many waits as there are rows.
  database.exec("BEGIN");
  for (const [i, value] of inserted.entries()) insert.run(`org_${i % 3}`, value);
  database.exec("COMMIT");
  const texts = (): string[] =>
    database
      .prepare("SELECT ssn FROM users ORDER BY id")
      .all()
      .map((row) => row.ssn as string);
  return { place, vault, database, texts };
}

const secrets = (count: number, aad?: (i: number) => string) => (vault: EmbeddedVault) =>
  Promise.all(Array.from({ length: count }, (_, i) => vault.encrypt(`secret ${i}`, CONTEXT, aad?.(i))));

describe("on SQLite", () => {
  test("from a rotation to an empty old version, with what it could not move listed", async () => {
    const { place, vault, database, texts } = await setting(secrets(30));
    await place.out(["keys", "rotate", "organization_id=org_1"]);
    const plan = await place.json(["rekey-data", "plan", "app.db", ...TABLE]);
    expect(plan).toMatchObject({
      rows: 30,
      mode: "rewrap",
      openJob: null,
      sample: { counts: { moved: 30 } },
    });
    const before = await place.json(["rekey-data", "verify", "app.db", ...TABLE]);
    expect(before.keks).toMatchObject([{ version: 1, references: 30 }]);
    expect((await place.run(["rekey-data", "status", "app.db", ...TABLE])).out).toBe(
      "no job has run on this table\n",
    );

    const ran = await place.json(["rekey-data", "run", "app.db", ...TABLE, "--workers", "1"]);
    expect(ran).toMatchObject({ isComplete: true, leftBehind: 0, counts: { rows: 30, moved: 30 } });
    expect(await place.json(["rekey-data", "status", "app.db", ...TABLE])).toEqual(ran);
    const after = await place.json(["rekey-data", "verify", "app.db", ...TABLE, "--open", "all"]);
    expect(after).toMatchObject({ opened: 30, keks: [{ version: 2, references: 30 }] });
    expect(await vault.decrypt(texts()[7]!)).toBe("secret 7");

    database.exec("UPDATE users SET ssn = 'plain' WHERE id = 3");
    const [good] = texts();
    database.prepare("UPDATE users SET ssn = ? WHERE id = 4").run(good!.slice(0, 200));
    const again = await place.run(["rekey-data", "run", "app.db", ...TABLE]);
    expect(again.code).toBe(3);
    expect(again.out).toMatch(/28 current, 1 plaintext, 1 unreadable/);
    expect(again.out).toMatch(/"i3".*plaintext.*ERR_NOT_CIPHERTEXT/);
    expect(again.out + again.err).not.toContain("secret");
    const verified = await place.run(["rekey-data", "verify", "app.db", ...TABLE]);
    expect(verified.code).toBe(3);
    expect(verified.out).toMatch(/unreadable +1/);
  });

  test("Ctrl-C ends it after the page, and the next run goes on", async () => {
    const { place, database } = await setting(secrets(300));
    await place.out(["keys", "rotate", "organization_id=org_1"]);
    const args = ["rekey-data", "run", "app.db", ...TABLE, "--page-rows", "10", "--workers", "1"];
    const { child, ended } = place.start([...args, "--rate", "50"]);
    const moved = (): number => {
      const table = database
        .prepare("SELECT name FROM sqlite_schema WHERE name = 'coffer_rekey_ranges'")
        .get();
      const range = table && database.prepare("SELECT counts FROM coffer_rekey_ranges").get();
      return range === undefined ? 0 : JSON.parse(range.counts as string).moved;
    };
    while (moved() === 0) await sleep(20);
    child.kill("SIGINT");
    const { code, err } = await ended;
    expect(code).toBe(130);
    expect(err).toMatch(/of 300 rows are done: run it again to go on/);
    const stopped = await place.json(["rekey-data", "status", "app.db", ...TABLE]);
    expect(stopped).toMatchObject({ isComplete: false, ranges: { open: 1, leased: 0 } });
    expect(stopped.counts.rows % 10).toBe(0);
    const rest = await place.json(args);
    expect(rest).toMatchObject({ isComplete: true, counts: { rows: 300, moved: 300 } });
  });

  test("a database that is away is waited for, and Ctrl-C ends the wait", async () => {
    const { place } = await setting(async () => []);
    // A port of this machine at which no program listens.
    const url = "postgres://coffer:coffer@127.0.0.1:1/app";
    const { child, ended } = place.start(["rekey-data", "run", url, ...TABLE]);
    let told = "";
    for await (const part of child.stderr!) {
      told += String(part);
      if (/trying again in 1 s/.test(told)) break;
    }
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
    expect(told).toMatch(/\(ERR_STORAGE_UNAVAILABLE\): trying again in 0\.5 s, 6 tries are left/);
    // What only looks is told at once.
    const status = await place.run(["rekey-data", "status", url, ...TABLE]);
    expect([status.code, status.err]).toEqual([2, expect.stringContaining("ERR_STORAGE_UNAVAILABLE")]);
    expect(status.err).not.toContain("trying again");
  });

  test("a pause file holds it up, kill -9 costs nothing but time, and an abort ends the job", async () => {
    const { place, texts, vault } = await setting(secrets(40));
    await place.out(["keys", "rotate", "organization_id=org_1"]);
    writeFileSync(place.path("pause"), "");
    const args = ["rekey-data", "run", "app.db", ...TABLE, "--pause-file", "pause"];
    const { child, ended } = place.start(args);
    const status = () => place.json(["rekey-data", "status", "app.db", ...TABLE]);
    while ((await status()) === null) await sleep(50);
    expect((await status()).counts.rows).toBe(0);
    child.kill("SIGKILL");
    await ended;
    const other = await place.run(["rekey-data", "run", "app.db", ...TABLE, "--mode", "re-encrypt"]);
    expect([other.code, other.err]).toEqual([2, expect.stringContaining("ERR_JOB_CONFLICT")]);
    expect((await place.json(["rekey-data", "abort", "app.db", ...TABLE])).record.state).toBe("aborted");
    expect((await place.run(["rekey-data", "abort", "app.db", ...TABLE])).code).toBe(2);
    rmSync(place.path("pause"));
    expect((await place.json(args)).counts).toMatchObject({ rows: 40, moved: 40 });
    expect(await vault.decrypt(texts()[39]!)).toBe("secret 39");
  });

  test("rekey takes each row's context from its columns, and bind its associated data", async () => {
    const { place, vault, texts } = await setting(secrets(9));
    const rekey = ["--mode", "rekey", "--context", "organization_id={org}"];
    const moved = await place.json(["rekey-data", "run", "app.db", ...TABLE, ...rekey]);
    expect(moved.counts).toMatchObject({ rows: 9, moved: 6, current: 3 });
    for (const [i, text] of texts().entries())
      expect(await vault.decrypt(text, "", { context: { organization_id: `org_${i % 3}` } })).toBe(
        `secret ${i}`,
      );
    const bind = ["--mode", "bind", "--aad", "users:{id}:{{ssn}}"];
    expect((await place.json(["rekey-data", "run", "app.db", ...TABLE, ...bind])).counts.moved).toBe(9);
    expect(await vault.decrypt(texts()[4]!, "users:5:{ssn}")).toBe("secret 4");
    const verify = ["--aad", "users:{id}:{{ssn}}", "--open", "all"];
    expect(await place.json(["rekey-data", "verify", "app.db", ...TABLE, ...verify])).toMatchObject({
      unbound: 0,
      unreadable: 0,
      opened: 9,
    });
    const upgrade = ["--mode", "upgrade", "--layout", "native", "--aad", "users:{id}:{{ssn}}"];
    expect((await place.json(["rekey-data", "run", "app.db", ...TABLE, ...upgrade])).counts.moved).toBe(9);
    expect(await vault.decrypt(texts()[4]!, "users:5:{ssn}")).toBe("secret 4");
  });

  test("JSON lines and folders are sources too", async () => {
    const { place, vault } = await setting(async () => []);
    const text = await vault.encrypt("a", CONTEXT);
    writeFileSync(place.path("users.jsonl"), `{"deep":{"ssn":"${text}"}}\n`);
    writeFileSync(place.path("big.txt"), "data");
    await place.out(["encrypt-file", "big.txt", "--context", "organization_id=org_1"]);
    await place.out(["keys", "rotate", "organization_id=org_1"]);
    const lines = await place.json(["rekey-data", "run", "users.jsonl", "--column", "deep.ssn"]);
    expect(lines).toMatchObject({ isComplete: true, counts: { rows: 1, moved: 1 } });
    const verified = await place.json(["rekey-data", "verify", "users.jsonl", "--column", "deep.ssn"]);
    expect(verified.keks).toMatchObject([{ version: 2, references: 1 }]);
    expect((await place.json(["rekey-data", "run", "."])).counts).toMatchObject({ rows: 1, moved: 1 });
    expect(await place.out(["cat", "big.txt.coffer"])).toBe("data");
    const lost = await place.run(["rekey-data", "run", "users.jsonl"]);
    expect([lost.code, lost.err]).toEqual([1, expect.stringContaining("no column was given")]);
  });

  test.each([
    [["run", "app.db", "--column", "ssn"], "no table was given"],
    [["run", "app.db", "--table", "users"], "no column was given"],
    [["run", "app.db", ...TABLE, "--mode", "rot13"], "--mode takes one of"],
    [["run", "app.db", ...TABLE, "--aad", "x{id"], "brace"],
    [["run", "app.db", ...TABLE, "--schema", "public"], "for PostgreSQL"],
    [["run", "mysql://db/app", ...TABLE], "no postgres:// URL"],
    [["plan", "nowhere.db", ...TABLE], "cannot be opened"],
    [["plan", "app.db", "--table", "nobody", "--column", "ssn"], "no such table"],
    [["plan", "app.db", "--table", "users", "--column", "lost"], "no column lost"],
    [["plan", "app.db", ...TABLE, "--mode", "rekey"], "needs context"],
  ])("says what is wrong with %j", async (args, problem) => {
    const { place } = await setting(async () => []);
    const { code, err, out } = await place.run(["rekey-data", ...args]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(problem);
  });
});

test.each([
  ["plain", "plain"],
  ["{a}", "A"],
  ["x{a}-{b c}y", "xA-By"],
  ["{{a}}", "{a}"],
  ["{{{a}}}", "{A}"],
  ["", ""],
])("the template %j", (text, filled) => {
  expect(readTemplate(text, "aad").fill({ a: "A", "b c": "B" })).toBe(filled);
});

describePostgres("on PostgreSQL", () => {
  test("several processes share one job", async () => {
    const place = workplace();
    const vault = await openVault({ path: place.path("vault.db"), onNotice: () => {} });
    onTestFinished(() => vault.close());
    const url = await emptyDatabaseUrl();
    const pool = new pg.Pool({ connectionString: url });
    pool.on("error", () => {});
    onTestFinished(() => pool.end());
    await pool.query("CREATE TABLE users (id INTEGER PRIMARY KEY, data jsonb)");
    const texts = await Promise.all(Array.from({ length: 60 }, (_, i) => vault.encrypt(`${i}`, CONTEXT)));
    await pool.query(
      "INSERT INTO users SELECT i, jsonb_build_object('ssn', t) FROM unnest($1::text[]) WITH ORDINALITY AS u(t, i)",
      [texts],
    );
    await place.out(["keys", "rotate", "organization_id=org_1"]);
    const args = ["--table", "users", "--schema", "public", "--column", "data:/ssn"];
    const both = ["rekey-data", "run", url, ...args, "--page-rows", "5", "--format", "json"];
    const runs = [place.start(both), place.start(both)];
    const ended = await Promise.all(runs.map((run) => run.ended));
    expect(ended.map(({ code, err }) => [code, err])).toEqual([
      [0, ""],
      [0, ""],
    ]);
    const verified = await place.json(["rekey-data", "verify", url, ...args, "--open", "all"]);
    expect(verified).toMatchObject({ rows: 60, opened: 60, unreadable: 0 });
    expect(verified.keks).toMatchObject([{ version: 2, references: 60 }]);
  });
});
