import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ModelAlarm } from '../../src/model/model-notice.js';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { eventsNamed, LoopStage } from '../support/anthropic/loop-stage.js';
import type { StrictAnswer } from '../support/anthropic/strict-answer.js';

let stage: LoopStage;
const alarms: ModelAlarm[] = [];

// One for each test: what a key was told holds for all that it calls afterwards.
beforeEach(async () => {
  stage = await LoopStage.open();
  stage.model.observe({ alarm: (alarm) => alarms.push(alarm) });
  alarms.length = 0;
});
afterEach(() => stage.close());

const WHOLE: StrictAnswer = { sse: textReply(['Here ', 'it is.']) };
const refusal = (
  status: number,
  type: string,
  message = 'No',
  details?: Record<string, unknown>,
): StrictAnswer => ({ status, error: { type, message, ...(details ? { details } : {}) } });

/** How a run ended that got this answer for ever. */
async function failWith(answer: StrictAnswer) {
  stage.upstream.answer(answer);
  const { error, done, faults } = await stage.say('go');
  expect(faults).toEqual([]);
  expect(done.status).toBe('failed');
  return {
    calls: stage.upstream.calls.length,
    code: error?.code,
    error: error?.error,
    retryable: error?.retryable,
  };
}

describe('a call that the service refuses', () => {
  it('item 1: as invalid fails the step without another try, and tells why with the request id', async () => {
    const end = await failWith(refusal(400, 'invalid_request_error', 'max_tokens: too large'));

    expect(end).toEqual({
      calls: 1,
      code: 'invalid_request_error',
      error: expect.stringMatching(/^max_tokens: too large \(request req_strict_\d+\)/),
      retryable: false,
    });
  });

  it.each([
    [401, 'authentication_error'],
    [403, 'permission_error'],
  ])(
    'item 2: with %d for its credentials fails the run without another try, and marks them as bad until a call is answered',
    async (status, type) => {
      const first = await failWith(refusal(status, type, 'invalid x-api-key'));
      stage.upstream.answer(WHOLE);
      const { error } = await stage.say('again');

      expect(first).toMatchObject({ calls: 1, code: type, retryable: false });
      expect(error).toBeUndefined();
    },
  );

  it('item 2: because the key is bad is told to the operator, once', async () => {
    stage.upstream.answer(refusal(401, 'authentication_error'));

    await Promise.all([stage.say('one'), stage.say('two')]);

    expect(alarms.map(({ code }) => code)).toEqual(['authentication_error']);
  });

  it.each<[string, StrictAnswer]>([
    ['billing_error', refusal(402, 'billing_error')],
    [
      'enforced_spend_limit_reached',
      refusal(429, 'rate_limit_error', 'No', { error_code: 'enforced_spend_limit_reached' }),
    ],
    [
      'contract_spend_limit_reached',
      refusal(429, 'rate_limit_error', 'No', { error_code: 'contract_spend_limit_reached' }),
    ],
    ['organization_on_hold', refusal(403, 'permission_error', 'No', { error_code: 'organization_on_hold' })],
  ])(
    'item 3: because of the account (%s) is not tried again, and the operator is told',
    async (code, answer) => {
      const end = await failWith(answer);

      expect(end).toMatchObject({ calls: 1, retryable: false });
      expect(alarms.map((alarm) => alarm.code)).toEqual([code]);
    },
  );

  it('item 4: because there is no such model fails at its start', async () => {
    expect(await failWith(refusal(404, 'not_found_error', 'model: claude-opus-9'))).toMatchObject({
      calls: 1,
      code: 'not_found_error',
      error: expect.stringContaining('model: claude-opus-9'),
      retryable: false,
    });
  });

  it('item 7: as too large is not tried again, and names the images that are too large', async () => {
    const details = {
      error_code: 'image_dimensions_too_large',
      paths: ['messages.0.content.1'],
      max_side_length_pixels: 8000,
    };

    const body = await failWith(refusal(413, 'request_too_large', 'Request exceeds the maximum size'));
    expect(body).toMatchObject({ calls: 1, code: 'request_too_large', retryable: false });
    stage.forget();
    const image = await failWith(refusal(400, 'invalid_request_error', 'image too large', details));
    expect(image).toMatchObject({ calls: 1, code: 'image_dimensions_too_large', retryable: false });
    expect(image.error).toContain('messages.0.content.1');
    expect(image.error).toContain('8000');
  });
});

describe('a call that fails', () => {
  it.each([
    [408, 'timeout_error'],
    [409, 'conflict_error'],
    [500, 'api_error'],
    [502, 'api_error'],
    [503, 'api_error'],
    [504, 'timeout_error'],
    [529, 'overloaded_error'],
  ])(
    'item 5: with %d is made again after half of the longest wait by jitter, unseen by viewers',
    async (status, type) => {
      stage.upstream.answer(refusal(status, type), WHOLE);

      const { events, text } = await stage.say('go');

      expect(text).toBe('Here it is.');
      expect(events.map(({ event }) => event)).toEqual(['run', 'token', 'token', 'done']);
      expect(stage.bench.delays).toEqual([250]);
    },
  );

  it('item 5: again and again is made four times, each time after a longer wait, then the run fails', async () => {
    const end = await failWith(refusal(529, 'overloaded_error', 'Overloaded'));

    expect(end).toMatchObject({ calls: 4, code: 'overloaded_error', retryable: true });
    expect(stage.bench.delays).toEqual([250, 500, 1000]);
  });

  it('item 5: because nobody listens is made again as well', async () => {
    const nobody = await LoopStage.open({ baseUrl: 'http://127.0.0.1:9' });

    const { error } = await nobody.say('go');

    expect(error).toMatchObject({ code: 'model_unreachable', retryable: true });
    expect(nobody.bench.delays).toHaveLength(3);
    await nobody.close();
  });

  it('item 6: with retry-after is made after that time, also by other runs of the same key', async () => {
    const limited = { ...refusal(429, 'rate_limit_error', 'Slow down'), headers: { 'retry-after': '1' } };
    stage.upstream.answer(limited, WHOLE);

    const [first, second] = await Promise.all([
      stage.say('first'),
      // Begins when the first has been refused.
      (async () => {
        const run = await stage.begin('second');
        while (stage.upstream.calls.length === 0) await new Promise(setImmediate);
        await stage.upstream.calls[0]!.closed;
        await new Promise(setImmediate);
        return stage.play(run);
      })(),
    ]);

    expect([first.text, second.text]).toEqual(['Here it is.', 'Here it is.']);
    const [refused, ...later] = stage.upstream.calls.map(({ openedAt }) => openedAt);
    expect(later).toHaveLength(2);
    for (const at of later) expect(at - refused!).toBeGreaterThan(900);
  });

  it('item 6: with a retry-after above the cap fails instead of waiting', async () => {
    const limited = { ...refusal(429, 'rate_limit_error'), headers: { 'retry-after': '3600' } };

    expect(await failWith(limited)).toMatchObject({ calls: 1, code: 'rate_limit_error', retryable: true });
  });

  it('item 6: because of a limit whose end nobody tells fails instead of guessing', async () => {
    const end = await failWith(refusal(429, 'rate_limit_error'));

    expect(end).toMatchObject({ calls: 1, code: 'rate_limit_error', retryable: true });
  });

  it.each<[string, StrictAnswer]>([
    ['JSON', { status: 200, body: '{"type":"message","content":[]}' }],
    ['an empty stream', { sse: '' }],
    ['a page', { status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }],
  ])('item 8: that is answered 200 with %s is made once more, then the run fails', async (_, answer) => {
    expect(await failWith(answer)).toMatchObject({ calls: 2, code: 'model_protocol' });
    stage.forget();
    stage.upstream.answer(answer, WHOLE);
    expect((await stage.say('go')).text).toBe('Here it is.');
  });
});

describe('what was called twice', () => {
  it('item 46: is paid for twice: both calls count, the broken one by what was sent of it', async () => {
    const sse = textReply(['Here ', 'it is.'], {
      input_tokens: 100,
      output_tokens: 50,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    });
    stage.upstream.answer({ sse, fault: { kind: 'cut', at: Buffer.byteLength(sse.join('')) - 20 } }, { sse });

    const { done, events } = await stage.say('go');

    expect(done.usage).toMatchObject({ input_tokens: 200, model_calls: 2, estimated: true });
    expect(Number(done.usage['output_tokens'])).toBeGreaterThan(50);
    expect(eventsNamed(events, 'reset')).toHaveLength(1);
  });
});
