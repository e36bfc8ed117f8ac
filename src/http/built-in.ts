/**
 * How requests are sent where the caller gives no `fetch`: on Node by its own client, where the program has left `fetch` alone. And
 * what failures mean, whoever sends.
 *
 * Owns the choice. The build puts web.ts in the place of this file for every other runtime (tools/build/web.ts).
 *
 * @module
 */
import { builtInModule, type RuntimeGlobals, runtimeName } from "../base/runtime.ts";
import { failureMeaning as meaningOf } from "./failure-meaning.ts";
import { type FetchGlobals, isFetchUntouched } from "./fetch-untouched.ts";
import { nodeSender } from "./node-sender.ts";
import { fetchSender, type Sender } from "./sender.ts";

export { meaningOf };

const byFetch: Sender = /* @__PURE__ */ fetchSender((input, init) => globalThis.fetch(input, init));

/** Chosen for each request anew: a program may set its proxy, or mock `fetch`, at any time. */
export const HERE_SENDER: Sender = /* @__PURE__ */ chooseSender();

function chooseSender(): Sender {
  const globals = globalThis as unknown as RuntimeGlobals & FetchGlobals;
  if (runtimeName(globals) !== "node") return byFetch;
  const byNode = nodeSender((id) => builtInModule(id, globals) as never);
  return (url, request) => (isFetchUntouched(globals) ? byNode : byFetch)(url, request);
}
