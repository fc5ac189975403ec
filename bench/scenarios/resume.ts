import { setTimeout as pause } from 'node:timers/promises';
import type { LoadViewer } from '../harness/load.ts';
import { outcomeOf } from '../harness/measured-load.ts';
import type { Measurement, Outcome, Scenario } from '../harness/scenario.ts';

const RUNS = 10;
const PLAN = { tokens: 100, rate: 10 };
/** Between the last cut and the coming back of all. */
const AWAY_MS = 300;
const LOOK_MS = 10;

/** Every viewer is cut at a token of its own, in the first third of its run. */
function viewersOf({ random, nextRun }: Measurement, count: number): LoadViewer[] {
  const runs = Array.from({ length: RUNS }, () => ({ run: nextRun(), ...PLAN }));
  return Array.from({ length: count }, (_, index) => {
    const [run] = runs.slice(index % RUNS);
    if (run === undefined) throw new Error('there is no run');
    const cutAfter = random.integer(10, 30);
    return index < RUNS ? { run, cutAfter } : { run, cutAfter, watches: index % RUNS };
  });
}

async function measure(measurement: Measurement): Promise<Outcome> {
  const { candidate, client, quick } = measurement;
  const viewers = viewersOf(measurement, quick ? 200 : 1_000);
  const running = client.run(candidate, viewers, { timeoutMs: 60_000, resumePauseMs: AWAY_MS });
  const cpu = await costOfComingBack(measurement, viewers.length);
  const result = await running;
  return outcomeOf([result], {
    cpu: cpu / viewers.length,
    p50: result.resumed.p50,
    p95: result.resumed.p95,
    max: result.resumed.max,
  });
}

/** CPU from when all are away until all have a next token, or until it is over. */
async function costOfComingBack({ candidate, client }: Measurement, count: number): Promise<number> {
  let before: number | undefined;
  for (;;) {
    const { cut, back, done } = await client.progress();
    if (cut === count && before === undefined) before = await candidate.cpu();
    if (back === count || done === count) return (await candidate.cpu()) - (before ?? Number.NaN);
    await pause(LOOK_MS);
  }
}

const scenario: Scenario = {
  name: 'resume',
  title: 'Resume: 1,000 viewers come back at once',
  description:
    '10 runs of 10 tokens a second with 100 viewers each. All viewers are cut at random tokens; 0.3 s after the last cut all come back on new connections while the runs go on. From the request until the next token, and CPU a viewer.',
  figures: [
    { key: 'p50', title: 'next token p50', unit: 'ms', digits: 0 },
    { key: 'p95', title: 'p95', unit: 'ms', digits: 0 },
    { key: 'max', title: 'last', unit: 'ms', digits: 0 },
    { key: 'cpu', title: 'CPU a viewer', unit: 'µs', digits: 0 },
  ],
  takes: ({ resume, watch }) => resume !== null && watch !== undefined,
  async warmUp(measurement) {
    await measurement.client.run(measurement.candidate, viewersOf(measurement, 100), { timeoutMs: 60_000 });
  },
  measure,
};
export default scenario;
