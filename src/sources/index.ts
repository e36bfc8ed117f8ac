/**
 * `coffer/sources`: where the ciphertexts of a rekey job are: tables, files and streams.
 *
 * @module
 */
export type { CiphertextSource } from "../rekey/job/source.ts";
export { type PgClient, type PgPool, type PostgresTableOptions, postgresTable } from "./postgres.ts";
export type { SlotOption, TableOptions } from "./sql/table-source.ts";
export { type SqliteTableOptions, sqliteTable } from "./sqlite.ts";
