import { describe, expect, it } from '@jest/globals';
import type { ModelUsage } from './language-model.js';
import { costMicroUsd as microUsd } from './prices.js';

const used = (usage: Partial<ModelUsage>): ModelUsage => ({
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  ...usage,
});
const MILLION = 1_000_000;

function inUsd(...call: Parameters<typeof microUsd>): number | null {
  const cost = microUsd(...call);
  return cost === null ? null : cost / MILLION;
}

describe('costMicroUsd', () => {
  it('adds input, output, cache writes and cache reads', () => {
    const usage = used({
      input_tokens: 1000,
      output_tokens: 100,
      cache_read_input_tokens: 10_000,
      cache_creation_input_tokens: 2000,
    });

    expect(inUsd('claude-opus-5-5', usage)).toBe(0.018);
  });

  it.each([
    ['claude-fable-5-2', 8, 40],
    ['claude-mythos-5-1', 10, 50],
    ['claude-opus-5-5', 4, 20],
    ['claude-sonnet-5-5', 2, 10],
    ['claude-opus-4-7', 5, 25],
    ['claude-haiku-4-5', 1, 5],
    ['agentline-offline', 0, 0],
  ])('takes for a million tokens of %s %d USD in and %d out', (model, input, output) => {
    expect(inUsd(model, used({ input_tokens: MILLION }))).toBe(input);
    expect(inUsd(model, used({ output_tokens: MILLION }))).toBe(output);
  });

  it.each(['claude-opus-5-5-20261001', 'claude-opus', 'llama', ''])('knows no price of %j', (model) => {
    expect(inUsd(model, used({ input_tokens: 1 }))).toBeNull();
  });

  it('takes the price of the day', () => {
    const usage = used({ cache_read_input_tokens: MILLION });

    expect(inUsd('claude-sonnet-5-5', usage, new Date('2026-10-06T23:59:59Z'))).toBe(0.2);
    expect(inUsd('claude-sonnet-5-5', usage, new Date('2026-10-07T00:00:00Z'))).toBe(0.1);
  });

  it('takes another price for long prompts, counting what came from the cache', () => {
    expect(inUsd('claude-haiku-5-5', used({ input_tokens: 100_000 }))).toBe(0.01);
    expect(inUsd('claude-haiku-5-5', used({ input_tokens: 100_001 }))).toBe(0.050001);
    expect(inUsd('claude-haiku-5-5', used({ input_tokens: 1, cache_read_input_tokens: 100_000 }))).toBe(
      0.005001,
    );
  });

  it('rounds to the millionth, and stays exact for any number of tokens', () => {
    expect(inUsd('claude-opus-5-5', used({ cache_read_input_tokens: 2 }))).toBe(0);
    expect(inUsd('claude-opus-5-5', used({ cache_read_input_tokens: 3 }))).toBe(0.000001);
    expect(inUsd('claude-fable-5-1', used({ output_tokens: 999_999_999 }))).toBe(49_999.99995);
  });
});
