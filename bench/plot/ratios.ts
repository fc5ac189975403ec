import type { Results } from '../harness/results.ts';
import { ratioOf, type Summary } from '../harness/statistics.ts';
import { LogScale } from './scale.ts';
import { circle, line, text } from './svg.ts';

const OWN = 'agentline';
const ROW = 20;
const LABELS = 470;
const BETTER = '#18794e';
const WORSE = '#b3441e';

interface Row {
  label: string;
  ratio: Summary;
}

function rowsOf(results: Results): Row[] {
  return results.scenarios.flatMap(({ name, title, figures }) =>
    figures.flatMap((figure) =>
      (figure.ratiosTo ?? []).flatMap((baseline) => {
        const ratio = ratioOf(results, name, figure.key, [OWN, baseline]);
        if (ratio === undefined || !(ratio.least > 0)) return [];
        return [{ label: `${title.split(':')[0]} · ${figure.title} ÷ ${baseline}`, ratio }];
      }),
    ),
  );
}

/** This server's ratios: the median as a point, the range as a line; left of 1 it costs less than the other. */
export function ratiosOf(results: Results, width: number): { height: number; parts: string[] } {
  const rows = rowsOf(results);
  if (rows.length === 0) return { height: 0, parts: [] };
  const values = rows.flatMap(({ ratio }) => [ratio.least, ratio.most]);
  const scale = new LogScale([...values, 0.5, 2], LABELS, width - 60);
  const bottom = 50 + rows.length * ROW;
  const parts = [text(20, 28, 'This server ÷ another, same repetition', { size: 16, weight: 'bold' })];
  for (const mark of scale.marks) {
    parts.push(line(scale.at(mark), 42, scale.at(mark), bottom, mark === 1 ? '#777' : '#e5e5e5'));
    parts.push(text(scale.at(mark), bottom + 16, String(mark), { anchor: 'middle' }));
  }
  rows.forEach(({ label, ratio }, index) => {
    const y = 56 + index * ROW;
    const colour = ratio.median <= 1 ? BETTER : WORSE;
    parts.push(text(LABELS - 12, y + 4, label, { anchor: 'end' }));
    parts.push(line(scale.at(ratio.least), y, scale.at(ratio.most), y, colour, 2));
    parts.push(circle(scale.at(ratio.median), y, colour));
    parts.push(text(scale.at(ratio.most) + 8, y + 4, ratio.median.toFixed(2), { size: 11, fill: colour }));
  });
  return { height: bottom + 36, parts };
}
