/**
 * A vault's database on PostgreSQL, opened.
 *
 * Owns the order of connecting and looking at what is there. Must not know what the tables mean.
 *
 * @module
 */
import type { Database } from "../database.ts";
import { Connections } from "./connection.ts";
import { PostgresDatabase } from "./database.ts";
import { translate } from "./errors.ts";
import { limitsOf, loadPg, type PostgresOptions, settledConfig } from "./options.ts";

/**
 * Opens a database that `migratePostgres` has prepared.
 *
 * @throws VaultError ERR_STORAGE_SCHEMA (not migrated, or by a newer coffer), ERR_STORAGE_UNAVAILABLE, ERR_UNSUPPORTED
 *   (the library `pg` is not installed)
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const pg = await loadPg();
  const limits = limitsOf(options);
  const config = await settledConfig(pg, options, limits);
  const database = new PostgresDatabase(new Connections(pg, config, limits), options);
  try {
    await database.initialize();
  } catch (error) {
    await database.close();
    throw translate(error);
  }
  return database;
}
