import { describe, expect, it } from '@jest/globals';
import { SessionBell } from './session-bell.js';

const NEVER = 2_000_000_000;

/** Whether the promise is settled by now. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  const pending = Symbol('pending');
  await new Promise(setImmediate);
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe('the bell of a session', () => {
  const stay = new AbortController().signal;

  it('wakes all who listen to it, and nobody of another session', async () => {
    const bell = new SessionBell();
    const [first, second] = [bell.listen('a', stay, NEVER), bell.listen('a', stay, NEVER)];
    const other = bell.listen('b', stay, NEVER);
    bell.ring('a');

    expect(await Promise.all([first, second, other].map(({ rung }) => isSettled(rung)))).toEqual([
      true,
      true,
      false,
    ]);
    for (const { stop } of [first, second, other]) stop();
  });

  it('keeps a ring that comes before one waits for it', async () => {
    const bell = new SessionBell();
    const { rung, stop } = bell.listen('a', stay, NEVER);
    bell.ring('a');
    stop();

    await expect(rung).resolves.toBeUndefined();
  });

  it('does not keep a ring for those who come later', async () => {
    const bell = new SessionBell();
    bell.ring('a');
    const { rung, stop } = bell.listen('a', stay, NEVER);

    expect(await isSettled(rung)).toBe(false);
    stop();
  });

  it('lets a listener go when its signal is aborted, also before it came', async () => {
    const bell = new SessionBell();
    const leave = new AbortController();
    const { rung, stop } = bell.listen('a', leave.signal, NEVER);
    leave.abort();
    await expect(rung).resolves.toBeUndefined();
    stop();

    const late = bell.listen('a', leave.signal, NEVER);
    await expect(late.rung).resolves.toBeUndefined();
    late.stop();
  });

  it('lets a listener go after a while', async () => {
    const { rung, stop } = new SessionBell().listen('a', stay, 1);

    await expect(rung).resolves.toBeUndefined();
    stop();
  });

  it('leaves nothing behind with the signal of one who listens again and again', () => {
    const bell = new SessionBell();
    const left = new Set<unknown>();
    const signal = new AbortController().signal;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      left.add(args[1]);
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      left.delete(args[1]);
      remove(...args);
    };
    for (let n = 0; n < 10; n += 1) {
      const { stop } = bell.listen('a', signal, NEVER);
      if (n % 2 === 0) bell.ring('a');
      stop();
    }

    expect(left.size).toBe(0);
  });

  it('still wakes the others when one of several stops listening', async () => {
    const bell = new SessionBell();
    const first = bell.listen('a', stay, NEVER);
    const second = bell.listen('a', stay, NEVER);
    first.stop();
    bell.ring('a');

    expect(await isSettled(second.rung)).toBe(true);
    second.stop();
  });
});
