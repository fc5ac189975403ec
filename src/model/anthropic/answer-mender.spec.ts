import { describe, expect, it } from '@jest/globals';
import { estimateTokens } from '../estimate-tokens.js';
import type { ModelEvent, ModelRequest } from '../language-model.js';
import { AnswerMender } from './answer-mender.js';
import { PROFILES, type ProfileName } from './profiles.js';

const call = { type: 'tool_use', id: 'call_0', name: 'add', input: { a: 1 } };
const REQUEST: ModelRequest = {
  model: 'llama',
  system: null,
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'Add.' }] },
    { role: 'assistant', content: [call] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_0', content: '1' }] },
  ],
  tools: [],
  maxTokens: 100,
};
const usageOf = (input_tokens: number, output_tokens: number) => ({
  input_tokens,
  output_tokens,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
});
const stopped = (usage = usageOf(0, 0)): ModelEvent => ({
  type: 'stop',
  stopReason: 'tool_use',
  usage,
  unfinished: false,
});
const ANSWER: ModelEvent[] = [
  { type: 'text', block: 0, text: 'ten chars.' },
  { type: 'block', block: 0, content: { type: 'text', text: '' } },
  { type: 'block', block: 1, content: call },
];

function mended(profile: ProfileName, ...events: ModelEvent[]): ModelEvent[] {
  const mender = new AnswerMender(REQUEST, PROFILES[profile]);
  return events.map((event) => mender.mend(event));
}

describe('AnswerMender', () => {
  it('changes nothing of what the service itself answers', () => {
    const events = [...ANSWER, stopped()];

    expect(mended('anthropic', ...events)).toEqual(events);
  });

  it('hands a call that the service tells twice on once', () => {
    const [first, second] = mended('anthropic', ANSWER[2]!, ANSWER[2]!);

    expect(first).toEqual(ANSWER[2]);
    expect(second).toEqual({ type: 'unknown', raw: call });
  });

  it('gives a call that has the id of an earlier one another id', () => {
    expect(mended('ollama', ...ANSWER).at(-1)).toEqual({
      type: 'block',
      block: 1,
      content: { ...call, id: 'call_0_2' },
    });
  });

  it('estimates tokens that were not told, four characters each in the answer, and says so', () => {
    expect(mended('llama-cpp', ...ANSWER, stopped()).at(-1)).toEqual({
      ...stopped(usageOf(estimateTokens(REQUEST), 5)),
      estimated: true,
    });
  });

  it('keeps tokens that were told', () => {
    expect(mended('vllm', ...ANSWER, stopped(usageOf(3, 0))).at(-1)).toEqual(stopped(usageOf(3, 0)));
  });
});
