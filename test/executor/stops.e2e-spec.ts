import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RunStop } from '../../src/runs/run-stop.js';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { eventsNamed, LoopStage } from '../support/anthropic/loop-stage.js';
import type { StrictAnswer } from '../support/anthropic/strict-answer.js';
import { Api } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { faultsOf, textOf } from '../support/event-list.js';
import { Mortal } from '../support/runs/mortal.js';
import { untilAborted } from '../support/runs/scripted-model.js';
import { upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';

let stage: LoopStage;

beforeAll(async () => {
  stage = await LoopStage.open();
  stage.bench.addTool('wait', async (_, { signal }) => {
    await untilAborted(signal);
    throw signal.reason;
  });
  stage.bench.addTool('read', () => 'read', { idempotent: true });
  stage.bench.addTool('pay', () => 'paid');
});
beforeEach(() => stage.forget());
afterAll(() => stage.close());

const SSE = textReply(['Once ', 'upon a time.'], {
  input_tokens: 100,
  output_tokens: 50,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
}).join('');
const WHOLE: StrictAnswer = { sse: SSE };
const shown = (line: string) => line.endsWith('token Once ');
const NEVER = new Promise(() => undefined);

describe('a cancel', () => {
  it('item 32: closes the model before anything else, keeps what was said, and estimates what was used', async () => {
    stage.upstream.answer({ sse: SSE, hold: { at: SSE.indexOf('event: content_block_stop'), until: NEVER } });
    const cancel = new AbortController();
    const run = await stage.begin('tell');
    const playing = stage.play(run, { signal: cancel.signal });
    await until('some text', async () => (await stage.bench.lines(run)).some(shown));
    const call = stage.upstream.calls[0]!;

    const at = performance.now();
    cancel.abort(new RunStop('cancel'));
    const closed = await call.closed;
    const { done, text, faults } = await playing;

    expect(closed.whole).toBe(false);
    // 100 ms is what it takes here at most; the rest is for a machine with other work.
    expect(closed.at - at).toBeLessThan(1000);
    expect(done).toMatchObject({
      status: 'cancelled',
      usage: { input_tokens: 100, model_calls: 1, estimated: true },
    });
    const kept = (await stage.bench.history(run.sessionId)).filter(({ role }) => role === 'assistant');
    expect(kept.flatMap(({ content }) => content.map((block) => block['text'])).join('')).toBe(text);
    expect(faults).toEqual([]);
  });

  it('item 27: inside tools answers every call, and the service takes the history afterwards', async () => {
    const calls = ['w1', 'w2', 'w3'].map((id) => ({ id, name: 'wait', input: {} }));
    stage.upstream.answer({ sse: toolReply(['Wait. '], calls) }, WHOLE);
    const cancel = new AbortController();
    const playing = stage.say('go', { signal: cancel.signal });
    await until('the tools', () => stage.bench.effects.length === 3);
    cancel.abort(new RunStop('cancel'));
    const { done, events, faults, run } = await playing;

    const { text } = await stage.say('and now?', {}, { sessionId: run.sessionId });

    expect(done.status).toBe('cancelled');
    expect(eventsNamed(events, 'tool_result').map(({ is_error }) => is_error)).toEqual([true, true, true]);
    expect(faults).toEqual([]);
    expect(text).toBe('Once upon a time.');
    expect(stage.asked(2)).toBe(
      'user: text | assistant: text tool_use tool_use tool_use | user: tool_result tool_result tool_result | user: text',
    );
    expect(stage.upstream.refusals).toEqual([]);
  });
});

describe('a crash', () => {
  it.each([5, 6, 7, 8, 9, 10, 11, 12])(
    'items 27 and 35: after write %d of a run with two calls leaves every call with one result, and none made twice',
    async (last) => {
      const calls = [
        { id: `r_${last}`, name: 'read', input: {} },
        { id: `p_${last}`, name: 'pay', input: {} },
      ];
      stage.upstream.answer(({ body }) =>
        body.messages.length === 1 ? { sse: toolReply(['I pay. '], calls) } : WHOLE,
      );
      const run = await stage.begin('go');
      const mortal = new Mortal(last, 'throws');
      await stage.play(run, { between: mortal.between });
      stage.bench.unexpected.length = 0;

      const taken =
        (await stage.bench.find(run.id)).status === 'running' ? await stage.bench.takeOver(run) : undefined;
      const { done, text, faults } = await (taken ? stage.play(taken) : stage.view(run));

      expect(done.status).toBe('completed');
      expect(text).toBe('I pay. Once upon a time.');
      expect(faults).toEqual([]);
      expect(stage.bench.effects.filter((effect) => effect.startsWith('pay')).length).toBeLessThanOrEqual(1);
      expect(stage.upstream.refusals).toEqual([]);
    },
  );
});

describe('a client', () => {
  let app: RunningApp;
  let ada: Api;

  beforeAll(async () => {
    app = await startApp(upstreamEnv(stage.upstream.url));
    ada = await Api.as(app.url, 'ada');
  });
  afterAll(() => app.stop());

  it('item 33: that goes away in mid-answer does not cancel: the run ends as if it had stayed', async () => {
    const gate = Promise.withResolvers<void>();
    stage.upstream.answer({ sse: SSE, hold: { at: SSE.indexOf('upon'), until: gate.promise } });
    const stream = await ada.open({}, { body: { content: 'tell' } });
    const first = await stream.nextWhere(({ event }) => event === 'token' || event === 'run');
    const { run_id: runId, session_id: sessionId } = JSON.parse(first!.data) as {
      run_id: string;
      session_id: string;
    };
    stream.cut();
    gate.resolve();

    const run = await ada.settled(runId);
    const { events } = await ada.read({ session_id: sessionId, run_id: runId, last_event_id: '' });

    expect(run.status).toBe('completed');
    expect(textOf(events)).toBe('Once upon a time.');
    expect(faultsOf(events)).toEqual([]);
    expect(await stage.upstream.calls[0]!.closed).toMatchObject({ whole: true });
  });
});
