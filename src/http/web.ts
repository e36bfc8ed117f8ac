/**
 * How requests are sent where the caller gives no `fetch`, in browsers, edge runtimes and all others: by the global one.
 *
 * What failures mean is not told here. Owns the choice. The build puts this in the place of built-in.ts (tools/build/web.ts).
 *
 * @module
 */
import type { FailureMeaning } from "./failure-meaning.ts";
import { fetchSender, type Sender } from "./sender.ts";

/** Sends by what `fetch` is at that moment. */
export const HERE_SENDER: Sender = /* @__PURE__ */ fetchSender((input, init) =>
  globalThis.fetch(input, init),
);

/** Errors of `fetch` tell nothing here, so that no page learns of other servers by them. */
export const meaningOf = (_error: unknown): FailureMeaning => undefined;
