import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import type { Results } from './harness/results.ts';
import { growthOf } from './plot/growth.ts';
import { ratiosOf } from './plot/ratios.ts';
import { image, text } from './plot/svg.ts';

/** `node plot.ts [result.json]`: draws a result, the newest by default, into an SVG beside it. */
const WIDTH = 1_100;

function newest(): URL {
  const folder = new URL('results/', import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const name = names.toSorted().at(-1);
  if (name === undefined) throw new Error('There is no result yet: npm run bench');
  return new URL(name, folder);
}

function draw(results: Results): string {
  const ratios = ratiosOf(results, WIDTH);
  const growth = growthOf(results, WIDTH, ratios.height);
  const height = ratios.height + growth.height + 30;
  const { date, machine } = results;
  const about = `${date.slice(0, 16).replace('T', ' ')} UTC · ${machine.commit} · ${machine.cores} cores, Node ${machine.node}`;
  const foot = text(20, height - 12, about, { size: 11, fill: '#777' });
  return image(WIDTH, height, `Bench of ${date.slice(0, 10)}`, [...ratios.parts, ...growth.parts, foot]);
}

/** Draws into an SVG beside the result's file. */
export function plot(results: Results, file: URL): void {
  writeFileSync(new URL(file.href.replace(/\.json$/, '.svg')), draw(results));
}

if (import.meta.main) {
  const [given] = process.argv.slice(2);
  const file = given === undefined ? newest() : pathToFileURL(given);
  plot(JSON.parse(readFileSync(file, 'utf8')) as Results, file);
}
