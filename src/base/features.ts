/**
 * What newer engines do by themselves, with a way of our own where an engine lacks it.
 *
 * Owns the few features that are looked for before they are used; docs/runtimes.md states which engines must have the
 * rest, and tools/imports/engines.ts finds what is used besides. Must not know what they are used for.
 *
 * @module
 */

/** Half of a surrogate pair that stands alone: with the flag `u` a whole pair is one character. */
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** What of strings is newer than the baseline. */
interface WellFormedMethods {
  isWellFormed?(): boolean;
  toWellFormed?(): string;
}

/** Whether a text has no lone surrogates. @param methods - of the engine's strings */
export function isWellFormedBy({ isWellFormed }: WellFormedMethods): (text: string) => boolean {
  return isWellFormed === undefined
    ? (text) => text.search(LONE_SURROGATES) === -1
    : (text) => (text as Required<WellFormedMethods>).isWellFormed();
}

/** The text with U+FFFD in the place of each lone surrogate. @param methods - of the engine's strings */
export function toWellFormedBy({ toWellFormed }: WellFormedMethods): (text: string) => string {
  return toWellFormed === undefined
    ? (text) => text.replace(LONE_SURROGATES, "\ufffd")
    : (text) => (text as Required<WellFormedMethods>).toWellFormed();
}

const STRINGS: WellFormedMethods = /* @__PURE__ */ (() => String.prototype as WellFormedMethods)();

/** Whether a text has no lone surrogates, and so a UTF-8 form. */
export const isWellFormed: (text: string) => boolean = /* @__PURE__ */ isWellFormedBy(STRINGS);

/** The text with U+FFFD in the place of each lone surrogate. */
export const toWellFormed: (text: string) => string = /* @__PURE__ */ toWellFormedBy(STRINGS);

/** A promise, and what settles it. */
export interface Settleable<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** `Promise.withResolvers`. */
export function settleable<T>(): Settleable<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onValue, onReason) => {
    resolve = onValue;
    reject = onReason;
  });
  return { promise, resolve, reject };
}

/** Detaches memory, so that it is given back at once; where an engine cannot, it waits for the collector. */
export function detach(memory: ArrayBuffer): void {
  (memory as { transfer?(bytes: number): void }).transfer?.(0);
}

/** Whether memory may shrink. */
export function isResizable(memory: ArrayBuffer): boolean {
  return (memory as { resizable?: boolean }).resizable === true;
}

/** An absolute URL, or one that `base` makes absolute; undefined if it is none. */
export function parseUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

/** The end of a call: after a time, or with the signal that the caller gave. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Whether it was the time. */
  isOver(): boolean;
  /** The call is over: lets go of a timer and of the caller's signal. */
  release(): void;
}

/** What of `AbortSignal` is newer than the baseline. */
interface Signals {
  timeout?(ms: number): AbortSignal;
  any?(signals: AbortSignal[]): AbortSignal;
}

/**
 * @param ms - from now on
 * @param given - the caller's signal, if there is one
 * @param signals - the engine's `AbortSignal`
 */
export function deadlineOf(
  ms: number,
  given: AbortSignal | undefined,
  signals: Signals | undefined = globalThis.AbortSignal,
): Deadline {
  if (signals?.timeout === undefined || signals.any === undefined) return timerDeadline(ms, given);
  const timeout = signals.timeout(ms);
  return {
    signal: given === undefined ? timeout : signals.any([given, timeout]),
    isOver: () => timeout.aborted,
    release: () => {},
  };
}

/** By a timer. */
function timerDeadline(ms: number, given: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  let isOver = false;
  const onAbort = (): void => controller.abort(given?.reason);
  const timer = setTimeout(() => {
    isOver = !controller.signal.aborted;
    controller.abort();
  }, ms);
  if (given?.aborted === true) onAbort();
  else given?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    isOver: () => isOver,
    release() {
      clearTimeout(timer);
      given?.removeEventListener("abort", onAbort);
    },
  };
}
