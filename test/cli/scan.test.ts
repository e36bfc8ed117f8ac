/** `coffer scan`: for people a table with what to do, for machines JSON; never a value, never a vault. */
import { readdirSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { CANARY, workplace } from "../support/cli.ts";
import { adminQuery, databaseName, describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";
import { SAMPLE_ENVELOPES } from "../support/samples.ts";

describe("coffer scan", () => {
  test("tells of an SQLite database which columns hold ciphertexts, and what to do", async () => {
    const { out, json, path, directory } = workplace();
    const database = new DatabaseSync(path("app.db"));
    database.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, token TEXT)");
    const insert = database.prepare("INSERT INTO users (email, token) VALUES (?, ?)");
    for (let i = 0; i < 10; i++) insert.run(CANARY, i === 0 ? `${CANARY}!` : SAMPLE_ENVELOPES.iv12);
    database.close();
    const before = readdirSync(directory);
    const text = await out(["scan", "app.db"]);
    expect(text).toMatch(/users\.token +10 +9 \(iv12\) +\d+ +1 +0 +0\n/);
    expect(text).toContain("1 value of plaintext beside ciphertexts");
    expect(text).toContain("2 columns hold plaintext only.");
    expect(text).not.toContain(CANARY);
    expect(await out(["scan", "app.db", "--every-column"])).toContain("users.email");
    const told = await json(["scan", "app.db", "--all"]);
    const [place] = told.places;
    expect(place).toMatchObject({ name: "users", rows: 10, looked: 10, isSample: false });
    expect(place.columns.at(-1)).toMatchObject({ name: "token", ciphertexts: 9, plaintext: 1 });
    expect(place.columns.at(-1).advice).toHaveLength(2);
    expect(JSON.stringify(told)).not.toContain(CANARY);
    expect(readdirSync(directory)).toEqual(before);
  });

  test("tells of JSON lines and folders, and where there is nothing", async () => {
    const { out, path } = workplace();
    writeFileSync(path("users.jsonl"), `${JSON.stringify({ a: { token: SAMPLE_ENVELOPES.dotnet } })}\n`);
    expect(await out(["scan", "users.jsonl"])).toContain("a.token");
    writeFileSync(path("plain.jsonl"), '{"name":"Jane"}\n');
    expect(await out(["scan", "plain.jsonl"])).toBe(
      "no ciphertexts were found; 1 column holds plaintext only.\n",
    );
    expect(await out(["scan", "."])).toContain("no ciphertexts were found");
  });

  test("names a file that cannot be read to its end, and refuses what it cannot read", async () => {
    const { run, path } = workplace();
    writeFileSync(path("broken.jsonl"), `{}\n${CANARY}\n`);
    const broken = await run(["scan", "broken.jsonl"]);
    expect(broken).toMatchObject({ code: 0, err: expect.stringContaining("ERR_JSON_INVALID") });
    writeFileSync(path("text"), CANARY);
    for (const [target, code] of [
      ["text", "ERR_USAGE"],
      ["missing", "ERR_INPUT_UNREADABLE"],
      ["mysql://u:p@h/d", "ERR_USAGE"],
    ] as const) {
      const refused = await run(["scan", target]);
      expect(refused.code).toBe(1);
      expect(refused.err).toContain(code);
      expect(refused.err).not.toContain(CANARY);
    }
    const both = await run(["scan", "text", "--all", "--sample", "3"]);
    expect(both.err).toContain("exclude each other");
  });
});

describePostgres("coffer scan of PostgreSQL", () => {
  test("reads all tables of a URL", async () => {
    const url = await emptyDatabaseUrl();
    await adminQuery("CREATE TABLE users (id INTEGER, token TEXT)", databaseName(url));
    await adminQuery(`INSERT INTO users VALUES (1, '${SAMPLE_ENVELOPES.iv12}')`, databaseName(url));
    const { out, run } = workplace();
    expect(await out(["scan", url])).toMatch(/users\.token +1/);
    const refused = await run(["scan", `${url}_not`]);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("ERR_STORAGE_UNAVAILABLE") });
  });
});
