import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  messageEnd,
  messageStart,
  textBlock,
  textReply,
  thinkingBlock,
  toolReply,
  toolUseBlock,
  wireEvent,
} from '../support/anthropic/anthropic-sse.js';
import { eventsNamed, LoopStage } from '../support/anthropic/loop-stage.js';
import type { StrictAnswer } from '../support/anthropic/strict-answer.js';

let stage: LoopStage;

beforeAll(async () => {
  stage = await LoopStage.open();
  stage.bench.addTool('read', () => 'read');
});
beforeEach(() => stage.forget());
afterAll(() => stage.close());

const WHOLE: StrictAnswer = { sse: textReply(['Here it is.']) };
const NOTHING: StrictAnswer = { sse: [messageStart(), ...messageEnd('end_turn')] };
const read = (id: string): StrictAnswer => ({ sse: toolReply([], [{ id, name: 'read', input: { id } }]) });
const thinkingOnly = (stopReason: string, signature: string): StrictAnswer => ({
  sse: [messageStart(), ...thinkingBlock(0, 'Hm. ', signature), ...messageEnd(stopReason)],
});
const saying = (text: string, stopReason: string): StrictAnswer => ({
  sse: [messageStart(), ...textBlock(0, [text]), ...messageEnd(stopReason)],
});

describe('an answer that stops', () => {
  it('item 16: by max_tokens in its text is kept and marked, and the user may have it continued without prefill', async () => {
    stage.upstream.answer(saying('Once upon a', 'max_tokens'), saying(' time.', 'end_turn'));

    const { text, done, run } = await stage.say('tell');
    const { text: rest } = await stage.say('go on', {}, { sessionId: run.sessionId });

    expect(done).toMatchObject({ status: 'completed', stop_reason: 'max_tokens' });
    expect([text, rest]).toEqual(['Once upon a', ' time.']);
    expect(stage.asked(2)).toBe('user: text | assistant: text | user: text');
    expect(stage.upstream.refusals).toEqual([]);
  });

  it('item 16: by max_tokens in its thinking leaves a history that the service takes', async () => {
    stage.upstream.answer(thinkingOnly('max_tokens', 'sig_m'), WHOLE);

    const { done, run } = await stage.say('think hard');
    const { text } = await stage.say('go on', {}, { sessionId: run.sessionId });

    expect(done).toMatchObject({ status: 'completed', stop_reason: 'max_tokens' });
    expect(text).toBe('Here it is.');
    expect(stage.upstream.refusals).toEqual([]);
  });

  it('item 17: with nothing but thinking after tool results is asked for once more, too', async () => {
    stage.upstream.answer(read('n0'), thinkingOnly('end_turn', 'sig_e'), WHOLE);

    const { text, faults } = await stage.say('go');

    expect(text).toBe('Here it is.');
    expect(stage.upstream.refusals).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('item 17: without a word after tool results is asked for once more in a new user message, never given back', async () => {
    stage.upstream.answer(read('n1'), NOTHING, WHOLE);

    const { text, faults } = await stage.say('go');

    expect(text).toBe('Here it is.');
    expect(stage.asked(3)).toMatch(
      /^user: text \| assistant: tool_use \| user: tool_result( \| user:)? text$/,
    );
    expect(stage.upstream.refusals).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('item 17: without a word twice ends the run; it is asked for no third time', async () => {
    stage.upstream.answer(read('n2'), NOTHING);

    const { done, faults } = await stage.say('go');

    expect(done).toMatchObject({ status: 'completed', stop_reason: 'end_turn' });
    expect(stage.upstream.calls).toHaveLength(3);
    expect(stage.upstream.refusals).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('item 18: in a pause goes on from itself, with nothing added', async () => {
    const search = wireEvent('content_block_start', {
      index: 1,
      content_block: { type: 'server_tool_use', id: 'srv_1', name: 'web_search', input: { query: 'x' } },
    });
    const stop = wireEvent('content_block_stop', { index: 1 });
    const paused = [messageStart(), ...textBlock(0, ['I look. ']), search, stop, ...messageEnd('pause_turn')];
    stage.upstream.answer({ sse: paused }, WHOLE);

    const { text } = await stage.say('go');

    expect(text).toBe('I look. Here it is.');
    expect(stage.asked(2)).toBe('user: text | assistant: text server_tool_use');
    expect(stage.upstream.refusals).toEqual([]);
  });

  it('item 18: in one pause after the other is continued five times at most', async () => {
    let pauses = 0;
    stage.upstream.answer(() => saying(`Part ${(pauses += 1)}. `, 'pause_turn'));

    const { done, text, faults } = await stage.say('go');

    expect(stage.upstream.calls).toHaveLength(6);
    expect(stage.upstream.refusals).toEqual([]);
    expect(done.status).toBe('completed');
    expect(text).toContain('Part 6. ');
    expect(faults).toEqual([]);
  });

  it('item 19: by refusal calls no tool, keeps what was said, is not asked for again, and names its category', async () => {
    const details = { type: 'refusal', category: 'cyber', explanation: 'Not this.' };
    const call = toolUseBlock(1, { id: 'r1', name: 'read', input: {} });
    const delta = { stop_reason: 'refusal', stop_sequence: null, stop_details: details };
    const end = [
      wireEvent('message_delta', { delta, usage: { output_tokens: 5 } }),
      wireEvent('message_stop'),
    ];
    stage.upstream.answer({ sse: [messageStart(), ...textBlock(0, ['I would ']), ...call, ...end] });

    const { done, text, faults, run } = await stage.say('go');

    expect(done).toMatchObject({ status: 'completed', stop_reason: 'refusal', stop_details: details });
    expect(text).toBe('I would ');
    expect(stage.bench.effects).toEqual([]);
    expect(stage.upstream.calls).toHaveLength(1);
    expect(faults).toEqual([]);
    stage.upstream.answer(WHOLE);
    await stage.say('something else', {}, { sessionId: run.sessionId });
    expect(stage.upstream.refusals).toEqual([]);
  });
});

/** A summary where one is asked for; the rest as the test says. */
function answering(...answers: StrictAnswer[]): void {
  const left = [...answers];
  stage.upstream.answer(({ body }) => {
    const asked = JSON.stringify(body.messages.at(-1));
    if (/write a summary/i.test(asked)) return { sse: textReply(['SUMMARY of all']) };
    return (left.length > 1 ? left.shift() : left[0]) ?? WHOLE;
  });
}
describe('a prompt that is too long', () => {
  const tooLong: StrictAnswer = {
    status: 400,
    error: { type: 'invalid_request_error', message: 'prompt is too long: 1100000 tokens > 1000000 maximum' },
  };

  it.each<[string, StrictAnswer]>([
    ['refused as such', tooLong],
    ['in mid-answer', saying('I was about', 'model_context_window_exceeded')],
  ])('item 20: %s is summarised, and asked for once more', async (_, overflow) => {
    answering(WHOLE);
    const { run } = await stage.say('my first wish');
    stage.forget();
    answering(overflow, WHOLE);

    const { text, done, faults } = await stage.say('my second wish', {}, { sessionId: run.sessionId });

    expect(text).toBe('Here it is.');
    expect(done.status).toBe('completed');
    expect(stage.upstream.calls).toHaveLength(3);
    const last = JSON.stringify(stage.upstream.calls[2]!.body.messages);
    expect(last).toContain('SUMMARY of all');
    expect(last).toContain('my second wish');
    expect(last).not.toContain('my first wish');
    expect(stage.upstream.refusals).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('item 20: is summarised inside a tool turn too, with no thinking left that the summary has unbound', async () => {
    const thought = [
      messageStart(),
      ...thinkingBlock(0, 'Hm. ', 'sig_c'),
      ...toolUseBlock(1, { id: 'c1', name: 'read', input: {} }),
      ...messageEnd('tool_use'),
    ];
    answering({ sse: thought }, tooLong, WHOLE);

    const { text, done, faults } = await stage.say('a long task');

    expect(text).toBe('Here it is.');
    expect(done.status).toBe('completed');
    expect(stage.bench.effects).toEqual(['read c1']);
    expect(stage.upstream.refusals).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('item 20: is not summarised again and again: the second time the run fails', async () => {
    answering(WHOLE);
    const { run } = await stage.say('one');
    stage.forget();
    answering(tooLong);

    const { error, done } = await stage.say('two', {}, { sessionId: run.sessionId });

    expect(done.status).toBe('failed');
    expect(error?.error).toContain('prompt is too long');
    expect(stage.upstream.calls).toHaveLength(3);
  });
});

describe('what the service may add one day', () => {
  it('item 21: is kept as it came, does not end the run badly, and an unknown stop reason stops it', async () => {
    const future = [
      messageStart(),
      wireEvent('weather_report', { sky: 'clear' }),
      wireEvent('content_block_start', { index: 0, content_block: { type: 'hologram', data: 'abc' } }),
      wireEvent('content_block_delta', { index: 0, delta: { type: 'hologram_delta', more: 1 } }),
      wireEvent('content_block_stop', { index: 0 }),
      ...textBlock(1, ['Look.']),
      ...messageEnd('bored'),
    ];
    stage.upstream.answer({ sse: future });

    const { text, done, faults, run } = await stage.say('go');

    expect(text).toBe('Look.');
    expect(done).toMatchObject({ status: 'completed', stop_reason: 'bored' });
    expect(stage.upstream.calls).toHaveLength(1);
    expect(faults).toEqual([]);
    const history = await stage.bench.history(run.sessionId);
    expect(history.at(-1)!.content[0]).toEqual({ type: 'hologram', data: 'abc' });
    expect(eventsNamed((await stage.view(run)).events, 'error')).toEqual([]);
  });
});
