import { describe, expect, it } from '@jest/globals';
import type { StreamEvent } from '../client/agentline-client.js';
import { RunPrinter } from './run-printer.js';

const USAGE = { input_tokens: 10, output_tokens: 2 };
const EVENTS = [
  { type: 'run', data: { status: 'running' } },
  { type: 'thinking', data: { text: 'hm' } },
  { type: 'token', data: { text: 'Let me ' } },
  { type: 'token', data: { text: 'see.\u001b[2J' } },
  { type: 'tool_call', data: { id: 't', name: 'add', args: { a: 1 } } },
  {
    type: 'approval',
    data: { id: 't', name: 'add', args: { a: 1 }, expires_at: '2026-01-01T00:00:00.000Z' },
  },
  { type: 'tool_result', data: { id: 't', name: 'add', result: 'no', is_error: true, duration_ms: 3 } },
  { type: 'tool_result', data: { id: 't', name: 'add', result: 2, is_error: false, duration_ms: 4 } },
  { type: 'token', data: { text: 'Two' } },
  { type: 'reset', data: { after: 'run_1.1.7', reason: 'model_retry' } },
  { type: 'token', data: { text: 'Two.\n' } },
  { type: 'error', data: { error: 'gone', code: 'model_failed', retryable: true } },
  { type: 'done', data: { status: 'failed', usage: USAGE, cost_usd: 0.5 } },
  { type: 'news', data: {} },
] as unknown as StreamEvent[];

function shown(isPerson: boolean): string {
  let text = '';
  const printer = new RunPrinter({ isPerson, write: (part) => (text += part) });
  for (const event of EVENTS) printer.show(event);
  return text;
}

describe('a run on the screen', () => {
  it('is plain lines where nobody looks', () => {
    expect(shown(false)).toBe(
      String.raw`Let me see.\u001b[2J
[call] add {"a":1}
[waits] add until 2026-01-01T00:00:00.000Z
[failed] add no (3 ms)
[result] add 2 (4 ms)
Two
[again] model_retry: what follows takes the place of the last lines
Two.
[error] gone
[failed] 10 tokens in, 2 out, 0.5 USD
`,
    );
  });

  it('has colours and thinking for a person', () => {
    const text = shown(true);
    expect(
      text.startsWith('\u001b[2mhm\u001b[0mLet me see.\\u001b[2J\n\u001b[33m[call] add {"a":1}\u001b[0m\n'),
    ).toBe(true);
  });
});
