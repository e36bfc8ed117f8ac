/**
 * An entry's page of the API reference.
 *
 * Owns how declarations and docstrings look as Markdown. Must not know where names are declared or which are exported.
 *
 * @module
 */
import ts from "typescript";
import { type Entry, type Exported, isHidden } from "./exports.ts";

/** Where a name is told: `crypto.md#inspect`; undefined if on no page. */
export type Address = (name: string) => string | undefined;

/** A constant's value is shown up to this length. */
const VALUE_CHARS_MAX = 200;

const KINDS = ["Functions", "Classes", "Constants", "Types"] as const;

/** The page, but for what is special to it. */
export function pageOf(entry: Entry, checker: ts.TypeChecker, address: Address): string {
  const { specifier, own, others, mentioned } = entry;
  const page = new Page(checker, address);
  page.add(`# ${specifier}`, ...moduleText(entry).map((paragraph) => page.prose(paragraph)));
  page.add(`\`\`\`ts\nimport { … } from "${specifier}";\n\`\`\``);
  for (const kind of KINDS) {
    const names = own.filter((exported) => kindOf(exported) === kind);
    if (names.length === 0) continue;
    page.add(`## ${kind}`);
    for (const exported of names) page.addExport(exported);
  }
  if (others.length > 0) {
    page.add("## Told elsewhere", "This entry exports these too:");
    page.add(others.map(({ name }) => `[\`${name}\`](${address(name) ?? ""})`).join(", "));
  }
  if (mentioned.length > 0) {
    page.add("## Mentioned types", "What the above mentions. No entry exports these names.");
    for (const exported of mentioned) page.addExport(exported);
  }
  return page.text();
}

/** An entry's module comment by paragraphs, without what it says of the code. */
export function moduleText({ source, specifier }: Entry): string[] {
  const comment = /\/\*\*(.*?)\*\//s.exec(source.text)?.[1] ?? "";
  const text = comment.replaceAll(/^\s*\* ?/gm, "").replace(/@module[\s\S]*/, "");
  return text
    .trim()
    .split("\n\n")
    .filter((paragraph) => !paragraph.startsWith("Owns "))
    .map((paragraph) => paragraph.replaceAll("\n", " ").replace(`\`${specifier}\`: `, ""))
    .map((paragraph) => paragraph[0]!.toUpperCase() + paragraph.slice(1));
}

function kindOf({ declarations }: Exported): (typeof KINDS)[number] {
  if (declarations.some(ts.isFunctionDeclaration)) return "Functions";
  if (declarations.some(ts.isClassDeclaration)) return "Classes";
  return declarations.some(ts.isVariableDeclaration) ? "Constants" : "Types";
}

class Page {
  readonly #parts: string[] = [];
  readonly #checker: ts.TypeChecker;
  readonly #address: Address;
  /** Where the members of the class that is being told are. */
  #members: ReadonlyMap<string, string> = new Map();

  constructor(checker: ts.TypeChecker, address: Address) {
    this.#checker = checker;
    this.#address = address;
  }

  add(...parts: readonly string[]): void {
    this.#parts.push(...parts.filter((part) => part !== ""));
  }

  text(): string {
    return `${this.#parts.join("\n\n")}\n`;
  }

  addExport(exported: Exported): void {
    const { name, symbol, declarations } = exported;
    this.add(`### ${name}`);
    const declared = declarations.find(ts.isClassDeclaration);
    if (declared !== undefined) this.#addClass(name, symbol, declared);
    else if (declarations.some(ts.isFunctionDeclaration)) this.#addCallable(symbol, declarations);
    else {
      const shown = declarations.map((declaration) => declarationText(declaration));
      this.add(codeBlock(shown), this.#docs(symbol));
    }
  }

  /** Text with its references as links, and codes of errors too. */
  prose(text: string): string {
    return text
      .replaceAll(/\{@link ([^}]+)\}/g, (_, name: string) => this.#reference(name.trim()))
      .replaceAll(/`[^`]*`|\b(ERR_[A-Z_]+)\b/g, (whole, code?: string) =>
        code === undefined ? whole : this.#reference(code),
      )
      .replaceAll("\n", " ")
      .trim();
  }

  #reference(name: string): string {
    const address = this.#members.get(name) ?? this.#address(name);
    return address === undefined ? `\`${name}\`` : `[\`${name}\`](${address})`;
  }

  #addClass(name: string, symbol: ts.Symbol, declaration: ts.ClassDeclaration): void {
    const bases = this.#basesOf(declaration);
    const told = bases.findIndex((base) => this.#address(base.name?.text ?? "") !== undefined);
    const untold = [declaration, ...(told < 0 ? bases : bases.slice(0, told))];
    const members = this.#checker
      .getPropertiesOfType(this.#checker.getDeclaredTypeOfSymbol(symbol))
      .map((member) => ({
        member,
        declarations: (member.declarations ?? []).filter((at) => isShown(at, untold)),
      }))
      .filter(({ declarations }) => declarations.length > 0);
    this.#members = new Map(
      members.map(({ member }) => [member.name, `#${name}${member.name}`.toLowerCase()]),
    );
    this.add(this.#docs(symbol));
    if (told >= 0) this.add(`It has everything of ${this.#reference(bases[told]!.name!.text)}, and:`);
    const maker = declaration.members.find(ts.isConstructorDeclaration);
    // Without a docstring it is for the class's own room.
    if (maker !== undefined && !isHidden(maker) && ts.getJSDocCommentsAndTags(maker).length > 0) {
      this.add(
        `#### new ${name}()`,
        codeBlock([this.#signatureText(maker, `new ${name}`)]),
        this.#docsOf(maker),
      );
    }
    for (const { member, declarations } of members) {
      this.add(`#### ${name}.${member.name}${declarations.some(ts.isMethodDeclaration) ? "()" : ""}`);
      this.#addCallable(member, declarations);
    }
    this.#members = new Map();
  }

  /** The classes that a class inherits from, nearest first; those of the language and of other packages end it. */
  #basesOf(declaration: ts.ClassDeclaration): ts.ClassDeclaration[] {
    const clause = declaration.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword);
    const symbol =
      clause === undefined ? undefined : this.#checker.getTypeAtLocation(clause.types[0]!).symbol;
    const base = symbol?.declarations?.find(ts.isClassDeclaration);
    return base === undefined || base.getSourceFile().isDeclarationFile ? [] : [base, ...this.#basesOf(base)];
  }

  #addCallable(symbol: ts.Symbol, declarations: readonly ts.Declaration[]): void {
    // Of an overloaded function the implementation is no way to call it.
    const signatures = declarations.filter(
      (declaration) =>
        declarations.length === 1 ||
        !(ts.isFunctionLike(declaration) && "body" in declaration && declaration.body !== undefined),
    );
    this.add(
      codeBlock(signatures.map((declaration) => this.#signatureText(declaration))),
      this.#docs(symbol),
    );
  }

  /** What stands before a body. */
  #signatureText(declaration: ts.Declaration, name?: string): string {
    const body = "body" in declaration ? (declaration.body as ts.Node | undefined) : undefined;
    const value = ts.isPropertyDeclaration(declaration) ? declaration.initializer : undefined;
    const start = declaration.getStart();
    const end = body?.getFullStart() ?? value?.getFullStart() ?? declaration.getEnd();
    const text = declaration
      .getSourceFile()
      .text.slice(start, end)
      .replace(/\s*[=;]?\s*$/, "")
      .replace(/^(?:export |declare |override |async )+/, "")
      .replaceAll(ts.isClassElement(declaration) ? /^ {2}/gm : /$^/g, "");
    if (name !== undefined) return text.replace(/^constructor/, name);
    const isUntyped = ts.isPropertyDeclaration(declaration) && declaration.type === undefined;
    return isUntyped
      ? `${text}: ${this.#checker.typeToString(this.#checker.getTypeAtLocation(declaration))}`
      : text;
  }

  #docs(symbol: ts.Symbol): string {
    const text = ts.displayPartsToString(symbol.getDocumentationComment(this.#checker));
    return this.#told(text, symbol.getJsDocTags(this.#checker));
  }

  #docsOf(node: ts.ConstructorDeclaration): string {
    const signature = this.#checker.getSignatureFromDeclaration(node);
    const text = ts.displayPartsToString(signature?.getDocumentationComment(this.#checker));
    return this.#told(text, signature?.getJsDocTags() ?? []);
  }

  #told(text: string, tags: readonly ts.JSDocTagInfo[]): string {
    const paragraphs = text.split(/\n\s*\n/).map((paragraph) => this.prose(paragraph));
    const lines = tags.flatMap(({ name, text: parts }) => {
      const said = ts.displayPartsToString(parts);
      if (name === "param") {
        const [, parameter, rest] = /^(\S+)\s*(?:-\s*)?(.*)$/s.exec(said) ?? [];
        return rest ? [`- \`${parameter}\`: ${this.prose(rest)}`] : [];
      }
      const title = TAGS[name];
      return title === undefined ? [] : [`- ${title}: ${this.prose(said)}`];
    });
    return [...paragraphs, lines.join("\n")].filter((part) => part !== "").join("\n\n");
  }
}

const TAGS: Readonly<Record<string, string>> = {
  returns: "**Answers**",
  throws: "**Throws**",
  deprecated: "**Deprecated**",
};

const codeBlock = (texts: readonly string[]): string => `\`\`\`ts\n${texts.join("\n")}\n\`\`\``;

/** A declaration of a type or constant as it stands, without the value of a long or computed constant. */
function declarationText(declaration: ts.Declaration): string {
  if (ts.isVariableDeclaration(declaration)) {
    const name = declaration.name.getText();
    const type = declaration.type === undefined ? "" : `: ${declaration.type.getText()}`;
    const { initializer } = declaration;
    const value = initializer?.getText() ?? "";
    const isTold = value.length <= VALUE_CHARS_MAX && !(initializer && ts.isCallExpression(initializer));
    return isTold ? `const ${name}${type} = ${value}` : `const ${name}${type}`;
  }
  return declaration.getText().replace(/^export (?:declare )?/, "");
}

/** Whether a member is one that readers of declarations see, and one of these classes has it. */
function isShown(declaration: ts.Declaration, classes: readonly ts.ClassDeclaration[]): boolean {
  if (isHidden(declaration) || !classes.some((one) => one === declaration.parent)) return false;
  const name = ts.getNameOfDeclaration(declaration);
  return name !== undefined && ts.isIdentifier(name);
}
