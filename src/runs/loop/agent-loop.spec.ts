import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../../test/support/databases.js';
import { over } from '../../../test/support/over.js';
import { type LoopOptions, RunBench } from '../../../test/support/runs/run-bench.js';
import {
  type Beat,
  block,
  saying,
  ScriptedModel,
  started,
  stopped,
  text,
  toolUse,
  untilAborted,
} from '../../../test/support/runs/scripted-model.js';
import { ModelError } from '../../model/language-model.js';
import { ToolError } from '../../tools/tool-error.js';
import type { Run } from '../run.js';
import { RunStop } from '../run-stop.js';

const overloaded = (options: { retryAfterMs?: number } = {}) =>
  new ModelError('overloaded_error', 'Overloaded', { retryable: true, ...options });
const endless = [started, text('never')];

/** What was handed to the log by now is durable after this. */
async function committed(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

let bench: RunBench;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
});
afterEach(async () => {
  expect(bench.unexpected).toEqual([]);
  await bench.database.close();
});

/** One run, first attempt, with a model that gives these answers in order. */
async function play(answers: Beat[][], options: LoopOptions = {}) {
  const run = await bench.begin();
  const model = ScriptedModel.saying(...answers);
  const result = await bench.attempt(run, model, options);
  expect(model.connections).toBe(0);
  expect(model.complaints).toEqual([]);
  return { run, model, result, lines: await bench.lines(run), stored: await bench.find(run.id) };
}

/** The session's next message is answered, and the history that the model is sent is a valid one. */
async function expectUsable(run: Run): Promise<void> {
  const next = await bench.begin({ sessionId: run.sessionId, content: [{ type: 'text', text: 'and now?' }] });
  const model = ScriptedModel.saying(saying(['fine']));
  expect(await bench.attempt(next, model)).toBe('over');
  expect(model.complaints).toEqual([]);
  expect((await bench.find(next.id)).status).toBe('completed');
}

const contents = async (run: Run) =>
  (await bench.history(run.sessionId)).map(({ role, content, stopReason }) => [role, stopReason, content]);

const results = (model: ScriptedModel, call: number) => model.requests[call - 1]?.messages.at(-1)?.content;

describe('an answer', () => {
  it('of text alone is shown as it comes, stored whole, and ends the run', async () => {
    const { run, result, lines, stored, model } = await play([saying(['Hel', 'lo.'])]);

    expect(result).toBe('over');
    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token Hel',
      '1.3 token lo.',
      '1.4 done completed end_turn 10/7 in 1',
    ]);
    expect(await contents(run)).toEqual([
      ['user', null, [{ type: 'text', text: 'hello' }]],
      ['assistant', 'end_turn', [{ type: 'text', text: 'Hello.' }]],
    ]);
    expect(stored).toMatchObject({
      status: 'completed',
      stopReason: 'end_turn',
      errorCode: null,
      turns: 1,
      leaseUntil: null,
      lastEventId: `${run.id}.1.4`,
      usage: {
        input_tokens: 10,
        output_tokens: 7,
        cache_read_input_tokens: 3,
        cache_creation_input_tokens: 2,
        model_calls: 1,
        estimated: false,
      },
    });
    expect(model.requests[0]).toEqual({
      model: 'scripted',
      system: bench.agents.default.system,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
      tools: [],
      maxTokens: 1000,
    });
  });

  it('with thinking shows it apart and keeps its blocks verbatim and in order', async () => {
    const thinking = { type: 'thinking', thinking: 'hm', signature: 'sig' };
    const { run, lines } = await play([
      [
        started,
        { type: 'thinking', text: 'hm' },
        block(0, thinking),
        text('Yes', 1),
        block(1, { type: 'text', text: '', citations: [{ type: 'x' }] }),
        stopped('end_turn'),
      ],
    ]);

    expect(lines.slice(1, 3)).toEqual(['1.2 thinking hm', '1.3 token Yes']);
    expect((await contents(run))[1]?.[2]).toEqual([
      thinking,
      { type: 'text', text: 'Yes', citations: [{ type: 'x' }] },
    ]);
  });

  it('without any content is not sent back to the model', async () => {
    const { run, lines } = await play([saying([])]);

    expect(lines).toEqual(['1.1 run running', '1.2 done completed end_turn 10/7 in 1']);
    await expectUsable(run);
  });

  it('cut by max_tokens in its text is completed, and says so', async () => {
    const { run, lines, stored } = await play([saying(['Once upon'], [], 'max_tokens')]);

    expect(lines.slice(1)).toEqual(['1.2 token Once upon', '1.3 done completed max_tokens 10/7 in 1']);
    expect(stored).toMatchObject({ status: 'completed', stopReason: 'max_tokens' });
    await expectUsable(run);
  });

  it('refused by the model keeps its text and ends the run without a second try', async () => {
    const { run, lines, model } = await play([saying(['I will not.'], [], 'refusal')]);

    expect(model.requests).toHaveLength(1);
    expect(lines.slice(1)).toEqual(['1.2 token I will not.', '1.3 done completed refusal 10/7 in 1']);
    await expectUsable(run);
  });

  it('that was paused goes on from itself, with nothing added', async () => {
    const { run, lines, model } = await play([
      saying(['Searching'], [], 'pause_turn'),
      saying([' and found.']),
    ]);

    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token Searching',
      '1.3 token  and found.',
      '1.4 done completed end_turn 20/14 in 2',
    ]);
    expect(model.requests[1]?.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'hello' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'Searching' }] },
    ]);
    expect(await bench.find(run.id)).toMatchObject({ turns: 2 });
  });

  it('that is paused again and again is given up after the fifth continuation', async () => {
    const { lines, model } = await play(
      Array.from({ length: 9 }, (_, n) => saying([`${n}`], [], 'pause_turn')),
    );

    expect(model.requests).toHaveLength(6);
    expect(lines.at(-1)).toBe('1.8 done completed paused_too_often 60/42 in 6');
  });

  it('of more than a million characters is stored in parts and read back equal', async () => {
    const pieces = Array.from({ length: 120 }, (_, n) => `${n}`.padEnd(9_999, 'ab\u0000é') + '\n');
    const { run } = await play([
      [
        started,
        { type: 'thinking', text: 'long' },
        block(0, { type: 'thinking', thinking: 'long', signature: 's' }),
        ...pieces.slice(0, 100).map((each) => text(each, 1)),
        block(1, { type: 'text', text: '' }),
        ...pieces.slice(100).map((each) => text(each, 2)),
        block(2, { type: 'text', text: '' }),
        stopped('end_turn'),
      ],
    ]);

    const { content } = (await bench.history(run.sessionId))[1]!;
    expect(content.map(({ type }) => type)).toEqual(['thinking', 'text', 'text']);
    expect(content[1]?.['text'] === pieces.slice(0, 100).join('')).toBe(true);
    expect(content[2]?.['text'] === pieces.slice(100).join('')).toBe(true);
    const rows = await bench.database.acrossTenants().selectFrom('message_parts').select('text').execute();
    expect(rows.length).toBeGreaterThan(3);
  });
});

describe('tools', () => {
  it('asked for together run at the same time; they are shown as they end, and go back in the order of the calls', async () => {
    const first = Promise.withResolvers<void>();
    bench.addTool('slow', async () => {
      await first.promise;
      return { slow: 1 };
    });
    bench.addTool('fast', () => {
      first.resolve();
      return 'fast one';
    });
    const { lines, model, run } = await play([
      saying(['Let me look.'], [toolUse('a', 'slow', { q: 1 }), toolUse('b', 'fast')]),
      saying(['Done.']),
    ]);

    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token Let me look.',
      '1.3 tool_call a slow {"q":1}',
      '1.4 tool_call b fast {}',
      '1.5 tool_result b "fast one"',
      '1.6 tool_result a {"slow":1}',
      '1.7 token Done.',
      '1.8 done completed end_turn 20/14 in 2',
    ]);
    expect(results(model, 2)).toEqual([
      { type: 'tool_result', tool_use_id: 'a', content: '{"slow":1}' },
      { type: 'tool_result', tool_use_id: 'b', content: 'fast one' },
    ]);
    expect((await bench.history(run.sessionId)).map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    expect((await bench.ledger.list(run)).map(({ state }) => state)).toEqual(['finished', 'finished']);
  });

  it('are told who asks, of what run, and a key that is the same for every execution', async () => {
    let seen: unknown;
    bench.addTool('look', (args, { signal, startAgent, ...context }) => {
      seen = { args, context, aborted: signal.aborted, mayDelegate: typeof startAgent === 'function' };
    });
    const { run } = await play([saying([], [toolUse('a', 'look', { x: [1] })]), saying(['ok'])]);

    expect(seen).toEqual({
      args: { x: [1] },
      aborted: false,
      mayDelegate: true,
      context: {
        principal: { userId: 'usr_ada', tenantId: 'default', email: null, roles: ['member'] },
        sessionId: run.sessionId,
        runId: run.id,
        toolCallId: 'a',
        idempotencyKey: `${run.id}.a`,
      },
    });
  });

  it('that do not exist, are called wrongly, refuse or fail give error results, and the run goes on', async () => {
    bench.addTool('refuses', () => {
      throw new ToolError('not today');
    });
    bench.addTool('fails', () => {
      throw new Error('secret path');
    });
    const { lines, model } = await play([
      saying(
        [],
        [
          toolUse('a', 'nothing'),
          toolUse('b', 'refuses', { INVALID_JSON: '{"q":' }),
          toolUse('c', 'refuses'),
          toolUse('d', 'fails'),
        ],
      ),
      saying(['Sorry.']),
    ]);

    expect(lines.filter((line) => line.includes('tool_result'))).toEqual([
      '1.6 tool_result a error "There is no tool \\"nothing\\". Available: fails, refuses."',
      '1.7 tool_result b error "The arguments are not valid JSON. Received: {\\"q\\":"',
      '1.8 tool_result c error "not today"',
      '1.9 tool_result d error "The tool failed."',
    ]);
    expect(results(model, 2)?.map((each) => each['is_error'])).toEqual([true, true, true, true]);
    expect(lines.at(-1)).toBe('1.11 done completed end_turn 20/14 in 2');
    expect(bench.unexpected.splice(0)).toEqual([new Error('secret path')]);
  });

  it('called twice under one id run once', async () => {
    bench.addTool('pay', () => 'paid');
    const run = await bench.begin();
    const calls = [toolUse('a', 'pay', { eur: 1 }), toolUse('a', 'pay', { eur: 1 })];
    const model = ScriptedModel.saying(saying([], calls), saying(['ok']));
    await bench.attempt(run, model);

    expect(bench.effects).toEqual(['pay a']);
    expect(results(model, 2)).toEqual([{ type: 'tool_result', tool_use_id: 'a', content: 'paid' }]);
    expect(await bench.lines(run)).toEqual([
      '1.1 run running',
      '1.2 tool_call a pay {"eur":1}',
      '1.3 tool_result a "paid"',
      '1.4 token ok',
      '1.5 done completed end_turn 20/14 in 2',
    ]);
    expect(await bench.ledger.list(run)).toHaveLength(1);
  });

  it('that take too long are aborted, and the run goes on', async () => {
    let reason: unknown;
    bench.addTool(
      'hangs',
      async (_, { signal }) => {
        await untilAborted(signal);
        reason = signal.reason;
      },
      { timeoutMs: 5 },
    );
    const { lines } = await play([saying([], [toolUse('a', 'hangs')]), saying(['ok'])]);

    expect(lines[2]).toBe(
      '1.3 tool_result a error "The tool did not end within 5 ms. Whether it took effect is not known."',
    );
    expect(reason).toMatchObject({ name: 'TimeoutError' });
  });

  it.each([
    ['max_tokens', 'completed'],
    ['refusal', 'completed'],
    ['pause_turn', 'completed'],
    ['something_new', 'completed'],
  ])('in an answer that stopped for %s are answered, not executed', async (stopReason, status) => {
    bench.addTool('pay');
    const { run, lines, stored } = await play([saying(['Paying.'], [toolUse('a', 'pay')], stopReason)]);

    expect(bench.effects).toEqual([]);
    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token Paying.',
      '1.3 tool_call a pay {}',
      '1.4 tool_result a error "Not executed: the run was stopped."',
      `1.5 done ${status} ${stopReason} 10/7 in 1`,
    ]);
    expect(stored).toMatchObject({ status, stopReason });
    await expectUsable(run);
  });

  it('of an answer that ended inside a call are not executed: it may be longer once, then the run fails', async () => {
    bench.addTool('pay');
    const cutOff = [
      started,
      text('Paying.'),
      block(0, { type: 'text', text: '' }),
      block(1, toolUse('a', 'pay')),
      stopped('max_tokens', true),
    ];
    const { run, model, lines, stored } = await play([cutOff, cutOff]);

    expect(bench.effects).toEqual([]);
    expect(model.requests.map(({ maxTokens }) => maxTokens)).toEqual([1000, 4000]);
    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token Paying.',
      '1.3 reset after 1.1: truncated',
      '1.4 token Paying.',
      '1.5 tool_call a pay {}',
      '1.6 tool_result a error "Not executed: the run was stopped."',
      '1.7 error truncated',
      '1.8 done failed null 20/14 in 2',
    ]);
    expect(stored).toMatchObject({ status: 'failed', errorCode: 'truncated' });
    await expectUsable(run);
  });

  it('in an endless loop are ended by the limit of turns', async () => {
    bench.addTool('again', () => 'again');
    const { run, lines, stored } = await play(
      Array.from({ length: 5 }, (_, n) => saying([], [toolUse(`t${n}`, 'again')])),
      { limits: { maxTurns: 3 } },
    );

    expect(bench.effects).toEqual(['again t0', 'again t1', 'again t2']);
    expect(lines.slice(-3)).toEqual([
      '1.7 tool_result t2 "again"',
      '1.8 error max_turns',
      '1.9 done failed null 30/21 in 3',
    ]);
    expect(stored).toMatchObject({ status: 'failed', errorCode: 'max_turns', turns: 3 });
    await expectUsable(run);
  });

  it('have all ended before a run fails, so that nothing follows its last event', async () => {
    const slow = Promise.withResolvers<string>();
    bench.addTool('slow', () => slow.promise);
    bench.addTool('quick');
    const run = await bench.begin();
    const broken = new Error('the ledger is broken');
    const model = ScriptedModel.saying(saying([], [toolUse('a', 'slow'), toolUse('b', 'quick')]));
    const attempt = bench.attempt(run, model, {
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          ledger: over(bench.ledger, {
            finish: async (...args: Parameters<typeof bench.ledger.finish>) => {
              if (args[1] !== 'b' || bench.unexpected.length > 0) return bench.ledger.finish(...args);
              bench.unexpected.push(broken);
              setImmediate(() => slow.resolve('late'));
              throw broken;
            },
          }),
        },
      ],
    });

    expect(await attempt).toBe('over');
    expect(bench.unexpected.splice(0)).toEqual([broken, broken]);
    expect(await bench.lines(run)).toEqual([
      '1.1 run running',
      '1.2 tool_call a slow {}',
      '1.3 tool_call b quick {}',
      '1.4 tool_result a "late"',
      '1.5 tool_result b error "Outcome unknown: the server stopped during this call. It may or may not have taken effect; it was not repeated."',
      '1.6 error internal, retryable',
      '1.7 done failed null 10/7 in 1',
    ]);
    await expectUsable(run);
  });
});

describe('a checkpoint that was stored although its answer was lost', () => {
  it('counts: the calls in it are answered before the run fails', async () => {
    bench.addTool('pay');
    const lost = new Error('connection lost');
    let times = 0;
    const { run, lines } = await play([saying(['Paying.'], [toolUse('a', 'pay')])], {
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          runs: over(bench.runs, {
            checkpoint: async (...args: Parameters<typeof bench.runs.checkpoint>) => {
              const inputs = await bench.runs.checkpoint(...args);
              times += 1;
              if (times === 1) throw lost;
              return inputs;
            },
          }),
        },
      ],
    });

    expect(bench.unexpected.splice(0)).toEqual([lost]);
    expect(bench.effects).toEqual([]);
    expect(lines.slice(2)).toEqual([
      '1.3 tool_call a pay {}',
      '1.4 tool_result a error "Not executed: the run was stopped."',
      '1.5 error internal, retryable',
      '1.6 done failed null 10/7 in 1',
    ]);
    await expectUsable(run);
  });
});

describe('a model that fails', () => {
  it('before any text is asked again, and viewers see nothing of it', async () => {
    const { lines, model } = await play([[overloaded()], [started, overloaded()], saying(['Hi'])]);

    expect(model.requests).toHaveLength(3);
    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token Hi',
      '1.3 done completed end_turn 20/8 in 2 estimated',
    ]);
    expect(bench.delays).toEqual([250, 500]);
  });

  it('after some text is asked again behind a reset to where its turn began', async () => {
    bench.addTool('look');
    const { lines, run } = await play([
      saying(['First. '], [toolUse('a', 'look')]),
      [started, text('Half an ans'), overloaded()],
      saying(['Whole.']),
    ]);

    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token First. ',
      '1.3 tool_call a look {}',
      '1.4 tool_result a "look done"',
      '1.5 token Half an ans',
      '1.6 reset after 1.4: overloaded_error',
      '1.7 token Whole.',
      '1.8 done completed end_turn 30/17 in 3 estimated',
    ]);
    expect((await contents(run)).at(-1)?.[2]).toEqual([{ type: 'text', text: 'Whole.' }]);
  });

  it('that ends without an end is asked again', async () => {
    const { lines } = await play([endless, saying(['Whole.'])]);

    expect(lines.slice(1)).toEqual([
      '1.2 token never',
      '1.3 reset after 1.1: model_stream_truncated',
      '1.4 token Whole.',
      '1.5 done completed end_turn 20/9 in 2 estimated',
    ]);
  });

  it('four times fails the run; the session goes on', async () => {
    const broken = [started, text('abcd'), overloaded()];
    const { run, lines, model, stored } = await play([broken, broken, broken, broken]);

    expect(model.requests).toHaveLength(4);
    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token abcd',
      '1.3 reset after 1.1: overloaded_error',
      '1.4 token abcd',
      '1.5 reset after 1.1: overloaded_error',
      '1.6 token abcd',
      '1.7 reset after 1.1: overloaded_error',
      '1.8 token abcd',
      '1.9 error overloaded_error, retryable',
      '1.10 done failed null 40/4 in 4 estimated',
    ]);
    expect(bench.delays).toEqual([250, 500, 1000]);
    expect(stored).toMatchObject({ status: 'failed', errorCode: 'overloaded_error', turns: 0 });
    await expectUsable(run);
  });

  it('for good is not asked again', async () => {
    const refused = new ModelError('invalid_request_error', 'No such model', { retryable: false });
    const { lines, model } = await play([[refused]]);

    expect(model.requests).toHaveLength(1);
    expect(lines.slice(1)).toEqual(['1.2 error invalid_request_error', '1.3 done failed null 0/0 in 0']);
  });

  it('is waited for as long as it asks', async () => {
    const { lines } = await play([[overloaded({ retryAfterMs: 12_000 })], saying(['Hi'])]);

    expect(bench.delays).toEqual([13_000]);
    expect(lines.at(-1)).toBe('1.3 done completed end_turn 10/7 in 1');
  });

  it('and asks for more than a minute is not waited for; what it said stays', async () => {
    const { lines } = await play([[started, text('abcd'), overloaded({ retryAfterMs: 60_001 })]]);

    expect(bench.delays).toEqual([]);
    expect(lines.slice(1)).toEqual([
      '1.2 token abcd',
      '1.3 error overloaded_error, retryable',
      '1.4 done failed null 10/1 in 1 estimated',
    ]);
  });
});

const stop = (kind: RunStop['kind'] = 'cancel') => {
  const controller = new AbortController();
  return { signal: controller.signal, now: () => controller.abort(new RunStop(kind)) };
};

describe('a cancel', () => {
  it('before the model answers leaves the message without an answer', async () => {
    const cancel = stop();
    const { run, lines, stored } = await play([[cancel.now, started, text('never')]], cancel);

    expect(lines).toEqual(['1.1 run running', '1.2 done cancelled null 0/0 in 0']);
    expect(stored).toMatchObject({ status: 'cancelled', stopReason: null, errorCode: null });
    expect((await contents(run)).map(([role]) => role)).toEqual(['user']);
    await expectUsable(run);
  });

  it.each(['ends', 'throws'] as const)(
    'in mid-answer keeps what was said and estimates its cost, when the model %s on abort',
    async (manner) => {
      const cancel = stop();
      const run = await bench.begin();
      const model = new ScriptedModel(
        () => [started, text('Once upon a '), text('time there'), cancel.now, untilAborted, text('never')],
        manner,
      );
      await bench.attempt(run, model, cancel);

      expect(await bench.lines(run)).toEqual([
        '1.1 run running',
        '1.2 token Once upon a ',
        '1.3 token time there',
        '1.4 done cancelled null 10/6 in 1 estimated',
      ]);
      expect((await contents(run))[1]).toEqual([
        'assistant',
        'cancelled',
        [{ type: 'text', text: 'Once upon a time there' }],
      ]);
      expect(model.connections).toBe(0);
      await expectUsable(run);
    },
  );

  it('of a long answer with thinking before it keeps all that was shown', async () => {
    const cancel = stop();
    const pieces = Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(10_000, 'x'));
    const { run } = await play(
      [
        [
          started,
          { type: 'thinking', text: 'hm' },
          block(0, { type: 'thinking', thinking: 'hm', signature: 's' }),
          ...pieces.map((piece) => text(piece, 1)),
          cancel.now,
        ],
      ],
      cancel,
    );

    const [, partial] = await bench.history(run.sessionId);
    expect(partial?.content.map(({ type }) => type)).toEqual(['text']);
    expect(partial?.content[0]?.['text'] === pieces.join('')).toBe(true);
    await expectUsable(run);
  });

  it('after nothing but blanks keeps no answer, which the model would refuse', async () => {
    const cancel = stop();
    const { run } = await play([[started, text('\n\n'), cancel.now]], cancel);

    expect((await contents(run)).map(([role]) => role)).toEqual(['user']);
    await expectUsable(run);
  });

  it('inside a tool aborts it, keeps finished results and answers all others', async () => {
    const cancel = stop();
    bench.addTool('quick', () => 'quick one');
    bench.addTool('hangs', async (_, { signal }) => {
      cancel.now();
      await untilAborted(signal);
      return 'nobody hears it';
    });
    const { run, lines, model } = await play(
      [saying(['Hm.'], [toolUse('a', 'quick'), toolUse('b', 'hangs'), toolUse('c', 'quick')])],
      cancel,
    );

    expect(model.requests).toHaveLength(1);
    expect(lines.slice(0, 5)).toEqual([
      '1.1 run running',
      '1.2 token Hm.',
      '1.3 tool_call a quick {}',
      '1.4 tool_call b hangs {}',
      '1.5 tool_call c quick {}',
    ]);
    expect(lines.slice(5, 8).toSorted()).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/tool_result a "quick one"$/),
        expect.stringMatching(/tool_result b error "The call was cancelled before it ended\./),
      ]),
    );
    expect(lines.slice(8)).toEqual(['1.9 done cancelled null 10/7 in 1']);
    const states = (await bench.ledger.list(run)).map(({ toolCallId, state }) => `${toolCallId} ${state}`);
    expect(states).toEqual(expect.arrayContaining(['a finished', 'b cancelled']));
    await expectUsable(run);
  });

  it('between an answer and its tools answers the calls and executes none', async () => {
    const cancel = stop();
    bench.addTool('pay');
    const calls = [toolUse('a', 'pay')];
    const { run, lines } = await play([[...saying(['Paying.'], calls).slice(0, -1), stopped('tool_use')]], {
      signal: cancel.signal,
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          runs: over(bench.runs, {
            checkpoint: async (...args: Parameters<typeof bench.runs.checkpoint>) => {
              const inputs = await bench.runs.checkpoint(...args);
              cancel.now();
              return inputs;
            },
          }),
        },
      ],
    });

    expect(bench.effects).toEqual([]);
    expect(lines.slice(1)).toEqual([
      '1.2 token Paying.',
      '1.3 tool_call a pay {}',
      '1.4 tool_result a error "Not executed: the run was stopped."',
      '1.5 done cancelled null 10/7 in 1',
    ]);
    await expectUsable(run);
  });

  it('after an answer that may not execute its calls answers them all the same', async () => {
    const cancel = stop();
    bench.addTool('pay');
    const { run, lines } = await play([saying([], [toolUse('a', 'pay')], 'max_tokens')], {
      signal: cancel.signal,
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          runs: over(bench.runs, {
            checkpoint: async (...args: Parameters<typeof bench.runs.checkpoint>) => {
              const inputs = await bench.runs.checkpoint(...args);
              cancel.now();
              return inputs;
            },
          }),
        },
      ],
    });

    expect(lines.slice(1)).toEqual([
      '1.2 tool_call a pay {}',
      '1.3 tool_result a error "Not executed: the run was stopped."',
      '1.4 done cancelled null 10/7 in 1',
    ]);
    await expectUsable(run);
  });

  it('while it waits to ask again leaves no half answer', async () => {
    const cancel = stop();
    const { run, lines, model } = await play([[started, text('half'), overloaded()]], {
      signal: cancel.signal,
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          delay: async () => {
            cancel.now();
            throw new DOMException('stopped', 'AbortError');
          },
        },
      ],
    });

    expect(model.requests).toHaveLength(1);
    expect(lines.slice(1)).toEqual([
      '1.2 token half',
      '1.3 reset after 1.1: overloaded_error',
      '1.4 done cancelled null 10/1 in 1 estimated',
    ]);
    expect((await contents(run)).map(([role]) => role)).toEqual(['user']);
  });

  it('of a run that never began takes its message back', async () => {
    const cancel = stop();
    cancel.now();
    const run = await bench.queue();
    expect(await bench.attempt(run, ScriptedModel.saying(), cancel)).toBe('over');

    expect(await bench.lines(run)).toEqual(['1.1 run queued', '1.2 done cancelled null 0/0 in 0']);
    expect(await bench.history(run.sessionId)).toEqual([]);
  });

  it('by the limit of time fails the run, with what was said kept', async () => {
    const timeout = stop('timeout');
    const { run, lines, stored } = await play([[started, text('so far'), timeout.now]], timeout);

    expect(lines.slice(1)).toEqual([
      '1.2 token so far',
      '1.3 error run_timeout, retryable',
      '1.4 done failed null 10/2 in 1 estimated',
    ]);
    expect(stored).toMatchObject({ status: 'failed', errorCode: 'run_timeout' });
    expect((await contents(run))[1]?.[2]).toEqual([{ type: 'text', text: 'so far' }]);
    await expectUsable(run);
  });
});

describe('giving a run up', () => {
  it('while draining happens at the next checkpoint, and somebody else goes on there', async () => {
    bench.addTool('look');
    let moving = false;
    const run = await bench.begin();
    const first = ScriptedModel.saying([
      ...saying(['First. '], [toolUse('a', 'look')]).slice(0, -1),
      () => {
        moving = true;
      },
      stopped('tool_use'),
    ]);
    expect(await bench.attempt(run, first, { isMoving: () => moving })).toBe('moved');
    expect(await bench.lines(run)).toEqual(['1.1 run running', '1.2 token First. ']);
    expect(await bench.find(run.id)).toMatchObject({ status: 'running', checkpointSeq: 2, turns: 1 });

    await bench.leases.release(run);
    const taken = (await bench.newLeases().claimNext())!;
    const second = ScriptedModel.saying(saying(['Second.']));
    expect(await bench.attempt(taken, second)).toBe('over');

    expect(await bench.lines(run)).toEqual([
      '1.1 run running',
      '1.2 token First. ',
      '2.3 run running',
      '2.4 tool_call a look {}',
      '2.5 tool_result a "look done"',
      '2.6 token Second.',
      '2.7 done completed end_turn 20/14 in 2',
    ]);
    expect(second.complaints).toEqual([]);
  });

  it('when the grace is over stops the model at once and writes nothing more', async () => {
    const shutdown = new AbortController();
    const run = await bench.begin();
    const model = ScriptedModel.saying([
      started,
      text('half'),
      () => shutdown.abort(new RunStop('shutdown')),
      text('never'),
    ]);
    expect(await bench.attempt(run, model, { signal: shutdown.signal })).toBe('moved');

    expect(model.connections).toBe(0);
    expect(await bench.lines(run)).toEqual(['1.1 run running', '1.2 token half']);
    expect(await bench.find(run.id)).toMatchObject({ status: 'running', checkpointSeq: 0, turns: 0 });
    expect((await contents(run)).map(([role]) => role)).toEqual(['user']);
  });

  it('inside a tool leaves the open call to whoever goes on', async () => {
    const shutdown = new AbortController();
    bench.addTool('hangs', async (_, { signal }) => {
      shutdown.abort(new RunStop('shutdown'));
      await untilAborted(signal);
    });
    const run = await bench.begin();
    const model = ScriptedModel.saying(saying([], [toolUse('a', 'hangs')]));
    expect(await bench.attempt(run, model, { signal: shutdown.signal })).toBe('moved');

    expect(await bench.lines(run)).toEqual(['1.1 run running', '1.2 tool_call a hangs {}']);
    expect((await bench.ledger.list(run)).map(({ state }) => state)).toEqual(['started']);
  });

  it('when somebody else has it writes nothing more, not even to the ledger', async () => {
    bench.addTool('pay');
    const run = await bench.begin();
    const model = ScriptedModel.saying([
      started,
      text('half'),
      committed,
      () => bench.takeOver(run),
      text('stale'),
      untilAborted,
    ]);
    expect(await bench.attempt(run, model)).toBe('lost');

    expect(model.connections).toBe(0);
    expect(await bench.lines(run)).toEqual(['1.1 run running', '1.2 token half']);
    expect((await contents(run)).map(([role]) => role)).toEqual(['user']);
    expect(await bench.find(run.id)).toMatchObject({ status: 'running', attempt: 2 });
  });

  it('when its log cannot be written gives it up, and tells the operator why', async () => {
    const run = await bench.begin();
    const { schema } = bench.database.kysely;
    const model = ScriptedModel.saying([
      started,
      () => schema.dropTable('run_journal').execute(),
      text('nobody sees it'),
      untilAborted,
    ]);
    expect(await bench.attempt(run, model)).toBe('lost');

    expect(model.connections).toBe(0);
    expect(bench.unexpected.splice(0)).toMatchObject([{ message: expect.stringMatching(/run_journal/) }]);
    expect(await bench.find(run.id)).toMatchObject({ status: 'running', checkpointSeq: 0 });
  });

  it('after its final state could not be stored writes no second ending', async () => {
    const run = await bench.begin();
    const full = new Error('disk full');
    const result = await bench.attempt(run, ScriptedModel.saying(saying(['Hi'])), {
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          runs: over(bench.runs, {
            settle: () => Promise.reject(full),
          }),
        },
      ],
    });
    expect(result).toBe('lost');
    expect(bench.unexpected.splice(0)).toEqual([full]);
    expect((await bench.lines(run)).slice(2)).toEqual(['1.3 done completed end_turn 10/7 in 1']);

    expect(await bench.attempt(await bench.takeOver(run), ScriptedModel.saying())).toBe('over');

    expect((await bench.lines(run)).slice(2)).toEqual(['1.3 done completed end_turn 10/7 in 1']);
    expect(await bench.find(run.id)).toMatchObject({
      status: 'completed',
      stopReason: 'end_turn',
      attempt: 2,
      lastEventId: `${run.id}.1.3`,
      usage: { model_calls: 1, output_tokens: 7 },
    });
  });
});

describe('taking a run over', () => {
  it('runs an interrupted call again when it is idempotent, and otherwise says that its outcome is unknown', async () => {
    bench.addTool('read', () => 'read it', { idempotent: true });
    bench.addTool('pay', () => 'paid');
    const run = await bench.begin();
    const calls = [toolUse('a', 'read'), toolUse('b', 'pay')];
    await bench.attempt(run, ScriptedModel.saying(saying(['Hm. '], calls)), {
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          ledger: over(bench.ledger, {
            finish: async () => {
              await bench.takeOver(run).catch(() => undefined);
              throw new Error('died');
            },
          }),
        },
      ],
    });
    bench.unexpected.length = 0;
    const second = ScriptedModel.saying(saying(['Done.']));
    expect(await bench.attempt(await bench.takeOver(run), second)).toBe('over');

    expect(bench.effects).toEqual(['read a', 'pay b', 'read a']);
    const lines = await bench.lines(run);
    expect(
      lines.filter((line) => /tool_result/.test(line)).map((line) => line.slice(line.indexOf(' ') + 1)),
    ).toEqual(
      expect.arrayContaining([
        'tool_result a "read it"',
        'tool_result b error "Outcome unknown: the server stopped during this call. It may or may not have taken effect; it was not repeated."',
      ]),
    );
    expect(second.complaints).toEqual([]);
    expect((await bench.ledger.list(run)).map(({ state }) => state)).toEqual(['finished', 'outcome_unknown']);
  });

  it('only to cancel it says of an interrupted call that its outcome is unknown, idempotent or not', async () => {
    bench.addTool('read', () => 'read it', { idempotent: true });
    const run = await bench.begin();
    await bench.attempt(run, ScriptedModel.saying(saying([], [toolUse('a', 'read')])), {
      between: (writer, dependencies) => [
        writer,
        {
          ...dependencies,
          ledger: over(bench.ledger, {
            finish: async () => {
              await bench.expire(run.id);
              throw new RunStop('lost');
            },
          }),
        },
      ],
    });
    const signal = AbortSignal.abort(new RunStop('cancel'));
    expect(
      await bench.attempt((await bench.leases.claimToEnd(run.id))!, ScriptedModel.saying(), { signal }),
    ).toBe('over');

    expect((await bench.lines(run)).slice(1)).toEqual([
      '1.2 tool_call a read {}',
      '2.3 tool_result a error "Outcome unknown: the server stopped during this call. It may or may not have taken effect; it was not repeated."',
      '2.4 done cancelled null 10/7 in 1',
    ]);
    await expectUsable(run);
  });
});
