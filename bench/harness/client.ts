import { answerCalls } from './calls.ts';
import type { Descriptor } from './candidate.ts';
import { spreadOf, type Load, type LoadResult, type Progress } from './load.ts';
import { Viewer, type Times } from './viewer.ts';

/** The process that asks and counts: all viewers of a load, on raw sockets. */
const TOLD_PROBLEMS = 20;
let viewers: Viewer[] = [];
let done = 0;

/** Opens a while after so many have come. */
function meeting(expected: number, pauseMs: number): () => Promise<void> {
  let come = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  return () => {
    come += 1;
    if (come === expected) setTimeout(resolve, pauseMs);
    return promise;
  };
}

async function run(load: Load): Promise<LoadResult> {
  // At once: who asks for progress must not be told of the load before.
  viewers = [];
  done = 0;
  const { default: descriptor } = (await import(load.descriptor)) as { default: Descriptor };
  const times: Times = { firstToken: [], latency: [], resumed: [] };
  const cuts = load.viewers.filter(({ cutAfter }) => cutAfter !== undefined).length;
  const { resumePauseMs } = load;
  const gate = resumePauseMs === undefined ? () => Promise.resolve() : meeting(cuts, resumePauseMs);
  viewers = load.viewers.map((plan) => new Viewer(load, plan, descriptor, times, gate));
  const begin = performance.now();
  const late = setTimeout(() => viewers.forEach((viewer) => viewer.giveUp('too late')), load.timeoutMs);
  await Promise.all(viewers.map((viewer, index) => view(load, viewer, index)));
  clearTimeout(late);
  const problems = viewers.flatMap((viewer) => viewer.problems);
  return {
    tokens: viewers.reduce((sum, { tokens }) => sum + tokens, 0),
    problems: problems.slice(0, TOLD_PROBLEMS),
    cuts: viewers.filter(({ hasBeenCut }) => hasBeenCut).length,
    returns: viewers.reduce((sum, { returns }) => sum + returns, 0),
    wallMs: performance.now() - begin,
    firstToken: spreadOf(times.firstToken),
    latency: spreadOf(times.latency),
    resumed: spreadOf(times.resumed),
  };
}

async function view(load: Load, viewer: Viewer, index: number): Promise<void> {
  const { startMs = 0, watches } = load.viewers[index] ?? {};
  if (startMs > 0) await new Promise((resolve) => setTimeout(resolve, startMs));
  const starter = watches === undefined ? undefined : viewers[watches];
  await starter?.begun;
  viewer.start(starter);
  await viewer.over;
  done += 1;
}

answerCalls({
  run,
  progress: (): Progress => {
    const tokens = viewers.reduce((sum, viewer) => sum + viewer.tokens, 0);
    const cut = viewers.filter(({ hasBeenCut }) => hasBeenCut).length;
    const begun = viewers.filter((viewer) => viewer.tokens > 0).length;
    return { tokens, begun, done, cut, back: viewers.filter(({ isBack }) => isBack).length };
  },
  cpu: () => process.cpuUsage(),
});
// The IPC channel does not keep the process alive, but the bench may still want something.
setInterval(() => {}, 1 << 30);
