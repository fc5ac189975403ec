import type { Results } from '../harness/results.ts';
import { figureOf } from '../harness/statistics.ts';
import { LogScale } from './scale.ts';
import { circle, line, path, text, type Area } from './svg.ts';

const SCENARIO = 'growth';
const SERIES = [
  ['runs', 'runs at once'],
  ['viewers', 'viewers of one run'],
  ['length', 'tokens of one run'],
  ['history', 'messages before'],
] as const;
const COLOURS = ['#0b5fa5', '#b3441e', '#18794e'];
const HEIGHT = 260;

interface Curve {
  title: string;
  exponent: number | undefined;
  points: { size: number; cost: number }[];
}

function curveOf(results: Results, candidate: string, name: string): Curve {
  const keys = new Set(
    results.lines
      .filter((each) => each.scenario === SCENARIO)
      .flatMap(({ figures }) => Object.keys(figures))
      .filter((key) => key.startsWith(`${name}.`)),
  );
  const points = [...keys].flatMap((key) => {
    const cost = figureOf(results, SCENARIO, candidate, key)?.median;
    return cost === undefined ? [] : [{ size: Number(key.slice(name.length + 1)), cost }];
  });
  return {
    title: results.titles[candidate]?.replaceAll('*', '') ?? candidate,
    exponent: figureOf(results, SCENARIO, candidate, name)?.median,
    points: points.toSorted((a, b) => a.size - b.size),
  };
}

/** CPU a token over the size, both logarithmic: a level line is a cost that does not grow. */
export function growthOf(results: Results, width: number, top: number): { height: number; parts: string[] } {
  const candidates = [
    ...new Set(results.lines.filter((each) => each.scenario === SCENARIO).map((each) => each.candidate)),
  ];
  if (candidates.length === 0) return { height: 0, parts: [] };
  const parts = [text(20, top + 28, 'CPU a token, µs, as there is more of', { size: 16, weight: 'bold' })];
  const each = (width - 40) / SERIES.length;
  SERIES.forEach(([name, title], index) => {
    const area = { x: 20 + index * each + 36, y: top + 60, width: each - 60, height: HEIGHT - 60 };
    const curves = candidates.map((candidate) => curveOf(results, candidate, name));
    parts.push(...panel(title, curves, area));
  });
  return { height: HEIGHT + 70 + candidates.length * 18, parts };
}

function panel(title: string, curves: Curve[], area: Area): string[] {
  const points = curves.flatMap((curve) => curve.points);
  if (points.length === 0) return [];
  const { x, y, width, height } = area;
  const across = new LogScale(
    points.map(({ size }) => size),
    x,
    x + width,
  );
  const costs = points.map(({ cost }) => cost);
  const upright = new LogScale([...costs, Math.min(...costs) / 2, Math.max(...costs) * 2], y + height, y);
  const parts = [text(x, y - 10, title, { weight: 'bold' })];
  for (const mark of upright.marks) {
    parts.push(line(x, upright.at(mark), x + width, upright.at(mark)));
    parts.push(text(x - 6, upright.at(mark) + 4, String(mark), { anchor: 'end', size: 10 }));
  }
  for (const size of new Set(points.map((point) => point.size))) {
    parts.push(text(across.at(size), y + height + 14, shortly(size), { anchor: 'middle', size: 10 }));
  }
  curves.forEach((curve, index) => {
    const colour = COLOURS[index % COLOURS.length] ?? '#333';
    const places = curve.points.map(({ size, cost }): [number, number] => [
      across.at(size),
      upright.at(cost),
    ]);
    parts.push(path(places, colour), ...places.map(([px, py]) => circle(px, py, colour)));
    const exponent = `${curve.title}: exponent ${curve.exponent?.toFixed(2) ?? '–'}`;
    parts.push(text(x, y + height + 32 + index * 16, exponent, { fill: colour, size: 11 }));
  });
  return parts;
}

const shortly = (size: number): string => (size >= 1_000 ? `${Math.round(size / 1_000)}k` : String(size));
