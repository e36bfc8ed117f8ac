/**
 * `node tools/check-imports.ts`: fails on an import or a name that the rules of the house forbid.
 *
 * Owns the command; the rules are in tools/imports/.
 *
 * @module
 */
import { checkBundles } from "./imports/bundle.ts";
import { checkEngines } from "./imports/engines.ts";
import { checkSources, formatViolation } from "./imports/rules.ts";
import { ROOT } from "./root.ts";

const violations = [...checkSources(ROOT), ...(await checkBundles(ROOT)), ...checkEngines(ROOT)];
for (const violation of violations) console.error(formatViolation(violation));
if (violations.length > 0) {
  console.error(`\n${violations.length} violations of the import rules`);
  process.exitCode = 1;
}
