import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import type { Results } from './harness/results.ts';
import { tableOf } from './harness/table-text.ts';

/**
 * `node table.ts [result.json]`: puts the tables of a result, the newest by default, into docs/performance.md, between
 * `<!-- bench:<scenario> -->` and `<!-- /bench -->`; `<!-- bench:machine -->` takes where it was measured.
 */
const DOCUMENT = new URL('../docs/performance.md', import.meta.url);
const MARKED = /<!-- bench:([\w-]+) -->\n[^]*?<!-- \/bench -->/g;

function newest(): URL {
  const folder = new URL('results/', import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const name = names.toSorted().at(-1);
  if (name === undefined) throw new Error('There is no result yet: npm run bench');
  return new URL(name, folder);
}

function machineOf({ machine, versions, missing }: Results): string {
  const facts = [
    `${machine.cores} cores (${machine.cpus}), ${machine.memoryGb} GB, Linux ${machine.kernel}, Node ${machine.node}.`,
    `Versions: ${[...new Set(Object.values(versions))].join('; ')}.`,
    ...Object.entries(missing).map(([name, reason]) => `Not measured: ${name}, ${reason.split('\n')[0]}.`),
  ];
  return `${facts.join('\n\n')}\n`;
}

/** When, at which commit, how often, and what the machine did beside. */
function circumstancesOf({ date, seed, options, machine, lines }: Results, scenario: string): string {
  const loads = lines.filter((line) => line.scenario === scenario).map(({ load }) => load);
  const how = `${options.repeat} repetitions${options.quick ? ' of the short run (--quick)' : ''}`;
  const load = `${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
  return `${date.slice(0, 16).replace('T', ' ')} UTC, ${machine.commit}, ${how}, seed ${seed}, load average ${load} on ${machine.cores} cores.`;
}

/** Undefined for a scenario that this result does not have: its table stays. */
function partOf(results: Results, name: string): string | undefined {
  if (name === 'machine') return machineOf(results);
  const scenario = results.scenarios.find((each) => each.name === name);
  if (scenario === undefined) return undefined;
  return `${tableOf(results, scenario).replace(/^### .*\n\n/, '')}\n${circumstancesOf(results, name)}\n`;
}

const file = process.argv[2] === undefined ? newest() : new URL(process.argv[2], `file://${process.cwd()}/`);
const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
const text = readFileSync(DOCUMENT, 'utf8').replace(MARKED, (before, name: string) => {
  const part = partOf(results, name);
  return part === undefined ? before : `<!-- bench:${name} -->\n\n${part}\n<!-- /bench -->`;
});
writeFileSync(DOCUMENT, text);
