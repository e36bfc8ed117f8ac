/** Which tests are near a file that was changed. */
import { expect, test } from "vitest";
import { testsOf } from "../../tools/test-changed.ts";

test.each([
  ["src/crypto/native/format.ts", "test/crypto/"],
  ["src/errors.ts", "test/errors."],
  ["test/errors.test.ts", "test/errors."],
  ["test/kv/pagination.test.ts", "test/kv/"],
  ["bench/plot.ts", "test/bench/"],
  ["tools/imports/rules.ts", "test/tools/"],
  ["examples/demo/main.ts", "test/demo/"],
  ["README.md", undefined],
])("of %s: %s", (path, expected) => {
  expect(testsOf(path)).toBe(expected);
});
