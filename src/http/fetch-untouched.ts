/**
 * Whether `fetch` does on Node what Node made it do: no proxy, no mock, no certificates of the program's own.
 *
 * Owns the look at `fetch` and at the dispatchers of undici, on which it stands. Must not know what is sent instead. What it does
 * not recognise counts as touched: then requests go by `fetch`, as the program wants it.
 *
 * @module
 */

/** Where undici keeps the dispatcher of all its requests (undici, lib/global.js; `.2` since its version 8). */
const DISPATCHERS = [Symbol.for("undici.globalDispatcher.1"), Symbol.for("undici.globalDispatcher.2")];

/** In the text of Node's own function, which loads undici when it is called first. */
const OWN_FETCH = "internal/deps/undici/undici";

/** What in undici stands for a dispatcher of its other interface. */
const WRAPPER = /^_?Dispatcher1Wrapper$/;

/** What of the global object is looked at; a parameter, so that tests can describe other programs. */
export interface FetchGlobals {
  readonly fetch?: unknown;
  readonly [dispatcher: symbol]: unknown;
}

/** Looks at the globals of a program, at little cost. */
export function isFetchUntouched(globals: FetchGlobals): boolean {
  if (typeof globals.fetch !== "function" || !String(globals.fetch).includes(OWN_FETCH)) return false;
  return DISPATCHERS.every((symbol) => globals[symbol] === undefined || isPlainAgent(globals[symbol]));
}

/** What of a dispatcher is looked at. */
interface Dispatcher {
  readonly constructor: { readonly name: string; readonly prototype: object };
  readonly dispatch: unknown;
  readonly [symbol: symbol]: unknown;
}

/** Whether a dispatcher is undici's agent, with nothing set and nothing put before it. */
function isPlainAgent(found: unknown): boolean {
  const dispatcher = found as Dispatcher;
  const { name, prototype } = dispatcher.constructor;
  if (WRAPPER.test(name)) return true;
  if (name !== "Agent" || (prototype as Dispatcher).dispatch !== dispatcher.dispatch) return false;
  const symbol = Object.getOwnPropertySymbols(found).find(({ description }) => description === "options");
  const options = symbol === undefined ? undefined : dispatcher[symbol];
  return (
    typeof options === "object" &&
    options !== null &&
    Object.values(options).every((value) => value === undefined || value === Number.POSITIVE_INFINITY)
  );
}
