import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Bench } from './harness/bench.ts';
import { build, emptyResults, endWithSignals, ROOT } from './harness/environment.ts';
import { readOptions } from './harness/options.ts';
import type { Results } from './harness/results.ts';
import { Stores } from './harness/stores.ts';
import { tablesOf } from './harness/table-text.ts';

const say = (text: string) => void process.stdout.write(`${text}\n`);

function write(results: Results): URL {
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`${results.date.slice(0, 16).replaceAll(':', '')}.json`, folder);
  // What a process said at its end may name files of this machine.
  const text = JSON.stringify(results, undefined, 1).replaceAll(ROOT, '').replaceAll(tmpdir(), '<tmp>');
  writeFileSync(file, `${text}\n`);
  return file;
}

/** Draws what was measured beside the result. */
async function plot(results: Results, file: URL): Promise<void> {
  const drawing = new URL('plot.ts', import.meta.url);
  if (!existsSync(drawing)) return;
  const module = (await import(drawing.href)) as { plot(results: Results, file: URL): void | Promise<void> };
  await module.plot(results, file);
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.server !== undefined) process.env['BENCH_SERVER'] = options.server;
  if (options.build) build();
  const results = emptyResults(options);
  const { cores, node } = results.machine;
  say(`seed ${options.seed} · node ${node} · ${cores} cores · load ${loadavg()[0]?.toFixed(1)}`);
  const stores = new Stores();
  const bench = new Bench(options, stores, results, say);
  const close = async () => {
    await bench.close();
    await stores.close();
  };
  endWithSignals(close);
  try {
    await bench.run(() => options.write && write(results));
  } finally {
    await close();
  }
  for (const [name, version] of Object.entries(results.versions)) say(`${name}: ${version}`);
  say(`\n${tablesOf(results)}`);
  if (options.write) {
    const file = write(results);
    say(`written: ${fileURLToPath(file)}`);
    await plot(results, file);
  }
  const problems = results.lines.flatMap((line) => line.problems);
  if (problems.length > 0) say(`FAILED: ${problems.length} problems\n${problems.slice(0, 10).join('\n')}`);
  return problems.length > 0 ? 1 : 0;
}

process.exit(await main());
