import { describe, expect, it } from '@jest/globals';
import { estimateTokens } from './estimate-tokens.js';

const request = (content: { type: string; [field: string]: unknown }[]) => ({
  system: null,
  messages: [{ role: 'user' as const, content }],
  tools: [],
});

describe('estimateTokens', () => {
  it('takes three characters for a token, and more with every part', () => {
    const short = estimateTokens(request([{ type: 'text', text: 'x'.repeat(300) }]));
    const long = estimateTokens(request([{ type: 'text', text: 'x'.repeat(3_300) }]));

    expect(long - short).toBe(1_000);
    expect(short).toBeGreaterThan(100);
  });

  it('does not count the bytes of a file', () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(1_000_000) },
    };

    expect(estimateTokens(request([image]))).toBeLessThan(5_000);
  });

  it('counts system prompt and tools', () => {
    const bare = request([{ type: 'text', text: 'hi' }]);
    const tool = { name: 'look', description: 'y'.repeat(600), input_schema: {} };

    expect(estimateTokens({ ...bare, system: 'z'.repeat(600) }) - estimateTokens(bare)).toBeGreaterThan(190);
    expect(estimateTokens({ ...bare, tools: [tool] }) - estimateTokens(bare)).toBeGreaterThan(200);
  });
});
