import { describe, expect, it } from '@jest/globals';
import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import type { ModelAlarm, RateLimit } from '../model-notice.js';
import { callError } from './anthropic-errors.js';
import { KeyGate, type Admission } from './key-gate.js';

const NONE = new Headers();
const START = Date.parse('2026-11-25T10:00:00Z');

/** The gate on a clock that moves when somebody waits. */
function setUp() {
  const alarms: ModelAlarm[] = [];
  const told: RateLimit[][] = [];
  const clock = { now: START, waited: [] as number[] };
  const gate = new KeyGate({
    observer: { alarm: (alarm) => alarms.push(alarm), limits: (limits) => told.push(limits) },
    now: () => clock.now,
    random: () => 0.5,
    delay: (milliseconds, signal) => {
      signal.throwIfAborted();
      clock.waited.push(milliseconds);
      clock.now += milliseconds;
      return Promise.resolve();
    },
  });
  const enter = (model = 'claude-x') => gate.enter(model, new AbortController().signal);
  const ask = async (answer: (admission: Admission) => void, model?: string) => {
    const admission = await enter(model);
    answer(admission);
    admission.left();
  };
  return { gate, alarms, told, clock, enter, ask };
}

function refusal(status: number, error: object = {}, headers: Record<string, string> = {}) {
  return callError(APIError.generate(status, { error }, undefined, new Headers(headers)), START);
}

const fails =
  (...call: Parameters<typeof refusal>) =>
  (admission: Admission) =>
    admission.failed(refusal(...call), new Headers(call[2]));
const works = (admission: Admission) => admission.answered(NONE);
const breaks = fails(529);

const usedUp = (seconds: number, kind = 'input-tokens') =>
  new Headers({
    [`anthropic-ratelimit-${kind}-remaining`]: '0',
    [`anthropic-ratelimit-${kind}-reset`]: new Date(START + seconds * 1000).toISOString(),
  });

describe('KeyGate', () => {
  it('lets calls through while nothing is known', async () => {
    const { enter, clock } = setUp();

    await Promise.all([enter(), enter(), enter()]);

    expect(clock.waited).toEqual([]);
  });

  describe('when one call is told to wait', () => {
    it('lets all others wait as long, and then a little more, so that they do not come at once', async () => {
      const { ask, enter, clock } = setUp();
      await ask(fails(429, {}, { 'retry-after': '2' }));

      await enter('claude-y');

      expect(clock.waited).toEqual([2000 + 1000]);
    });

    it('waits for no more than a minute: longer ones are told, and the next call looks whether it is so', async () => {
      const { ask, enter, clock } = setUp();
      await ask(fails(429, {}, { 'retry-after': '3600' }));

      const looking = await enter();
      const waiting = enter();
      looking.failed(refusal(429, {}, { 'retry-after': '3599' }));
      await expect(waiting).rejects.toMatchObject({
        code: 'rate_limit_error',
        retryable: true,
        retryAfterMs: 3_599_000,
      });
      await ask(works);
      await Promise.all([enter(), enter()]);

      expect(clock.waited).toEqual([]);
    });

    it('waits for nobody when no time was told', async () => {
      const { ask, enter, clock } = setUp();
      await ask(fails(429));

      await enter();

      expect(clock.waited).toEqual([]);
    });

    it('waits no longer than a minute over all, however often it is told to', async () => {
      const gate: KeyGate = new KeyGate({
        observer: {},
        now: () => now,
        random: () => 0,
        delay: async (milliseconds) => {
          now += milliseconds;
          (await other).failed(refusal(429, {}, { 'retry-after': '25' }));
        },
      });
      let now = START;
      const other = gate.enter('claude-x', new AbortController().signal);
      (await other).failed(refusal(429, {}, { 'retry-after': '25' }));

      await expect(gate.enter('claude-x', new AbortController().signal)).rejects.toMatchObject({
        code: 'rate_limit_error',
        retryAfterMs: 25_000,
      });
      expect(now).toBe(START + 50_000);
    });

    it('stops waiting at once when aborted, with the reason', async () => {
      const gate = new KeyGate({ observer: {} });
      const first = await gate.enter('claude-x', new AbortController().signal);
      first.failed(refusal(429, {}, { 'retry-after': '50' }));
      const abort = new AbortController();
      const reason = new Error('cancelled');

      const waiting = gate.enter('claude-x', abort.signal);
      abort.abort(reason);

      await expect(waiting).rejects.toBe(reason);
      await expect(gate.enter('claude-x', abort.signal)).rejects.toBe(reason);
    });
  });

  describe('when a limit is used up', () => {
    it.each(['input-tokens', 'requests'])('waits until the %s are there again', async (kind) => {
      const { ask, enter, clock } = setUp();
      await ask((admission) => admission.answered(usedUp(4, kind)));

      await enter();

      expect(clock.waited).toEqual([4000 + 1000]);
    });

    it('waits a minute at most', async () => {
      const { ask, enter, clock } = setUp();
      await ask((admission) => admission.answered(usedUp(3600)));

      await enter();

      expect(clock.waited).toEqual([60_000 + 1000]);
    });

    it('does not wait when a later answer says that there is some left', async () => {
      const { ask, enter, clock, told } = setUp();
      await ask((admission) => {
        admission.answered(usedUp(4));
        admission.answered(new Headers({ 'anthropic-ratelimit-input-tokens-remaining': '1000' }));
        admission.answered(usedUp(4, 'output-tokens'));
      });

      await enter();

      expect(clock.waited).toEqual([]);
      expect(told.map(([limit]) => [limit?.kind, limit?.remaining])).toEqual([
        ['input_tokens', 0],
        ['input_tokens', 1000],
        ['output_tokens', 0],
      ]);
    });
  });

  describe('when the provider refuses the credentials', () => {
    it('lets one call look at a time; who comes meanwhile is refused with it, and told nothing of that call', async () => {
      const { ask, enter, alarms } = setUp();
      await ask(fails(401, { message: 'invalid key sk-1' }, { 'request-id': 'req_1' }));

      const looking = await enter();
      const waiting = [enter('claude-y'), enter()];
      looking.failed(refusal(401, { message: 'invalid key sk-2' }));

      for (const refused of waiting) {
        await expect(refused).rejects.toMatchObject({
          code: 'authentication_error',
          message: 'The provider refuses these credentials.',
          retryable: false,
          isCredentialBad: true,
          retryAfterMs: undefined,
          requestId: undefined,
        });
      }
      expect(alarms).toEqual([{ code: 'authentication_error', message: 'invalid key sk-1 (request req_1)' }]);
    });

    it('lets all go on when the one who looked was answered', async () => {
      const { ask, enter, alarms } = setUp();
      await ask(fails(401));

      const looking = await enter();
      const waiting = [enter(), enter('claude-y')];
      looking.answered(NONE);

      await Promise.all([...waiting, enter()]);
      await ask(fails(401));
      expect(alarms).toHaveLength(2);
    });

    it('lets the next one look when the first came back without an answer', async () => {
      const { ask, enter } = setUp();
      await ask(fails(401));

      const looking = await enter();
      const waiting = [enter(), enter()];
      looking.left();
      (await waiting[0]!).failed(refusal(401));

      await expect(waiting[1]).rejects.toMatchObject({ code: 'authentication_error' });
    });

    it('ends the wait of who is cancelled meanwhile', async () => {
      const { ask, enter, gate } = setUp();
      await ask(fails(401));
      await enter();
      const abort = new AbortController();
      const waiting = gate.enter('claude-x', abort.signal);
      abort.abort(new Error('cancelled'));

      await expect(waiting).rejects.toThrow('cancelled');
    });

    it('refuses with 403 only what calls the same model: others may be allowed', async () => {
      const { ask, enter, alarms } = setUp();
      await ask(fails(403), 'claude-mythos-5-2');

      const looking = await enter('claude-mythos-5-2');
      const waiting = enter('claude-mythos-5-2');
      looking.failed(refusal(403));
      await expect(waiting).rejects.toMatchObject({
        code: 'permission_error',
        message: 'These credentials may not use this model.',
        retryable: false,
      });
      await enter('claude-opus-5-5');
      expect(alarms).toEqual([]);
    });
  });

  it.each([
    [402, undefined, 'billing_error', 'billing_error'],
    [429, 'enforced_spend_limit_reached', 'rate_limit_error', 'enforced_spend_limit_reached'],
    [429, 'contract_spend_limit_reached', 'rate_limit_error', 'contract_spend_limit_reached'],
    [403, 'organization_on_hold', 'permission_error', 'organization_on_hold'],
  ])(
    'calls a person once, and lets one call look at a time, after %d %s',
    async (status, error_code, code, alarm) => {
      const { ask, enter, alarms } = setUp();
      const details = error_code === undefined ? {} : { details: { error_code } };
      const [first, second] = [await enter(), await enter()];
      first.failed(refusal(status, { message: 'No.', ...details }));
      second.failed(refusal(status, { message: 'No.', ...details }));

      const looking = await enter();
      const waiting = enter();
      looking.failed(refusal(status, { message: 'No.', ...details }));
      await expect(waiting).rejects.toMatchObject({
        code,
        message: `The provider takes no calls of this account (${alarm}).`,
        retryable: false,
      });
      await ask(works);

      await enter();
      expect(alarms).toEqual([{ code: alarm, message: 'No.' }]);
    },
  );

  describe('when a model fails again and again', () => {
    const failing = async ({ ask }: ReturnType<typeof setUp>, times: number) => {
      for (let time = 0; time < times; time += 1) await ask(time % 2 === 0 ? breaks : fails(500));
    };

    it('leaves it alone after forty failures in a row, and says when to come back', async () => {
      const all = setUp();
      await failing(all, 39);
      await all.ask(breaks);

      await expect(all.enter()).rejects.toMatchObject({
        code: 'overloaded_error',
        message: "The model's server fails again and again; it is left alone for a moment.",
        retryable: true,
        retryAfterMs: 2000 + 1000,
      });
      await all.enter('claude-y');
    });

    it('counts a network that fails, too', async () => {
      const all = setUp();
      await failing(all, 39);
      await all.ask((admission) => admission.failed(callError(new APIConnectionError({ message: 'down' }))));

      await expect(all.enter()).rejects.toMatchObject({ code: 'model_unreachable' });
    });

    it.each<[string, (admission: Admission) => void]>([
      ['an answer', works],
      ['a refusal of the call', fails(400)],
    ])('counts anew after %s', async (_, answer) => {
      const all = setUp();
      await failing(all, 39);
      await all.ask(answer);
      await failing(all, 39);

      await all.enter();
    });

    it('then lets one call look, for all who come meanwhile', async () => {
      const all = setUp();
      await failing(all, 40);
      all.clock.now += 2000;

      const looking = await all.enter();
      const waiting = [all.enter(), all.enter()];
      looking.answered(NONE);

      await Promise.all(waiting);
    });

    it('leaves it alone for longer each time, fifteen seconds at most', async () => {
      const all = setUp();
      await failing(all, 40);
      const breaks: number[] = [];
      for (let time = 0; time < 5; time += 1) {
        const error = await all.enter().catch((error: { retryAfterMs: number }) => error);
        breaks.push((error as { retryAfterMs: number }).retryAfterMs - 1000);
        all.clock.now += breaks.at(-1)!;
        await all.ask(fails(500));
      }

      expect(breaks).toEqual([2000, 4000, 8000, 15_000, 15_000]);
    });

    it('keeps the state of a bounded number of models', async () => {
      const all = setUp();
      await failing(all, 40);
      for (let number = 0; number < 200; number += 1) await all.ask(breaks, `model-${number}`);

      await all.enter();
    });
  });
});
