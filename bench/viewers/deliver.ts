import { setTimeout as pause } from 'node:timers/promises';
import type { Measurement } from '../harness/scenario.ts';
import { Crowd } from './crowd.ts';
import type { Counted, Order } from './order.ts';

const TICK_MS = 100;
/** One viewer in so many is cut once and comes back, of candidates that can; none where there are few. */
const CUT_ONE_IN = 250;
const FEW = 100;
const LONGEST_WAIT_MS = 20_000;

export interface Size {
  viewers: number;
  ticks: number;
  /** Silence of the model while the viewers connect. */
  waitMs: number;
}

export interface Delivered {
  /** Microseconds of CPU a delivery. */
  cpu: number;
  counted: Counted;
}

/**
 * One run that everybody watches; every 100 ms the model writes a group of tokens. If the viewers were not all there
 * before its first token, it is done again with more time for them.
 */
export async function deliver(
  measurement: Measurement,
  kind: Order['kind'],
  group: number,
  size: Size,
): Promise<Delivered> {
  const { candidate } = measurement;
  for (let waitMs = size.waitMs; ; waitMs *= 2) {
    const delivered = await Crowd.with(candidate, (crowd) =>
      tryToDeliver(measurement, crowd, kind, group, { ...size, waitMs }),
    );
    if (delivered !== undefined) return delivered;
    if (waitMs > LONGEST_WAIT_MS) throw new Error('the viewers did not come in 20 s');
  }
}

/** From when all viewers are there until nine tenths of the tokens are: neither coming nor going is counted. */
async function tryToDeliver(
  { candidate, random, nextRun }: Measurement,
  crowd: Crowd,
  kind: Order['kind'],
  group: number,
  { viewers, ticks, waitMs }: Size,
): Promise<Delivered | undefined> {
  const tokens = ticks * group;
  const run = { run: nextRun(), tokens, rate: (group * 1_000) / TICK_MS, group, waitMs };
  const cuts = viewers < FEW ? 0 : Math.ceil(viewers / CUT_ONE_IN);
  const cutsAfter = Array.from({ length: cuts }, () => random.integer(1, tokens - 1));
  await crowd.open({ kind, count: 1, run, starts: true });
  await crowd.open({ kind, count: viewers - 1, run, cutsAfter });
  await pause(TICK_MS);
  const before = await candidate.cpu();
  if ((await crowd.counted()).tokens > 0) return undefined;
  const enough = Math.floor(ticks * 0.9) * group * viewers;
  const { tokens: come } = await crowd.reaches(enough, 60_000 + waitMs);
  const used = (await candidate.cpu()) - before;
  await crowd.over(60_000);
  return { cpu: used / come, counted: await crowd.close() };
}
