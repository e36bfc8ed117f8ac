/**
 * The blocks of code in a document, and what invisible comments say of them.
 *
 * Owns reading them out of Markdown. Reads no file and runs nothing.
 *
 * A block runs by itself, or a comment right above it says why not:
 *
 *     <!-- before: CODE -->                 runs first, in the same program
 *     <!-- after: CODE -->                  runs last
 *     <!-- covered by: FILE: "TEXT" -->     is not run; FILE is the test that covers it, and holds TEXT
 *
 * @module
 */

/** A language that the blocks of the documents may have. */
export type BlockLanguage = "js" | "sh" | "ts";

/** A test that covers a block which does not run by itself. */
export interface Coverage {
  /** Relative to the repository. */
  readonly file: string;
  /** A text of that file, so that the comment cannot outlive the test. */
  readonly text: string;
}

/** A block of code of a document. */
export interface Block {
  readonly document: string;
  /** Of the line that opens it, from 1. */
  readonly line: number;
  readonly language: BlockLanguage;
  readonly code: string;
  readonly before: string;
  readonly after: string;
  readonly coverage: readonly Coverage[];
}

/** What a document holds, and what is wrong with it. */
export interface Blocks {
  readonly blocks: readonly Block[];
  readonly problems: readonly string[];
}

const LANGUAGES: ReadonlySet<string> = new Set<BlockLanguage>(["js", "sh", "ts"]);
const FENCE = /^(`{3,}|~{3,})\s*(\S*)/;
const COMMENT = /^<!--\s*(before|after|covered by)\b:?\s*(.*?)\s*-->$/s;
const COVERAGE = /^(\S+): "(.+)"$/;

/**
 * Reads the blocks of a document. Fences without a language hold text, not code.
 *
 * @param document - its name, for messages
 */
export function readBlocks(document: string, markdown: string): Blocks {
  const lines = markdown.split("\n");
  const blocks: Block[] = [];
  const problems: string[] = [];
  let comments: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.startsWith("<!--")) {
      const end = lines.findIndex((other, at) => at >= i && other.endsWith("-->"));
      comments.push(lines.slice(i, end < 0 ? lines.length : end + 1).join("\n"));
      if (end >= 0) i = end;
      continue;
    }
    const [, fence, language] = FENCE.exec(line) ?? [];
    if (fence === undefined) {
      if (line !== "") comments = [];
      continue;
    }
    const end = lines.findIndex((other, at) => at > i && other.trimEnd() === fence);
    const code = lines.slice(i + 1, end < 0 ? lines.length : end).join("\n");
    if (isLanguage(language!)) {
      const notes = readComments(comments);
      blocks.push({ document, line: i + 1, language, code, ...notes.found });
      problems.push(...notes.problems.map((problem) => `${document}:${i + 1}: ${problem}`));
    } else if (language !== "") {
      problems.push(`${document}:${i + 1}: blocks are ts, js, sh or plain text, not ${language}`);
    }
    comments = [];
    i = end < 0 ? lines.length : end;
  }
  return { blocks, problems };
}

const isLanguage = (name: string): name is BlockLanguage => LANGUAGES.has(name);

function readComments(comments: readonly string[]): {
  found: Pick<Block, "before" | "after" | "coverage">;
  problems: readonly string[];
} {
  const found = { before: "", after: "", coverage: [] as Coverage[] };
  const problems: string[] = [];
  for (const comment of comments) {
    const [, kind, text] = COMMENT.exec(comment) ?? [];
    if (kind === "before" || kind === "after") found[kind] = text!;
    else if (kind === "covered by") {
      const [, file, words] = COVERAGE.exec(text!) ?? [];
      if (file === undefined) problems.push('write <!-- covered by: FILE: "TEXT" -->');
      else found.coverage.push({ file, text: words! });
    }
  }
  return { found, problems };
}
