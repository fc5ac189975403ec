import { describe, expect, it } from '@jest/globals';
import { timedCall } from './timed-call.js';

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

describe('a call with a longest time', () => {
  it('gives what the call gives', async () => {
    expect(await timedCall(60_000, new AbortController().signal, async () => 'answer')).toBe('answer');
  });

  it('ends when its time is over, and may be made again', async () => {
    await expect(timedCall(5, new AbortController().signal, untilAborted)).rejects.toMatchObject({
      code: 'model_timeout',
      retryable: true,
    });
  });

  it('ends with its caller, for the same reason, and is not begun after that', async () => {
    const caller = new AbortController();
    const call = timedCall(60_000, caller.signal, untilAborted);
    caller.abort(new Error('enough'));

    await expect(call).rejects.toThrow('enough');
    await expect(timedCall(60_000, caller.signal, async () => 'answer')).rejects.toThrow('enough');
  });
});
