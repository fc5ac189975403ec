import { describe, expect, it } from '@jest/globals';
import { Shutdown } from './shutdown.js';

describe('shutdown', () => {
  it('tells who listens exactly once, however often it is begun', () => {
    const shutdown = new Shutdown();
    const seen: boolean[] = [];
    shutdown.signal.addEventListener('abort', () => seen.push(shutdown.begun));
    expect(shutdown.begun).toBe(false);
    shutdown.begin();
    shutdown.begin();
    expect(seen).toEqual([true]);
  });
});
