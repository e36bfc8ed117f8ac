/**
 * `coffer/sources`: where an application keeps ciphertexts: tables for rekey jobs, and `scan`, a census of tables and files.
 *
 * @module
 */
export type { CiphertextSource } from "../rekey/job/source.ts";
export { cofferFolder, type FolderOptions } from "./folder.ts";
export { type IterableOptions, iterableSource, type RowWrite } from "./iterable.ts";
export { type JsonLinesOptions, jsonLinesFile } from "./json-lines.ts";
export { type PgClient, type PgPool, type PostgresTableOptions, postgresTable } from "./postgres.ts";
export {
  adviceFor,
  type Cell,
  type ColumnReport,
  type ForeignFormat,
  folderScanSource,
  jsonLinesScanSource,
  type PlaceReport,
  postgresScanSource,
  type Recognised,
  recognise,
  SCAN_HEAD_MAX,
  SCAN_SAMPLE_DEFAULT,
  type ScanConnection,
  type ScanOptions,
  type ScanPlace,
  type ScanReport,
  type ScanSource,
  scan,
  sqliteScanSource,
} from "./scan/index.ts";
export type { SlotOption, TableOptions } from "./sql/table-options.ts";
export { type SqliteTableOptions, sqliteTable } from "./sqlite.ts";
