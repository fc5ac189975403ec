import process from 'node:process';
import { answerCalls } from '../harness/calls.ts';
import type { Descriptor } from '../harness/candidate.ts';
import type { RunPlan } from '../harness/plan.ts';
import { Connection } from './connection.ts';
import type { Counted, Order } from './order.ts';
import { Watcher } from './watcher.ts';

/** The process of a crowd: thousands of connections that watch one run, or that have nothing to watch. */
const BATCH = 50;
const TOLD_PROBLEMS = 20;
let watchers: Watcher[] = [];
let idle: Connection[] = [];
let stalled: Watcher[] = [];
let idleProblems: string[] = [];

async function open(order: Order): Promise<void> {
  const { default: descriptor } = (await import(order.descriptor)) as { default: Descriptor };
  if (order.run === undefined) await inBatches(order.count, () => openIdle(order, descriptor));
  else await openWatchers({ ...order, run: order.run }, descriptor);
}

async function openWatchers(order: Order & { run: RunPlan }, descriptor: Descriptor): Promise<void> {
  let left = order.count;
  if (order.starts === true) {
    watchers = [new Watcher(order, descriptor)];
    await watchers[0]?.begun;
    left -= 1;
  }
  const [starter] = watchers;
  const cuts = [...(order.cutsAfter ?? [])];
  await inBatches(left, async () => {
    const watcher = new Watcher(order, descriptor, starter, cuts.shift());
    watchers.push(watcher);
    await watcher.connection.answered;
    if (order.stalled !== true) return;
    watcher.connection.pause();
    stalled.push(watcher);
  });
}

async function openIdle(order: Order, descriptor: Descriptor): Promise<void> {
  const { idle: stream, idleSocket } = descriptor;
  const way = order.kind === 'socket' ? idleSocket : stream;
  if (way === undefined) throw new Error(`${descriptor.name} has no idle connections`);
  const connection = new Connection(way(order.prepared), order.port, {
    text: () => {},
    ended: (problem) => idleProblems.push(problem ?? 'the answer ended'),
  });
  idle.push(connection);
  await connection.answered;
}

async function inBatches(count: number, openOne: () => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, count - from) }, openOne));
  }
}

function counted(): Counted {
  const problems = [...idleProblems, ...watchers.flatMap((watcher) => watcher.problems)];
  return {
    viewers: watchers.length + idle.length,
    tokens: watchers.reduce((sum, { tokens }) => sum + tokens, 0),
    done: watchers.filter(({ isDone }) => isDone).length,
    beats: [...watchers, ...idle].reduce((sum, { beats }) => sum + beats, 0),
    cuts: watchers.reduce((sum, { cuts }) => sum + cuts, 0),
    problems: problems.slice(0, TOLD_PROBLEMS),
  };
}

function close(): Counted {
  const last = counted();
  for (const { connection } of watchers) connection.cut();
  for (const connection of idle) connection.cut();
  [watchers, idle, stalled, idleProblems] = [[], [], [], []];
  return last;
}

/** @returns milliseconds from the first viewer's first token to its last. */
async function first(): Promise<number> {
  const [watcher] = watchers;
  await watcher?.over;
  return watcher === undefined ? Number.NaN : watcher.lastAt - watcher.firstAt;
}

answerCalls({
  open,
  counted,
  close,
  first,
  goOn: () => {
    for (const { connection } of stalled) connection.resume();
  },
  /** Until all viewers have all, or something is wrong with them. */
  over: async () => void (await Promise.all(watchers.map((watcher) => watcher.over))),
});
process.title = 'bench crowd';
// The IPC channel does not keep the process alive, but the bench may still want something.
setInterval(() => {}, 1 << 30);
