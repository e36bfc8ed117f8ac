/**
 * The mutants of one source file: small changes of it, of which each should make some test fail.
 *
 * Owns which changes are made, over the TypeScript syntax tree. Must not know how tests run.
 *
 * @module
 */
import ts from "typescript";

/** One change of a file. */
export interface Mutant {
  /** What kind of change: the name of a row below. */
  readonly kind: string;
  /** Where the replaced text stands, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** From 1 on. */
  readonly line: number;
  /** The block that has to be entered for the change to be seen; 0 is the file itself. */
  readonly block: number;
  /** What names it across edits elsewhere in the file: kind, text before and after, and which of its like it is. */
  readonly id: string;
}

/** A block of statements that a count can be put into. */
export interface CountedBlock {
  readonly number: number;
  /** Right behind its opening brace. */
  readonly at: number;
}

export interface ParsedFile {
  readonly mutants: readonly Mutant[];
  readonly blocks: readonly CountedBlock[];
}

type Change = readonly [kind: string, start: number, end: number, replacement: string];

const K = ts.SyntaxKind;

/** Operators and what they become. */
const OPERATORS: ReadonlyMap<ts.SyntaxKind, readonly string[]> = new Map([
  [K.LessThanToken, ["<=", ">="]],
  [K.LessThanEqualsToken, ["<", ">"]],
  [K.GreaterThanToken, [">=", "<="]],
  [K.GreaterThanEqualsToken, [">", "<"]],
  [K.EqualsEqualsEqualsToken, ["!=="]],
  [K.ExclamationEqualsEqualsToken, ["==="]],
  [K.AmpersandAmpersandToken, ["||"]],
  [K.BarBarToken, ["&&"]],
  [K.QuestionQuestionToken, ["&&"]],
  [K.PlusToken, ["-"]],
  [K.MinusToken, ["+"]],
  [K.AsteriskToken, ["/"]],
  [K.SlashToken, ["*"]],
  [K.PercentToken, ["*"]],
  [K.AmpersandToken, ["|"]],
  [K.BarToken, ["&"]],
  [K.CaretToken, ["&"]],
  [K.LessThanLessThanToken, [">>"]],
  [K.GreaterThanGreaterThanToken, ["<<"]],
  [K.GreaterThanGreaterThanGreaterThanToken, ["<<"]],
  [K.PlusEqualsToken, ["-="]],
  [K.MinusEqualsToken, ["+="]],
  [K.BarEqualsToken, ["&="]],
  [K.AmpersandEqualsToken, ["|="]],
  [K.CaretEqualsToken, ["|="]],
]);

const isText = (node: ts.Node): boolean =>
  ts.isStringLiteral(node) || ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node);

/**
 * Messages of errors may be worded anew; what a test should hold is their code. These make errors, or take the name by which a
 * message calls what is wrong.
 */
const WORDED =
  /^(?:\w*Error|unavailable|invalid\w*|malformed\w*|ownBytes|utf8|typeName|checkOptions|checkCount)$/;

/** Takes an object of which only the names count. */
const NAMES_ONLY = "optionNames";

function isNamesOnly(node: ts.Node): boolean {
  return ts.isCallExpression(node) && node.expression.getText() === NAMES_ONLY;
}

function isWorded(node: ts.Node): boolean {
  return (ts.isNewExpression(node) || ts.isCallExpression(node)) && WORDED.test(node.expression.getText());
}

/** The changes that one node gives. */
function changesOf(node: ts.Node, isInError: boolean): Change[] {
  const text = node.getText();
  const whole = (kind: string, replacement: string): Change => [kind, node.getStart(), node.end, replacement];
  const condition = (of: ts.Node, ...values: string[]): Change[] =>
    values.map((value) => ["condition", of.getStart(), of.end, value]);
  if (ts.isBinaryExpression(node)) {
    const { operatorToken: operator, left, right } = node;
    if (operator.kind === K.PlusToken && (isText(left) || isText(right))) return [];
    return (OPERATORS.get(operator.kind) ?? []).map((becomes) => [
      "operator",
      operator.getStart(),
      operator.end,
      becomes,
    ]);
  }
  if (ts.isIfStatement(node)) return condition(node.expression, "true", "false");
  if (ts.isConditionalExpression(node)) return condition(node.condition, "true", "false");
  if (ts.isWhileStatement(node) || ts.isDoStatement(node)) return condition(node.expression, "false");
  if (ts.isForStatement(node)) return node.condition === undefined ? [] : condition(node.condition, "false");
  if (ts.isPrefixUnaryExpression(node)) {
    if (node.operator === K.ExclamationToken) return [whole("negation", node.operand.getText())];
    if (node.operator === K.MinusToken) return [whole("sign", node.operand.getText())];
    if (node.operator === K.PlusPlusToken) return [whole("step", `--${node.operand.getText()}`)];
    if (node.operator === K.MinusMinusToken) return [whole("step", `++${node.operand.getText()}`)];
    return [];
  }
  if (ts.isPostfixUnaryExpression(node)) {
    return [whole("step", `${node.operand.getText()}${node.operator === K.PlusPlusToken ? "--" : "++"}`)];
  }
  if (node.kind === K.TrueKeyword) return [whole("boolean", "false")];
  if (node.kind === K.FalseKeyword) return [whole("boolean", "true")];
  if (ts.isBlock(node) && node.statements.length > 0) return [whole("block", "{}")];
  if (ts.isExpressionStatement(node)) {
    const called = ts.isAwaitExpression(node.expression) ? node.expression.expression : node.expression;
    const isSuper = ts.isCallExpression(called) && called.expression.kind === K.SuperKeyword;
    return ts.isCallExpression(called) && !isSuper ? [whole("call", ";")] : [];
  }
  if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) === ts.NodeFlags.Using) {
    return [["using", node.getStart(), node.getStart() + "using".length, "const"]];
  }
  if (ts.isRegularExpressionLiteral(node)) {
    const anchored: string[] = [];
    if (text.startsWith("/^")) anchored.push(`/${text.slice(2)}`);
    const end = text.lastIndexOf("/");
    if (text[end - 1] === "$") anchored.push(text.slice(0, end - 1) + text.slice(end));
    return anchored.map((replacement) => whole("pattern", replacement));
  }
  if (node.kind === K.QuestionDotToken) {
    const isAccess = ts.isPropertyAccessExpression(node.parent);
    return [whole("optional", isAccess ? "." : "")];
  }
  if (ts.isArrayLiteralExpression(node) && node.elements.length > 0) return [whole("array", "[]")];
  if (isText(node) && !isInError) {
    if (ts.isPropertyAssignment(node.parent) && node.parent.name === node) return [];
    return [whole("text", text.length === 2 ? '"mutant"' : '""')];
  }
  return [];
}

/** Reads a source file: its mutants in order, and the blocks that they stand in. */
export function parseMutants(path: string, code: string): ParsedFile {
  const file = ts.createSourceFile(path, code, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];
  const blocks: CountedBlock[] = [];
  const seen = new Map<string, number>();
  const visit = (node: ts.Node, block: number, isInError: boolean): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || isNamesOnly(node)) return;
    const isError = isInError || isWorded(node);
    for (const [kind, start, end, replacement] of changesOf(node, isError)) {
      const line = file.getLineAndCharacterOfPosition(start).line + 1;
      const before = code.slice(start, end).replaceAll(/\s+/g, " ");
      const shown = before.length > 60 ? `${before.slice(0, 57)}...` : before;
      const around = lineText(file, code, line);
      const name = kind === "block" ? `${shown} -> {}` : `${shown} -> ${replacement} in: ${around}`;
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      const id = `${kind}: ${name}${count === 1 ? "" : ` (${count})`}`;
      mutants.push({ kind, start, end, replacement, line, block, id });
    }
    let inner = block;
    if (ts.isBlock(node)) {
      inner = blocks.length + 1;
      blocks.push({ number: inner, at: node.getStart() + 1 });
    }
    ts.forEachChild(node, (child) => visit(child, inner, isError));
  };
  visit(file, 0, false);
  return { mutants, blocks };
}

const LINE_SHOWN_MAX = 100;

function lineText(file: ts.SourceFile, code: string, line: number): string {
  const starts = file.getLineStarts();
  return code
    .slice(starts[line - 1], starts[line])
    .trim()
    .slice(0, LINE_SHOWN_MAX);
}

/** The file with one change. */
export function mutate(code: string, { start, end, replacement }: Mutant): string {
  return code.slice(0, start) + replacement + code.slice(end);
}

/** Whether a text is TypeScript: one that is not would fail every test. */
export function isSound(path: string, code: string): boolean {
  return ts.transpileModule(code, { fileName: path, reportDiagnostics: true }).diagnostics!.length === 0;
}

/** The file with a count in each block: which blocks were entered is what a run leaves in `globalThis`. */
export function countBlocks(name: string, code: string, blocks: readonly CountedBlock[]): string {
  let out = code;
  for (const { at, number } of [...blocks].sort((a, b) => b.at - a.at)) {
    out = `${out.slice(0, at)}${hit(name, number)}${out.slice(at)}`;
  }
  // Behind the imports' hoisting it does not matter where this stands.
  return `${out}\n${hit(name, 0)}\n`;
}

function hit(name: string, block: number): string {
  return `(globalThis.__mutationHits ??= new Set()).add(${JSON.stringify(`${name} ${block}`)});`;
}
