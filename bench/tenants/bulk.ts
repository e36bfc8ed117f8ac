/**
 * A vault with many tenants, made in bulk: the vault's own writes, thousands of them in one transaction.
 *
 * Owns the database that makes one transaction of many, and what the vault holds. Must not know what is measured.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { openHost } from "../../src/vault/open-host.ts";
import type { Changes } from "../../src/vault/storage/changes.ts";
import type {
  Database,
  ReadOptions,
  Sql,
  WaitOptions,
  WriteLocks,
} from "../../src/vault/storage/database.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";

/** Under which all vaults of the bench are. */
export const ROOT_KEY = Buffer.alloc(32, 7).toString("base64");

const VALUE = "a value of thirty-two characters";

/** The tables of values, their columns that copies have others of, and the one that tells copies from what they are of. */
const COPIED: readonly (readonly [table: string, ids: readonly string[], own: string])[] = [
  ["kv_objects", ["id", "name", "current_version"], "name"],
  ["kv_versions", ["id", "object_id"], "id"],
  ["kv_version_keks", ["version_id"], "version_id"],
];

/** Values that are written in one transaction. */
const VALUES_TOGETHER = 5_000;
const ACTOR = { id: "bench", name: "bench", source: "api" } as const;
const LOCK_WAIT_MS = 10_000;

/** The context of a tenant. */
export const contextOf = (tenant: number): { readonly organization_id: string } => ({
  organization_id: `org_${tenant}`,
});

/** The name of a value. */
export const nameOf = (value: number): string => `value_${value}`;

/**
 * Makes a vault with one value for each context, and copies of their rows, which nothing reads: they take the room of values in
 * tables and indexes, but cost no cryptography to make.
 *
 * @param copies - of each value
 */
export async function buildVault(path: string, contexts: number, copies: number): Promise<void> {
  const database = new BulkDatabase(await openSqlite(path, { create: true, lockWaitMs: LOCK_WAIT_MS }));
  const host = await openHost(database, {
    argument: ROOT_KEY,
    nextArgument: undefined,
    variable: undefined,
    nextVariable: undefined,
    file: undefined,
    isEphemeral: false,
    create: true,
    onNotice: () => {},
    now: Date.now,
  });
  const { id } = await host.environment("default");
  const { kv } = host.session(id, { actor: ACTOR });
  for (let tenant = 0; tenant < contexts; ) {
    const end = Math.min(contexts, tenant + VALUES_TOGETHER);
    await database.together(async () => {
      for (; tenant < end; tenant++) {
        await kv.createKv({ name: nameOf(tenant), value: VALUE, keyContext: contextOf(tenant) });
      }
    });
  }
  await host.close();
  copyRows(path, copies);
}

/** Copies the rows of all values, with other ids and names. */
function copyRows(path: string, copies: number): void {
  const database = new DatabaseSync(path);
  const columnsOf = (table: string): string[] =>
    database
      .prepare(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map((row) => row.name as string)
      .filter((name) => name !== "sequence");
  for (let copy = 1; copy <= copies; copy++) {
    database.exec("BEGIN");
    for (const [table, ids, own] of COPIED) {
      const columns = columnsOf(table);
      const copied = columns.map((column) => (ids.includes(column) ? `${column} || '-${copy}'` : column));
      database.exec(
        `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${copied.join(", ")} FROM ${table} WHERE instr(${own}, '-') = 0`,
      );
    }
    database.exec("COMMIT");
  }
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

/** A database whose reads and writes take part in one transaction while `together` runs. */
class BulkDatabase implements Database {
  readonly #inner: Database;
  #sql: Sql | undefined;

  constructor(inner: Database) {
    this.#inner = inner;
  }

  get erases(): boolean {
    return this.#inner.erases;
  }

  /** Runs work whose calls do not wait for each other's commits. */
  together(work: () => Promise<void>): Promise<void> {
    return this.#inner.write(async (sql) => {
      this.#sql = sql;
      try {
        await work();
      } finally {
        this.#sql = undefined;
      }
    });
  }

  read<T>(work: (sql: Sql) => Promise<T>, options?: ReadOptions): Promise<T> {
    return this.#sql === undefined ? this.#inner.read(work, options) : work(this.#sql);
  }

  write<T>(work: (sql: Sql) => Promise<T>, options?: WriteLocks): Promise<T> {
    return this.#sql === undefined ? this.#inner.write(work, options) : work(this.#sql);
  }

  settled(alias: string): string {
    return this.#inner.settled(alias);
  }

  changes(): Changes {
    return this.#inner.changes();
  }

  lookAfresh(): Promise<void> {
    return this.#inner.lookAfresh();
  }

  scrub(options?: WaitOptions): Promise<boolean> {
    return this.#inner.scrub(options);
  }

  writable(options?: WaitOptions): Promise<void> {
    return this.#inner.writable(options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
