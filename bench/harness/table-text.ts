import type { FigureFacts, Line, Results, ScenarioFacts } from './results.ts';
import { differenceOf, figureOf, ratioOf, type Summary } from './statistics.ts';

/** The tables of a result as Markdown, one a scenario. */
export function tablesOf(results: Results, only?: string[]): string {
  const wanted = results.scenarios.filter(({ name }) => only?.includes(name) ?? true);
  return wanted.map((scenario) => tableOf(results, scenario)).join('\n');
}

export function tableOf(results: Results, scenario: ScenarioFacts): string {
  const candidates = [
    ...new Set(results.lines.filter((line) => line.scenario === scenario.name).map((line) => line.candidate)),
  ];
  const heads = [
    '',
    ...scenario.figures.flatMap((figure) => headsOf(figure, candidates)),
    'cut and back',
    'lost',
  ];
  const rows = candidates.map((candidate) => [
    results.titles[candidate] ?? candidate,
    ...scenario.figures.flatMap((figure) => cellsOf(results, scenario, figure, candidate, candidates)),
    ...endOf(results, scenario.name, candidate),
  ]);
  return `### ${scenario.title}\n\n${scenario.description}\n\n${markdownTable(heads, rows)}\n`;
}

/** Heads of the columns of one figure: its own, and those that compare it with others. */
function headsOf(
  { title, unit, ratiosTo = [], differencesTo = [] }: FigureFacts,
  candidates: string[],
): string[] {
  return [
    `${title}, ${unit}`,
    ...known(ratiosTo, candidates).map((name) => `÷ ${name}`),
    ...known(differencesTo, candidates).map((name) => `− ${name}`),
  ];
}

const known = (names: string[], candidates: string[]): string[] =>
  names.filter((name) => candidates.includes(name));

function cellsOf(
  results: Results,
  { name }: ScenarioFacts,
  { key, digits = 1, ratiosTo = [], differencesTo = [] }: FigureFacts,
  candidate: string,
  candidates: string[],
): string[] {
  const ratio = (other: string) =>
    other === candidate ? '1' : spread(ratioOf(results, name, key, [candidate, other]), 2);
  const difference = (other: string) =>
    other === candidate ? '0' : spread(differenceOf(results, name, key, [candidate, other]), digits);
  return [
    spread(figureOf(results, name, candidate, key), digits),
    ...known(ratiosTo, candidates).map(ratio),
    ...known(differencesTo, candidates).map(difference),
  ];
}

/** Cuts that viewers came back from, early ends by the server itself, and problems. */
function endOf(results: Results, scenario: string, candidate: string): string[] {
  const lines = results.lines.filter((line) => line.scenario === scenario && line.candidate === candidate);
  const sum = (count: (line: Line) => number) => lines.reduce((total, line) => total + count(line), 0);
  const [cuts, returns] = [sum((line) => line.cuts), sum((line) => line.returns ?? 0)];
  const problems = sum((line) => line.problems.length);
  const back = returns === 0 ? String(cuts) : `${cuts}, and ${returns} ended early`;
  return [lines[0]?.resumes === true ? back : 'cannot', problems === 0 ? '0' : `**${problems}**`];
}

/** Median, and the range where there is one. */
function spread(summary: Summary | undefined, digits: number): string {
  if (summary === undefined) return '–';
  const { median, least, most, count } = summary;
  const range = count > 1 ? ` (${least.toFixed(digits)}–${most.toFixed(digits)})` : '';
  return `${median.toFixed(digits)}${range}`;
}

function markdownTable(heads: string[], rows: string[][]): string {
  const widths = heads.map((head, column) =>
    Math.max(3, head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(heads), rule, ...rows.map(line)].join('\n');
}

const pad = (text: string, width: number, column: number): string =>
  column === 0 ? text.padEnd(width) : text.padStart(width);
