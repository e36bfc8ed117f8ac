/** A census: what stands where is counted by what it is, nothing is written, no value is shown. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { localEncryptSync } from "../../src/crypto/local.ts";
import type { Vault } from "../../src/facade/vault.ts";
import {
  adviceFor,
  type ColumnReport,
  folderScanSource,
  jsonLinesScanSource,
  postgresScanSource,
  recognise,
  SCAN_HEAD_MAX,
  type ScanReport,
  scan,
  sqliteScanSource,
} from "../../src/sources/scan/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";
import { OFFICIAL_IV32_ENVELOPE, SAMPLE_1, SAMPLE_ENVELOPES } from "../support/samples.ts";
import { freshDirectory, freshPath, openTestVault } from "../support/vaults.ts";

const CANARY = "a-value-that-is-never-shown";
const ORG = { organization_id: "org_1" };
const column = (report: ScanReport, place: string, name: string): ColumnReport =>
  report.places.find((found) => found.name.endsWith(place))!.columns.find((found) => found.name === name)!;

let vault: Vault;
let older: string[];
let newer: string[];

beforeAll(async () => {
  vault = await openTestVault();
  const make = async (count: number): Promise<string[]> => {
    const results = await vault.encryptMany(
      Array.from({ length: count }, (_, i) => `${CANARY}-${i}`),
      ORG,
    );
    return results.map((result) => (result.ok ? result.value : ""));
  };
  older = await make(3);
  await vault.keks.rotate({ name: "organization_id", value: "org_1" });
  newer = await make(5);
});

/** OpenSSL's salted form with its own key derivation (EVP_BytesToKey with MD5), as crypto-js writes it. */
function saltedCipher(text: string, passphrase: string): string {
  const salt = randomBytes(8);
  let bytes = Buffer.alloc(0);
  let block = Buffer.alloc(0);
  while (bytes.length < 48) {
    block = createHash("md5")
      .update(Buffer.concat([block, Buffer.from(passphrase), salt]))
      .digest();
    bytes = Buffer.concat([bytes, block]);
  }
  const cipher = createCipheriv("aes-256-cbc", bytes.subarray(0, 32), bytes.subarray(32));
  return Buffer.concat([Buffer.from("Salted__"), salt, cipher.update(text), cipher.final()]).toString(
    "base64",
  );
}

/** github.com/fernet/spec: version, time, IV, ciphertext, HMAC. */
function fernetToken(text: string): string {
  const head = Buffer.alloc(9);
  head[0] = 0x80;
  head.writeBigUInt64BE(1_790_000_000n, 1);
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-128-cbc", randomBytes(16), iv);
  return Buffer.concat([head, iv, cipher.update(text), cipher.final(), randomBytes(32)])
    .toString("base64")
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

describe("a value is taken for", () => {
  test.each(Object.entries(SAMPLE_ENVELOPES))(
    "a ciphertext of the layout %s, as text and as bytes",
    (layout, text) => {
      expect(recognise(text)).toMatchObject({ kind: "ciphertext", layout });
      expect(recognise(Buffer.from(text, "base64"))).toMatchObject({ kind: "ciphertext", layout });
    },
  );

  test("a ciphertext of every layout, also where its key blob is longer than the part that is looked at first", () => {
    expect(recognise(OFFICIAL_IV32_ENVELOPE)).toMatchObject({ kind: "ciphertext", layout: "iv32" });
    const blob = Buffer.concat([Buffer.from("WOS.EKM.v1\0", "latin1"), randomBytes(2_000)]).toString(
      "base64",
    );
    for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const) {
      const text = localEncryptSync("x".repeat(100), { ...SAMPLE_1, encryptedKeys: blob }, "", { layout });
      expect(recognise(text)).toMatchObject({ kind: "ciphertext", layout });
      const bytes = Buffer.from(text, "base64");
      expect(recognise(bytes)).toMatchObject({ kind: "ciphertext", layout });
    }
  });

  test.each([
    ["crypto-js", saltedCipher(CANARY, "p")],
    ["fernet", fernetToken(CANARY)],
    [
      "cloak",
      `v1.aesgcm256.0a1b2c3d.${randomBytes(12).toString("base64url")}.${randomBytes(30).toString("base64url")}`,
    ],
    ["laravel", Buffer.from(JSON.stringify({ iv: "x", value: "y", mac: "z", tag: "" })).toString("base64")],
    ["transit", "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w=="],
    [
      "iron",
      "Fe26.2**0cdd607945dd1dffb7da0b0bf5f1a7daa6218cbae14cac51dcbd91fb077aeb5b*aOZLCKLhCt0D5IU1qLTtYw",
    ],
    ["rails", '{"p":"n7J0/ol+a7DRMeaE","h":{"iv":"3QAPMCy66oMkgvSe","at":"JQRkMbHQE+7P6E2QjDq2Tw=="}}'],
    ["jwe", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvT"],
    ["age", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl"],
    ["pgp", "-----BEGIN PGP MESSAGE-----\n\nww0"],
    ["ansible-vault", "$ANSIBLE_VAULT;1.1;AES256\n66386439"],
    ["sops", "ENC[AES256_GCM,data:p673w==,iv:YY=,aad:UQ=,tag:A=]"],
    ["dotenvx", "encrypted:BDb7t3QkTRp2"],
    [
      "parts",
      `${randomBytes(12).toString("hex")}:${randomBytes(16).toString("hex")}:${randomBytes(20).toString("hex")}`,
    ],
    ["parts", `${randomBytes(16).toString("hex")}:${randomBytes(32).toString("hex")}`],
    [
      "parts",
      `${randomBytes(16).toString("base64")}:${randomBytes(16).toString("base64")}:${randomBytes(9).toString("base64")}`,
    ],
  ] as const)("%s", (format, text) => {
    expect(recognise(text)).toEqual({ kind: "foreign", format });
    expect(recognise(Buffer.from(text))).toEqual({ kind: "foreign", format });
  });

  test("plaintext, opaque, empty or damaged", () => {
    for (const text of [
      ...[
        "x",
        "jane.doe@example.com",
        "+49 170 1234567",
        "2026-11-27T00:00:00Z",
        "https://example.com/a?b=c",
        "10.0.0.1",
      ],
      ...[
        "550e8400-e29b-41d4-a716-446655440000",
        "AQID",
        "v1.2.3",
        "a:b",
        '{"a":1}',
        "Grüße, Jürgen",
        "12345678901234567890",
      ],
    ]) {
      expect(recognise(text), text).toEqual({ kind: "plaintext" });
      expect(recognise(Buffer.from(text)), text).toEqual({ kind: "plaintext" });
    }
    for (const text of [
      randomBytes(48).toString("base64"),
      randomBytes(32).toString("hex"),
      randomBytes(40).toString("base64url"),
    ]) {
      expect(recognise(text).kind, text).toBe("opaque");
    }
    expect(recognise(randomBytes(64)).kind).toBe("opaque");
    expect(recognise("").kind).toBe("empty");
    expect(recognise(new Uint8Array(0)).kind).toBe("empty");
    // A column of 160 characters cut it.
    expect(recognise(SAMPLE_ENVELOPES.iv12.slice(0, 160)).kind).toBe("damaged");
  });

  test("text, where its beginning ends within a character", () => {
    const bytes = Buffer.from("ü".repeat(SCAN_HEAD_MAX));
    expect(recognise(bytes.subarray(0, 1_001), bytes.length).kind).toBe("plaintext");
  });
});

/** The same rows in every source that has columns. */
const CREATE =
  'CREATE TABLE users (id INTEGER PRIMARY KEY, token TEXT, "odd ""name" TEXT, settings %JSON%, raw %BYTES%)';
const rows = (): [number, string | null, string, string, Buffer][] =>
  Array.from({ length: 20 }, (_, i) => [
    i,
    i === 0 ? null : i === 1 ? "" : i < 5 ? `${CANARY}-plain` : i < 8 ? older[i - 5]! : newer[i % 5]!,
    saltedCipher(CANARY, "p"),
    JSON.stringify({
      smtp: { password: newer[0], port: 25 },
      keys: [newer[1], null],
      [`${CANARY}@x.example`]: "v",
    }),
    Buffer.from(newer[i % 5]!, "base64"),
  ]);

function expectUsers(report: ScanReport): void {
  const token = column(report, "users", "token");
  expect(token).toMatchObject({
    nulls: 1,
    empty: 1,
    plaintext: 3,
    ciphertexts: 15,
    damaged: 0,
    layouts: { iv12: 15 },
  });
  expect(token.wrappedBy).toEqual({ coffer: 15 });
  expect(token.keks.map(({ version, ciphertexts }) => [version, ciphertexts])).toEqual([
    [2, 12],
    [1, 3],
  ]);
  expect(column(report, "users", 'odd "name').foreign).toEqual({ "crypto-js": 20 });
  expect(column(report, "users", "settings.smtp.password").ciphertexts).toBe(20);
  expect(column(report, "users", "settings.keys[]")).toMatchObject({ ciphertexts: 20, nulls: 20 });
  expect(column(report, "users", "settings.*")).toMatchObject({ plaintext: 20 });
  expect(column(report, "users", "raw")).toMatchObject({ ciphertexts: 20 });
  // Neither values nor what may be one.
  expect(
    JSON.stringify([report, report.places.flatMap(({ columns }) => columns.map(adviceFor))]),
  ).not.toContain(CANARY);
  expect(adviceFor(token).join()).toMatch(/3 values of plaintext beside.*3 references to older versions/);
  expect(adviceFor(column(report, "users", 'odd "name')).join()).toContain("crypto-js");
  expect(adviceFor(column(report, "users", "raw"))).toEqual([]);
}

describe("an SQLite database", () => {
  function make(path = freshPath()): { path: string; database: DatabaseSync } {
    const database = new DatabaseSync(path);
    database.exec(CREATE.replace("%JSON%", "TEXT").replace("%BYTES%", "BLOB"));
    const insert = database.prepare("INSERT INTO users VALUES (?, ?, ?, ?, ?)");
    for (const row of rows()) insert.run(...row);
    return { path, database };
  }

  test("is counted by columns and paths, and stays as it is", async () => {
    const { path, database } = make();
    database.exec(
      "CREATE TABLE k (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO k VALUES ('a', 1), ('b', NULL)",
    );
    database.exec("CREATE VIEW v AS SELECT * FROM k; CREATE TABLE empty (a)");
    database.close();
    const before = readFileSync(path);
    using source = await sqliteScanSource(path);
    const report = await scan(source, { sample: "all" });
    expectUsers(report);
    expect(report.places.map(({ name, rows: all, looked }) => [name, all, looked])).toEqual([
      ["empty", 0, 0],
      ["k", 2, 2],
      ["users", 20, 20],
    ]);
    expect(readFileSync(path)).toEqual(before);
  });

  test("a sample comes from all over a table, and is called one", async () => {
    const { path, database } = make();
    database.exec("CREATE TABLE t (v TEXT)");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    database.exec("BEGIN");
    for (let i = 0; i < 5_000; i++) insert.run(i < 4_500 ? "plain" : newer[0]!);
    database.exec("COMMIT");
    database.close();
    using source = await sqliteScanSource(path);
    const told: number[] = [];
    const report = await scan(source, { sample: 500, onProgress: (_, looked) => told.push(looked) });
    const place = report.places.find(({ name }) => name === "t")!;
    expect(place).toMatchObject({ rows: 5_000, looked: 500, isSample: true, unreadable: undefined });
    const [{ ciphertexts, plaintext }] = place.columns as [ColumnReport];
    expect(ciphertexts + plaintext).toBe(500);
    // A tenth of the table are ciphertexts, at its end.
    expect(Math.abs(ciphertexts - 50)).toBeLessThan(10);
    expect(told.at(-1)).toBe(20);
    expect(report.places.find(({ name }) => name === "users")).toMatchObject({ isSample: false });
  });

  test("long values are read at their beginning only", async () => {
    const { path, database } = make();
    const long = localEncryptSync("x".repeat(400_000), SAMPLE_1, "");
    database.exec("CREATE TABLE t (v)");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    for (const value of [long, Buffer.from(long, "base64"), "ü".repeat(300_000)]) insert.run(value);
    database.close();
    using source = await sqliteScanSource(path);
    expect(column(await scan(source), "t", "v")).toMatchObject({ ciphertexts: 2, plaintext: 1 });
  });

  test.each([
    ["has gaps and both ends", "id INTEGER PRIMARY KEY, v"],
    ["has a column of its name", "rowid INTEGER, v"],
    ["has columns of all its names", "rowid INTEGER, _rowid_ TEXT, oid TEXT, v"],
    ["is missing", "id INTEGER PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE z (a"],
  ])("every row is read once, over many pages, where the rowid %s", async (_, columns) => {
    const { path, database } = make();
    database.exec(`CREATE TABLE t (${columns})`);
    const [first] = columns.split(" ");
    const insert = database.prepare(`INSERT INTO t (${first}, v) VALUES (?, ?)`);
    const ends = [-(2n ** 63n), -5n, 2n ** 63n - 1n];
    database.exec("BEGIN");
    for (let i = 0; i < 2_497; i++) insert.run(i * 3, i % 2 === 0 ? newer[0]! : "plain");
    for (const end of ends) insert.run(end, newer[0]!);
    database.exec("COMMIT");
    database.close();
    using source = await sqliteScanSource(path);
    const report = await scan(source, { sample: "all" });
    expect(report.places.find(({ name }) => name === "t")).toMatchObject({ rows: 2_500, looked: 2_500 });
    expect(column(report, "t", "v")).toMatchObject({ ciphertexts: 1_249 + 3, plaintext: 1_248 });
  });

  test("whole numbers beyond 2^53 do not keep a table from being read", async () => {
    const { path, database } = make();
    database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
    const insert = database.prepare("INSERT INTO t VALUES (?, ?)");
    database.exec("BEGIN");
    for (let i = 0n; i < 300n; i++) insert.run(2n ** 60n + i, newer[0]!);
    database.exec("COMMIT");
    database.close();
    using source = await sqliteScanSource(path);
    for (const [sample, looked] of [
      ["all", 300],
      [200, 200],
    ] as const) {
      const report = await scan(source, { sample });
      expect(report.places[0]).toMatchObject({ unreadable: undefined, looked });
      expect(column(report, "t", "id")).toMatchObject({ plaintext: looked });
      expect(column(report, "t", "v")).toMatchObject({ ciphertexts: looked });
    }
  });

  test("what is no database is refused, a table that cannot be read does not end the census", async () => {
    const path = freshPath();
    writeFileSync(path, `${CANARY}\n`.repeat(1_000));
    const error = await rejectionOf(() => sqliteScanSource(path));
    expect(error.code).toBe("ERR_STORAGE_CORRUPT");
    expect(error.message).not.toContain(CANARY);
  });

  test("an abort ends it", async () => {
    const { path, database } = make();
    database.close();
    using source = await sqliteScanSource(path);
    const reason = new Error("enough");
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(reason);
    expect(await rejectionOf(() => scan(source, { signal: controller.signal, onProgress }))).toBe(reason);
  });
});

describePostgres("a PostgreSQL database", () => {
  test("is counted by columns and paths in read-only transactions", async () => {
    const client = new pg.Client({ connectionString: await emptyDatabaseUrl() });
    await client.connect();
    try {
      await client.query(CREATE.replace("%JSON%", "JSONB").replace("%BYTES%", "BYTEA"));
      for (const row of rows()) await client.query("INSERT INTO users VALUES ($1, $2, $3, $4, $5)", row);
      await client.query(
        "CREATE SCHEMA other; CREATE TABLE other.secret (v TEXT); CREATE TABLE numbers (n INTEGER)",
      );
      await client.query("CREATE DOMAIN sealed AS TEXT; CREATE TABLE d (v sealed, list TEXT[])");
      await client.query("INSERT INTO d VALUES ($1, $2)", [newer[0], [newer[1]]]);
      const report = await scan(postgresScanSource(client), { sample: "all" });
      expectUsers(report);
      expect(report.places.map(({ name }) => name)).toEqual(["other.secret", "d", "users"]);
      expect(column(report, "d", "v").ciphertexts).toBe(1);

      await client.query("CREATE TABLE t AS SELECT repeat('x', 200) AS v FROM generate_series(1, 20000)");
      await client.query("ANALYZE t");
      const sampled = await scan(postgresScanSource(client), { sample: 1_000 });
      const place = sampled.places.find(({ name }) => name === "t")!;
      expect(place).toMatchObject({ rows: 20_000, isEstimate: true, isSample: true });
      expect(place.looked).toBeGreaterThan(100);
      expect(place.looked).toBeLessThanOrEqual(1_000);

      // Without the right to read it, a table is named and the others are read.
      await client.query("CREATE ROLE reader; GRANT SELECT ON users, d TO reader; SET ROLE reader");
      const partial = await scan(postgresScanSource(client));
      expect(partial.places.find(({ name }) => name === "t")?.unreadable).toBe("42501");
      expectUsers(partial);
    } finally {
      await client.end();
    }
  });
});

describe("files", () => {
  test("JSON lines are counted by path", async () => {
    const path = join(freshDirectory(), "users.jsonl");
    const lines = rows().map(([id, token, , settings]) =>
      JSON.stringify({ id, token, settings: JSON.parse(settings) }),
    );
    writeFileSync(path, `${lines.join("\n")}\n\n`);
    const report = await scan(jsonLinesScanSource(path), { sample: "all" });
    expect(column(report, "users.jsonl", "token")).toMatchObject({
      ciphertexts: 15,
      plaintext: 3,
      nulls: 1,
      empty: 1,
    });
    expect(column(report, "users.jsonl", "settings.smtp.password").ciphertexts).toBe(20);
    expect((await scan(jsonLinesScanSource(path), { sample: 5 })).places[0]).toMatchObject({
      looked: 5,
      isSample: true,
    });
    writeFileSync(path, `{}\n${CANARY}\n`);
    const broken = await scan(jsonLinesScanSource(path));
    expect(broken.places[0]).toMatchObject({ unreadable: "ERR_JSON_INVALID" });
    expect(JSON.stringify(broken)).not.toContain(CANARY);
  });

  test("each file of a folder is a value", async () => {
    const directory = freshDirectory();
    mkdirSync(join(directory, "deep"));
    writeFileSync(join(directory, "a.txt"), `${newer[0]}\n`);
    writeFileSync(join(directory, "b.bin"), Buffer.from(newer[1]!, "base64"));
    writeFileSync(join(directory, "deep", "c.txt"), "hello\n");
    writeFileSync(
      join(directory, "deep", "d.coffer"),
      Buffer.from(localEncryptSync("x".repeat(300_000), SAMPLE_1, "", { layout: "native" }), "base64"),
    );
    const report = await scan(folderScanSource(directory));
    expect(report.places.map(({ name }) => name)).toEqual([directory, join(directory, "deep")]);
    expect(report.places[0]!.columns[0]).toMatchObject({ ciphertexts: 2 });
    expect(report.places[1]!.columns[0]).toMatchObject({
      ciphertexts: 1,
      plaintext: 1,
      layouts: { native: 1 },
    });
  });
});

test("docs/scan.md names every format", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/scan.md"), "utf8");
  const source = readFileSync(join(import.meta.dirname, "../../src/sources/scan/recognise.ts"), "utf8");
  const formats = [...source.matchAll(/\{ format: "([^"]+)"/g)].map(([, format]) => format!);
  expect(formats.length).toBeGreaterThan(10);
  for (const format of formats) expect(page).toContain(`\`${format}\``);
});

test("bad options are refused", async () => {
  for (const sample of [0, -1, 1.5, Number.NaN, "some"]) {
    const error = await rejectionOf(() => scan(jsonLinesScanSource("x"), { sample } as never));
    expect([error.name, error.code]).toEqual(["RangeError", "ERR_INVALID_ARGUMENT"]);
  }
});
