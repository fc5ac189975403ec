import { describe, expect, it } from '@jest/globals';
import { UsageReader } from './usage-reader.js';

function read(...reports: unknown[]) {
  const reader = new UsageReader();
  for (const report of reports) reader.read(report);
  return { usage: reader.sum, isTold: reader.isTold };
}

const NONE = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};

describe('UsageReader', () => {
  it('overwrites, and keeps what a later report leaves out', () => {
    expect(
      read(
        { input_tokens: 10, output_tokens: 1, cache_read_input_tokens: 3 },
        { output_tokens: 7, cache_read_input_tokens: null },
        { output_tokens: 9, input_tokens: 12 },
      ),
    ).toEqual({
      usage: { ...NONE, input_tokens: 12, output_tokens: 9, cache_read_input_tokens: 3 },
      isTold: true,
    });
  });

  it('has no opinion where nothing is told', () => {
    expect(read(undefined, null, 'many')).toEqual({ usage: NONE, isTold: false });
  });

  it('passes over what is no count', () => {
    expect(
      read({ input_tokens: -1, output_tokens: 1.5, cache_read_input_tokens: '3', iterations: {} }).usage,
    ).toEqual(NONE);
  });

  it('tells the lifetimes of cache entries, thinking and server tools where there were some', () => {
    expect(
      read({
        output_tokens: 9,
        cache_creation_input_tokens: 5,
        cache_creation: { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 3 },
        output_tokens_details: { thinking_tokens: 4 },
        server_tool_use: { web_search_requests: 2 },
      }).usage,
    ).toEqual({
      ...NONE,
      output_tokens: 9,
      cache_creation_input_tokens: 5,
      cache_creation: { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 3 },
      thinking_tokens: 4,
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 },
    });
    expect(
      read({
        cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
        output_tokens_details: null,
        server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
        iterations: null,
      }).usage,
    ).toEqual(NONE);
  });

  it('reads iterations as a whole, the last report of them counting', () => {
    const first = { type: 'message', input_tokens: 1, output_tokens: 1 };
    const iterations = [
      { type: 'compaction', model: null, input_tokens: 60_385, output_tokens: 522 },
      { type: 'advisor_message', model: 'claude-opus-4-7', input_tokens: 612, cache_creation: null },
    ];

    expect(read({ iterations: [first] }, { output_tokens: 3 }, { iterations }).usage.iterations).toEqual([
      { ...NONE, type: 'compaction', model: null, input_tokens: 60_385, output_tokens: 522 },
      { ...NONE, type: 'advisor_message', model: 'claude-opus-4-7', input_tokens: 612 },
    ]);
  });
});
