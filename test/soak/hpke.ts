/**
 * Random HPKE messages between coffer and another implementation, each in both directions: 10,000 by default; `--cases N`,
 * `--seed N`.
 *
 * Owns the count. The cases are those of test/support/hpke-peer.ts.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { runPeerCases } from "../support/hpke-peer.ts";

const { values } = parseArgs({
  options: { cases: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } },
});
const opened = await runPeerCases(Number(values.cases), Number(values.seed));
console.log(`${opened} messages opened, seed ${values.seed}`);
