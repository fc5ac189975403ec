import type { Measurement, Outcome, Scenario } from '../harness/scenario.ts';
import { deliver, type Size } from '../viewers/deliver.ts';

const FLOOR = ['socket-floor', 'better-sse'];
const KINDS = ['sse', 'socket'] as const;
type Kind = (typeof KINDS)[number];
const GROUPS = [1, 10] as const;

const FULL: Size = { viewers: 1_000, ticks: 30, waitMs: 3_000 };
const QUICK: Size = { viewers: 200, ticks: 15, waitMs: 1_000 };
const WARM: Size = { viewers: 200, ticks: 10, waitMs: 1_000 };

async function measure(measurement: Measurement): Promise<Outcome> {
  const outcome: Outcome = { figures: {}, problems: [], cuts: 0, tokens: 0 };
  const { watchSocket } = measurement.candidate.descriptor;
  for (const kind of KINDS) {
    if (kind === 'socket' && watchSocket === undefined) continue;
    for (const group of GROUPS) {
      const size = measurement.quick ? QUICK : FULL;
      const { cpu, counted } = await deliver(measurement, kind, group, size);
      outcome.figures[`${kind}${group}`] = cpu;
      outcome.problems.push(...counted.problems);
      outcome.cuts += counted.cuts;
      outcome.tokens += counted.tokens;
    }
  }
  return outcome;
}

const titleOf = (kind: Kind, group: number) => `${kind === 'sse' ? 'SSE' : 'WebSocket'}, ${group} a tick`;

const scenario: Scenario = {
  name: 'fan-out',
  title: 'Fan-out: 1,000 viewers of one run',
  description:
    'Every 100 ms the model writes 1 token, or 10 in one packet. CPU of the whole process for a token that reaches one viewer.',
  figures: KINDS.flatMap((kind) =>
    GROUPS.map((group) => ({
      key: `${kind}${group}`,
      title: titleOf(kind, group),
      unit: 'µs',
      digits: 2,
      ratiosTo: kind === 'sse' ? FLOOR : FLOOR.slice(0, 1),
    })),
  ),
  takes: ({ watch }) => watch !== undefined,
  async warmUp(measurement) {
    const { watchSocket } = measurement.candidate.descriptor;
    await deliver(measurement, 'sse', 10, WARM);
    if (watchSocket !== undefined) await deliver(measurement, 'socket', 10, WARM);
  },
  measure,
};
export default scenario;
