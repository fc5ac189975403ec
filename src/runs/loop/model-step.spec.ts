import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ModelError } from '../../model/language-model.js';
import { openSqlite } from '../../../test/support/databases.js';
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
} from '../../../test/support/runs/scripted-model.js';

const overflow = () =>
  new ModelError('invalid_request_error', 'prompt is too long: 9 tokens > 8 maximum', {
    retryable: false,
    isContextOverflow: true,
  });

let bench: RunBench;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
});
afterEach(async () => {
  expect(bench.unexpected).toEqual([]);
  await bench.database.close();
});

async function play(answers: Beat[][], options: LoopOptions & { content?: string } = {}) {
  const content = [{ type: 'text', text: options.content ?? 'hello' }];
  const run = await bench.begin({ content });
  const model = ScriptedModel.saying(...answers);
  await bench.attempt(run, model, options);
  expect(model.complaints).toEqual([]);
  return { run, model, lines: await bench.lines(run), stored: await bench.find(run.id) };
}

const texts = (model: ScriptedModel, call: number) =>
  model.requests[call - 1]?.messages.map(({ role, content }) => [
    role,
    ...content.map((part) => part['text'] ?? part.type),
  ]);

describe('an answer without a word after tool results', () => {
  it('is asked for once more, and its answer ends the run', async () => {
    bench.addTool('look');
    const { model, lines } = await play([
      saying([], [toolUse('a', 'look')]),
      [started, stopped('end_turn')],
      saying(['It is fine.']),
    ]);

    expect(texts(model, 3)).toEqual([
      ['user', 'hello'],
      ['assistant', 'tool_use'],
      ['user', 'tool_result'],
      ['user', 'You have not said anything. Please answer, or say what is missing.'],
    ]);
    expect(lines.slice(-2)).toEqual(['1.4 token It is fine.', '1.5 done completed end_turn 30/21 in 3']);
  });

  it('is left as it is when the run has no turn left', async () => {
    bench.addTool('look');
    const silent = [started, stopped('end_turn')];
    const { lines } = await play([saying([], [toolUse('a', 'look')]), silent], { limits: { maxTurns: 2 } });

    expect(lines.at(-1)).toBe('1.4 done completed end_turn 20/14 in 2');
  });

  it('twice ends the run as it is', async () => {
    bench.addTool('look');
    const silent = [started, stopped('end_turn')];
    const { lines, stored } = await play([saying([], [toolUse('a', 'look')]), silent, silent]);

    expect(lines.at(-1)).toBe('1.4 done completed end_turn 30/21 in 3');
    expect(stored.status).toBe('completed');
  });
});

const same = (n: number) => saying([], [toolUse(`c${n}`, 'look', { q: 1 })]);
const broken = (n: number) => saying([], [toolUse(`c${n}`, 'look', { INVALID_JSON: `{"q": ${n}` })]);

describe('a model that goes in circles', () => {
  it('is stopped when the same calls had the same results five times in a row', async () => {
    bench.addTool('look', () => 'nothing');
    const { lines, stored } = await play([1, 2, 3, 4, 5].map(same));

    expect(bench.effects).toHaveLength(5);
    expect(stored).toMatchObject({ status: 'failed', errorCode: 'repeated_calls' });
    expect(lines.at(-2)).toMatch(/error repeated_calls$/);
  });

  it('may go on as long as something changes', async () => {
    let asked = 0;
    bench.addTool('look', () => (asked += 1));
    const { stored } = await play([...[1, 2, 3, 4, 5, 6].map(same), saying(['done'])]);

    expect(bench.effects).toHaveLength(6);
    expect(stored.status).toBe('completed');
  });

  it('is judged by its own run: the next message of the session is answered', async () => {
    bench.addTool('look', () => 'nothing');
    const { run } = await play([1, 2, 3, 4, 5].map(same));
    const next = await bench.begin({ sessionId: run.sessionId, content: [{ type: 'text', text: 'stop' }] });
    await bench.attempt(next, ScriptedModel.saying(saying(['Sorry.'])));

    expect((await bench.find(next.id)).status).toBe('completed');
  });

  it('is none that does the same once for each of seven messages', async () => {
    bench.addTool('look', () => 'nothing');
    let { run } = await play([same(0), saying(['nothing'])]);
    for (const n of [1, 2, 3, 4, 5, 6]) {
      const { sessionId } = run;
      run = await bench.begin({ sessionId, content: [{ type: 'text', text: 'look again' }] });
      await bench.attempt(run, ScriptedModel.saying(same(n), saying(['nothing'])));
      expect((await bench.find(run.id)).status).toBe('completed');
    }
  });

  it('is stopped when its arguments were no JSON three times in a row', async () => {
    bench.addTool('look');
    const { stored } = await play([1, 2, 3].map(broken));

    expect(bench.effects).toEqual([]);
    expect(stored).toMatchObject({ status: 'failed', errorCode: 'invalid_calls' });
  });
});

describe('a prompt that is too long for the model', () => {
  it('is taken in as a summary of it, and asked once more', async () => {
    bench.addTool('look', () => 'the river is high');
    const { model, lines } = await play([
      saying(['Looking.'], [toolUse('a', 'look')]),
      [overflow()],
      saying(['They asked for the river. It is high.']),
      saying(['High water.']),
    ]);

    expect(model.requests[2]).toMatchObject({ toolChoice: 'none' });
    expect(texts(model, 3)?.slice(0, 3)).toEqual([
      ['user', 'hello'],
      ['assistant', 'Looking.', 'tool_use'],
      ['user', 'tool_result'],
    ]);
    expect(texts(model, 4)).toEqual([
      [
        'user',
        expect.stringContaining('They asked for the river. It is high.'),
        expect.stringMatching(/^Go on/),
      ],
    ]);
    expect(lines).toEqual([
      '1.1 run running',
      '1.2 token Looking.',
      '1.3 tool_call a look {}',
      '1.4 tool_result a "the river is high"',
      '1.5 token High water.',
      '1.6 done completed end_turn 30/21 in 3',
    ]);
  });

  it('after the summary as well fails the run with what the provider said', async () => {
    bench.addTool('look');
    const { stored, lines } = await play([
      saying([], [toolUse('a', 'look')]),
      [overflow()],
      saying(['A summary.']),
      [overflow()],
    ]);

    expect(stored).toMatchObject({ status: 'failed', errorCode: 'invalid_request_error' });
    expect(lines.filter((line) => /^\S+ done /.test(line))).toHaveLength(1);
  });

  it('is not summarised when it is one message, of which nothing can be left out', async () => {
    const { model, stored } = await play([[overflow()]]);

    expect(model.requests).toHaveLength(1);
    expect(stored.errorCode).toBe('invalid_request_error');
  });

  it('told in mid-answer leaves what was shown where there is nothing to summarise', async () => {
    const end = [block(0, { type: 'text', text: '' }), stopped('model_context_window_exceeded')];
    const { run, lines } = await play([[started, text('Ha'), ...end]]);

    expect(lines.slice(1)).toEqual([
      '1.2 token Ha',
      '1.3 done completed model_context_window_exceeded 10/7 in 1',
    ]);
    expect((await bench.history(run.sessionId)).at(-1)?.content).toEqual([{ type: 'text', text: 'Ha' }]);
  });

  it('told in mid-answer is taken back before the summary', async () => {
    bench.addTool('look');
    const { lines } = await play([
      saying([], [toolUse('a', 'look')]),
      [started, text('Ha'), block(0, { type: 'text', text: '' }), stopped('model_context_window_exceeded')],
      saying(['A summary.']),
      saying(['Done.']),
    ]);

    expect(lines.slice(3)).toEqual([
      '1.4 token Ha',
      '1.5 reset after 1.3: context_overflow',
      '1.6 token Done.',
      '1.7 done completed end_turn 40/28 in 4',
    ]);
  });
});

describe('a conversation near its limit', () => {
  it('is summarised before the model is asked, with what the user said last kept as it is', async () => {
    const long = 'word '.repeat(2_000);
    const first = await play([saying([long])], { limits: { compactAt: 3_000 } });
    const sessionId = first.run.sessionId;
    const next = await bench.begin({ sessionId, content: [{ type: 'text', text: 'and now?' }] });
    const model = ScriptedModel.saying(saying(['Many words were said.']), saying(['Nothing.']));
    await bench.attempt(next, model, { limits: { compactAt: 3_000 } });

    expect(texts(model, 2)).toEqual([['user', expect.stringContaining('Many words were said.'), 'and now?']]);
    expect((await bench.history(sessionId)).map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    expect(await bench.lines(next)).toEqual([
      '1.1 run running',
      '1.2 token Nothing.',
      '1.3 done completed end_turn 20/14 in 2',
    ]);
  });

  it('whose last message alone is too long is sent as it is', async () => {
    const { model, stored } = await play([saying(['ok'])], {
      content: 'word '.repeat(2_000),
      limits: { compactAt: 3_000 },
    });

    expect(model.requests).toHaveLength(1);
    expect(stored.status).toBe('completed');
  });
});

describe('reasoning', () => {
  const signed = { type: 'thinking', thinking: '', signature: 'sig' };

  it('goes back as it came while nothing before it has changed, and is left out afterwards', async () => {
    const first = await play([
      [started, block(0, signed), text('One.', 1), block(1, { type: 'text', text: '' }), stopped('end_turn')],
    ]);
    const sessionId = first.run.sessionId;
    const ask = async () => {
      const next = await bench.begin({ sessionId, content: [{ type: 'text', text: 'more' }] });
      const model = ScriptedModel.saying(saying(['Two.']));
      await bench.attempt(next, model);
      return texts(model, 1);
    };

    expect((await ask())?.[1]).toEqual(['assistant', 'thinking', 'One.']);
    bench.addTool('new_tool');
    expect((await ask())?.[1]).toEqual(['assistant', 'One.']);
  });
});

const refused = () =>
  new ModelError('invalid_request_error', 'Could not process image', { retryable: false });

describe('a message that the provider refuses', () => {
  it('stays in the conversation, and is not sent again with the next one', async () => {
    const first = await play([saying(['Hi.'])], { content: 'hello' });
    const sessionId = first.run.sessionId;
    const bad = await bench.begin({ sessionId, content: [{ type: 'text', text: 'a broken picture' }] });
    await bench.attempt(bad, ScriptedModel.saying([refused()]));
    const next = await bench.begin({ sessionId, content: [{ type: 'text', text: 'and now?' }] });
    const model = ScriptedModel.saying(saying(['Fine.']));
    await bench.attempt(next, model);

    expect(texts(model, 1)).toEqual([
      ['user', 'hello'],
      ['assistant', 'Hi.'],
      ['user', 'and now?'],
    ]);
    expect((await bench.history(sessionId)).map(({ stopReason }) => stopReason)).toEqual([
      null,
      'end_turn',
      'not_accepted',
      null,
      'end_turn',
    ]);
  });

  it('after an answer of the same run is sent again: the answer belongs to it', async () => {
    bench.addTool('look');
    const { run } = await play([saying([], [toolUse('a', 'look')]), [refused()]]);

    expect((await bench.history(run.sessionId)).map(({ stopReason }) => stopReason)).toEqual([
      null,
      'tool_use',
      null,
    ]);
  });
});

describe('what a run asks its model with', () => {
  const signed = { type: 'thinking', thinking: '', signature: 'sig' };
  const thinkingCall: Beat[] = [
    started,
    block(0, signed),
    block(1, toolUse('a', 'sign')),
    stopped('tool_use'),
  ];

  it('stays the same when another attempt goes on with it, whatever was changed meanwhile', async () => {
    bench.addTool('sign', () => 'signed', { approval: 'always' });
    const run = await bench.begin();
    const first = ScriptedModel.saying(thinkingCall);
    expect(await bench.attempt(run, first)).toBe('parked');
    await bench.sessions.save(run, run.sessionId, { system: 'Another prompt.' });
    bench.addTool('a_new_tool');
    await bench.runs.wake(run);
    await bench.database
      .acrossTenants()
      .updateTable('runs')
      .set({ wake_at: 0 })
      .where('id', '=', run.id)
      .execute();
    await bench.database
      .acrossTenants()
      .updateTable('tool_calls')
      .set({ decision: 'approve', decided_at: 1 })
      .where('run_id', '=', run.id)
      .execute();
    const second = ScriptedModel.saying(saying(['Done.']));
    expect(await bench.attempt(await bench.claim(), second)).toBe('over');

    const { system, tools } = first.requests[0]!;
    expect(second.requests[0]).toMatchObject({ system, tools });
    expect(texts(second, 1)).toEqual([
      ['user', expect.any(String)],
      ['assistant', 'thinking', 'tool_use'],
      ['user', 'tool_result'],
    ]);
  });

  it('is kept no longer than the run', async () => {
    bench.addTool('sign');
    const { run } = await play([thinkingCall, saying(['Done.'])]);

    expect(await bench.frames.find(run, run.id)).toBeUndefined();
  });
});
