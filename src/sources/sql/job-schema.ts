/**
 * The tables of jobs, in any dialect (docs/spec/rekey-job.md section 3).
 *
 * Owns the statements that make them. Must not know which database it is.
 *
 * @module
 */
import type { JobTable } from "./dialect.ts";

/** Statements that make the tables of jobs where there are none. @param name - a table's name, quoted @param types - column types */
export function jobSchema(
  name: (table: JobTable) => string,
  types: { readonly text: string; readonly integer: string; readonly double: string },
): string[] {
  const { text, integer, double } = types;
  return [
    `CREATE TABLE IF NOT EXISTS ${name("jobs")} (
      id ${text} NOT NULL PRIMARY KEY, format ${integer} NOT NULL, source ${text} NOT NULL, settings ${text} NOT NULL,
      state ${text} NOT NULL, planned_rows ${double} NOT NULL, created_at ${double} NOT NULL)`,
    `CREATE UNIQUE INDEX IF NOT EXISTS coffer_rekey_open_job ON ${name("jobs")} (source) WHERE state = 'open'`,
    `CREATE TABLE IF NOT EXISTS ${name("ranges")} (
      job_id ${text} NOT NULL, number ${integer} NOT NULL, after_key ${text}, upto_key ${text}, position_key ${text},
      counts ${text} NOT NULL, state ${text} NOT NULL, token ${text}, leased_until ${double} NOT NULL,
      PRIMARY KEY (job_id, number))`,
    `CREATE TABLE IF NOT EXISTS ${name("pending")} (
      job_id ${text} NOT NULL, number ${integer} NOT NULL, row_key ${text} NOT NULL,
      PRIMARY KEY (job_id, number, row_key))`,
    `CREATE TABLE IF NOT EXISTS ${name("findings")} (
      job_id ${text} NOT NULL, number ${integer} NOT NULL, row_key ${text} NOT NULL, slot ${text} NOT NULL,
      outcome ${text} NOT NULL, reason ${text} NOT NULL, PRIMARY KEY (job_id, number, row_key, slot))`,
  ];
}
