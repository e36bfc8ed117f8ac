/**
 * Relative links in the documents: the file must be in the repository, and the heading in the file.
 *
 * Owns reading links and headings out of Markdown. External links are not followed: checks run offline.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";

const DOCUMENTS = /^(?:README|SECURITY|CHANGELOG|CONTRIBUTING|RELEASING)\.md$|^llms\.txt$|^docs\/.*\.md$/;

/** `[text](target)`, `![text](target "title")`, `[label]: target`, `href="target"`, `src="target"`. */
const LINKS = [
  /\]\(\s*<?([^)<>\s]+)>?(?:\s+["'(][^)]*)?\)/g,
  /^\s{0,3}\[[^\]]+\]:\s*<?([^<>\s]+)>?/g,
  /\b(?:href|src)="([^"]+)"/g,
];

interface Document {
  readonly links: readonly { readonly line: number; readonly target: string }[];
  readonly anchors: ReadonlySet<string>;
}

/**
 * @param files - the files of the repository, relative to `root`
 * @returns one message per broken link
 */
export function checkLinks(root: string, files: readonly string[]): string[] {
  const known = new Set(files.flatMap(withDirectories));
  const documents = new Map<string, Document>();
  const read = (file: string): Document => {
    const document = documents.get(file) ?? parse(readFileSync(join(root, file), "utf8"));
    documents.set(file, document);
    return document;
  };
  return files
    .filter((file) => DOCUMENTS.test(file))
    .flatMap((file) =>
      read(file).links.flatMap(({ line, target }) => {
        const problem = brokenLink(file, target, known, read);
        return problem === undefined ? [] : [`${file}:${line}: link to "${target}": ${problem} [docs-link]`];
      }),
    );
}

function brokenLink(
  file: string,
  target: string,
  known: ReadonlySet<string>,
  read: (file: string) => Document,
): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith("//")) return undefined;
  if (target.startsWith("/")) return "write it relative to the document";
  const [path = "", anchor] = target.split("#", 2);
  const to = path === "" ? file : posix.normalize(posix.join(posix.dirname(file), decodeURIComponent(path)));
  const name = to.replace(/\/$/, "");
  if (!known.has(name)) return "there is no such file in the repository";
  if (anchor === undefined || anchor === "" || !name.endsWith(".md")) return undefined;
  return read(name).anchors.has(decodeURIComponent(anchor).toLowerCase())
    ? undefined
    : `${name} has no such heading`;
}

/** The file and the directories that it lies in, the root included. */
function withDirectories(file: string): string[] {
  const names = [file, "."];
  for (let at = posix.dirname(file); at !== "."; at = posix.dirname(at)) names.push(at);
  return names;
}

function parse(markdown: string): Document {
  const links: { line: number; target: string }[] = [];
  const anchors = new Set<string>();
  let fence: string | undefined;
  for (const [index, raw] of markdown.split("\n").entries()) {
    const marker = /^\s*(`{3,}|~{3,})/.exec(raw)?.[1];
    if (fence !== undefined) {
      if (marker?.startsWith(fence)) fence = undefined;
      continue;
    }
    if (marker !== undefined) {
      fence = marker;
      continue;
    }
    const heading = /^#{1,6}\s+(.+?)\s*#*\s*$/.exec(raw)?.[1];
    if (heading !== undefined) anchors.add(unusedSlug(heading, anchors));
    for (const [, id] of raw.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(id!.toLowerCase());
    const text = raw.replaceAll(/(`+)(?!`).*?[^`]\1(?!`)/g, "");
    for (const pattern of LINKS) {
      for (const [, target] of text.matchAll(pattern)) links.push({ line: index + 1, target: target! });
    }
  }
  return { links, anchors };
}

/** The anchor that code hosts give a heading; a repeated heading gets a number. */
function unusedSlug(heading: string, taken: ReadonlySet<string>): string {
  const slug = heading
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
    .replaceAll(" ", "-");
  if (!taken.has(slug)) return slug;
  let number = 1;
  while (taken.has(`${slug}-${number}`)) number++;
  return `${slug}-${number}`;
}
