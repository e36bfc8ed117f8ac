/**
 * The rule that every exported name says what it is.
 *
 * Owns the walk over the declarations of `src/`. Must not judge what a docstring says.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/**
 * Finds exported declarations without a docstring. Exports of names that are declared elsewhere are not looked at.
 *
 * @param files - paths relative to `root`; only TypeScript files under `src/` are read
 * @returns one line per name
 */
export function checkDocstrings(root: string, files: readonly string[]): string[] {
  return files
    .filter((file) => /^src\/.*(?<!\.d)\.ts$/.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), "utf8");
      const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
      return source.statements.flatMap((statement) =>
        namesOf(statement, source).map(
          ({ name, line }) => `${file}:${line}: ${name} is exported without a docstring [docstring]`,
        ),
      );
    });
}

/** The names that a statement declares and exports without a docstring. */
function namesOf(statement: ts.Statement, source: ts.SourceFile): { name: string; line: number }[] {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  if (!modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword)) return [];
  // The signatures of an overloaded function: the first one is documented.
  if (ts.isFunctionDeclaration(statement) && isFollowUp(statement, source)) return [];
  if (hasDocstring(statement)) return [];
  const line = source.getLineAndCharacterOfPosition(statement.getStart(source)).line + 1;
  const names = ts.isVariableStatement(statement)
    ? statement.declarationList.declarations.map((declaration) => declaration.name.getText(source))
    : [(statement as ts.DeclarationStatement).name?.getText(source) ?? "default"];
  return names.map((name) => ({ name, line }));
}

function hasDocstring(statement: ts.Statement): boolean {
  return ts.getJSDocCommentsAndTags(statement).some((node) => ts.isJSDoc(node));
}

/** Whether an earlier statement declares the same function. */
function isFollowUp(statement: ts.FunctionDeclaration, source: ts.SourceFile): boolean {
  const first = source.statements.find(
    (other) => ts.isFunctionDeclaration(other) && other.name?.text === statement.name?.text,
  );
  return first !== statement;
}
