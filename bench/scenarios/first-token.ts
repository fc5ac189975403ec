import { spreadOf, type LoadResult } from '../harness/load.ts';
import { measuredLoad, outcomeOf, relays, startedRuns } from '../harness/measured-load.ts';
import type { Measurement, Outcome, Scenario } from '../harness/scenario.ts';

/** New runs at once, and how often that is done for one measurement. */
const SIZES = [
  [1, 9],
  [10, 3],
  [50, 1],
] as const;
/** One token every 5 ms. */
const PLAN = { tokens: 100, rate: 200 };
const BASELINES = ['pipe', 'ai-sdk', 'mastra', 'langgraph'];

async function measure(measurement: Measurement): Promise<Outcome> {
  const results: LoadResult[] = [];
  const figures: Record<string, number> = {};
  for (const [runs, times] of SIZES) {
    const medians: number[] = [];
    for (let time = 0; time < (measurement.quick ? 1 : times); time += 1) {
      const { result } = await measuredLoad(measurement, startedRuns(measurement, runs, PLAN));
      results.push(result);
      medians.push(result.firstToken.p50);
    }
    figures[`first${runs}`] = spreadOf(medians).p50;
  }
  return outcomeOf(results, figures);
}

const scenario: Scenario = {
  name: 'first-token',
  title: 'Time to first token: 1, 10 and 50 new runs at once',
  description:
    'Each run has 100 tokens, one every 5 ms, the first at once. From the request on a new connection until the first token; median of the runs.',
  figures: SIZES.map(([runs]) => ({
    key: `first${runs}`,
    title: `${runs} run${runs === 1 ? '' : 's'}`,
    unit: 'ms',
    digits: 1,
    ratiosTo: runs === 50 ? BASELINES : [],
  })),
  takes: relays,
  async warmUp(measurement) {
    for (const runs of [10, 50]) await measuredLoad(measurement, startedRuns(measurement, runs, PLAN));
  },
  measure,
};
export default scenario;
