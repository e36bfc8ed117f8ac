/**
 * What came of mutants, kept between runs: `tools/mutation/results.json`, one entry for each source file.
 *
 * Owns that file, and the reasons why survivors may survive (`reasons.json`).
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const RESULTS = join(import.meta.dirname, "results.json");
const REASONS = join(import.meta.dirname, "reasons.json");

/** What came of the mutants of one file. */
export interface FileResult {
  /** Of the file's text when it was mutated; another text makes the result stale. */
  readonly hash: string;
  readonly mutants: number;
  readonly killed: number;
  /** Of the killed: tests did not end in their time. */
  readonly timedOut: number;
  /** Ids of those that no test noticed. */
  readonly survivors: readonly string[];
  /** Of the survivors: no test of the group enters their block. */
  readonly notReached: number;
}

export type Results = Record<string, FileResult>;

/** Why a mutant may survive: by source file, then by the mutant's id. */
export type Reasons = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What is kept; nothing if there was no run. */
export function readResults(): Results {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, "utf8")) as Results) : {};
}

/** The written reasons. */
export function readReasons(): Reasons {
  return JSON.parse(readFileSync(REASONS, "utf8")) as Reasons;
}

/** Keeps the result of one file, beside those that other runs may have kept meanwhile. In the order of paths. */
export function keepResult(path: string, result: FileResult): void {
  const entries = Object.entries({ ...readResults(), [path]: result });
  const sorted = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  const next = `${RESULTS}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify(sorted, null, 2)}\n`);
  renameSync(next, RESULTS);
}

/** What tells whether a file was changed since. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
