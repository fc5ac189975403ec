import type { Line, Results } from './results.ts';

export interface Summary {
  median: number;
  least: number;
  most: number;
  count: number;
}

export function summarize(values: number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low = 0, high = 0] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return {
    median: (low + high) / 2,
    least: sorted[0] ?? 0,
    most: sorted.at(-1) ?? 0,
    count: sorted.length,
  };
}

const linesOf = (results: Results, scenario: string, candidate: string): Line[] =>
  results.lines.filter((line) => line.scenario === scenario && line.candidate === candidate);

const valuesOf = (lines: Line[], key: string): number[] =>
  lines
    .map(({ figures }) => figures[key])
    .filter((value) => value !== undefined && Number.isFinite(value)) as number[];

export function figureOf(
  results: Results,
  scenario: string,
  candidate: string,
  key: string,
): Summary | undefined {
  return summarize(valuesOf(linesOf(results, scenario, candidate), key));
}

type Pair = [candidate: string, baseline: string];

/** Of ratios within one repetition: what the machine did meanwhile is in both. */
export function ratioOf(results: Results, scenario: string, key: string, pair: Pair): Summary | undefined {
  const pairs = pairsOf(results, scenario, key, pair).filter(([, below]) => below > 0);
  return summarize(pairs.map(([above, below]) => above / below));
}

/** Of differences within one repetition. */
export function differenceOf(
  results: Results,
  scenario: string,
  key: string,
  pair: Pair,
): Summary | undefined {
  return summarize(pairsOf(results, scenario, key, pair).map(([own, other]) => own - other));
}

function pairsOf(
  results: Results,
  scenario: string,
  key: string,
  [candidate, baseline]: Pair,
): [number, number][] {
  const others = linesOf(results, scenario, baseline);
  return linesOf(results, scenario, candidate).flatMap(({ repetition, figures }) => {
    const other = others.find((line) => line.repetition === repetition)?.figures[key];
    const own = figures[key];
    return own === undefined || other === undefined ? [] : [[own, other] as [number, number]];
  });
}
