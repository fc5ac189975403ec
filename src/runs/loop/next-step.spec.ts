import { describe, expect, it } from '@jest/globals';
import { nextStep } from './next-step.js';

const text = { type: 'text', text: 'Hi' };
const call = { type: 'tool_use', id: 'a', name: 'look', input: { q: 1 } };
const asked = { id: 'a', name: 'look', args: { q: 1 } };

const answer = (stopReason: string | null, ...content: { type: string }[]) =>
  ({ role: 'assistant', content, stopReason }) as const;

describe('the next step', () => {
  it('after what the user said, or what tools answered, is the model', () => {
    expect(nextStep(undefined)).toEqual({ kind: 'model' });
    expect(nextStep({ role: 'user', content: [text], stopReason: null })).toEqual({ kind: 'model' });
    const result = { type: 'tool_result', tool_use_id: 'a', content: 'x' };
    expect(nextStep({ role: 'user', content: [result], stopReason: null })).toEqual({ kind: 'model' });
  });

  it('after an answer that stopped for its calls is to execute them', () => {
    const second = { type: 'tool_use', id: 'b', name: 'look' };
    expect(nextStep(answer('tool_use', text, call, second))).toEqual({
      kind: 'tools',
      calls: [asked, { id: 'b', name: 'look', args: {} }],
    });
  });

  it('after a paused answer is the model again', () => {
    const server = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
    expect(nextStep(answer('pause_turn', text, server))).toEqual({ kind: 'model' });
  });

  it.each(['end_turn', 'max_tokens', 'refusal', 'something_new', 'cancelled', 'truncated'])(
    'after an answer that stopped for %s is the end, with its calls answered and not executed',
    (stopReason) => {
      expect(nextStep(answer(stopReason, text))).toEqual({ kind: 'finish', stopReason, unanswered: [] });
      expect(nextStep(answer(stopReason, call))).toEqual({ kind: 'finish', stopReason, unanswered: [asked] });
    },
  );

  it('after a paused answer with an open call is the end too: it cannot be continued', () => {
    expect(nextStep(answer('pause_turn', call))).toEqual({
      kind: 'finish',
      stopReason: 'pause_turn',
      unanswered: [asked],
    });
  });

  it('after an answer that stopped for calls and has none, or for no reason, is the end', () => {
    expect(nextStep(answer('tool_use', text))).toMatchObject({ kind: 'finish', stopReason: 'tool_use' });
    expect(nextStep(answer(null, text))).toMatchObject({ kind: 'finish', stopReason: 'unknown' });
  });
});
