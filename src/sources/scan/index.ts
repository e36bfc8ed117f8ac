/**
 * A census of stored values: which columns of a source hold ciphertexts, under which keys, and what stands beside them.
 *
 * @module
 */
export { adviceFor } from "./advice.ts";
export { folderScanSource, jsonLinesScanSource } from "./files.ts";
export { postgresScanSource, type ScanConnection } from "./postgres.ts";
export { type ForeignFormat, type Recognised, recognise } from "./recognise.ts";
export {
  type PlaceReport,
  SCAN_HEAD_MAX,
  SCAN_SAMPLE_DEFAULT,
  type ScanOptions,
  type ScanPlace,
  type ScanReport,
  type ScanSource,
  scan,
} from "./scan.ts";
export { sqliteScanSource } from "./sqlite.ts";
export type { Cell, ColumnReport } from "./tally.ts";
