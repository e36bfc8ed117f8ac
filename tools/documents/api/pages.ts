/**
 * The API reference: a page for each entry of the package, made of its docstrings.
 *
 * Owns the list of pages, the table of error codes and the index. Writes nothing.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { WIRE_ERRORS } from "../../../src/wire/statuses.ts";
import { type Entry, readPackage } from "./exports.ts";
import { moduleText, pageOf } from "./page.ts";

/** Where the pages lie, relative to the repository. */
export const API_FOLDER = "docs/api";

const CODES = "VAULT_ERROR_CODES";
const NOTE = "<!-- Made by npm run api from the docstrings in src/. Change them, not this page. -->";

/** Texts by path relative to the repository. */
export function makePages(root: string): ReadonlyMap<string, string> {
  const { entries, checker } = readPackage(root);
  const addresses = new Map<string, string>();
  for (const { page, own, mentioned } of [...entries].reverse()) {
    for (const { name } of [...mentioned, ...own]) addresses.set(name, `${page}.md#${name.toLowerCase()}`);
  }
  const codes = entries.flatMap(codesOf);
  for (const { code } of codes) addresses.set(code, `errors.md#${code.toLowerCase()}`);
  const texts = new Map([[`${API_FOLDER}/README.md`, indexOf(entries)]]);
  for (const entry of entries) {
    const text = pageOf(entry, checker, (name) => addressOn(entry, name) ?? addresses.get(name));
    const table = entry.own.some(({ name }) => name === CODES) ? tableOf(codes) : "";
    texts.set(`${API_FOLDER}/${entry.page}.md`, `${NOTE}\n\n${text}${table}`);
  }
  return texts;
}

/**
 * Compares the pages that lie there with those that the docstrings make.
 *
 * @param files - the files of the repository, relative to `root`
 */
export function checkPages(root: string, files: readonly string[]): string[] {
  const made = makePages(root);
  const there = files.filter((file) => file.startsWith(`${API_FOLDER}/`));
  const isCurrent = (file: string): boolean =>
    existsSync(join(root, file)) && readFileSync(join(root, file), "utf8") === made.get(file);
  return [...new Set([...there, ...made.keys()])]
    .filter((file) => !isCurrent(file))
    .map((file) => `${file}: is not what the docstrings say: npm run api [docs-api]`);
}

/** A name of the page itself goes before the same name of another one. */
function addressOn({ page, own, mentioned }: Entry, name: string): string | undefined {
  return [...own, ...mentioned].some((exported) => exported.name === name)
    ? `${page}.md#${name.toLowerCase()}`
    : undefined;
}

interface Code {
  readonly code: string;
  /** What it means. */
  readonly text: string;
  /** What it belongs to, where a group of codes begins. */
  readonly group: string | undefined;
}

/** The codes with the comments above them. */
function codesOf({ own, source }: Entry): Code[] {
  const declaration = own.find(({ name }) => name === CODES)?.declarations[0];
  if (declaration === undefined) return [];
  const found: Code[] = [];
  const look = (node: ts.Node): void => {
    if (!ts.isStringLiteral(node)) {
      ts.forEachChild(node, look);
      return;
    }
    const comments = (ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? []).map(
      ({ pos, end }) => source.text.slice(pos, end),
    );
    const text = comments
      .find((comment) => comment.startsWith("/**"))
      ?.slice(3, -2)
      .trim();
    if (text === undefined) throw new Error(`${node.text} has no docstring`);
    found.push({
      code: node.text,
      text,
      group: comments
        .find((comment) => comment.startsWith("//"))
        ?.slice(2)
        .trim(),
    });
  };
  look(declaration);
  return found;
}

function tableOf(codes: readonly Code[]): string {
  const rows = codes.flatMap(({ code, text, group }) => {
    const title = group === undefined ? [] : [`| **${group[0]!.toUpperCase()}${group.slice(1)}** | | |`];
    const { status } = WIRE_ERRORS[code as keyof typeof WIRE_ERRORS];
    return [...title, `| <a id="${code.toLowerCase()}"></a>\`${code}\` | ${text} | ${status} |`];
  });
  return `\n## Codes\n\nThe last column is the HTTP status by which a coffer server answers the code.\n\n| code | what it means | status |\n|---|---|--:|\n${rows.join("\n")}\n`;
}

function indexOf(entries: readonly Entry[]): string {
  const rows = entries.map(
    (entry) => `| [\`${entry.specifier}\`](${entry.page}.md) | ${moduleText(entry)[0] ?? ""} |`,
  );
  const names = entries.map(({ specifier, page, own }) => {
    const links = own.map(({ name }) => `[\`${name}\`](${page}.md#${name.toLowerCase()})`);
    return `**${specifier}**: ${links.join(", ")}`;
  });
  return [
    NOTE,
    "# API reference",
    "A page for each entry of the package. [errors.md](errors.md#codes) has every error code.",
    `| import | what |\n|---|---|\n${rows.join("\n")}`,
    "Wrong arguments are a `TypeError` or a `RangeError` with the code `ERR_INVALID_ARGUMENT`. Everything else is a [`VaultError`](errors.md#vaulterror).",
    "## Names",
    ...names,
    "",
  ].join("\n\n");
}
