/**
 * Faults: which calls of a test vault fail, and how.
 *
 * Owns the plan of failing calls and their errors, which are those of the client over HTTP ([TST-7]). Must not know what the calls do.
 *
 * @module
 */

import { optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import { invalidRange, VaultError } from "../errors.ts";
import type { Seeded } from "./seeded.ts";

/** The calls that can fail. Repeating a change would change more than the first time: a lost answer leaves its outcome unknown. */
const OPERATIONS = {
  createDataKey: "read",
  createDecrypt: "read",
  createRekey: "read",
  createRewrap: "read",
  createKv: "change",
  getKv: "read",
  getName: "read",
  updateKv: "change",
  deleteKv: "change",
  listKv: "read",
  listKvVersions: "read",
  listKvMetadata: "read",
  undeleteKv: "change",
  destroyKv: "change",
  rewrapKv: "change",
  verifyRewrap: "read",
  "keks.list": "read",
  "keks.get": "read",
  "keks.rotate": "change",
  "keks.disable": "change",
  "keks.enable": "change",
  "keks.shred": "change",
} as const;

/** A call of one of a test vault's services that can fail. */
export type TestOperation = keyof typeof OPERATIONS;

/** Which calls fail. */
export interface FaultOptions {
  /** How many calls fail; default 1. */
  readonly times?: number | undefined;
  /** Only calls of this operation; default all. */
  readonly operation?: TestOperation | undefined;
  /** The failing calls lie among so many of the next ones, in an order that the seed decides; default `times`: the very next ones. */
  readonly among?: number | undefined;
}

/** Which calls are throttled. */
export interface ThrottleOptions extends FaultOptions {
  /** Seconds that the service asks to wait; default 1. Told in the message. */
  readonly retryAfterS?: number | undefined;
}

/** Names of {@link FaultOptions}. */
export const FAULT_OPTIONS = /* @__PURE__ */ optionNames<FaultOptions>({
  times: true,
  operation: true,
  among: true,
});

/** Names of {@link ThrottleOptions}. */
export const THROTTLE_OPTIONS = /* @__PURE__ */ optionNames<Omit<ThrottleOptions, keyof FaultOptions>>(
  { retryAfterS: true },
  FAULT_OPTIONS,
);

/** Calls of one plan at most. Ours. */
export const FAULT_CALLS_MAX = 1_000_000;

/** What goes wrong: before anything is done, or after all of it. */
interface Fault {
  readonly isAfter: boolean;
  readonly error: (isChange: boolean) => VaultError;
}

interface Plan extends Fault {
  readonly operation: TestOperation | undefined;
  /** For each of the next calls that the plan is for, whether it fails. */
  readonly fails: boolean[];
}

/** The faults of one test vault. */
export class Faults {
  readonly #seeded: Seeded;
  #plans: Plan[] = [];

  constructor(seeded: Seeded) {
    this.#seeded = seeded;
  }

  /** Calls that are still to fail. */
  get left(): number {
    return this.#plans.reduce((sum, { fails }) => sum + fails.filter(Boolean).length, 0);
  }

  /** Lets calls be refused with 429. @throws RangeError ERR_INVALID_ARGUMENT */
  throttle(options: ThrottleOptions): void {
    const retryAfterS = checkCount(options.retryAfterS ?? 1, 0, "retryAfterS");
    this.#add(options, {
      isAfter: false,
      error: () =>
        new VaultError("ERR_SERVICE_RATE_LIMITED", `too many requests: try again after ${retryAfterS} s`, {
          retryable: true,
          status: 429,
        }),
    });
  }

  /** Lets calls end without an answer, and nothing done. @throws RangeError ERR_INVALID_ARGUMENT */
  timeOut(options: FaultOptions): void {
    this.#add(options, { isAfter: false, error: noAnswer });
  }

  /** Lets calls be done, and their answers be lost. @throws RangeError ERR_INVALID_ARGUMENT */
  loseAnswer(options: FaultOptions): void {
    this.#add(options, { isAfter: true, error: noAnswer });
  }

  /** Takes all faults back. */
  clear(): void {
    this.#plans = [];
  }

  /** Runs a call whose arguments were checked, or fails it as planned. */
  async run<T>(operation: TestOperation, work: () => Promise<T>): Promise<T> {
    const fault = this.#next(operation);
    if (fault === undefined) return work();
    // A refusal is lost like every other answer.
    if (fault.isAfter) await work().catch(() => {});
    throw fault.error(OPERATIONS[operation] === "change");
  }

  #add({ times = 1, operation, among = times }: FaultOptions, fault: Fault): void {
    checkCount(times, 1, "times");
    checkCount(among, times, "among");
    if (operation !== undefined && !Object.hasOwn(OPERATIONS, operation)) {
      throw invalidRange(`operation must be one of ${Object.keys(OPERATIONS).join(", ")}`);
    }
    const fails = Array.from({ length: among }, (_, index) => index < times);
    if (among > times) {
      // Fisher and Yates.
      for (let i = among - 1; i > 0; i--) {
        const j = this.#seeded.below(i + 1);
        [fails[i], fails[j]] = [fails[j]!, fails[i]!];
      }
    }
    this.#plans.push({ ...fault, operation, fails });
  }

  /** A call counts for every plan that it fits, until one of them lets it fail. */
  #next(operation: TestOperation): Fault | undefined {
    let found: Fault | undefined;
    for (const plan of this.#plans) {
      if (plan.operation !== undefined && plan.operation !== operation) continue;
      if (plan.fails.shift() === true) {
        found = plan;
        break;
      }
    }
    this.#plans = this.#plans.filter(({ fails }) => fails.length > 0);
    return found;
  }
}

function noAnswer(isChange: boolean): VaultError {
  if (!isChange) {
    return new VaultError("ERR_SERVICE_TIMEOUT", "the service did not answer in time", { retryable: true });
  }
  return new VaultError(
    "ERR_OUTCOME_UNKNOWN",
    "the service may have made this change or not; look before you repeat it",
  );
}

function checkCount(value: number, min: number, what: string): number {
  return checkWhole(value, min, FAULT_CALLS_MAX, what);
}
