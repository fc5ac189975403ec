import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  messageEnd,
  messageStart,
  textBlock,
  textReply,
  toolReply,
  toolUseBlock,
  wireEvent,
} from '../support/anthropic/anthropic-sse.js';
import { eventsNamed, LoopStage } from '../support/anthropic/loop-stage.js';
import type { StrictAnswer } from '../support/anthropic/strict-answer.js';
import { until } from '../support/until.js';

let stage: LoopStage;

beforeAll(async () => {
  stage = await LoopStage.open();
  stage.bench.addTool('pay', () => 'paid');
});
beforeEach(() => stage.forget());
afterAll(() => stage.close());

const SSE = textReply(['Here ', 'it is.']).join('');
const WHOLE: StrictAnswer = { sse: SSE };
const BEFORE_TEXT = SSE.indexOf('\n\n') + 1;
const AFTER_TEXT = SSE.indexOf('it is.');
const PAY = toolReply([], [{ id: 't1', name: 'pay', input: { sum: 5 } }]);

const cutCall = (n: number) => [
  messageStart(),
  ...textBlock(0, ['I pay. ']),
  wireEvent('content_block_start', {
    index: 1,
    content_block: { type: 'tool_use', id: `c${n}`, name: 'pay', input: {} },
  }),
  wireEvent('content_block_delta', {
    index: 1,
    delta: { type: 'input_json_delta', partial_json: '{"sum": 5' },
  }),
  ...messageEnd('max_tokens'),
];

const kinds = (events: { event: string }[]) => events.map(({ event }) => event);

describe('an answer that breaks', () => {
  it('item 9: with an error before its first block is asked for again, and viewers see nothing of it', async () => {
    stage.upstream.answer(
      { sse: SSE, fault: { kind: 'error', at: BEFORE_TEXT, type: 'overloaded_error' } },
      WHOLE,
    );

    const { events, text } = await stage.say('go');

    expect(kinds(events)).toEqual(['run', 'token', 'token', 'done']);
    expect(text).toBe('Here it is.');
    expect(stage.bench.delays).toEqual([250]);
  });

  it('item 9: with an error after some text is asked for again behind a reset, and never spliced', async () => {
    stage.upstream.answer(
      { sse: SSE, fault: { kind: 'error', at: AFTER_TEXT, type: 'overloaded_error' } },
      WHOLE,
    );

    const { events, text, faults } = await stage.say('go');

    expect(eventsNamed(events, 'reset')).toEqual([{ after: events[0]!.id, reason: 'overloaded_error' }]);
    expect(text).toBe('Here it is.');
    expect(faults).toEqual([]);
  });

  it('item 10: by its end before message_stop is never complete, however much of it came', async () => {
    stage.upstream.answer(
      { sse: SSE, fault: { kind: 'cut', at: SSE.indexOf('event: message_stop') } },
      WHOLE,
    );

    const { events, text } = await stage.say('go');

    expect(eventsNamed(events, 'reset')).toEqual([
      { after: events[0]!.id, reason: 'model_stream_truncated' },
    ]);
    expect(text).toBe('Here it is.');
    expect(stage.upstream.calls).toHaveLength(2);
  });

  it('item 11: by a reset of its connection is a failure of the network, and the run says so', async () => {
    stage.upstream.answer({ sse: SSE, fault: { kind: 'reset', at: SSE.length - 10 } });

    const { error, done, faults } = await stage.say('go');

    expect(error).toMatchObject({ code: 'model_stream_truncated', retryable: true });
    expect(error!.error).not.toContain('terminated');
    expect(done.status).toBe('failed');
    expect(stage.upstream.calls).toHaveLength(4);
    expect(faults).toEqual([]);
    expect(stage.bench.unexpected).toEqual([]);
  });

  it('item 12: by silence is given up, its connection closed, and asked for again', async () => {
    const impatient = await LoopStage.open({ idleMs: 300 });
    impatient.upstream.answer({ sse: SSE, fault: { kind: 'stall', at: AFTER_TEXT } }, WHOLE);

    const { events, text } = await impatient.say('go');

    expect(await impatient.upstream.calls[0]!.closed).toMatchObject({ whole: false });
    expect(eventsNamed(events, 'reset')[0]).toMatchObject({ reason: 'model_idle' });
    expect(text).toBe('Here it is.');
    await impatient.close();
  });

  it('item 13: by dripping for longer than a call may take is given up, however alive it is, and asked for again', async () => {
    stage.upstream.answer({ sse: SSE, drip: { bytes: 1, ms: 5 } }, WHOLE);

    const { events, text } = await stage.say('go', { limits: { callTimeoutMs: 400 } });

    expect(await stage.upstream.calls[0]!.closed).toMatchObject({ whole: false });
    expect(text).toBe('Here it is.');
    expect(eventsNamed(events, 'done')).toHaveLength(1);
    expect(stage.upstream.calls.length).toBeGreaterThan(1);
  });
});

describe('the tools of an answer', () => {
  it('item 14: wait for message_stop, though their arguments are complete long before', async () => {
    const gate = Promise.withResolvers<void>();
    const whole = PAY.join('');
    const beforeStop = whole.indexOf('event: message_stop');
    stage.upstream.answer({ sse: whole, hold: { at: beforeStop, until: gate.promise } }, WHOLE);

    const playing = stage.say('go');
    await until('the request', () => stage.upstream.calls.length === 1);
    const ranEarly = await Promise.race([
      until('an effect', () => stage.bench.effects.length > 0, 300).catch(() => false),
      playing.then(() => true),
    ]);
    gate.resolve();
    const { text } = await playing;

    expect(ranEarly).toBe(false);
    expect(stage.bench.effects).toEqual(['pay t1']);
    expect(text).toBe('Here it is.');
  });

  it.each(['end_turn', 'refusal', 'stop_sequence', 'something_new'])(
    'item 14: are not called when it stopped for another reason: %s',
    async (stopReason) => {
      const read = toolUseBlock(0, { id: `t_${stopReason}`, name: 'pay', input: {} });
      stage.upstream.answer({ sse: [messageStart(), ...read, ...messageEnd(stopReason)] }, WHOLE);

      const { events, faults, run } = await stage.say('go');

      expect(stage.bench.effects).toEqual([]);
      expect(eventsNamed(events, 'tool_result')).toMatchObject([{ is_error: true }]);
      expect(faults).toEqual([]);
      await stage.say('and now?', {}, { sessionId: run.sessionId });
      expect(stage.upstream.refusals).toEqual([]);
    },
  );

  it('item 15: cut by max_tokens are not called; the answer is asked for once more with more room', async () => {
    stage.upstream.answer(
      { sse: cutCall(1) },
      { sse: toolReply(['I pay. '], [{ id: 'c2', name: 'pay', input: { sum: 50 } }]) },
      WHOLE,
    );

    const { text, faults, events } = await stage.say('go');

    const asked = stage.upstream.calls.map(({ body }) => body.max_tokens);
    expect(asked[1]).toBeGreaterThan(asked[0]!);
    expect(stage.bench.effects).toEqual(['pay c2']);
    expect(eventsNamed(events, 'reset')).toHaveLength(1);
    expect(text).toBe('I pay. Here it is.');
    expect(faults).toEqual([]);
  });

  it('item 15: cut by max_tokens twice fail the run as truncated, with nothing called', async () => {
    stage.upstream.answer({ sse: cutCall(1) }, { sse: cutCall(2) });

    const { error, done, run } = await stage.say('go');

    expect(error).toMatchObject({ code: 'truncated' });
    expect(done.status).toBe('failed');
    expect(stage.upstream.calls).toHaveLength(2);
    expect(stage.bench.effects).toEqual([]);
    stage.upstream.answer(WHOLE);
    expect((await stage.say('and now?', {}, { sessionId: run.sessionId })).text).toBe('Here it is.');
    expect(stage.upstream.refusals).toEqual([]);
  });
});
