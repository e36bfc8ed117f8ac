/**
 * How requests are sent where the caller gives no `fetch`, in browsers, edge runtimes and all others: by the global one.
 *
 * Owns the choice. The build puts this in the place of built-in.ts (tools/build/web.ts).
 *
 * @module
 */
import { fetchSender, type Sender } from "./sender.ts";

/** Sends by what `fetch` is at that moment. */
export const HERE_SENDER: Sender = /* @__PURE__ */ fetchSender((input, init) =>
  globalThis.fetch(input, init),
);
