import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { LoopDelay } from '../harness/process-probe.ts';
import type { Figure, Measurement, Outcome, Scenario } from '../harness/scenario.ts';
import { Crowd } from './crowd.ts';
import type { Order } from './order.ts';

const CONNECTIONS = 10_000;
const QUICK_CONNECTIONS = 1_000;
const WARM_CONNECTIONS = 500;
const SPARE_DESCRIPTORS = 500;
/** One heartbeat of each falls into it. */
const PERIOD_MS = 15_000;
const SETTLE_MS = 500;
const FLOOR = ['socket-floor', 'better-sse'];

type Kind = Order['kind'];

/** As many as the system allows one process to open, if that is fewer. */
function connectionsOf(quick: boolean): number {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }));
  const most = Number.isFinite(limit) ? limit - SPARE_DESCRIPTORS : Infinity;
  return Math.min(quick ? QUICK_CONNECTIONS : CONNECTIONS, most);
}

async function warmUp({ candidate }: Measurement, kind: Kind): Promise<void> {
  await Crowd.with(candidate, async (crowd) => {
    await crowd.open({ kind, count: WARM_CONNECTIONS });
    await crowd.close();
  });
  await pause(SETTLE_MS);
}

async function measure({ candidate, quick }: Measurement, crowd: Crowd, kind: Kind): Promise<Outcome> {
  const count = connectionsOf(quick);
  const { calls } = candidate.child;
  const empty = await candidate.memory();
  const atFirst = await candidate.cpu();
  await crowd.open({ kind, count });
  const connected = (await candidate.cpu()) - atFirst;
  await pause(SETTLE_MS);
  // In a period of its own, since the look at the loop has a price; and first, while what connecting left is collected.
  const { beats } = await crowd.counted();
  await calls.ask('loopBegin');
  await pause(PERIOD_MS);
  const delay = await calls.ask<LoopDelay>('loopEnd');
  const { beats: beatsBefore } = await crowd.counted();
  const before = await candidate.cpu();
  const begin = performance.now();
  await pause(PERIOD_MS);
  const used = (await candidate.cpu()) - before;
  const tookMs = performance.now() - begin;
  const heard = (await crowd.counted()).beats - beatsBefore;
  // Last: after a collection that was asked for, V8 goes on collecting by itself for a while.
  const full = await candidate.memory();
  const counted = await crowd.close();
  const problems = [...counted.problems];
  if (counted.beats - beats < count)
    problems.push(`${counted.beats - beats} heartbeats in two periods for ${count} connections`);
  return {
    figures: {
      rss: (full.rss - empty.rss) / count / 1_024,
      heap: (full.heapUsed - empty.heapUsed) / count / 1_024,
      connect: connected / count,
      core: used / tookMs / 10,
      beat: used / heard,
      busy: delay.busy,
      stall: delay.max,
      late99: delay.p99,
      connections: count,
    },
    problems,
    cuts: 0,
    tokens: 0,
  };
}

const figures: Figure[] = [
  { key: 'rss', title: 'RSS a connection', unit: 'KB', digits: 1, ratiosTo: FLOOR.slice(0, 1) },
  { key: 'heap', title: 'heap', unit: 'KB', digits: 1 },
  { key: 'connect', title: 'CPU to connect', unit: 'µs', digits: 0 },
  { key: 'core', title: 'heartbeats', unit: '% of a core', digits: 2, ratiosTo: FLOOR },
  { key: 'beat', title: 'one heartbeat', unit: 'µs', digits: 1 },
  { key: 'busy', title: 'longest turn, CPU', unit: 'ms', digits: 1 },
  { key: 'stall', title: 'longest stall', unit: 'ms', digits: 1 },
];

/** Connections of one kind, in a new process each time. */
export function idleScenario(kind: Kind, texts: Pick<Scenario, 'name' | 'title' | 'description'>): Scenario {
  return {
    ...texts,
    figures,
    fresh: true,
    repeat: 3,
    takes: ({ idle, idleSocket }) => (kind === 'socket' ? idleSocket : idle) !== undefined,
    warmUp: (measurement) => warmUp(measurement, kind),
    measure: (measurement) => Crowd.with(measurement.candidate, (crowd) => measure(measurement, crowd, kind)),
  };
}
