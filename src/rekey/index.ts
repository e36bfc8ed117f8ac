/**
 * `coffer/rekey`: rekey and rewrap of ciphertexts, one or many, and jobs on all ciphertexts of a source.
 *
 * @module
 */
export {
  abortJob,
  type JobPlan,
  type JobReport,
  jobStatus,
  RekeyJob,
  type RekeyJobOptions,
  type RunOptions,
} from "./job/job.ts";
export type { JobMode } from "./job/mode.ts";
export { JOB_MODES } from "./job/modes.ts";
export {
  addCounts,
  type Counts,
  type DecidedValue,
  type Finding,
  findingsOf,
  NO_COUNTS,
  tally,
  type ValueOutcome,
} from "./job/outcomes.ts";
export type { CheckShare } from "./job/page.ts";
export type { RunWait } from "./job/patience.ts";
export type { JobProgress } from "./job/progress.ts";
export type {
  CiphertextSource,
  Claim,
  DecidedRow,
  JobRecord,
  JobStatus,
  KeyRange,
  PageCommit,
  RowFields,
  SourceFacts,
  SourceRow,
} from "./job/source.ts";
export type { KekCount, VerifyOptions, VerifyReport } from "./job/verify.ts";
export {
  type BatchOptions,
  type ItemResult,
  REKEY_CONCURRENCY_DEFAULT,
  REKEY_CONCURRENCY_MAX,
  type RekeyOptions,
  rekey,
  rekeyMany,
  rewrap,
  rewrapMany,
} from "./rekey.ts";
export { STALE_VERSIONS_MAX, type StaleOptions, type StaleWhere, staleWhere } from "./stale-where.ts";
