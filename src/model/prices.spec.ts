import { describe, expect, it } from '@jest/globals';
import type { ModelUsage } from './language-model.js';
import { costMicroUsd as microUsd, worstCaseMicroUsd } from './prices.js';

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

  it('takes more for what is cached for an hour', () => {
    const written = used({
      cache_creation_input_tokens: MILLION,
      cache_creation: {
        ephemeral_5m_input_tokens: MILLION / 4,
        ephemeral_1h_input_tokens: (3 * MILLION) / 4,
      },
    });

    expect(inUsd('claude-opus-5-5', written)).toBe(7.25);
    expect(inUsd('claude-haiku-4-5', written)).toBe(1.8125);
  });

  it('never takes more tokens for an hour than were written', () => {
    const odd = used({
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: MILLION },
    });

    expect(inUsd('claude-opus-5-5', odd)).toBe(0);
  });

  it('adds the iterations, each by its own model and its own length, instead of what stands beside them', () => {
    const usage = used({
      input_tokens: 5,
      output_tokens: 5,
      iterations: [
        { type: 'message', model: null, ...used({ input_tokens: 100_000 }) },
        { type: 'compaction', model: null, ...used({ input_tokens: 200_000 }) },
        { type: 'advisor_message', model: 'claude-opus-4-7', ...used({ output_tokens: 1000 }) },
      ],
    });

    expect(inUsd('claude-haiku-5-5', usage)).toBe(0.01 + 0.1 + 0.025);
  });

  it('is not known where a part of it is not', () => {
    const parts = { type: 'fallback_message', model: 'claude-next', ...used({ output_tokens: 1 }) };

    expect(inUsd('claude-opus-5-5', used({ iterations: [parts] }))).toBeNull();
    expect(
      inUsd('claude-opus-5-5', used({ server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 } })),
    ).toBeNull();
    expect(
      inUsd('claude-opus-5-5', used({ server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 } })),
    ).toBe(0);
  });
});

describe('worstCaseMicroUsd', () => {
  it('writes the whole prompt to the cache and takes the longest answer', () => {
    expect(worstCaseMicroUsd('claude-opus-5-5', 10_000, 16_000)).toBe(50_000 + 320_000);
  });

  it('takes the price of long prompts for long prompts', () => {
    expect(worstCaseMicroUsd('claude-haiku-5-5', 100_000, 0)).toBe(12_500);
    expect(worstCaseMicroUsd('claude-haiku-5-5', 100_001, 0)).toBe(62_501);
  });

  it('is rounded up, never below what the call can cost', () => {
    expect(worstCaseMicroUsd('claude-haiku-5-5', 1, 0)).toBe(1);
    expect(worstCaseMicroUsd('claude-opus-5-5', 0.5, 0)).toBe(5);
  });

  it('is nothing for the stand-in and not known for an unknown model', () => {
    expect(worstCaseMicroUsd('agentline-offline', 1000, 1000)).toBe(0);
    expect(worstCaseMicroUsd('llama', 1000, 1000)).toBeNull();
  });
});
