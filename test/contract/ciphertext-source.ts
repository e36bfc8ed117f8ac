/**
 * What every CiphertextSource must do, in every implementation.
 *
 * Owns the contract of src/rekey/job/source.ts as tests. A test file calls {@link ciphertextSourceContract} with a way to
 * make data and to open it. Must not know any implementation.
 *
 * @module
 */
import { afterEach, describe, expect, test } from "vitest";
import { addCounts, NO_COUNTS } from "../../src/rekey/job/outcomes.ts";
import type {
  CiphertextSource,
  Claim,
  DecidedRow,
  KeyRange,
  PageCommit,
  SourceRow,
} from "../../src/rekey/job/source.ts";
import { rejectionOf } from "../support/errors.ts";

/** Data to test with: rows of one slot. */
export interface SourceSubject {
  /** Opens the data; more than once for several workers. */
  open(): Promise<CiphertextSource>;
  /** The values as they are now, in the order of the rows. */
  read(): Promise<(string | null)[]>;
  /** An application's own write. */
  write(index: number, value: string): Promise<void>;
  remove(index: number): Promise<void>;
  close(): Promise<void>;
}

/** What only some sources can do. */
export interface SourceFeatures {
  /** Several ranges, several workers and rows that change meanwhile; default true. */
  readonly isShared?: boolean;
  /** Values may be NULL or absent; default true. */
  readonly hasEmpty?: boolean;
}

const WHOLE: KeyRange = { after: null, upTo: null };
const LEASE_MS = 60_000;

/** A row whose values are replaced by themselves with `+` behind. */
function moved(row: SourceRow): DecidedRow {
  return {
    row,
    values: row.values.map((value) =>
      value === null ? { outcome: "empty" } : { outcome: "moved", replacement: `${value}+` },
    ),
  };
}

function listed(row: SourceRow): DecidedRow {
  return { row, values: row.values.map(() => ({ outcome: "unreadable", reason: "ERR_DECRYPT_FAILED" })) };
}

/** Tests a CiphertextSource. */
export function ciphertextSourceContract(
  title: string,
  make: (values: readonly (string | null)[]) => Promise<SourceSubject>,
  { isShared = true, hasEmpty = true }: SourceFeatures = {},
): void {
  describe(`CiphertextSource: ${title}`, () => {
    const opened: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      for (const one of opened.splice(0).reverse()) await one.close();
    });

    const subjectOf = async (values: readonly (string | null)[]): Promise<SourceSubject> => {
      const subject = await make(values);
      opened.push(subject);
      return subject;
    };
    const open = async (subject: SourceSubject): Promise<CiphertextSource> => {
      const source = await subject.open();
      opened.push(source);
      return source;
    };
    const begin = async (
      source: CiphertextSource,
      ranges: readonly KeyRange[] = [WHOLE],
      rows = 10,
    ): Promise<Claim> => {
      const record = await source.createJob({ settings: "{}", rows, ranges });
      return (await source.claim(record.id, LEASE_MS))!;
    };
    const page = (rows: readonly DecidedRow[]): PageCommit => ({
      rows,
      position: rows[rows.length - 1]!.row.key,
      leaseMs: LEASE_MS,
    });
    const values = Array.from({ length: 25 }, (_, i) => `value-${i}`);

    test("surveys rows, and cuts their keys into ranges in order", async () => {
      const source = await open(await subjectOf(values));
      const facts = await source.survey({ cuts: 4 });
      expect(facts.rows).toBe(25);
      expect(facts.charactersMax).toHaveLength(source.slots.length);
      const ranges = [...facts.cuts, null].map((upTo, i) => ({
        after: i === 0 ? null : facts.cuts[i - 1]!,
        upTo,
      }));
      const read: (string | null)[] = [];
      for (const range of ranges) {
        for (const row of await source.readPage(range, null, 100)) read.push(row.values[0]!);
      }
      expect(read).toEqual(values);
    });

    test.each([1, 7, 25, 100])("[JOB-24] gives every row once, in pages of %s", async (limit) => {
      const source = await open(await subjectOf(values));
      const read: string[] = [];
      for (let after: string | null = null; ; ) {
        const rows: SourceRow[] = await source.readPage(WHOLE, after, limit);
        if (rows.length === 0) break;
        expect(rows.length).toBeLessThanOrEqual(limit);
        read.push(...rows.map((row) => row.values[0]!));
        after = rows[rows.length - 1]!.key;
      }
      expect(read).toEqual(values);
    });

    test("tells rows by their keys, and leaves out those that are not there", async () => {
      const subject = await subjectOf(values);
      const source = await open(subject);
      const rows = await source.readPage(WHOLE, null, 5);
      expect(await source.readRows([rows[3]!.key, rows[1]!.key])).toEqual([rows[3], rows[1]]);
      expect(new Set(rows.map(({ key }) => key)).size).toBe(5);
      expect(await source.readRows([])).toEqual([]);
    });

    test("nothing is there for a source that is empty", async () => {
      const source = await open(await subjectOf([]));
      expect(await source.survey({ cuts: 4 })).toMatchObject({ rows: 0, cuts: [] });
      expect(await source.readPage(WHOLE, null, 5)).toEqual([]);
      expect(await source.findJob()).toBeUndefined();
    });

    test("[JOB-9] has at most one open job", async () => {
      const subject = await subjectOf(values);
      const source = await open(subject);
      const job = await source.createJob({ settings: '{"mode":"x"}', rows: 25, ranges: [WHOLE] });
      expect(job).toMatchObject({ settings: '{"mode":"x"}', rows: 25, state: "open" });
      expect(await source.findJob()).toEqual(job);
      const again = (): Promise<unknown> => source.createJob({ settings: "{}", rows: 25, ranges: [WHOLE] });
      expect((await rejectionOf(again)).code).toBe("ERR_JOB_CONFLICT");
      await source.closeJob(job.id, "aborted");
      expect((await source.findJob())?.state).toBe("aborted");
      expect(await source.claim(job.id, LEASE_MS)).toBeUndefined();
      await again();
      expect((await source.findJob())?.state).toBe("open");
    });

    test("[JOB-11] writes a page, and another opening goes on behind it", async () => {
      const subject = await subjectOf(values);
      const source = await open(subject);
      const claim = await begin(source);
      const rows = await source.readPage(claim.range, claim.position, 10);
      const after = await source.commitPage(
        claim,
        page(rows.map((row, i) => (i === 4 ? listed(row) : moved(row)))),
      );
      expect(after.counts).toEqual(addCounts(NO_COUNTS, { rows: 10, moved: 9, unreadable: 1 }));
      expect(after.position).toBe(rows[9]!.key);
      await source.endClaim(after, "released");
      await source.close();

      const later = await open(subject);
      const record = (await later.findJob())!;
      const next = (await later.claim(record.id, LEASE_MS))!;
      expect([next.position, next.counts]).toEqual([after.position, after.counts]);
      const rest = await later.readPage(next.range, next.position, 100);
      expect(rest.map((row) => row.values[0])).toEqual(values.slice(10));
      const end = await later.commitPage(next, page(rest.map(moved)));
      await later.endClaim(end, "done");
      expect(await later.status(record.id)).toMatchObject({
        ranges: { open: 0, leased: 0, done: 1 },
        pending: 0,
        counts: { rows: 25, moved: 24, unreadable: 1 },
      });
      expect(await later.findings(record.id, 10)).toEqual([
        { key: rows[4]!.key, slot: later.slots[0], outcome: "unreadable", reason: "ERR_DECRYPT_FAILED" },
      ]);
      await later.closeJob(record.id, "done");
      expect(await subject.read()).toEqual(values.map((value, i) => (i === 4 ? value : `${value}+`)));
    });

    test("[JOB-13] refuses a page of a claim that is no longer where it was", async () => {
      const subject = await subjectOf(values);
      const source = await open(subject);
      const claim = await begin(source);
      const rows = await source.readPage(claim.range, null, 3);
      await source.commitPage(claim, page(rows.map(moved)));
      const before = await source.status(claim.jobId);
      const late = await rejectionOf(() => source.commitPage(claim, page(rows.map(moved))));
      expect(late.code).toBe("ERR_LEASE_EXPIRED");
      expect(await source.status(claim.jobId)).toEqual(before);
    });

    if (hasEmpty) {
      test("has rows without a value", async () => {
        const subject = await subjectOf(["a", null, "c"]);
        const source = await open(subject);
        const claim = await begin(source);
        const rows = await source.readPage(WHOLE, null, 10);
        expect(rows.map((row) => row.values[0])).toEqual(["a", null, "c"]);
        const after = await source.commitPage(claim, page(rows.map(moved)));
        expect(after.counts).toMatchObject({ rows: 3, moved: 2, empty: 1 });
        await source.endClaim(after, "done");
        await source.closeJob(claim.jobId, "done");
        expect(await subject.read()).toEqual(["a+", null, "c+"]);
      });
    }

    if (!isShared) return;

    test("[JOB-12] an application's own write wins, and its row is tried again", async () => {
      const subject = await subjectOf(values);
      const source = await open(subject);
      const claim = await begin(source);
      const rows = await source.readPage(claim.range, null, 4);
      await subject.write(1, "own");
      await subject.remove(2);
      const after = await source.commitPage(claim, page(rows.map(moved)));
      expect(after.counts).toMatchObject({ rows: 2, moved: 2, conflicts: 2 });
      expect(await subject.read()).toEqual(["value-0+", "own", "value-3+", ...values.slice(4)]);
      const keys = await source.pendingKeys(after, 10);
      expect(new Set(keys)).toEqual(new Set([rows[1]!.key, rows[2]!.key]));
      const again = await source.readRows(keys);
      expect(again.map((row) => row.values[0])).toEqual(["own"]);
      const end = await source.commitPage(after, {
        rows: again.map(moved),
        gone: [rows[2]!.key],
        leaseMs: LEASE_MS,
      });
      expect(end.counts).toMatchObject({ rows: 3, moved: 3, conflicts: 2, gone: 1 });
      expect(end.position).toBe(rows[3]!.key);
      expect(await source.pendingKeys(end, 10)).toEqual([]);
      expect((await subject.read())[1]).toBe("own+");
    });

    test("[JOB-13] gives each range to one worker, until its lease is over", async () => {
      const subject = await subjectOf(values);
      const [one, two] = [await open(subject), await open(subject)];
      const { cuts } = await one.survey({ cuts: 1 });
      const job = await one.createJob({
        settings: "{}",
        rows: 25,
        ranges: [
          { after: null, upTo: cuts[0]! },
          { after: cuts[0]!, upTo: null },
        ],
      });
      const short = (await one.claim(job.id, 1))!;
      const other = (await two.claim(job.id, LEASE_MS))!;
      await new Promise((resolve) => setTimeout(resolve, 20));
      const taken = other.number === short.number ? other : (await two.claim(job.id, LEASE_MS))!;
      expect(taken.number).toBe(short.number);
      const rows = await one.readPage(short.range, null, 3);
      const late = await rejectionOf(() => one.commitPage(short, page(rows.map(moved))));
      expect(late.code).toBe("ERR_LEASE_EXPIRED");
      expect(await subject.read()).toEqual(values);
      await two.commitPage(taken, page(rows.map(moved)));
      expect((await subject.read())[0]).toBe("value-0+");
    });

    test("several workers that claim at once get different ranges, and none is left out", async () => {
      const subject = await subjectOf(values);
      const sources = await Promise.all(Array.from({ length: 4 }, () => open(subject)));
      const { cuts } = await sources[0]!.survey({ cuts: 7 });
      const ranges = [...cuts, null].map((upTo, i) => ({ after: i === 0 ? null : cuts[i - 1]!, upTo }));
      const job = await sources[0]!.createJob({ settings: "{}", rows: 25, ranges });
      const work = async (source: CiphertextSource): Promise<void> => {
        for (;;) {
          let claim = await source.claim(job.id, LEASE_MS);
          if (claim === undefined) return;
          for (;;) {
            const rows = await source.readPage(claim.range, claim.position, 2);
            if (rows.length === 0) break;
            claim = await source.commitPage(claim, page(rows.map(moved)));
          }
          await source.endClaim(claim, "done");
        }
      };
      await Promise.all(sources.map(work));
      const status = await sources[0]!.status(job.id);
      expect(status).toMatchObject({
        ranges: { open: 0, leased: 0, done: ranges.length },
        counts: { rows: 25, moved: 25, conflicts: 0 },
      });
      expect(await subject.read()).toEqual(values.map((value) => `${value}+`));
    });

    test("ranges of an aborted job take no page any more", async () => {
      const subject = await subjectOf(values);
      const source = await open(subject);
      const claim = await begin(source);
      const rows = await source.readPage(claim.range, null, 3);
      await source.closeJob(claim.jobId, "aborted");
      const late = await rejectionOf(() => source.commitPage(claim, page(rows.map(moved))));
      expect(late.code).toBe("ERR_LEASE_EXPIRED");
      expect(await subject.read()).toEqual(values);
    });
  });
}
