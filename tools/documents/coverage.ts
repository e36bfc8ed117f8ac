/**
 * Which documents hold code, and whether the tests that they name are there.
 *
 * Owns the list of documents whose blocks are run. Runs nothing.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Blocks, readBlocks } from "./blocks.ts";

/** README, SECURITY, llms.txt and docs/. The pages of docs/api hold declarations, which are no programs. */
const DOCUMENTS = /^(?:README|SECURITY)\.md$|^llms\.txt$|^docs\/(?!api\/).*\.md$/;

/**
 * The blocks of all documents, with what is wrong: a language that is not run, a test that is not there or does not
 * hold the text that is named.
 *
 * @param files - the files of the repository, relative to `root`
 */
export function readDocuments(root: string, files: readonly string[]): Blocks {
  const all = files
    .filter((file) => DOCUMENTS.test(file))
    .map((file) => readBlocks(file, readFileSync(join(root, file), "utf8")));
  const blocks = all.flatMap((document) => document.blocks);
  const uncovered = blocks.flatMap(({ document, line, coverage }) =>
    coverage.flatMap(({ file, text }) => {
      const path = join(root, file);
      if (!existsSync(path)) return [`${document}:${line}: covered by ${file}, which is not there`];
      return readFileSync(path, "utf8").includes(text)
        ? []
        : [`${document}:${line}: covered by ${file}, which does not hold "${text}"`];
    }),
  );
  return { blocks, problems: [...all.flatMap((document) => document.problems), ...uncovered] };
}
