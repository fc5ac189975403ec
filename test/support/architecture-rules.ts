import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SourceFile, cycleThrough, edges } from './source-tree.js';
import { offendersAcrossTenants } from './tenant-rules.js';

export interface Rule {
  title: string;
  /** For whoever breaks it: what to do instead. */
  advice: string;
  /** What breaks it, one line each, beginning with the path. */
  offenders: (files: SourceFile[]) => string[];
}

/** Bottom to top. A folder that is not named here stands on `NEW_FLOOR`; files of `src/` itself on the top. */
const FLOORS = [
  ['database', 'errors', 'telemetry', 'audit', 'limits'],
  ['auth', 'event-log', 'model'],
  ['tools', 'sessions', 'agents', 'usage', 'context'],
  ['runs'],
  ['agent'],
  ['formats', 'console', 'health', 'openapi', 'upkeep', 'client'],
  ['cli'],
  ['library'],
];
const NEW_FLOOR = 5;
const TOP_FLOOR = 6;
/**
 * Programs of their own, which run in browsers and on other machines: they have the server's words as types and reach
 * it over the network alone. Names of packages and beginnings of paths that they may load.
 */
const APART: Record<string, RegExp> = {
  client: /^(client\/|eventsource-parser$)/,
  cli: /^(cli\/|client\/|node:)/,
};
/** What package.json offers to others is used, though nothing here imports it. */
const OFFERED = offeredFiles();

function offeredFiles(): ReadonlySet<string> {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return new Set([...text.matchAll(/"\.\/dist\/([^"]+)\.js"/g)].map(([, path]) => `${path}.ts`));
}
/** The one list of codes and how settings are read: neighbours may import it, it imports none of them. */
const OPEN_TO_NEIGHBOURS = 'errors';
/** What keeps rows and counts for everybody stands on the ground itself. */
const STANDS_ON: Record<string, readonly string[]> = {
  audit: ['database', 'telemetry'],
  limits: ['database', 'telemetry'],
};

/** Dotted roles: the files that may know Nest. */
const ROLES =
  'module controller gateway service repository guard strategy decorator filter config tool adapter middleware pipe'.split(
    ' ',
  );
/** Files of `src/` itself put the application together, so they know Nest whatever their name. */
const isStarter = (path: string): boolean => !path.includes('/');
const ROLE = new RegExp(`\\.(${ROLES.join('|')})\\.ts$`);
const NAME = new RegExp(
  `^[a-z0-9]+(-[a-z0-9]+)*(\\.(${ROLES.join('|')}))?(\\.(contract|d|spec|e2e-spec))?\\.[cm]?[jt]s$`,
);
const VAGUE = 'common shared util utils helper helpers types constants interfaces'.split(' ');

const DRIVERS: Record<string, string> = {
  ioredis: 'event-log/redis',
  '@anthropic-ai/sdk': 'model/anthropic',
  'node:sqlite': 'database/sqlite',
  sqlite: 'database/sqlite',
  'better-sqlite3': 'database/sqlite',
  pg: 'database/postgres',
};

const SQL_FOLDERS = /^(database|event-log\/sql)(\/|$)/;
const QUERIES = [
  '.kysely',
  '.selectFrom',
  '.insertInto',
  '.updateTable',
  '.deleteFrom',
  '.replaceInto',
  '.mergeInto',
];

/** What the browser loads: a tree of its own, whose folders stand on floors of their own, bottom to top. */
const PAGE = 'console/public';
const PAGE_FLOORS = [['page'], ['run'], ['account', 'conversation', 'sessions'], ['']];
const isOfPage = (file: SourceFile): boolean => inside(file, PAGE);
const pageFloorOf = ({ folder }: SourceFile): number =>
  PAGE_FLOORS.findIndex((folders) => folders.includes(folder.slice(PAGE.length + 1)));

const isSpec = ({ path }: SourceFile): boolean => /\.(e2e-)?spec\.ts$/.test(path);
const isContract = ({ path }: SourceFile): boolean => path.endsWith('.contract.ts');
const isMigration = ({ path }: SourceFile): boolean => path.startsWith('database/migrations/');
const isTyped = ({ path }: SourceFile): boolean => path.endsWith('.ts') && !path.endsWith('.d.ts');
/** What is part of the program. Specs and contracts may be long and look anywhere. */
const program = (files: SourceFile[]): SourceFile[] =>
  files.filter((file) => !isSpec(file) && !isContract(file));
const withoutSpecs = (files: SourceFile[]): SourceFile[] => files.filter((file) => !isSpec(file));

function floorOf({ area }: SourceFile): number {
  if (area === '') return TOP_FLOOR;
  const floor = FLOORS.findIndex((areas) => areas.includes(area));
  return floor === -1 ? NEW_FLOOR : floor;
}

function inside(file: SourceFile, folder: string): boolean {
  return file.folder === folder || file.folder.startsWith(`${folder}/`);
}

const arrow = ([from, to]: [SourceFile, SourceFile]): string => `${from.path} imports ${to.path}`;

export const RULES: Rule[] = [
  {
    title: 'imports go down only',
    advice:
      'A lower floor knows nothing of the higher ones: move what you need down, or let the higher floor hand it in (a port, a callback, an event).',
    offenders: (files) =>
      edges(withoutSpecs(files))
        .filter(([from, to]) => floorOf(to) > floorOf(from))
        .map((edge) => `${arrow(edge)} (floor ${floorOf(edge[0])} to ${floorOf(edge[1])})`),
  },
  {
    title: 'neighbours on one floor do not import each other',
    advice: 'Describe the shape that you need in your own folder, or bring both together on a higher floor.',
    offenders: (files) =>
      edges(withoutSpecs(files))
        .filter(([from, to]) => from.area !== to.area && floorOf(from) === floorOf(to))
        .filter(([, to]) => to.area !== OPEN_TO_NEIGHBOURS)
        .filter(([from, to]) => STANDS_ON[from.area]?.includes(to.area) !== true)
        .map(arrow),
  },
  {
    title: 'no cycles',
    advice: 'Move what both files need into a third one that knows neither.',
    offenders: (files) => {
      const next = Map.groupBy(edges(files), ([from]) => from);
      const targets = new Map([...next].map(([from, out]) => [from, out.map(([, to]) => to)]));
      const told = new Set<SourceFile>();
      return files.flatMap((file) => {
        const cycle = told.has(file) ? undefined : cycleThrough(file, targets);
        cycle?.forEach((member) => told.add(member));
        return cycle === undefined ? [] : [cycle.map(({ path }) => path).join(' -> ')];
      });
    },
  },
  {
    title: 'no index.ts',
    advice: 'Import the file that has the name: an index hides who needs what and closes cycles.',
    offenders: (files) => files.map(({ path }) => path).filter((path) => /(^|\/)index\.[jt]s$/.test(path)),
  },
  {
    title: 'no orphans',
    advice: 'Nothing of the program imports this file (for a contract: no spec). Use it or delete it.',
    offenders: (files) => {
      const used = new Set(edges(program(files)).map(([, to]) => to));
      // A contract may be made of several.
      const tried = new Set(
        edges(files)
          .filter(([from]) => isSpec(from) || isContract(from))
          .map(([, to]) => to),
      );
      return files
        .filter((file) => isTyped(file) && !isSpec(file) && !isMigration(file) && file.path !== 'main.ts')
        .filter((file) => !OFFERED.has(file.path))
        .filter((file) => !(isContract(file) ? tried : used).has(file))
        .map(({ path }) => path);
    },
  },
  {
    title: 'no ../../../',
    advice: 'Whoever must climb that far stands in the wrong folder.',
    offenders: (files) =>
      withoutSpecs(files).flatMap(({ path, imports }) =>
        imports
          .filter(({ specifier }) => specifier.startsWith('../../../'))
          .map(({ specifier }) => `${path} imports ${specifier}`),
      ),
  },
  {
    title: 'a subfolder is private to its parent',
    advice:
      'Only files of the parent folder name what is inside: import what the parent offers (its port, its module).',
    offenders: (files) =>
      edges(withoutSpecs(files))
        .filter(([from]) => !isOfPage(from))
        .filter(
          ([from, to]) => to.folder.includes('/') && from.folder !== to.folder && from.folder !== to.area,
        )
        .map(arrow),
  },
  {
    title: "imports of the console's page go down only",
    advice:
      "The page's folders have floors too: page, run, then account, conversation and sessions, console.js.",
    offenders: (files) =>
      edges(files)
        .filter(([from, to]) => isOfPage(from) && from.folder !== to.folder)
        .filter(([from, to]) => !isOfPage(to) || pageFloorOf(to) >= pageFloorOf(from))
        .map(arrow),
  },
  {
    title: 'client and terminal stand apart from the server',
    advice:
      'They run where the server is not: import types of it, and ask it over its API. The server has no use for them.',
    offenders: (files) =>
      withoutSpecs(files).flatMap(({ path, area, imports }) =>
        imports
          .filter(({ typeOnly }) => !typeOnly)
          .map(({ specifier, target }) => target ?? specifier)
          .filter((wanted) => {
            const may = APART[area];
            if (may !== undefined) return !may.test(wanted);
            return /^(client|cli)\//.test(wanted);
          })
          .map((wanted) => `${path} imports ${wanted}`),
      ),
  },
  {
    title: 'a driver lives in the folder that bears its name',
    advice: 'Speak to the port (EventLog, LanguageModel, Database); only its adapter knows the driver.',
    offenders: (files) =>
      withoutSpecs(files).flatMap((file) =>
        file.imports.flatMap(({ specifier }) => {
          const driver = Object.keys(DRIVERS).find(
            (name) => specifier === name || specifier.startsWith(`${name}/`),
          );
          const home = driver === undefined ? undefined : DRIVERS[driver];
          return home === undefined || inside(file, home)
            ? []
            : [`${file.path} imports ${specifier}, at home in ${home}/`];
        }),
      ),
  },
  {
    title: 'SQL only in repositories, event-log/sql/ and database/',
    advice:
      'Give the query a name and put it into a *.repository.ts; types of kysely may be imported as types.',
    offenders: (files) =>
      withoutSpecs(files)
        .filter((file) => !file.path.endsWith('.repository.ts') && !SQL_FOLDERS.test(file.folder))
        .flatMap(({ path, imports, accesses }) => [
          ...imports
            .filter(({ specifier, typeOnly }) => !typeOnly && /^kysely(\/|$)/.test(specifier))
            .map(({ specifier }) => `${path} imports ${specifier}`),
          ...QUERIES.filter((query) => accesses.has(query)).map((query) => `${path} uses ${query}`),
        ]),
  },
  {
    title: 'rows of all tenants only where that is right',
    advice:
      'Take `database.of(owner, on)`: it has the same tables, with the rows of that tenant alone. What is right for all tenants says so, with its reason, in test/support/tenant-rules.ts.',
    offenders: offendersAcrossTenants,
  },
  {
    title: 'only files with a dotted role know Nest',
    advice: `Make it plain TypeScript that a module provides, or give the file its role (.${ROLES.join(' .')}).`,
    offenders: (files) =>
      withoutSpecs(files)
        .filter(({ path }) => !ROLE.test(path) && !isStarter(path))
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ specifier }) => /nestjs/.test(specifier))
            .map(({ specifier }) => `${path} imports ${specifier}`),
        ),
  },
  {
    title: 'names are kebab-case with a known role',
    advice: 'Name the file like its main export, in kebab-case, with one of the known roles or none.',
    offenders: (files) =>
      files
        .map(({ path }) => path)
        .filter((path) => !NAME.test(path.slice(path.lastIndexOf('/') + 1)) && !isStarter(path)),
  },
  {
    title: 'no folder or file for things of every kind',
    advice: `Say what it is about: ${VAGUE.join(', ')} say nothing.`,
    offenders: (files) =>
      files.map(({ path }) => path).filter((path) => path.split(/[/.]/).some((part) => VAGUE.includes(part))),
  },
  {
    title: 'at most two folders below src/',
    advice: 'Bring the file up, or make its folder one of src/.',
    offenders: (files) =>
      files.filter((file) => file.path.split('/').length > 3 && !isOfPage(file)).map(({ path }) => path),
  },
  {
    title: 'process.env only in *.config.ts',
    advice: 'Read the variable with readEnvironment in the config of the folder and inject it.',
    offenders: (files) =>
      program(files)
        .filter(({ path }) => !path.endsWith('.config.ts'))
        .filter(
          ({ accesses, imports }) =>
            accesses.has('process.env') ||
            imports.some(({ specifier, typeOnly }) => !typeOnly && /^(node:)?process$/.test(specifier)),
        )
        .map(({ path }) => path),
  },
  {
    title: 'a file has 300 lines at most',
    advice:
      'Find the second thing that it does and give that a file of its own (aim: half under 60, 95 % under 180).',
    offenders: (files) =>
      program(files)
        .filter(({ lines }) => lines > 300)
        .map(({ path, lines }) => `${path} has ${lines} lines`),
  },
  {
    title: 'a function has 60 lines at most',
    advice: 'Make it a list of named steps (aim: 35 lines).',
    offenders: (files) =>
      program(files).flatMap(({ path, functions }) =>
        functions
          .filter(({ lines }) => lines > 60)
          .map(({ name, lines }) => `${path}: ${name} has ${lines} lines`),
      ),
  },
  {
    title: 'a constructor has 6 parameters at most',
    advice: 'The class does more than one thing: split it, or bring together what belongs together.',
    offenders: (files) =>
      program(files).flatMap(({ path, constructors }) =>
        constructors
          .filter((count) => count > 6)
          .map((count) => `${path} has a constructor with ${count} parameters`),
      ),
  },
  {
    title: 'a folder has 15 files at most, specs aside',
    advice: 'Give the part that stands by itself a folder of its own.',
    offenders: (files) =>
      [...Map.groupBy(withoutSpecs(files), ({ folder }) => folder)]
        .filter(([, members]) => members.length > 15)
        .map(([folder, members]) => `${folder}/ has ${members.length} files`),
  },
  {
    title: 'no any, nothing hidden from the compiler',
    advice: 'Use unknown and narrow it, or describe the type; a type test belongs into a spec.',
    offenders: (files) =>
      withoutSpecs(files).flatMap(({ path, anys, text }) => [
        ...(anys > 0 ? [`${path} says any ${anys} times`] : []),
        ...(/@ts-(ignore|nocheck|expect-error)/.test(text) ? [`${path} silences the compiler`] : []),
      ]),
  },
];

/** One line about the sizes of the program's files. */
export function sizesOf(files: SourceFile[]): string {
  const sorted = program(files)
    .filter(isTyped)
    .toSorted((a, b) => a.lines - b.lines);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1]?.lines ?? 0;
  const longest = sorted.at(-1);
  return `src: ${sorted.length} files, median ${at(0.5)} lines, 95 % up to ${at(0.95)}, longest ${longest?.lines ?? 0} (${longest?.path ?? '-'})`;
}
