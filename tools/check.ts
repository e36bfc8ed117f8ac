/**
 * `npm run check`: every check that needs no test runner, each with PASS or FAIL.
 *
 * @module
 */
import { CHECK_STEPS } from "./check-steps.ts";
import { endChildrenOnSignals } from "./run.ts";
import { runStep, Tally } from "./steps.ts";

endChildrenOnSignals();
const tally = new Tally();
for (const step of CHECK_STEPS) await runStep(step, tally);
tally.finish();
