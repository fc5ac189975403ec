import type { Measurement, Outcome, Scenario } from '../harness/scenario.ts';
import { Crowd } from '../viewers/crowd.ts';

const STALLED = 20;
/** Characters of filling in a token: with its frame about 1 KB. */
const SIZE = 900;
const LOOK_MS = 25;
const TIMEOUT_MS = 120_000;

interface Passed {
  /** Highest RSS while the run streams, in bytes. */
  peak: number;
  /** From the fast viewer's first token to its last, in milliseconds. */
  ms: number;
  outcome: Pick<Outcome, 'problems' | 'tokens'>;
}

/** One run with a viewer that reads as fast as it can, and others that have stopped reading. */
function pass(measurement: Measurement, stalled: number, tokens: number): Promise<Passed> {
  return Crowd.with(measurement.candidate, (crowd) => stream(measurement, crowd, stalled, tokens));
}

async function stream(
  { candidate, nextRun }: Measurement,
  crowd: Crowd,
  stalled: number,
  tokens: number,
): Promise<Passed> {
  const run = { run: nextRun(), tokens, rate: 0, size: SIZE, waitMs: 1_000 };
  await crowd.open({ kind: 'sse', count: 1, run, starts: true });
  if (stalled > 0) await crowd.open({ kind: 'sse', count: stalled, run, stalled: true });
  let peak = 0;
  const look = async () => void (peak = Math.max(peak, (await candidate.memoryNow()).rss));
  const looking = setInterval(() => void look(), LOOK_MS);
  const ms = await crowd.first(TIMEOUT_MS).finally(() => clearInterval(looking));
  // What they have not read until now must still come, whole and in order.
  await crowd.goOn();
  await crowd.over(TIMEOUT_MS);
  const { problems, tokens: come } = await crowd.close();
  return { peak, ms, outcome: { problems, tokens: come } };
}

async function measure(measurement: Measurement): Promise<Outcome> {
  const { candidate, quick } = measurement;
  const tokens = quick ? 10_000 : 40_000;
  const { rss } = await candidate.memory();
  const before = await pass(measurement, 0, tokens);
  const among = await pass(measurement, STALLED, tokens);
  const after = await pass(measurement, 0, tokens);
  const passes = [before, among, after];
  const said = candidate.child.isOver ? [`the process has ended: ${candidate.child.said}`] : [];
  const megabytes = (bytes: number) => (bytes - rss) / 1e6;
  return {
    figures: {
      growth: megabytes(Math.max(before.peak, among.peak)),
      alone: megabytes(before.peak),
      ms: among.ms,
      slower: among.ms / ((before.ms + after.ms) / 2),
    },
    problems: [...said, ...passes.flatMap(({ outcome }) => outcome.problems)],
    tokens: passes.reduce((sum, { outcome }) => sum + outcome.tokens, 0),
    cuts: 0,
  };
}

const scenario: Scenario = {
  name: 'stalled',
  title: 'Stalled: 20 viewers stop reading a run of 40 MB',
  description:
    'One viewer reads as fast as it can, before, among and after 20 that stop after the first event. Highest RSS while the run streams, against the process before; the time of the fast viewer against its time alone. Afterwards the stalled ones read on, and must get everything.',
  figures: [
    { key: 'growth', title: 'RSS growth', unit: 'MB', digits: 0 },
    { key: 'alone', title: 'of it, without stalled ones', unit: 'MB', digits: 0 },
    { key: 'ms', title: 'fast viewer', unit: 'ms', digits: 0 },
    { key: 'slower', title: 'its time ÷ alone', unit: '×', digits: 2 },
  ],
  fresh: true,
  repeat: 3,
  takes: ({ watch }) => watch !== undefined,
  warmUp: async (measurement) => void (await pass(measurement, 2, 2_000)),
  measure,
};
export default scenario;
