import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { makeWorker } from './make-worker.js';

/** As Node answers: a worker with a process, or one without, which says why in a moment. */
function forked(pid: number | undefined): Worker {
  const worker = Object.assign(new EventEmitter(), { process: { pid } });
  if (pid === undefined) {
    process.nextTick(() =>
      worker.emit('error', Object.assign(new Error('spawn node EAGAIN'), { code: 'EAGAIN' })),
    );
  }
  return worker as unknown as Worker;
}

/** Forks in turn, and what was told meanwhile. */
function trying(forks: (() => Worker)[], isWanted = () => true) {
  const told: string[] = [];
  const made = makeWorker({
    fork: () => forks.shift()!(),
    onFailure: (error, againInMs) => told.push(`${String(error)}, again in ${againInMs}`),
    isWanted,
    wait: async (milliseconds) => told.push(`waited ${milliseconds}`),
  });
  return { made, told };
}

const refused = () => forked(undefined);
const throwing = () => {
  throw new Error('spawn ENOMEM');
};

describe('a worker', () => {
  it('is made at once where the machine has a process for it', async () => {
    const { made, told } = trying([() => forked(7)]);

    expect((await made)?.process.pid).toBe(7);
    expect(told).toEqual([]);
  });

  it('that could not be made is made after a pause, which grows', async () => {
    const { made, told } = trying([refused, refused, () => forked(7)]);

    expect((await made)?.process.pid).toBe(7);
    expect(told).toEqual([
      'Error: spawn node EAGAIN, again in 500',
      'waited 500',
      'Error: spawn node EAGAIN, again in 1000',
      'waited 1000',
    ]);
  });

  it('is tried again also when Node throws', async () => {
    const { made, told } = trying([throwing, () => forked(7)]);

    expect((await made)?.process.pid).toBe(7);
    expect(told).toEqual(['Error: spawn ENOMEM, again in 500', 'waited 500']);
  });

  it('is not made any more when nobody wants it', async () => {
    const { made } = trying([refused], () => false);

    expect(await made).toBeUndefined();
  });
});
