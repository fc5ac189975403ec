import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../test/support/databases.js';
import { ADA, RunBench } from '../../test/support/runs/run-bench.js';
import { RunNode } from '../../test/support/runs/run-node.js';
import {
  type Beat,
  saying,
  ScriptedModel,
  started,
  text,
  toolUse,
  untilAborted,
} from '../../test/support/runs/scripted-model.js';
import type { ModelRequest } from '../model/language-model.js';
import type { Run } from './run.js';

let bench: RunBench;
let node: RunNode;
/** The tool `look` is called, and answers when told to. */
let looking: PromiseWithResolvers<void>;
let look: PromiseWithResolvers<string>;
let model: ScriptedModel;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  looking = Promise.withResolvers();
  look = Promise.withResolvers();
  bench.addTool('look', () => {
    looking.resolve();
    return look.promise;
  });
});
afterEach(async () => {
  await node.dispatcher.drain(0);
  await bench.database.close();
});

function play(script: (request: ModelRequest, call: number) => Beat[]): RunNode {
  model = new ScriptedModel(script);
  return (node = new RunNode(bench, model));
}

const steer = (run: Run, words: string, more: object = {}) =>
  node.start({ sessionId: run.sessionId, text: words, whenBusy: 'steer', ...more });

const said = async (run: Run) =>
  (await bench.history(run.sessionId)).map(
    ({ role, content }) =>
      `${role} ${content[0]?.type === 'text' ? String(content[0]['text']) : content[0]?.type}`,
  );

describe('a message that steers', () => {
  it('joins the active run at its next turn, after the results of its tools', async () => {
    play((_, call) => (call === 1 ? saying(['Looking.'], [toolUse('a', 'look')]) : saying(['Done.'])));
    const run = await node.start({ text: 'go' });
    await looking.promise;

    const one = await steer(run, 'also this');
    const two = await steer(run, 'and that');
    look.resolve('seen');
    const lines = await node.ended(run);

    expect([one.id, two.id]).toEqual([run.id, run.id]);
    expect(await said(run)).toEqual([
      'user go',
      'assistant Looking.',
      'user tool_result',
      'user also this',
      'user and that',
      'assistant Done.',
    ]);
    expect(model.requests).toHaveLength(2);
    expect(lines.at(-1)).toMatch(/done completed/);
    expect(await bench.runs.list(ADA, run.sessionId)).toHaveLength(1);
  });

  it('is answered also when the run was about to end', async () => {
    const last = Promise.withResolvers<void>();
    const told = Promise.withResolvers<void>();
    play((_, call) =>
      call === 1
        ? [started, text('Nearly '), () => last.resolve(), () => told.promise, ...saying(['done.']).slice(1)]
        : saying([`Turn ${call}.`]),
    );
    const run = await node.start({ text: 'go' });
    await last.promise;
    await steer(run, 'wait');
    told.resolve();
    await node.ended(run);

    expect(await said(run)).toEqual(['user go', 'assistant Nearly done.', 'user wait', 'assistant Turn 2.']);
    expect(await node.find(run)).toMatchObject({ status: 'completed', turns: 2 });
  });

  it('starts a run of its own where none is active', async () => {
    play(() => saying(['Hello.']));
    const first = await node.start({ whenBusy: 'steer', text: 'one' });
    await node.ended(first);
    const second = await steer(first, 'two');
    await node.ended(second);

    expect(second.id).not.toBe(first.id);
    expect(await said(first)).toEqual(['user one', 'assistant Hello.', 'user two', 'assistant Hello.']);
  });

  it('stays in the conversation when the run is cancelled before it could join', async () => {
    play(() => [started, text('Half'), () => looking.resolve(), untilAborted]);
    const run = await node.start({ text: 'go' });
    await looking.promise;
    await steer(run, 'not that');
    await node.service.cancel(ADA, run.id);

    expect(await said(run)).toEqual(['user go', 'assistant Half', 'user not that']);
    expect(await bench.inputs.list(run)).toEqual([]);
  });

  it('said twice under one key joins once', async () => {
    play((_, call) => (call === 1 ? saying([], [toolUse('a', 'look')]) : saying(['Done.'])));
    const run = await node.start({ text: 'go' });
    await looking.promise;
    const idempotency = { key: 'k', fingerprint: 'f' };
    const [one, two] = await Promise.all([1, 2].map(() => steer(run, 'once', { idempotency })));
    look.resolve('seen');
    await node.ended(run);

    expect([one!.id, two!.id]).toEqual([run.id, run.id]);
    expect((await said(run)).filter((line) => line === 'user once')).toHaveLength(1);
  });

  it('is taken in by the process that goes on when its owner has died', async () => {
    play((_, call) =>
      call === 1 ? [started, text('Half'), () => looking.resolve(), untilAborted] : saying(['Whole.']),
    );
    const run = await node.start({ text: 'go' });
    await looking.promise;
    await steer(run, 'still');
    await node.dispatcher.drain(0);
    play(() => saying(['Whole.']));
    node.dispatcher.kick();
    await node.ended(run);

    expect(await said(run)).toEqual(['user go', 'user still', 'assistant Whole.']);
  });
});
