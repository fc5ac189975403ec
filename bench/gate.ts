import process from 'node:process';
import { Bench } from './harness/bench.ts';
import { build, emptyResults, endWithSignals } from './harness/environment.ts';
import type { Results } from './harness/results.ts';
import { ratioOf } from './harness/statistics.ts';
import { Stores } from './harness/stores.ts';

/**
 * `npm run bench:gate`: a short run that fails when the server has become about twice as dear as it was. Only ratios
 * to another candidate of the same repetition, never times, and only those that are stable. What counts is the median
 * of REPEAT repetitions; a ratio above its bound is measured again, and fails when it was above it TRIES times.
 * `npm run bench:gate -- --measure 10` measures so many medians and says what bounds lie between them and their
 * doubles.
 */
const REPEAT = 3;
const TRIES = 3;
/** The steadiest of all: what Nest costs in a burst is once 12, once 40 µs a token. */
const BASELINE = 'http-sdk';
const CANDIDATES = [BASELINE, 'agentline'];

interface Gate {
  scenario: string;
  key: string;
  /** Least, median and worst of ten medians of the server's CPU ÷ that of the baseline. */
  seen: [least: number, median: number, worst: number];
  /** Of the median of REPEAT repetitions. */
  bound: number;
}

/** Measured on two quiet cores; the bounds leave more room than that needs, for machines that do other things too. */
const GATES: Gate[] = [
  { scenario: 'paced', key: 'cpu', seen: [1.4, 1.61, 1.78], bound: 2.4 },
  { scenario: 'burst', key: 'cpu32', seen: [1.17, 1.54, 1.97], bound: 2.4 },
  { scenario: 'burst', key: 'run', seen: [3.2, 3.88, 4.76], bound: 6.2 },
];

const say = (text: string) => void process.stdout.write(`${text}\n`);

/** Of what is being measured. */
let close = async (): Promise<void> => undefined;

async function measure(gates: readonly Gate[]): Promise<Results> {
  const seed = Math.floor(Math.random() * 1e9);
  const options = {
    scenarios: [...new Set(gates.map(({ scenario }) => scenario))],
    candidates: CANDIDATES,
    repeat: REPEAT,
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
  close = async () => {
    await bench.close();
    await stores.close();
  };
  try {
    await bench.run();
  } finally {
    await close();
  }
  return results;
}

const medianOf = (results: Results, { scenario, key }: Gate): number | undefined =>
  ratioOf(results, scenario, key, ['agentline', BASELINE])?.median;

/** One line a gate, and whether it holds. */
function judge(results: Results, gate: Gate): boolean {
  const { scenario, key, seen, bound } = gate;
  const median = medianOf(results, gate);
  // What could not be measured says nothing; what is broken is a problem of its own.
  const isFine = median === undefined || median < bound;
  say(
    `${isFine ? 'ok   ' : 'ABOVE'} ${scenario} ${key} ÷ ${BASELINE}: ${median?.toFixed(2) ?? '–'}, bound ${bound}; seen ${seen.join(' ')}`,
  );
  return isFine;
}

/** What no noise excuses: lost tokens, a candidate that does not start. */
function isBroken({ lines, missing }: Results): boolean {
  const problems = [...lines.flatMap((line) => line.problems), ...Object.values(missing)];
  for (const problem of problems.slice(0, 20)) say(`FAIL ${problem}`);
  return problems.length > 0;
}

async function holds(): Promise<boolean> {
  let above = GATES;
  for (let times = 0; times < TRIES && above.length > 0; times += 1) {
    const results = await measure(above);
    if (isBroken(results)) return false;
    above = above.filter((gate) => !judge(results, gate));
  }
  for (const { scenario, key } of above) say(`FAIL ${scenario} ${key}: above its bound ${TRIES} times`);
  return above.length === 0;
}

/** A bound lies as far above the worst median as below the double of the least. */
async function tellSpreads(times: number): Promise<boolean> {
  const medians = new Map<Gate, number[]>(GATES.map((gate) => [gate, []]));
  for (let time = 0; time < times; time += 1) {
    const results = await measure(GATES);
    if (isBroken(results)) return false;
    for (const [gate, seen] of medians) seen.push(medianOf(results, gate) ?? Number.NaN);
  }
  for (const [{ scenario, key, bound }, seen] of medians) {
    const [least, worst] = [Math.min(...seen), Math.max(...seen)];
    const told = seen.map((median) => median.toFixed(2)).join(' ');
    const between = Math.sqrt(worst * 2 * least).toFixed(2);
    const isClear = worst < 2 * least;
    say(
      `${scenario} ${key}: medians ${told}; bound ${bound}, between them ${isClear ? between : 'none: too noisy'}`,
    );
  }
  return true;
}

async function main(): Promise<number> {
  const [flag, count = '10'] = process.argv.slice(2);
  endWithSignals(() => close());
  if (process.env['BENCH_SERVER'] === undefined) build();
  const isFine = await (flag === '--measure' ? tellSpreads(Number(count)) : holds());
  return isFine ? 0 : 1;
}

process.exit(await main());
