/**
 * What the architecture tests look at: the repository's TypeScript files, and what each of them imports and calls,
 * read from its syntax tree, so that comments and strings count for nothing.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path/posix";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export const repository = fileURLToPath(new URL("../..", import.meta.url));

export interface SourceFile {
  /** Relative to the repository. */
  path: string;
  text: string;
}

export interface Import {
  /** A path relative to the repository, or a package's or module's name. */
  target: string;
  isRelative: boolean;
  /** Nothing of it is left at run time. */
  typeOnly: boolean;
}

export const sourceFiles = (...directories: string[]): SourceFile[] =>
  directories
    .flatMap((directory) => globSync(`${directory}/**/*.ts`, { cwd: repository }))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(repository, path), "utf8") }));

export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const isRelative = specifier.text.startsWith(".");
    const target = isRelative ? join(dirname(file.path), specifier.text) : specifier.text;
    found.push({ target, isRelative, typeOnly });
  };
  walk(file, (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, isTypeOnlyExport(node));
    else if (ts.isImportTypeNode(node))
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    else if (ts.isCallExpression(node) && (isDynamicImport(node) || isNamed(node.expression, "require")))
      add(node.arguments[0], false);
  });
  return found;
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  return (
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.every((element) => element.isTypeOnly)
  );
}

function isTypeOnlyExport(node: ts.ExportDeclaration): boolean {
  if (node.isTypeOnly) return true;
  const named = node.exportClause;
  return (
    named !== undefined && ts.isNamedExports(named) && named.elements.every((element) => element.isTypeOnly)
  );
}

const isDynamicImport = (node: ts.CallExpression): boolean =>
  node.expression.kind === ts.SyntaxKind.ImportKeyword;
const isNamed = (node: ts.Node, name: string): boolean => ts.isIdentifier(node) && node.text === name;

/** Ways by which time, chance and the environment come in, by how they are written. */
const AMBIENT_MEMBERS = new Set(["Date.now", "Math.random", "process.env", "performance.now"]);
const AMBIENT_NAMES = new Set(["setTimeout", "setInterval", "randomUUID", "randomBytes"]);

/** The ambient time, chance and environment that a file uses. */
export function ambientsOf(file: SourceFile): string[] {
  const found: string[] = [];
  walk(file, (node) => {
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      const written = `${node.expression.text}.${node.name.text}`;
      if (AMBIENT_MEMBERS.has(written)) found.push(written);
    }
    if (ts.isIdentifier(node) && AMBIENT_NAMES.has(node.text)) found.push(node.text);
    if (ts.isNewExpression(node) && isNamed(node.expression, "Date") && (node.arguments ?? []).length === 0)
      found.push("new Date()");
  });
  return [...new Set(found)].sort();
}

function walk({ path, text }: SourceFile, visit: (node: ts.Node) => void): void {
  const each = (node: ts.Node): void => {
    visit(node);
    ts.forEachChild(node, each);
  };
  each(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
}
