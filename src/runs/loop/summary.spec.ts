import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from '../../../test/support/anthropic/anthropic-sse.js';
import { LoopStage } from '../../../test/support/anthropic/loop-stage.js';
import { openSqlite } from '../../../test/support/databases.js';
import { RunBench } from '../../../test/support/runs/run-bench.js';
import {
  type Beat,
  saying,
  ScriptedModel,
  started,
  text,
  toolUse,
  untilAborted,
} from '../../../test/support/runs/scripted-model.js';
import { metersOn } from '../../../test/support/usage-bench.js';
import { AppError } from '../../errors/app-error.js';
import { ModelError } from '../../model/language-model.js';
import type { Run } from '../run.js';
import { RunStop } from '../run-stop.js';

const AT = { compactAt: 3_000 };
const overflow = () =>
  new ModelError('invalid_request_error', 'prompt is too long', {
    retryable: false,
    isContextOverflow: true,
  });
const overloaded = () => new ModelError('overloaded_error', 'Overloaded', { retryable: true });
const calling = (n: number) => ({ sse: toolReply([], [{ id: 'call_0', name: 'look', input: { n } }]) });
const said = (words: string) => [{ type: 'text', text: words }];

let bench: RunBench;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
});
afterEach(async () => {
  expect(bench.unexpected).toEqual([]);
  await bench.database.close();
});

/** A run in a conversation that is summarised first. */
async function begin(): Promise<Run> {
  const { sessionId } = await long();
  return bench.begin({ sessionId, content: said('and now?') });
}

async function long(): Promise<Run> {
  const run = await bench.begin();
  await bench.attempt(run, ScriptedModel.saying(saying(['word '.repeat(3_000)])));
  return run;
}

async function play(run: Run, ...answers: Beat[][]) {
  const model = ScriptedModel.saying(...answers);
  await bench.attempt(run, model, { limits: AT });
  expect(model.complaints).toEqual([]);
  return { model, lines: await bench.lines(run) };
}

describe('the call for a summary', () => {
  it('that fails for a moment is made again as any call, after the same waits', async () => {
    const { lines } = await play(
      await begin(),
      [overloaded()],
      [overloaded()],
      [overloaded()],
      saying(['Words.']),
      saying(['ok']),
    );

    expect(bench.delays).toEqual([250, 500, 1_000]);
    expect(lines.slice(1)).toEqual(['1.2 token ok', '1.3 done completed end_turn 20/14 in 2']);
  });

  it('that fails for good ends the run with what the provider said', async () => {
    const { lines } = await play(
      await begin(),
      ...[1, 2, 3, 4].map(() => [overloaded()]),
      saying(['too late']),
    );

    expect(lines.slice(1)).toEqual([
      '1.2 error overloaded_error, retryable',
      '1.3 done failed null 0/0 in 0',
    ]);
  });

  it.each([
    ['too long, as with a smaller model', overflow()],
    ['too large', new ModelError('request_too_large', 'too large', { retryable: false })],
  ])('that is itself %s, is made shorter', async (_, refused) => {
    const { model, lines } = await play(await begin(), [refused], saying(['Words.']), saying(['ok']));

    expect(model.requests.map(({ toolChoice }) => toolChoice)).toEqual(['none', 'none', undefined]);
    expect(lines.at(-1)).toBe('1.3 done completed end_turn 20/14 in 2');
  });

  it('that is too long however short fails the run, once', async () => {
    const { model, lines } = await play(await begin(), [overflow()], [overflow()]);

    expect(model.requests).toHaveLength(2);
    expect(lines.at(-2)).toBe('1.2 error invalid_request_error');
  });

  it('that takes longer than a call may is given up and made again', async () => {
    const run = await begin();
    const model = ScriptedModel.saying([started, untilAborted], saying(['Words.']), saying(['ok']));
    await bench.attempt(run, model, { limits: { ...AT, callTimeoutMs: 20 } });

    expect((await bench.lines(run)).at(-1)).toBe('1.3 done completed end_turn 30/15 in 3 estimated');
  });

  it('that is cut off is made once more with more room; then what there is of it is taken', async () => {
    const cut = saying(['Wor'], [], 'max_tokens');
    const { model } = await play(
      await begin(),
      cut,
      saying(['Words, and'], [], 'max_tokens'),
      saying(['ok']),
    );

    expect(model.requests.map(({ maxTokens }) => maxTokens)).toEqual([1_000, 4_000, 1_000]);
    expect(JSON.stringify(model.requests[2]?.messages)).toContain('Words, and');
  });

  it.each([
    ['is refused', saying(['I will not'], [], 'refusal')],
    ['ends in a call', saying(['Let me look.'], [toolUse('a', 'look')])],
    ['has no word', saying([' '])],
  ])('that %s is no summary, whatever was said before', async (_, answer) => {
    const run = await begin();
    const { lines } = await play(run, answer);

    expect(lines.at(-2)).toBe('1.2 error model_failed');
    expect(await bench.messages.findCompaction(run, run.sessionId)).toBeUndefined();
  });

  it.each(['ends', 'throws'] as const)(
    'that is cancelled ends the run at once, and leaves no summary (a model that %s)',
    async (manner) => {
      const run = await begin();
      const cancel = new AbortController();
      const stop = () => cancel.abort(new RunStop('cancel'));
      const model = new ScriptedModel(() => [started, text('Half'), stop], manner);
      await bench.attempt(run, model, { limits: AT, signal: cancel.signal });

      expect((await bench.lines(run)).slice(1)).toEqual(['1.2 done cancelled null 10/1 in 1 estimated']);
      expect(await bench.messages.findCompaction(run, run.sessionId)).toBeUndefined();
    },
  );

  it('for which there is no money ends the run, and nothing is asked', async () => {
    const run = await begin();
    const meters = metersOn(bench.database, { run: { tokens: 500 } });
    const model = ScriptedModel.saying();
    await bench.attempt(run, model, {
      limits: AT,
      between: (writer, stores) => [writer, { ...stores, openMeter: (its) => meters.open(its) }],
    });

    expect(model.requests).toEqual([]);
    expect((await bench.lines(run)).at(-2)).toBe('1.2 error budget_exceeded');
  });
});

describe('a summary', () => {
  it('that was stored before the process died is used by the next, and not made again', async () => {
    const run = await begin();
    const model = ScriptedModel.saying(saying(['Words.']), [new AppError('fenced', 'gone')]);
    await bench.attempt(run, model, { limits: AT });
    const next = await play(await bench.takeOver(run), saying(['ok']));

    expect(JSON.stringify(next.model.requests[0]?.messages)).toContain('Words.');
    expect(next.lines.at(-1)).toMatch(/done completed end_turn 20\/14 in 2/);
  });

  it('is followed at once by what the user sent while it was made', async () => {
    const run = await begin();
    const steer = () =>
      bench.database.transaction(async (trx) => {
        const runId = await bench.inputs.announce(run, trx, run.sessionId);
        await bench.inputs.add(run, trx, runId ?? '', { messageId: 'msg_z', content: said('shorter!') });
      });
    const { model, lines } = await play(run, [steer, ...saying(['Words.'])], saying(['ok']));

    expect(model.requests[1]?.messages.at(-1)?.content).toEqual(said('shorter!'));
    expect(lines.at(-1)).toBe('1.3 done completed end_turn 20/14 in 2');
  });

  it('does not make a later call one with a call that it stands for, though the server names both alike', async () => {
    const stage = await LoopStage.open({ profile: 'ollama' });
    stage.bench.addTool('look', ({ n }) => `${String(n)} `.repeat(6_000));
    const answers = ['Words.', 'More words.', 'ok'].map((words) => ({ sse: textReply([words]) }));
    stage.upstream.answer(calling(1), answers[0]!, calling(2), answers[1]!, answers[2]!);
    const { text: shown, faults } = await stage.say('go', { limits: AT });
    await stage.close();

    expect([shown, faults]).toEqual(['ok', []]);
    expect(stage.bench.effects).toEqual(['look call_0', expect.stringMatching(/^look call_0_cmp_/)]);
  });

  it('is not made where system and tools alone are longer than a prompt may be', async () => {
    for (let n = 0; n < 100; n += 1) bench.addTool(`tool_with_a_long_name_number_${n}`);
    bench.addTool('look', ({ n }) => `result ${String(n)}`);
    const run = await bench.begin();
    const rounds = [1, 2, 3, 4, 5].map((n) => saying([], [toolUse(`c${n}`, 'look', { n })]));
    const { model } = await play(run, ...rounds, saying(['done']));

    expect(model.requests.map(({ toolChoice }) => toolChoice)).toEqual(Array(6).fill(undefined));
  });
});
