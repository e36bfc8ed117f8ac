/**
 * What one source file imports and names.
 *
 * Owns the walk over the syntax tree. Judges nothing: which of the facts are wrong is decided in rules.ts.
 * Imports are never followed, and the checker is used for one question only: does a name stand for something
 * that the file declares, or for a global?
 *
 * @module
 */
import ts from "typescript";

/** A place in a file. */
export interface Use {
  readonly line: number;
  readonly text: string;
}

export interface Import {
  readonly line: number;
  /** Undefined if it is computed. */
  readonly specifier: string | undefined;
  /** Gone at run time. `import { type A }` is not: under verbatimModuleSyntax the module is still loaded. */
  readonly typeOnly: boolean;
}

export interface SourceFacts {
  readonly imports: readonly Import[];
  /** Uses of names that nothing in the file declares, also as `globalThis.name`; type positions left out. */
  readonly globals: readonly Use[];
  /** String literals without substitutions, import specifiers and those in types included. */
  readonly strings: readonly Use[];
  /** Reads of a property called `subtle`. */
  readonly subtle: readonly Use[];
}

/** Names of the global object itself. */
const GLOBAL_OBJECTS: ReadonlySet<string> = new Set(["globalThis", "global", "self", "window"]);

/** Reads files, given by absolute path. */
export function scanFiles(paths: readonly string[]): Map<string, SourceFacts> {
  const program = ts.createProgram({
    rootNames: paths,
    // No libraries and no resolution: whatever the file itself does not declare stays unknown, i.e. global.
    options: { noLib: true, noResolve: true, types: [], target: ts.ScriptTarget.ESNext },
  });
  const checker = program.getTypeChecker();
  const facts = new Map<string, SourceFacts>();
  for (const path of paths) {
    const source = program.getSourceFile(path);
    if (source === undefined) throw new Error(`cannot read ${path}`);
    facts.set(path, scan(source, checker));
  }
  return facts;
}

function scan(source: ts.SourceFile, checker: ts.TypeChecker): SourceFacts {
  const imports: Import[] = [];
  const globals: Use[] = [];
  const strings: Use[] = [];
  const subtle: Use[] = [];

  const lineOf = (node: ts.Node): number =>
    source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;

  const addImport = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    const text = specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : undefined;
    imports.push({ line: lineOf(node), specifier: text, typeOnly });
  };

  const isGlobal = (id: ts.Identifier): boolean => {
    const symbol = ts.isShorthandPropertyAssignment(id.parent)
      ? checker.getShorthandAssignmentValueSymbol(id.parent)
      : checker.getSymbolAtLocation(id);
    // `declare const process` and `declare global` describe the global, they do not replace it.
    return (symbol?.declarations ?? []).every(isAmbient);
  };

  const isGlobalObject = (expression: ts.Expression): boolean => {
    const inner = unwrap(expression);
    return ts.isIdentifier(inner) && GLOBAL_OBJECTS.has(inner.text) && isGlobal(inner);
  };

  /** A property called `name` is read from `object`; undefined stands for a value that is not known. */
  const addProperty = (node: ts.Node, name: string, object: ts.Expression | undefined): void => {
    if (name === "subtle") subtle.push({ line: lineOf(node), text: name });
    if (object !== undefined && isGlobalObject(object)) globals.push({ line: lineOf(node), text: name });
  };

  const visitTypes = (node: ts.Node): void => {
    if (ts.isImportTypeNode(node)) {
      const argument = node.argument;
      addImport(node, ts.isLiteralTypeNode(argument) ? argument.literal : undefined, true);
    }
    if (ts.isStringLiteralLike(node)) strings.push({ line: lineOf(node), text: node.text });
    ts.forEachChild(node, visitTypes);
  };

  const visit = (node: ts.Node): void => {
    // `class A extends B<T>` and `f<T>` are type nodes by kind, but B and f are values.
    if (ts.isExpressionWithTypeArguments(node) && !isErasedHeritage(node.parent)) {
      visit(node.expression);
      node.typeArguments?.forEach(visitTypes);
      return;
    }
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) {
      visitTypes(node);
      return;
    }
    if (ts.isImportDeclaration(node)) {
      const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      addImport(node, node.moduleSpecifier, typeOnly);
      visit(node.moduleSpecifier);
      return;
    }
    if (ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier === undefined) return;
      addImport(node, node.moduleSpecifier, node.isTypeOnly);
      visit(node.moduleSpecifier);
      return;
    }
    if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      addImport(node, node.moduleReference.expression, node.isTypeOnly);
    } else if (ts.isCallExpression(node)) {
      const callee = node.expression;
      const isRequire = ts.isIdentifier(callee) && callee.text === "require";
      if (callee.kind === ts.SyntaxKind.ImportKeyword || isRequire) addImport(node, node.arguments[0], false);
    } else if (ts.isStringLiteralLike(node)) {
      strings.push({ line: lineOf(node), text: node.text });
    } else if (ts.isPropertyAccessExpression(node)) {
      addProperty(node.name, node.name.text, node.expression);
    } else if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
      addProperty(node.argumentExpression, node.argumentExpression.text, node.expression);
    } else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = node.propertyName ?? node.name;
      const holder = node.parent.parent;
      const object = ts.isVariableDeclaration(holder) ? holder.initializer : undefined;
      if (ts.isIdentifier(name) || ts.isStringLiteralLike(name)) addProperty(name, name.text, object);
    } else if (ts.isIdentifier(node) && isReference(node) && isGlobal(node)) {
      globals.push({ line: lineOf(node), text: node.text });
    }
    ts.forEachChild(node, visit);
  };

  visit(source);
  return { imports, globals, strings, subtle };
}

/** Whether the clause names types only: `implements`, and `extends` of an interface. */
function isErasedHeritage(node: ts.Node): boolean {
  if (!ts.isHeritageClause(node)) return false;
  return node.token === ts.SyntaxKind.ImplementsKeyword || ts.isInterfaceDeclaration(node.parent);
}

/** The value inside of parentheses and type assertions. */
function unwrap(expression: ts.Expression): ts.Expression {
  let inner = expression;
  while (
    ts.isParenthesizedExpression(inner) ||
    ts.isAsExpression(inner) ||
    ts.isSatisfiesExpression(inner) ||
    ts.isTypeAssertionExpression(inner) ||
    ts.isNonNullExpression(inner)
  ) {
    inner = inner.expression;
  }
  return inner;
}

function isAmbient(declaration: ts.Node): boolean {
  for (let node = declaration; node !== undefined; node = node.parent) {
    const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
    if (modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.DeclareKeyword)) return true;
  }
  return false;
}

/** Whether the identifier reads or writes a variable, rather than naming a property, label or declaration. */
function isReference(id: ts.Identifier): boolean {
  const parent = id.parent;
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  if (ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent)) return false;
  if (ts.isBindingElement(parent) && parent.propertyName === id) return false;
  return (parent as { name?: ts.Node }).name !== id;
}
