/** The path behind links: as many are followed as the system follows. */
import { realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { realPathOf } from "../../src/vault/files/vault-path.ts";
import { freshDirectory } from "../support/vaults.ts";

/** path_resolution(7): 40 links one after the other. */
const LINKS_MAX = 40;

/** A chain of links, the last of which names a file that is not there. */
function chain(directory: string, links: number): string {
  for (let i = links; i > 0; i -= 1) {
    symlinkSync(i === links ? "missing" : `link-${i + 1}`, join(directory, `link-${i}`));
  }
  return join(directory, "link-1");
}

test("40 links that lead to a missing file are followed, the 41st is not", () => {
  const directory = realpathSync(freshDirectory());
  expect(realPathOf(chain(directory, LINKS_MAX))).toBe(join(directory, "missing"));
  const other = realpathSync(freshDirectory());
  expect(realPathOf(chain(other, LINKS_MAX + 1))).toBe(join(other, `link-${LINKS_MAX + 1}`));
});
