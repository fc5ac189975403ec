import type { LoadResult } from '../harness/load.ts';
import { measuredLoad, outcomeOf, relays, startedRuns } from '../harness/measured-load.ts';
import type { Measurement, Outcome, Scenario } from '../harness/scenario.ts';

/** Runs at once, and tokens of each. */
const SIZES = [
  [1, 16_000],
  [32, 2_000],
  [256, 400],
] as const;
/** Runs of two tokens, for what one run costs whatever it says. */
const SHORT_RUNS = 100;
const BASELINES = ['pipe', 'http-sdk', 'nest-naive'];

async function measure(measurement: Measurement): Promise<Outcome> {
  const results: LoadResult[] = [];
  const figures: Record<string, number> = {};
  for (const [runs, tokens] of SIZES) {
    const plan = { tokens: measurement.quick ? tokens / 4 : tokens, rate: 0 };
    const { result, cpu } = await measuredLoad(measurement, startedRuns(measurement, runs, plan));
    results.push(result);
    figures[`cpu${runs}`] = cpu / result.tokens;
  }
  const short = await measuredLoad(measurement, startedRuns(measurement, SHORT_RUNS, { tokens: 2, rate: 0 }));
  figures['rss'] = (await measurement.candidate.memoryNow()).rss / 1e6;
  figures['run'] = short.cpu / SHORT_RUNS / 1_000;
  return outcomeOf([...results, short.result], figures);
}

const scenario: Scenario = {
  name: 'burst',
  title: 'Burst: 1, 32 and 256 runs as fast as they go',
  description:
    'The model writes slices of 16 KB with backpressure: 16,000, 2,000 and 400 tokens a run. CPU of the whole process, a token, with what beginning and ending of the runs cost.',
  figures: [
    ...SIZES.map(([runs]) => ({
      key: `cpu${runs}`,
      title: `${runs} run${runs === 1 ? '' : 's'}`,
      unit: 'µs',
      digits: 2,
      ratiosTo: BASELINES,
    })),
    { key: 'run', title: 'a run of two tokens', unit: 'ms', digits: 2 },
    { key: 'rss', title: 'RSS afterwards', unit: 'MB', digits: 0 },
  ],
  takes: relays,
  async warmUp(measurement) {
    for (let times = 0; times < 3; times += 1)
      await measuredLoad(measurement, startedRuns(measurement, 16, { tokens: 1_000, rate: 0 }));
  },
  measure,
};
export default scenario;
