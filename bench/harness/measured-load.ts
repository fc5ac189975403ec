import type { Descriptor } from './candidate.ts';
import type { LoadResult, LoadViewer } from './load.ts';
import type { Measurement, Outcome } from './scenario.ts';

/** Those that stand between a model and a viewer: not the floor of what sockets cost. */
export const relays = ({ name }: Descriptor): boolean => name !== 'socket-floor';

/** One viewer in so many is cut once, at a random token, where it can come back. */
const CUT_ONE_IN = 8;

/** Runs that their own viewers start, some of which are cut. The first always is, so that each load has a cut. */
export function startedRuns(
  { candidate, random, nextRun }: Measurement,
  count: number,
  plan: { tokens: number; rate: number; size?: number },
): LoadViewer[] {
  return Array.from({ length: count }, (_, index) => {
    // Drawn for all candidates, also for those that cannot come back, so that each has the same numbers.
    const isCut = random.chance(1 / CUT_ONE_IN) || index === 0;
    const cutAfter = random.integer(1, plan.tokens - 1);
    const run = { run: nextRun(), ...plan };
    return isCut && candidate.descriptor.resume !== null ? { run, cutAfter } : { run };
  });
}

/** A load, and the CPU time of the candidate's process meanwhile, in microseconds. */
export async function measuredLoad(
  { candidate, client }: Measurement,
  viewers: LoadViewer[],
  options: { timeoutMs: number; resumePauseMs?: number } = { timeoutMs: 120_000 },
): Promise<{ result: LoadResult; cpu: number }> {
  const before = await candidate.cpu();
  const result = await client.run(candidate, viewers, options);
  return { result, cpu: (await candidate.cpu()) - before };
}

/** What several loads came to, with these figures. */
export function outcomeOf(results: LoadResult[], figures: Record<string, number>): Outcome {
  return {
    figures: Object.fromEntries(Object.entries(figures).filter(([, value]) => Number.isFinite(value))),
    problems: results.flatMap(({ problems }) => problems),
    cuts: results.reduce((sum, { cuts }) => sum + cuts, 0),
    returns: results.reduce((sum, { returns }) => sum + returns, 0),
    tokens: results.reduce((sum, { tokens }) => sum + tokens, 0),
  };
}
