/**
 * What the package exports, as the compiler sees it.
 *
 * Owns the program over the entries of package.json, the home of each name, and the types that exported names mention
 * without being exported themselves. Must not know how pages look.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";

/** An entry of the package. */
export interface Entry {
  /** As it is imported: `coffer/crypto`. */
  readonly specifier: string;
  /** Its page's name, without `.md`. */
  readonly page: string;
  /** Of the source, relative to the repository. */
  readonly file: string;
  readonly source: ts.SourceFile;
  /** Names that are told on its page, in order. */
  readonly own: readonly Exported[];
  /** Names that are told on another entry's page. */
  readonly others: readonly Exported[];
  /** What own names mention and no entry exports. */
  readonly mentioned: readonly Exported[];
}

/** A name, with what declares it. */
export interface Exported {
  readonly name: string;
  readonly symbol: ts.Symbol;
  readonly declarations: readonly ts.Declaration[];
}

/** All entries, and the compiler that knows their types. */
export interface Package {
  readonly entries: readonly Entry[];
  readonly checker: ts.TypeChecker;
}

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;
}

/** Reads the entries that are TypeScript: not the module of WebAssembly, nor package.json. */
export function readPackage(root: string): Package {
  const { name, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
  const files = Object.entries(exports).flatMap(([subpath, target]) => {
    const types = typeof target === "string" ? undefined : target.types;
    const path = typeof types === "string" ? /^\.\/dist\/(.+)\.d\.ts$/.exec(types)?.[1] : undefined;
    if (path === undefined || path.includes(".wasm")) return [];
    return [{ specifier: subpath === "." ? name : name + subpath.slice(1), file: `src/${path}.ts` }];
  });
  const program = ts.createProgram(
    files.map(({ file }) => join(root, file)),
    { ...compilerOptions(root), noEmit: true },
  );
  const checker = program.getTypeChecker();
  const exported = files.map(({ specifier, file }) => {
    const source = program.getSourceFile(join(root, file));
    if (source === undefined) throw new Error(`${specifier}: there is no ${file}`);
    return { specifier, file, source, names: namesOf(source, checker) };
  });
  const homes = new Map<ts.Symbol, string>();
  for (const { specifier, file, names } of exported) {
    for (const { symbol, declarations } of names) {
      const declaredIn = relative(root, declarations[0]!.getSourceFile().fileName);
      const isAtHome =
        declaredIn === file || (file.endsWith("/index.ts") && declaredIn.startsWith(roomOf(file)));
      if (isAtHome || !homes.has(symbol)) homes.set(symbol, specifier);
    }
  }
  const told = new Set(homes.keys());
  const entries = exported.map(({ specifier, file, source, names }) => {
    const own = names.filter(({ symbol }) => homes.get(symbol) === specifier);
    const others = names.filter(({ symbol }) => homes.get(symbol) !== specifier);
    const mentioned = mentionedBy(own, told, checker, root);
    return { specifier, page: specifier.split("/").at(-1)!, file, source, own, others, mentioned };
  });
  return { entries, checker };
}

/** `src/crypto/index.ts` is the face of `src/crypto/`; `src/index.ts` of no room. */
const roomOf = (file: string): string =>
  file === "src/index.ts" ? "src/facade/" : file.replace("index.ts", "");

function compilerOptions(root: string): ts.CompilerOptions {
  const path = join(root, "tsconfig.json");
  const { config } = ts.readConfigFile(path, ts.sys.readFile);
  return ts.parseJsonConfigFileContent(config, { ...ts.sys, readDirectory: () => [] }, root).options;
}

function namesOf(source: ts.SourceFile, checker: ts.TypeChecker): Exported[] {
  const exportsOf = (node: ts.Node): readonly ts.Symbol[] => {
    const module = checker.getSymbolAtLocation(node);
    return module === undefined ? [] : checker.getExportsOfModule(module);
  };
  // \`export type *\` leaves values behind, which the compiler lists all the same.
  const left = source.statements
    .filter(ts.isExportDeclaration)
    .filter((statement) => statement.isTypeOnly && statement.exportClause === undefined)
    .flatMap(({ moduleSpecifier }) => (moduleSpecifier === undefined ? [] : exportsOf(moduleSpecifier)))
    .filter(({ flags }) => (flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Variable)) !== 0);
  return exportsOf(source)
    .filter((symbol) => !left.includes(symbol))
    .map((symbol) => exportedOf(symbol, checker))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function exportedOf(alias: ts.Symbol, checker: ts.TypeChecker): Exported {
  const isAlias = (alias.flags & ts.SymbolFlags.Alias) !== 0;
  const symbol = isAlias ? checker.getAliasedSymbol(alias) : alias;
  return { name: alias.name, symbol, declarations: symbol.declarations ?? [] };
}

/** Declarations of this repository that the names mention. What those mention in turn is not looked at. */
function mentionedBy(
  names: readonly Exported[],
  told: ReadonlySet<ts.Symbol>,
  checker: ts.TypeChecker,
  root: string,
): Exported[] {
  const found = new Map<ts.Symbol, Exported>();
  const look = (node: ts.Node): void => {
    // How a class is made is its own business; what it inherits is told with it.
    if (isHidden(node) || ts.isConstructorDeclaration(node)) return;
    if (ts.isHeritageClause(node) && ts.isClassDeclaration(node.parent)) return;
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : undefined;
    const at = name === undefined ? undefined : checker.getSymbolAtLocation(name);
    if (at !== undefined) add(exportedOf(at, checker));
    ts.forEachChild(node, look);
  };
  const add = (exported: Exported): void => {
    const { symbol, declarations } = exported;
    const file = declarations[0]?.getSourceFile().fileName ?? "";
    const isParameter = (symbol.flags & ts.SymbolFlags.TypeParameter) !== 0;
    if (isParameter || told.has(symbol) || found.has(symbol) || !file.startsWith(join(root, "src/"))) return;
    found.set(symbol, { ...exported, name: symbol.name });
  };
  for (const { declarations } of names) for (const declaration of declarations) look(declaration);
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a reader of declarations does not see: bodies, values, private members. */
export function isHidden(node: ts.Node): boolean {
  if (ts.isBlock(node) || ts.isPrivateIdentifier(node)) return true;
  if (ts.isVariableDeclaration(node.parent) && node.parent.initializer === node) return true;
  if (ts.isPropertyDeclaration(node.parent) && node.parent.initializer === node) return true;
  if (!ts.isClassElement(node)) return false;
  const { Private, Protected } = ts.ModifierFlags;
  const isPrivate = (ts.getCombinedModifierFlags(node) & (Private | Protected)) !== 0;
  return isPrivate || (node.name !== undefined && ts.isPrivateIdentifier(node.name));
}
