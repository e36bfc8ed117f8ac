/**
 * A worker of a job: takes ranges one after another, and deals with their rows page by page.
 *
 * Owns the walk through a range, the rows that had changed, and what happens when a lease is lost or the key service fails
 * for a while. Must not know modes, nor how checkpoints are stored.
 *
 * @module
 */
import { isVaultError } from "../../errors.ts";
import {
  CHANGED_PAUSE_MS,
  CHANGED_ROUNDS_MAX,
  LOOK_EVERY_MS,
  PAGE_CHARACTERS,
  PAGE_ROWS_FIRST,
} from "./limits.ts";
import { type Counts, FINDING_REASONS } from "./outcomes.ts";
import { type Pace, pauseFor } from "./pace.ts";
import { decidePage, type PageRules } from "./page.ts";
import { Patience, type PatienceSetting } from "./patience.ts";
import type { CiphertextSource, Claim, DecidedRow, PageCommit, SourceRow } from "./source.ts";

/** What the workers of one run share. */
export interface WorkerSetting extends PatienceSetting {
  readonly source: CiphertextSource;
  readonly rules: PageRules;
  readonly pageRows: number;
  readonly leaseMs: number;
  readonly pace: Pace;
  /** Told after each page: what the counts of its range were before and are now. */
  readonly onPage: (before: Counts, after: Counts) => void;
}

/**
 * Works until no range is open, or the run is to stop. Where source or key service fail in a way that may pass, it takes a
 * range again after a wait: what is stored says from where.
 *
 * @throws what the source or the key service throws; the signal's reason. The range it held is let go of
 */
export async function work(jobId: string, setting: WorkerSetting): Promise<void> {
  const { source, leaseMs, signal } = setting;
  const patience = new Patience(setting);
  const patient: WorkerSetting = {
    ...setting,
    onPage: (before, after) => {
      patience.reset();
      setting.onPage(before, after);
    },
  };
  while (!setting.isStopping()) {
    signal?.throwIfAborted();
    try {
      const claim = await source.claim(jobId, leaseMs);
      if (claim !== undefined) {
        await workRange(claim, patient);
        continue;
      }
      const { record, ranges } = await source.status(jobId);
      if (record.state !== "open" || ranges.open + ranges.leased === 0) return;
      // Others hold what is left: one of them may have died.
      await pauseFor(LOOK_EVERY_MS, signal);
    } catch (error) {
      await patience.waitAfter(error);
    }
  }
}

async function workRange(claim: Claim, setting: WorkerSetting): Promise<void> {
  const { source } = setting;
  let state: "done" | "released" = "released";
  try {
    const walked = await walk(claim, setting);
    if (walked !== undefined && (await retryChanged(walked, setting))) state = "done";
    await source.endClaim(claim, state);
  } catch (error) {
    // Another worker has it now, and goes on from the last page that was written.
    if (isVaultError(error, "ERR_LEASE_EXPIRED")) return;
    await source.endClaim(claim, "released").catch(() => {}); // The first error says more.
    throw error;
  }
}

/** Deals with the rows behind the range's position. @returns undefined if the run is to stop before its end */
async function walk(begun: Claim, setting: WorkerSetting): Promise<Claim | undefined> {
  const { source, rules, pace, pageRows, leaseMs } = setting;
  let claim = begun;
  let limit = Math.min(pageRows, PAGE_ROWS_FIRST);
  for (;;) {
    await pace.turn();
    if (setting.isStopping()) return undefined;
    const rows = await source.readPage(claim.range, claim.position, limit);
    if (rows.length === 0) return claim;
    pace.spend(rows.length);
    const decided = await decidePage(rows, rules);
    const position = rows[rows.length - 1]!.key;
    claim = await commit(claim, { rows: decided, position, leaseMs }, setting);
    limit = nextLimit(rows, pageRows);
  }
}

/** Rows that had changed under their page. @returns whether none is left */
async function retryChanged(walked: Claim, setting: WorkerSetting): Promise<boolean> {
  const { source, rules, pageRows, leaseMs } = setting;
  let claim = walked;
  for (let round = 0; ; round++) {
    const keys = await source.pendingKeys(claim, pageRows);
    if (keys.length === 0) return true;
    if (setting.isStopping()) return false;
    if (round > 0) await pauseFor(CHANGED_PAUSE_MS, setting.signal);
    const rows = await source.readRows(keys);
    const found = new Set(rows.map(({ key }) => key));
    const gone = keys.filter((key) => !found.has(key));
    const decided = round < CHANGED_ROUNDS_MAX ? await decidePage(rows, rules) : rows.map(givenUp);
    claim = await commit(claim, { rows: decided, gone, leaseMs }, setting);
  }
}

async function commit(claim: Claim, page: PageCommit, { source, onPage }: WorkerSetting): Promise<Claim> {
  const after = await source.commitPage(claim, page);
  onPage(claim.counts, after.counts);
  return after;
}

/** A row that changes each time that it is read: listed, so that a person looks at it. */
function givenUp(row: SourceRow): DecidedRow {
  const values = row.values.map((value) =>
    value === null
      ? ({ outcome: "empty" } as const)
      : ({ outcome: "refused", reason: FINDING_REASONS.changing } as const),
  );
  return { row, values };
}

/** As many rows as hold the characters that a page aims at. */
function nextLimit(rows: readonly SourceRow[], pageRows: number): number {
  let characters = 0;
  for (const { values } of rows) for (const value of values) characters += value?.length ?? 0;
  const each = Math.max(1, characters / rows.length);
  return Math.max(1, Math.min(pageRows, Math.floor(PAGE_CHARACTERS / each)));
}
