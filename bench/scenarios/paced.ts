import { setTimeout as pause } from 'node:timers/promises';
import type { LoadViewer, Progress } from '../harness/load.ts';
import { outcomeOf, relays, startedRuns } from '../harness/measured-load.ts';
import type { Measurement, Outcome, Scenario } from '../harness/scenario.ts';

const RUNS = 40;
const RATE = 50;
/** Runs begin spread over so long. */
const START_MS = 1_000;
const LOOK_MS = 100;
const BASELINES = ['pipe', 'http-sdk', 'nest-naive', 'ai-sdk', 'mastra'];
/** Runs that begin spread over a second, as real ones do. */
function viewersOf(measurement: Measurement, tokens: number): LoadViewer[] {
  const started = startedRuns(measurement, RUNS, { tokens, rate: RATE });
  return started.map((viewer) => ({ ...viewer, startMs: measurement.random.integer(0, START_MS) }));
}

async function run(measurement: Measurement, tokens: number): Promise<Outcome> {
  const { candidate, client } = measurement;
  const [before, storeBefore] = [await candidate.cpu(), await measurement.storeCpu()];
  const running = client.run(candidate, viewersOf(measurement, tokens), { timeoutMs: 120_000 });
  const steady = await steadyCost(measurement, tokens);
  const result = await running;
  const used = (await candidate.cpu()) - before;
  const storeUsed = (await measurement.storeCpu()) - storeBefore;
  return outcomeOf([result], {
    cpu: used / result.tokens,
    steady,
    store: candidate.descriptor.needs?.length ? storeUsed / result.tokens : Number.NaN,
    latency50: result.latency.p50,
    latency99: result.latency.p99,
  });
}

/** CPU a token while all runs speak: without what beginning and ending cost. */
async function steadyCost({ candidate, client }: Measurement, tokens: number): Promise<number> {
  const until = async (isReached: (progress: Progress) => boolean) => {
    for (;;) {
      const [cpu, progress] = await Promise.all([candidate.cpu(), client.progress()]);
      if (isReached(progress) || progress.done > 0) return { cpu, tokens: progress.tokens };
      await pause(LOOK_MS);
    }
  };
  const first = await until(({ begun }) => begun === RUNS);
  const last = await until((progress) => progress.tokens > RUNS * tokens * 0.8);
  return (last.cpu - first.cpu) / (last.tokens - first.tokens);
}

const scenario: Scenario = {
  name: 'paced',
  title: 'Paced: 40 runs of 50 tokens a second',
  description:
    'Each run is started by its viewer; the model writes one token at a time. CPU of the whole process, a token.',
  figures: [
    { key: 'cpu', title: 'CPU a token', unit: 'µs', digits: 1, ratiosTo: BASELINES },
    { key: 'steady', title: 'of these, between begin and end', unit: 'µs', digits: 1, ratiosTo: ['pipe'] },
    { key: 'store', title: 'and in PostgreSQL or Redis', unit: 'µs', digits: 1 },
    { key: 'latency50', title: 'latency p50', unit: 'ms', digits: 2, differencesTo: ['pipe'] },
    { key: 'latency99', title: 'latency p99', unit: 'ms', digits: 1 },
  ],
  takes: relays,
  warmUp: async (measurement) => void (await run(measurement, measurement.quick ? 100 : 150)),
  measure: (measurement) => run(measurement, measurement.quick ? 150 : 300),
};
export default scenario;
