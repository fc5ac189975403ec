import { describe, expect, it } from '@jest/globals';
import { knownModel } from './models.js';

describe('known models', () => {
  it.each([
    ['claude-fable-5-2', 1_000_000, 128_000, 'always', 'high', 512],
    ['claude-mythos-5-1', 1_000_000, 128_000, 'always', 'high', 512],
    ['claude-opus-5-5', 1_000_000, 128_000, 'always', 'medium', 512],
    ['claude-opus-5', 1_000_000, 128_000, 'adaptive', 'high', 512],
    ['claude-sonnet-5-5', 1_000_000, 128_000, 'adaptive', 'high', 512],
    ['claude-sonnet-5', 1_000_000, 128_000, 'adaptive', 'high', 1024],
    ['claude-haiku-5-5', 1_000_000, 128_000, 'adaptive', 'medium', 512],
    ['claude-opus-4-7', 1_000_000, 128_000, 'adaptive', 'high', null],
    ['claude-sonnet-4-6', 1_000_000, null, 'none', null, null],
    ['claude-haiku-4-5', 200_000, 64_000, 'enabled', null, 4096],
  ])(
    '%s reads %s tokens, writes %s, thinks %s with effort %s, and caches from %s tokens',
    (id, contextTokens, maxOutputTokens, thinking, effort, minCachePrompt) => {
      expect(knownModel(id)).toMatchObject({
        contextTokens,
        maxOutputTokens,
        thinking,
        effort,
        minCachePrompt,
      });
    },
  );

  it('may be told not to think only where that is no error', () => {
    const told = ['claude-opus-5', 'claude-sonnet-5', 'claude-opus-5-5', 'claude-sonnet-5-5'];
    expect(told.map((id) => knownModel(id)?.canForbidThinking)).toEqual([true, true, false, false]);
  });

  it.each(['claude-opus-5-5-20261001', 'claude-opus', 'CLAUDE-OPUS-5-5', 'constructor', ''])(
    'are known by their exact id, so %j is not',
    (id) => {
      expect(knownModel(id)).toBeUndefined();
    },
  );
});
