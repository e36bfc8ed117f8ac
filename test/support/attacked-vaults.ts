/**
 * Vaults whose database an attacker writes, without the root key: copies of one that is prepared once, in a file or in PostgreSQL.
 *
 * Owns the copies, and statements past coffer: constraints do not hold. Must not know the attacks.
 *
 * @module
 */
import { copyFileSync } from "node:fs";
import pg from "pg";
import type { VaultHost } from "../../src/vault/host.ts";
import { adminQuery, databaseName, freshDatabaseUrl, openTestPostgresHost } from "./postgres.ts";
import { freshPath, openTestHost, tamper } from "./vaults.ts";

/** What a column holds. */
export type Value = string | number | null | Uint8Array;
/** A row, or a part of one. */
export type Row = Record<string, Value>;
/** Runs a statement as whoever may write the database; `?` stands for parameters. */
export type Run = (statement: string, ...parameters: Value[]) => Promise<Row[]>;

/** A vault that is attacked. */
export interface AttackedVault {
  /** It has had the vault open since before the attack. */
  readonly host: VaultHost;
  readonly run: Run;
  /** Opens it once more; the test closes it. */
  reopen(): Promise<VaultHost>;
}

/** A way to keep such vaults. */
export interface AttackedVaults {
  /** Names and declared types of all columns of coffer's tables. */
  columns(run: Run): Promise<readonly { readonly table: string; readonly column: string }[]>;
  /** Makes the vault that is copied, by what `fill` does to it. */
  prepare<T>(fill: (host: VaultHost, run: Run) => Promise<T>): Promise<T>;
  /** A copy, opened. */
  open(): Promise<AttackedVault>;
  /** Ends what was opened beside hosts. */
  cleanUp(): Promise<void>;
}

/** Vaults in files. */
export function attackedFiles(): AttackedVaults {
  const master = freshPath(true);
  const runOn =
    (path: string): Run =>
    async (statement, ...parameters) =>
      tamper(path, (db) => db.prepare(statement).all(...parameters) as Row[]);
  return {
    columns: async (run) =>
      (await run(
        `SELECT s.name AS "table", c.name AS "column" FROM sqlite_schema s JOIN pragma_table_info(s.name) c
         WHERE s.type = 'table' ORDER BY s.name, c.cid`,
      )) as never,
    prepare: async (fill) => {
      const host = await openTestHost({ path: master });
      const result = await fill(host, runOn(master));
      await host.close();
      return result;
    },
    open: async () => {
      const path = freshPath(true);
      copyFileSync(master, path);
      const reopen = () => openTestHost({ path });
      return { host: await reopen(), run: runOn(path), reopen };
    },
    cleanUp: async () => {},
  };
}

/** Whoever owns the tables can take checks away. */
const DROP_CHECKS = `DO $$ DECLARE c record; BEGIN
  FOR c IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.owner, c.conname);
  END LOOP; END $$`;

/** Vaults in PostgreSQL. */
export function attackedDatabases(): AttackedVaults {
  let master: string;
  let copies = 0;
  const clients: pg.Client[] = [];
  const runOn = async (url: string): Promise<Run> => {
    // Numbers as numbers.
    const client = new pg.Client({
      connectionString: url,
      types: { getTypeParser: (oid, format) => (oid === 20 ? Number : pg.types.getTypeParser(oid, format)) },
    });
    client.on("error", () => {}); // The cluster ends before it where a test fails.
    clients.push(client);
    await client.connect();
    // As the owner may: foreign keys do not hold.
    await client.query("SET session_replication_role = replica");
    return async (statement, ...parameters) => {
      let count = 0;
      const numbered = statement.replaceAll("?", () => `$${++count}`);
      const values = parameters.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));
      const { rows } = await client.query(numbered, values);
      return rows.map((row) =>
        Object.fromEntries(
          Object.entries(row as Record<string, Value>).map(([name, value]) => [
            name,
            Buffer.isBuffer(value) ? Uint8Array.from(value) : value,
          ]),
        ),
      );
    };
  };
  return {
    columns: async (run) =>
      (await run(
        `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns
         WHERE table_schema = 'public' ORDER BY table_name, ordinal_position`,
      )) as never,
    prepare: async (fill) => {
      master = await freshDatabaseUrl();
      const host = await openTestPostgresHost(master, { listen: false });
      await adminQuery(DROP_CHECKS, databaseName(master));
      const result = await fill(host, await runOn(master));
      await host.close();
      await clients.pop()!.end();
      return result;
    },
    open: async () => {
      const name = `${databaseName(master)}_${++copies}`;
      await adminQuery(`CREATE DATABASE ${name} TEMPLATE ${databaseName(master)}`);
      const url = new URL(master);
      url.pathname = `/${name}`;
      const reopen = () => openTestPostgresHost(url.href, { listen: false, maxConnections: 2 });
      return { host: await reopen(), run: await runOn(url.href), reopen };
    },
    cleanUp: async () => {
      for (const client of clients.splice(0)) await client.end();
    },
  };
}

/** Inserts a row past coffer. */
export async function insert(run: Run, table: string, row: Row): Promise<void> {
  const names = Object.keys(row);
  await run(
    `INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    ...Object.values(row),
  );
}
