/** SQLite fulfils the contract of all databases, on a file and in memory. */
import type { Database } from "../../src/vault/storage/database.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { databaseContract } from "../contract/database.ts";
import { freshPath } from "../support/vaults.ts";

const DIALECT = { text: "TEXT", bytes: "BLOB", integer: "INTEGER" };
const OPTIONS = { create: true, lockWaitMs: 10_000 };

async function readOnlyDatabase(path: string): Promise<Database> {
  const database = await openSqlite(path, OPTIONS);
  await database.read((sql) => sql.all("PRAGMA query_only = ON"));
  return database;
}

databaseContract(
  "SQLite, a file",
  async () => {
    const path = freshPath();
    const database = await openSqlite(path, OPTIONS);
    return {
      database,
      another: () => openSqlite(path, OPTIONS),
      readOnly: () => readOnlyDatabase(freshPath()),
      close: () => database.close(),
    };
  },
  DIALECT,
);

databaseContract(
  "SQLite, in memory",
  async () => {
    const database = await openSqlite(":memory:", OPTIONS);
    return { database, readOnly: () => readOnlyDatabase(":memory:"), close: () => database.close() };
  },
  DIALECT,
  { hasOthers: false },
);
