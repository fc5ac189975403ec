import { measuredLoad } from '../harness/measured-load.ts';
import type { LoadViewer } from '../harness/load.ts';
import type { Figure, Measurement, Outcome, Scenario } from '../harness/scenario.ts';
import { AgentlineCalls } from '../viewers/agentline-calls.ts';
import { deliver } from '../viewers/deliver.ts';
import { exponentOf, type Point } from '../viewers/exponent.ts';
import { histories } from '../viewers/histories.ts';

/** Of each series: sizes, and how often each is done, so that small ones last long enough to be measured. */
interface Steps {
  [size: number]: number;
}

const RUNS: Steps = { 1: 8, 4: 4, 16: 2, 64: 1 };
const RUN_TOKENS = 2_000;
const VIEWERS = [1, 4, 16, 64, 256];
const LENGTHS: Steps = { 1_000: 8, 4_000: 4, 16_000: 2, 64_000: 1 };
const HISTORIES: Steps = { 1: 4, 16: 4, 256: 4, 4_096: 4 };
const QUICK_HISTORIES: Steps = { 1: 2, 16: 2, 256: 2 };
const TICKS = 15;
const GROUP = 10;

const sizesOf = (steps: Steps): number[] => Object.keys(steps).map(Number);

function started({ nextRun }: Measurement, runs: number, tokens: number): LoadViewer[] {
  return Array.from({ length: runs }, () => ({ run: { run: nextRun(), tokens, rate: 0 } }));
}

class Growth {
  readonly outcome: Outcome = { figures: {}, problems: [], cuts: 0, tokens: 0 };
  private readonly measurement: Measurement;

  constructor(measurement: Measurement) {
    this.measurement = measurement;
  }

  async byRuns(steps: Steps): Promise<void> {
    await this.loads('runs', steps, (size) => started(this.measurement, size, RUN_TOKENS));
  }

  async byLength(steps: Steps): Promise<void> {
    await this.loads('length', steps, (size) => started(this.measurement, 1, size));
  }

  async byViewers(sizes: number[]): Promise<void> {
    const points: Point[] = [];
    for (const size of sizes) {
      const waitMs = 300 + size * 3;
      const { cpu, counted } = await deliver(this.measurement, 'sse', GROUP, {
        viewers: size,
        ticks: TICKS,
        waitMs,
      });
      points.push({ size, total: cpu * size });
      this.outcome.figures[`viewers.${size}`] = cpu;
      this.outcome.problems.push(...counted.problems);
      this.outcome.tokens += counted.tokens;
    }
    this.outcome.figures['viewers'] = exponentOf(points);
  }

  async byHistory(steps: Steps): Promise<void> {
    const { candidate, nextRun } = this.measurement;
    const sessions = await histories(this.measurement, sizesOf(steps));
    const calls = new AgentlineCalls(candidate);
    const points: Point[] = [];
    for (const [size, session] of sessions) {
      const times = steps[size] ?? 0;
      const before = await candidate.cpu();
      for (let time = 0; time < times; time += 1) {
        const { tokens, problems } = await calls.run(session, {
          run: nextRun(),
          tokens: RUN_TOKENS,
          rate: 0,
        });
        this.outcome.problems.push(...problems);
        this.outcome.tokens += tokens;
      }
      const total = ((await candidate.cpu()) - before) / times;
      points.push({ size, total });
      this.outcome.figures[`history.${size}`] = total / RUN_TOKENS;
    }
    this.outcome.figures['history'] = exponentOf(points);
  }

  private async loads(name: string, steps: Steps, viewers: (size: number) => LoadViewer[]): Promise<void> {
    const points: Point[] = [];
    for (const [key, times] of Object.entries(steps) as [string, number][]) {
      const size = Number(key);
      let [cpu, tokens] = [0, 0];
      for (let time = 0; time < times; time += 1) {
        const { result, cpu: used } = await measuredLoad(this.measurement, viewers(size));
        cpu += used;
        tokens += result.tokens;
        this.outcome.problems.push(...result.problems);
      }
      points.push({ size, total: cpu / times });
      this.outcome.figures[`${name}.${size}`] = cpu / tokens;
      this.outcome.tokens += tokens;
    }
    this.outcome.figures[name] = exponentOf(points);
  }
}

async function measure(measurement: Measurement): Promise<Outcome> {
  const growth = new Growth(measurement);
  await growth.byRuns(RUNS);
  await growth.byViewers(measurement.quick ? VIEWERS.slice(0, 4) : VIEWERS);
  await growth.byLength(LENGTHS);
  await growth.byHistory(measurement.quick ? QUICK_HISTORIES : HISTORIES);
  return growth.outcome;
}

const ends = (name: string, title: string, sizes: number[]): Figure[] => [
  { key: name, title, unit: 'exponent', digits: 2 },
  ...[sizes[0], sizes.at(-1)].map((size) => ({
    key: `${name}.${size}`,
    title: `a token at ${size?.toLocaleString('en')}`,
    unit: 'µs',
    digits: 2,
  })),
];

const scenario: Scenario = {
  name: 'growth',
  title: 'Growth: does a token cost more when there is more of everything?',
  description:
    'Runs at once (2,000 tokens each, as fast as they go), viewers of one run (10 tokens every 100 ms), tokens of one run, and messages of the session before it (a run of 2,000 tokens on top). The exponent is fitted to the whole CPU time over the size, both as logarithms: 1 is proportional, below 1 something is shared; of the history, 0 is a run that does not notice it.',
  figures: [
    ...ends('runs', 'Runs', sizesOf(RUNS)),
    ...ends('viewers', 'Viewers', VIEWERS),
    ...ends('length', 'Length', sizesOf(LENGTHS)),
    ...ends('history', 'History', sizesOf(HISTORIES)),
  ],
  repeat: 3,
  takes: ({ name }) => name.startsWith('agentline'),
  async warmUp(measurement) {
    await measuredLoad(measurement, started(measurement, 16, RUN_TOKENS));
    await deliver(measurement, 'sse', GROUP, { viewers: 64, ticks: TICKS, waitMs: 500 });
  },
  measure,
};
export default scenario;
