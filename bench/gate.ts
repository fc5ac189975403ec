import process from 'node:process';
import { Bench } from './harness/bench.ts';
import { build, emptyResults, endWithSignals } from './harness/environment.ts';
import type { Results } from './harness/results.ts';
import { ratioOf } from './harness/statistics.ts';
import { Stores } from './harness/stores.ts';

/**
 * `npm run bench:gate`: a short run that fails when the server has become much dearer than it was. Only ratios to
 * another candidate of the same repetition count, never times, and only those that are stable. A ratio fails when
 * every repetition is at least MARGIN times the worst that was ever seen. `npm run bench:gate -- --measure 10`
 * measures the spreads anew.
 */
const MARGIN = 1.4;
const REPEAT = 3;
const SCENARIOS = ['paced', 'burst'];
/** The steadiest of all: what Nest costs in a burst is once 12, once 40 µs a token. */
const BASELINE = 'http-sdk';
const CANDIDATES = [BASELINE, 'agentline'];

interface Gate {
  scenario: string;
  key: string;
  /** Least, median and worst CPU of the server ÷ that of the baseline, in so many repetitions. */
  seen: [least: number, median: number, worst: number];
  repetitions: number;
}

/** Measured on two cores at a load average of 19 to 26: a quiet machine has narrower spreads. */
const GATES: Gate[] = [
  { scenario: 'paced', key: 'cpu', seen: [1.18, 1.68, 2.92], repetitions: 10 },
  { scenario: 'burst', key: 'cpu1', seen: [0.27, 0.61, 1.61], repetitions: 10 },
  { scenario: 'burst', key: 'cpu32', seen: [0.69, 2.09, 3.61], repetitions: 10 },
  { scenario: 'burst', key: 'run', seen: [3.19, 6.07, 10.13], repetitions: 10 },
];

const say = (text: string) => void process.stdout.write(`${text}\n`);

async function measure(repeat: number): Promise<Results> {
  const seed = Math.floor(Math.random() * 1e9);
  const options = {
    scenarios: SCENARIOS,
    candidates: CANDIDATES,
    repeat,
    seed,
    quick: true,
    build: true,
    server: undefined,
    profile: undefined,
    write: false,
  };
  const results = emptyResults(options);
  say(`seed ${seed}`);
  const stores = new Stores();
  const bench = new Bench(options, stores, results, say);
  const close = async () => {
    await bench.close();
    await stores.close();
  };
  endWithSignals(close);
  try {
    await bench.run();
  } finally {
    await close();
  }
  return results;
}

/** One line a gate, and whether it holds. */
function judge(results: Results, { scenario, key, seen, repetitions }: Gate): boolean {
  const ratio = ratioOf(results, scenario, key, ['agentline', BASELINE]);
  const bound = seen[2] * MARGIN;
  // What could not be measured says nothing; what is broken is a problem of its own.
  const isFine = ratio === undefined || ratio.least < bound;
  const measured = [ratio?.least, ratio?.median, ratio?.most]
    .map((value) => value?.toFixed(2) ?? '–')
    .join(' ');
  say(
    `${isFine ? 'ok  ' : 'FAIL'} ${scenario} ${key} ÷ ${BASELINE}: least, median, worst ${measured}; seen ${seen.join(' ')} in ${repetitions}, bound ${bound.toFixed(2)}`,
  );
  return isFine;
}

async function main(): Promise<number> {
  const [flag, count = '10'] = process.argv.slice(2);
  if (process.env['BENCH_SERVER'] === undefined) build();
  const results = await measure(flag === '--measure' ? Number(count) : REPEAT);
  const problems = results.lines.flatMap((line) => line.problems);
  for (const problem of [...problems, ...Object.values(results.missing)].slice(0, 20)) say(`FAIL ${problem}`);
  const verdicts = GATES.map((gate) => judge(results, gate));
  const isFine =
    problems.length === 0 && Object.keys(results.missing).length === 0 && verdicts.every(Boolean);
  return isFine || flag === '--measure' ? 0 : 1;
}

process.exit(await main());
