import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds until it is tried again: doubled each time. */
const PAUSE_MS = { first: 500, most: 30_000 };

export interface MakeWorker {
  fork: () => Worker;
  /** Told of each failure, and after how many milliseconds it is tried again. */
  onFailure: (error: unknown, againInMs: number) => void;
  /** Asked before each try but the first. */
  isWanted: () => boolean;
  wait?: (milliseconds: number) => Promise<unknown>;
}

/**
 * Makes a worker, as often as it takes: a machine that has no process or no memory left for one (EAGAIN, ENOMEM) may
 * have it a moment later.
 * @returns undefined when it is not wanted any more.
 */
export async function makeWorker({
  fork,
  onFailure,
  isWanted,
  wait = delay,
}: MakeWorker): Promise<Worker | undefined> {
  let pauseMs = PAUSE_MS.first;
  do {
    const made = await attempt(fork);
    if ('worker' in made) return made.worker;
    onFailure(made.error, pauseMs);
    await wait(pauseMs);
    pauseMs = Math.min(PAUSE_MS.most, pauseMs * 2);
  } while (isWanted());
  return undefined;
}

/** Node throws some failures; of others it tells in a moment, on a worker without a process. */
async function attempt(fork: () => Worker): Promise<{ worker: Worker } | { error: unknown }> {
  try {
    const worker = fork();
    if (worker.process.pid !== undefined) return { worker };
    const [error] = (await once(worker, 'error')) as [unknown];
    return { error };
  } catch (error) {
    return { error };
  }
}
