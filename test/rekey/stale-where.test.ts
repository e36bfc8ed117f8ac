/** The condition that finds ciphertexts under old KEK versions inside a database. */
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import type { Layout } from "../../src/crypto/envelope/layouts.ts";
import { encodeKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import { uuidToText } from "../../src/crypto/primitives/uuid.ts";
import { staleWhere } from "../../src/rekey/index.ts";
import { base64 } from "../support/bytes.ts";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";
import { openTestHost, sessionOf } from "../support/vaults.ts";

const LAYOUTS: readonly Layout[] = ["iv12", "iv32", "leb-first", "dotnet", "native"];
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const kek = fc.record({ id: bytes(16), version: fc.integer({ min: 1, max: 2 ** 32 - 1 }) });

/** An envelope of any layout, whose bytes mean nothing. */
const envelope = (layout: Layout, keks: readonly { id: Uint8Array; version: number }[]) =>
  fc
    .record({ dataKeyId: bytes(16), nonce: bytes(24), wrapped: bytes(80), salt: bytes(56), body: bytes(40) })
    .map(({ dataKeyId, nonce, wrapped, salt, body }) =>
      serializeEnvelope({
        layout,
        keyBlob: encodeKeyBlob({ dataKeyId, keks, nonce, wrapped }),
        nonce: salt.slice(0, layout === "native" ? 24 : layout === "iv32" ? 32 : 12),
        ciphertext: layout === "native" ? body.slice(0, 20) : body,
        tag: salt.slice(0, layout === "native" ? 32 : 16),
      }),
    );

const database = new DatabaseSync(":memory:");
database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
function isFound(where: string, text: string): boolean {
  database.prepare("INSERT OR REPLACE INTO t VALUES (1, ?)").run(text);
  return database.prepare(`SELECT 1 AS one FROM t WHERE ${where}`).get() !== undefined;
}

test.each(LAYOUTS)("[JOB-26] %s: exactly the older versions of the KEK, at each place", (layout) => {
  fc.assert(
    fc.property(
      fc.array(kek, { minLength: 1, maxLength: 10 }).chain((keks) =>
        fc.record({
          keks: fc.constant(keks),
          place: fc.integer({ min: 0, max: keks.length - 1 }),
          has: fc.integer({ min: 1, max: 4 }),
          version: fc.integer({ min: 1, max: 4 }),
          mine: bytes(16),
        }),
      ),
      fc.infiniteStream(fc.nat()),
      ({ keks, place, has, version, mine }, seeds) => {
        const own = keks.map((one, i) => (i === place ? { id: mine, version: has } : one));
        const [text] = fc.sample(envelope(layout, own), { numRuns: 1, seed: seeds.next().value });
        const entries = keks.length;
        for (const layouts of [[layout], undefined]) {
          const { where } = staleWhere("body", uuidToText(mine), version, { layouts, entries });
          expect(isFound(where, text!)).toBe(has < version);
        }
        const few = staleWhere("body", uuidToText(mine), version, {
          layouts: [layout],
          entries: Math.max(1, place),
        });
        if (place > 0) expect(isFound(few.where, text!)).toBe(false);
      },
    ),
    { numRuns: 30 },
  );
});

test("is false for other texts, and for NULL", () => {
  const { where } = staleWhere("body", "00000000-0000-4000-8000-000000000000", 5, { entries: 10 });
  for (const text of ["", "plain", "A".repeat(500), base64(new Uint8Array(400))])
    expect(isFound(where, text)).toBe(false);
  expect(database.prepare(`SELECT count(*) AS n FROM t WHERE NULL OR ${where}`).get()).toEqual({ n: 0 });
});

async function realTexts() {
  const host = await openTestHost();
  onTestFinished(() => host.close());
  const { keys, keks } = await sessionOf(host);
  const { Vault } = await import("../../src/index.ts");
  const vault = new Vault({ keys, kv: {} as never });
  const texts: string[] = [];
  for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const)
    texts.push(await vault.encrypt("x", { app: "a" }, "", { layout }));
  await keks.rotate({ name: "app", value: "a" });
  for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const)
    texts.push(await vault.encrypt("x", { app: "a" }, "", { layout }));
  const { id: kekId } = await keks.get({ name: "app", value: "a" });
  return { texts, where: staleWhere("body", kekId, 2) };
}

test("finds a real vault's ciphertexts, and SQLite uses the index", async () => {
  const { texts, where } = await realTexts();
  const own = new DatabaseSync(":memory:");
  own.exec('CREATE TABLE "my table" (id INTEGER PRIMARY KEY, body TEXT)');
  for (const text of texts) own.prepare('INSERT INTO "my table" (body) VALUES (?)').run(text);
  own.exec(where.index("stale", "my table", "id"));
  const query = `SELECT id FROM "my table" WHERE ${where.where}`;
  expect(
    own
      .prepare(query)
      .all()
      .map((row) => row.id),
  ).toEqual([1, 2, 3, 4]);
  expect(JSON.stringify(own.prepare(`EXPLAIN QUERY PLAN ${query}`).all())).toContain("INDEX stale");
});

describePostgres("on PostgreSQL", () => {
  test("the same condition finds the same", async () => {
    const { texts, where } = await realTexts();
    const client = new pg.Client({ connectionString: await emptyDatabaseUrl() });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query("CREATE TABLE t (id SERIAL PRIMARY KEY, body TEXT)");
    await client.query("INSERT INTO t (body) SELECT unnest($1::text[])", [texts]);
    await client.query(where.index("stale", "t", "id"));
    const { rows } = await client.query(`SELECT id FROM t WHERE ${where.where} ORDER BY id`);
    expect(rows.map((row) => row.id)).toEqual([1, 2, 3, 4]);
  });
});

describe("arguments", () => {
  const id = "00000000-0000-4000-8000-000000000000";
  test.each([
    ["a column that is no name", [1, id, 2]],
    ["an empty column", ["", id, 2]],
    ["a KEK that is no UUID", ["c", "kek", 2]],
    ["a version of 0", ["c", id, 0]],
    ["a version beyond the limit", ["c", id, 202]],
    ["too many entries", ["c", id, 2, { entries: 11 }]],
    ["an unknown layout", ["c", id, 2, { layouts: ["iv13"] }]],
    ["an unknown option", ["c", id, 2, { colour: 1 }]],
  ])("%s is refused", (_, args) => {
    expect(() => staleWhere(...(args as [string, string, number]))).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
  });

  test("nothing is older than version 1, and names are quoted", () => {
    expect(staleWhere("c", id, 1).where).toBe("1 = 0");
    expect(staleWhere('a"b', id, 2).where).toContain('substr("a""b", ');
  });
});
