/** The worker pool, the breaks of batches and the wait that a signal ends. */
import { describe, expect, test } from "vitest";
import { BATCH_SLICE_MS, EventLoopBreaks, forEachAtOnce, untilAborted } from "../../src/base/concurrency.ts";
import { rejectionOf } from "../support/errors.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("forEachAtOnce", () => {
  test.each([
    [1, 7, 1],
    [3, 7, 3],
    [10, 7, 7],
    [3, 0, 0],
  ])("with a limit of %i and %i items has %i under way", async (limit, count, most) => {
    const items = Array.from({ length: count }, (_, i) => `item ${i}`);
    const begun: [string, number][] = [];
    let underWay = 0;
    let mostUnderWay = 0;
    await forEachAtOnce(items, limit, async (item, index) => {
      begun.push([item, index]);
      underWay += 1;
      mostUnderWay = Math.max(mostUnderWay, underWay);
      await settle();
      underWay -= 1;
    });
    expect(begun).toEqual(items.map((item, index) => [item, index]));
    expect([mostUnderWay, underWay]).toEqual([most, 0]);
  });

  test("begins before it returns", () => {
    const begun: number[] = [];
    void forEachAtOnce([1, 2, 3], 2, async (item) => {
      begun.push(item);
    });
    expect(begun).toEqual([1, 2]);
  });

  test("fails with the first failure, after which that worker begins nothing", async () => {
    const reason = new Error("no");
    const begun: number[] = [];
    const work = async (item: number): Promise<void> => {
      begun.push(item);
      await settle();
      if (item === 2) throw reason;
    };
    expect(await rejectionOf(() => forEachAtOnce([1, 2, 3, 4], 1, work))).toBe(reason);
    await settle();
    expect(begun).toEqual([1, 2]);
  });
});

describe("EventLoopBreaks", () => {
  test("lets a timer run after a slice of work, not before", async () => {
    const breaks = new EventLoopBreaks();
    let hasRun = false;
    setTimeout(() => {
      hasRun = true;
    }, 0);
    const end = performance.now() + 2 * BATCH_SLICE_MS;
    while (performance.now() < end);
    await breaks.takeIfDue();
    expect(hasRun).toBe(true);
  });
});

describe("untilAborted", () => {
  test("answers what is waited for, and listens to the signal no longer", async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    signal.addEventListener = new Proxy(signal.addEventListener, { apply: () => (listeners += 1) });
    signal.removeEventListener = new Proxy(signal.removeEventListener, { apply: () => (listeners -= 1) });
    expect(await untilAborted(Promise.resolve(1), signal)).toBe(1);
    expect(listeners).toBe(0);
    expect(await untilAborted(Promise.resolve(1), undefined)).toBe(1);
  });

  test("ends with the signal's reason", async () => {
    const reason = new Error("gave up");
    const controller = new AbortController();
    const waiting = rejectionOf(() => untilAborted(new Promise(() => {}), controller.signal));
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    expect(await rejectionOf(() => untilAborted(Promise.resolve(), controller.signal))).toBe(reason);
  });
});
