import { readFileSync, readdirSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import ts from 'typescript';

/** One import, export-from, `import()` or `import('…')` type of a file. */
export interface ImportOf {
  specifier: string;
  /** The file it names, where it is one of the tree. */
  target: string | undefined;
  /** Nothing of it is left when the program runs. */
  typeOnly: boolean;
}

export interface FunctionOf {
  name: string;
  lines: number;
}

export interface SourceFile {
  /** Relative to `src/`, with `/`. */
  path: string;
  /** Path of its folder: '' for `src/` itself. */
  folder: string;
  /** First part of the folder. */
  area: string;
  text: string;
  lines: number;
  imports: ImportOf[];
  functions: FunctionOf[];
  /** Parameters of each constructor. */
  constructors: number[];
  /** How often the type `any` is written. */
  anys: number;
  /** Each `a.b` of the code where `a` is a plain name, and `.b` of everything. */
  accesses: Set<string>;
}

/** Reads the TypeScript and JavaScript below a folder. */
export function readSources(root: string): Map<string, string> {
  const sources = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || !/\.[cm]?[jt]s$/.test(entry.name)) continue;
    sources.set(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8'));
  }
  return sources;
}

/** Parses files given by path and text. */
export function parseTree(sources: Iterable<readonly [string, string]>): SourceFile[] {
  const texts = new Map(sources);
  return [...texts].map(([path, text]) => parseFile(path, text, (target) => texts.has(target)));
}

/** Each import of a file of the tree: from, to. */
export function edges(files: SourceFile[]): [SourceFile, SourceFile][] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return files.flatMap((file) =>
    file.imports.flatMap(({ target }): [SourceFile, SourceFile][] => {
      const to = target === undefined ? undefined : byPath.get(target);
      return to === undefined ? [] : [[file, to]];
    }),
  );
}

/** A way of imports from the file back to it, the shortest; undefined when there is none. */
export function cycleThrough(
  start: SourceFile,
  next: Map<SourceFile, SourceFile[]>,
): SourceFile[] | undefined {
  const ways: SourceFile[][] = [[start]];
  const seen = new Set<SourceFile>();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const file of next.get(way.at(-1)!) ?? []) {
      if (file === start) return [...way, file];
      if (!seen.has(file)) ways.push([...way, file]);
      seen.add(file);
    }
  }
  return undefined;
}

function parseFile(path: string, text: string, exists: (path: string) => boolean): SourceFile {
  const folder = path.includes('/') ? posix.dirname(path) : '';
  const file: SourceFile = {
    path,
    folder,
    area: folder.split('/', 1)[0] ?? '',
    text,
    lines: text.replace(/\n$/, '').split('\n').length,
    imports: [],
    functions: [],
    constructors: [],
    anys: 0,
    accesses: new Set(),
  };
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    const found = importOf(node);
    if (found !== undefined)
      file.imports.push({ ...found, target: resolve(folder, found.specifier, exists) });
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined)
      file.functions.push(measure(node, source));
    if (ts.isConstructorDeclaration(node)) file.constructors.push(node.parameters.length);
    if (node.kind === ts.SyntaxKind.AnyKeyword) file.anys += 1;
    for (const access of accessesOf(node)) file.accesses.add(access);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return file;
}

function importOf(node: ts.Node): Omit<ImportOf, 'target'> | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, typeOnly: isTypeOnly(node.importClause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const name = node.arguments[0];
    return name && ts.isStringLiteralLike(name) ? { specifier: name.text, typeOnly: false } : undefined;
  }
  if (
    ts.isImportTypeNode(node) &&
    ts.isLiteralTypeNode(node.argument) &&
    ts.isStringLiteral(node.argument.literal)
  ) {
    return { specifier: node.argument.literal.text, typeOnly: true };
  }
  return undefined;
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name || !names || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every((name) => name.isTypeOnly);
}

function resolve(folder: string, specifier: string, exists: (path: string) => boolean): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const path = posix.join(folder, specifier);
  return [path, path.replace(/\.js$/, '.ts')].find(exists);
}

/** From its name to its last line: decorators and comments above it do not count. */
function measure(node: ts.SignatureDeclaration, source: ts.SourceFile): FunctionOf {
  const start = (node.name ?? node).getStart(source);
  const line = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  return { name: nameOf(node, source), lines: line(node.getEnd()) - line(start) + 1 };
}

function nameOf(node: ts.SignatureDeclaration, source: ts.SourceFile): string {
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  const named = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined);
  return (
    named?.getText(source) ?? `function at line ${source.getLineAndCharacterOfPosition(node.pos).line + 1}`
  );
}

function accessesOf(node: ts.Node): string[] {
  if (!ts.isPropertyAccessExpression(node)) return [];
  const name = node.name.text;
  return ts.isIdentifier(node.expression) ? [`.${name}`, `${node.expression.text}.${name}`] : [`.${name}`];
}
