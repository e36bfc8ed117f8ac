/** Every source fulfils the contract of sources. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { iterableSource, jsonLinesFile } from "../../src/sources/index.ts";
import { ciphertextSourceContract, type SourceSubject } from "../contract/ciphertext-source.ts";
import { describePostgres } from "../support/postgres.ts";
import { postgresDatabase, sqliteDatabase, type TestDatabase } from "./tables.ts";

/** Rows of one column, found by their number whatever their key is made of. */
async function tableSubject(
  database: TestDatabase,
  columns: string,
  keyOf: (index: number) => readonly unknown[],
  values: readonly (string | null)[],
): Promise<SourceSubject> {
  await database.query(`CREATE TABLE secrets (n INTEGER, body TEXT, ${columns})`);
  for (const [i, value] of values.entries()) {
    const row = [i, value, ...keyOf(i)];
    await database.query(`INSERT INTO secrets VALUES (${row.map(() => "?").join(", ")})`, row);
  }
  return {
    open: () => database.open({ table: "secrets", columns: ["body"] }),
    read: async () =>
      (await database.query("SELECT body FROM secrets ORDER BY n")).map((row) => row.body as string | null),
    write: async (index, value) => {
      await database.query("UPDATE secrets SET body = ? WHERE n = ?", [value, index]);
    },
    remove: async (index) => {
      await database.query("DELETE FROM secrets WHERE n = ?", [index]);
    },
    close: () => database.close(),
  };
}

const KEYS: readonly (readonly [string, string, (index: number) => readonly unknown[]])[] = [
  ["a number as key", "id INTEGER PRIMARY KEY", (i) => [i * 3 - 20]],
  [
    "a text as key",
    'id TEXT PRIMARY KEY, "it\'s ""odd""" TEXT',
    (i) => [`k'${String(i).padStart(3, "0")}"`, null],
  ],
  [
    "a composite key",
    "tenant TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (tenant, id)",
    (i) => [`t${Math.floor(i / 10)}`, i % 10],
  ],
];

for (const [title, columns, keyOf] of KEYS) {
  ciphertextSourceContract(`a table of SQLite with ${title}`, async (values) =>
    tableSubject(await sqliteDatabase(), columns, keyOf, values),
  );
}
describePostgres("on PostgreSQL", () => {
  for (const [title, columns, keyOf] of KEYS) {
    ciphertextSourceContract(`a table of PostgreSQL with ${title}`, async (values) =>
      tableSubject(await postgresDatabase(), columns, keyOf, values),
    );
  }
});

ciphertextSourceContract(
  "rows of one's own",
  async (values) => {
    const directory = mkdtempSync(join(tmpdir(), "coffer-source-"));
    const rows = values.map((value, i) => ({ key: `row ${i}`, value, isThere: true }));
    const own = (key: string) => rows.find((row) => row.key === key && row.isThere);
    return {
      open: async () =>
        iterableSource({
          name: "mine",
          slots: ["body"],
          journal: join(directory, "journal"),
          rows: async function* () {
            for (const { key, value, isThere } of rows)
              if (isThere) yield { key, values: [value], fields: {} };
          },
          write: async (key, [change]) => {
            const row = own(key);
            if (row?.value === change!.after) return "written";
            if (row?.value !== change!.before) return "changed";
            row.value = change!.after;
            return "written";
          },
        }),
      read: async () => rows.filter(({ isThere }) => isThere).map(({ value }) => value),
      write: async (index, value) => {
        rows[index]!.value = value;
      },
      remove: async (index) => {
        rows[index]!.isThere = false;
      },
      close: async () => rmSync(directory, { recursive: true }),
    };
  },
  { isShared: false },
);

ciphertextSourceContract(
  "JSON lines",
  async (values) => {
    const directory = mkdtempSync(join(tmpdir(), "coffer-source-"));
    const path = join(directory, "rows.jsonl");
    writeFileSync(path, values.map((body, n) => `{"n":${n}.0, "body": ${JSON.stringify(body)}}\n`).join(""));
    return {
      open: () => jsonLinesFile({ path, columns: ["body"] }),
      read: async () =>
        readFileSync(path, "utf8")
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).body),
      write: async () => {
        throw new Error("nobody else writes it");
      },
      remove: async () => {
        throw new Error("nobody else writes it");
      },
      close: async () => rmSync(directory, { recursive: true }),
    };
  },
  { isShared: false },
);
