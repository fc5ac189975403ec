import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../test/support/databases.js';
import { ADA, RunBench } from '../../test/support/runs/run-bench.js';
import { type NodeOptions, RunNode } from '../../test/support/runs/run-node.js';
import {
  type Beat,
  saying,
  ScriptedModel,
  started,
  text,
  toolUse,
  untilAborted,
} from '../../test/support/runs/scripted-model.js';
import { NO_USAGE } from '../usage/usage-sum.js';

const BOB = { ...ADA, userId: 'usr_bob' };

let bench: RunBench;
let nodes: RunNode[];
/** Resolved when a run that says "hang" has begun to do so. */
let hanging: PromiseWithResolvers<void>;
let model: ScriptedModel;

/** What the last message of the user asks for: "hang" is answered with two words, then nothing more. */
function answer({ messages }: { messages: { content: { [field: string]: unknown }[] }[] }): Beat[] {
  const asked = String(messages.at(-1)?.content[0]?.['text']);
  if (asked === 'hang')
    return [started, text('Half an '), text('answer'), () => hanging.resolve(), untilAborted];
  return saying([`You said ${asked}.`]);
}

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  hanging = Promise.withResolvers();
  model = new ScriptedModel(answer);
  nodes = [];
});
afterEach(async () => {
  for (const node of nodes) await node.dispatcher.drain(0);
  await bench.database.close();
});

/** What was handed to the log by now is durable after this. */
async function committed(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

function newNode(options?: NodeOptions): RunNode {
  const node = new RunNode(bench, model, options);
  nodes.push(node);
  return node;
}

describe('a start', () => {
  it('begins at once when nothing is before it, and is followed from its first event to the last', async () => {
    const node = newNode();
    const run = await node.start({ text: 'hi' });

    expect(run).toMatchObject({ status: 'running', attempt: 1, number: 1, model: 'scripted' });
    expect(await node.ended(run)).toEqual([
      '1.1 run queued',
      '1.2 run running',
      '1.3 token You said hi.',
      '1.4 done completed end_turn 10/7 in 1',
    ]);
    expect(await node.find(run)).toMatchObject({ status: 'completed', lastEventId: `${run.id}.1.4` });
  });

  it('waits behind the runs of its session, which go one after the other in their order', async () => {
    const node = newNode();
    const first = await node.start({ text: 'hang' });
    await hanging.promise;
    const rest = [];
    for (const word of ['two', 'three', 'four']) {
      rest.push(await node.start({ text: word, sessionId: first.sessionId }));
    }
    expect(rest.map(({ status }) => status)).toEqual(['queued', 'queued', 'queued']);

    await node.service.cancel(ADA, first.id);
    for (const run of rest) await node.ended(run);

    const said = (await bench.history(first.sessionId)).map(({ content }) => content[0]?.['text']);
    expect(said).toEqual([
      'hang',
      'Half an answer',
      'two',
      'You said two.',
      'three',
      'You said three.',
      'four',
      'You said four.',
    ]);
    expect(model.complaints).toEqual([]);
  });

  it('of another session does not wait', async () => {
    const node = newNode();
    await node.start({ text: 'hang' });
    await hanging.promise;

    expect(await node.ended(await node.start())).toHaveLength(4);
  });

  it('is refused in a busy session when it asks for that, and leaves nothing', async () => {
    const node = newNode();
    const first = await node.start({ text: 'hang' });
    await hanging.promise;

    const refused = node.start({ sessionId: first.sessionId, whenBusy: 'reject' });

    await expect(refused).rejects.toMatchObject({ code: 'session_busy' });
    expect(await bench.runs.list(ADA, first.sessionId)).toHaveLength(1);
    await node.service.cancel(ADA, first.id);
    const next = await node.start({ sessionId: first.sessionId, whenBusy: 'reject' });
    expect((await node.ended(next)).at(-1)).toMatch(/done completed/);
  });

  it('that interrupts ends what is open in its session first, also what only waits', async () => {
    const node = newNode();
    const first = await node.start({ text: 'hang' });
    await hanging.promise;
    const second = await node.start({ sessionId: first.sessionId, text: 'never' });

    const third = await node.start({ sessionId: first.sessionId, text: 'now', whenBusy: 'interrupt' });

    expect(await node.ended(third)).toHaveLength(4);
    expect((await node.find(first)).status).toBe('cancelled');
    expect(await node.ended(second)).toEqual(['1.1 run queued', '1.2 done cancelled null 0/0 in 0']);
    expect((await bench.history(first.sessionId)).map(({ content }) => content[0]?.['text'])).toEqual([
      'hang',
      'Half an answer',
      'now',
      'You said now.',
    ]);
  });

  it('of somebody else’s session, or of none, is refused as not found', async () => {
    const node = newNode();
    const sessionId = await bench.newSession();

    await expect(node.start({ sessionId, principal: BOB })).rejects.toMatchObject({ code: 'not_found' });
    await expect(node.start({ sessionId: 'ses_none' })).rejects.toMatchObject({ code: 'not_found' });
    expect(await bench.runs.list(ADA, sessionId)).toEqual([]);
  });

  it('said again with its key answers with the same run, which is not run again', async () => {
    const node = newNode();
    const idempotency = { key: 'k', fingerprint: 'f' };
    const all = await Promise.all(Array.from({ length: 20 }, () => node.start({ idempotency })));

    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    await node.ended(all[0]!);
    expect((await node.start({ idempotency })).status).toBe('completed');
    expect(model.requests).toHaveLength(1);
  });

  it('is answered also when its process was so slow that another has taken the run', async () => {
    const other = newNode();
    const node = newNode({
      afterCreate: async (run) => {
        await bench.expire(run.id);
        other.dispatcher.kick();
        await other.ended(run);
      },
    });

    const run = await node.start();

    expect(run).toMatchObject({ status: 'completed', attempt: 2 });
  });
});

describe('a cancel', () => {
  it('of a running run closes the model, then tells what there is of it', async () => {
    const node = newNode();
    const run = await node.start({ text: 'hang' });
    await hanging.promise;
    expect(model.connections).toBe(1);

    const receipt = await node.service.cancel(ADA, run.id);

    expect(model.connections).toBe(0);
    expect(receipt).toEqual({
      runId: run.id,
      status: 'cancelled',
      lastEventId: `${run.id}.1.5`,
      usage: {
        input_tokens: 10,
        output_tokens: 4,
        cache_read_input_tokens: 3,
        cache_creation_input_tokens: 2,
        model_calls: 1,
        estimated: true,
      },
      toolCalls: [],
    });
    expect((await node.ended(run)).slice(2)).toEqual([
      '1.3 token Half an ',
      '1.4 token answer',
      '1.5 done cancelled null 10/4 in 1 estimated',
    ]);
    expect(await node.service.cancel(ADA, run.id)).toEqual(receipt);
  });

  it('said many times at once gives the same receipt to all', async () => {
    const node = newNode();
    const run = await node.start({ text: 'hang' });
    await hanging.promise;

    const receipts = await Promise.all(Array.from({ length: 10 }, () => node.service.cancel(ADA, run.id)));

    for (const receipt of receipts) expect(receipt).toEqual(receipts[0]);
    expect((await node.ended(run)).filter((line) => line.includes('done'))).toHaveLength(1);
  });

  it('of a run with an open call tells how its calls stand', async () => {
    bench.addTool('hangs', (_, { signal }) => {
      hanging.resolve();
      return untilAborted(signal);
    });
    model = ScriptedModel.saying(saying([], [toolUse('a', 'hangs')]));
    const node = newNode();
    const run = await node.start();
    await hanging.promise;

    const receipt = await node.service.cancel(ADA, run.id);

    expect(receipt.toolCalls).toEqual([{ id: 'a', name: 'hangs', state: 'cancelled' }]);
  });

  it('of a run that waits ends it without a call of the model, and takes its message back', async () => {
    const node = newNode();
    const first = await node.start({ text: 'hang' });
    await hanging.promise;
    const second = await node.start({ sessionId: first.sessionId, text: 'never' });

    const receipt = await node.service.cancel(ADA, second.id);

    expect(receipt).toMatchObject({ status: 'cancelled', usage: NO_USAGE, lastEventId: `${second.id}.1.2` });
    expect(await node.find(first)).toMatchObject({ status: 'running' });
    expect(model.requests).toHaveLength(1);
    await node.service.cancel(ADA, first.id);
    expect((await bench.history(first.sessionId)).map(({ runId }) => runId)).toEqual([first.id, first.id]);
  });

  it('of a run that is over changes nothing', async () => {
    const node = newNode();
    const run = await node.start();
    const lines = await node.ended(run);

    const receipt = await node.service.cancel(ADA, run.id);

    expect(receipt).toMatchObject({ status: 'completed', lastEventId: `${run.id}.1.4` });
    expect(await node.ended(run)).toEqual(lines);
  });

  it('of a run whose process died ends it, with what was stored of it', async () => {
    const dead = newNode();
    const run = await dead.start({ text: 'hang' });
    await hanging.promise;
    await committed();
    await bench.expire(run.id);
    const node = newNode();

    const receipt = await node.service.cancel(ADA, run.id);

    expect(receipt).toMatchObject({ status: 'cancelled', lastEventId: `${run.id}.2.6` });
    expect((await node.ended(run)).slice(2)).toEqual([
      '1.3 token Half an ',
      '1.4 token answer',
      '2.5 reset after 1.2: taken_over',
      '2.6 done cancelled null 0/0 in 1 estimated',
    ]);
  });

  it('that was left on record is carried out by whoever takes the run', async () => {
    const { id, sessionId } = await bench.queue();
    await bench.runs.requestCancel({ ...ADA, id });
    await bench.leases.offerOwn(id);
    const node = newNode();
    node.dispatcher.kick();

    expect(await node.ended({ id })).toEqual(['1.1 run running', '1.2 done cancelled null 0/0 in 0']);
    expect(await bench.history(sessionId)).toHaveLength(1);
    expect(model.requests).toEqual([]);
  });

  it('of somebody else’s run, or of none, is refused as not found', async () => {
    const node = newNode();
    const run = await node.start();

    await expect(node.service.cancel(BOB, run.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(node.service.cancel(ADA, 'run_x')).rejects.toMatchObject({ code: 'not_found' });
    await node.ended(run);
  });

  it('of a run that is just given up for shutdown still ends it', async () => {
    const closing = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    model = new ScriptedModel(() => [
      started,
      async (signal) => {
        hanging.resolve();
        await untilAborted(signal);
        closing.resolve();
        await closed.promise;
      },
    ]);
    const node = newNode();
    const run = await node.start();
    await hanging.promise;
    const drained = node.dispatcher.drain(0);
    await closing.promise;
    const cancelled = node.service.cancel(ADA, run.id);
    await committed();
    closed.resolve();

    const [receipt] = await Promise.all([cancelled, drained]);

    expect(receipt.status).toBe('cancelled');
  });
});

describe('a session', () => {
  it('tells who waits for its next run of it at once, and only of newer ones', async () => {
    const node = newNode();
    const leave = new AbortController();
    const first = await node.start();
    const { sessionId } = first;
    expect((await node.next.wait(ADA, sessionId, 0, leave.signal))?.id).toBe(first.id);

    let next: string | undefined;
    const waiting = (async () => {
      next = (await node.next.wait(ADA, sessionId, 1, leave.signal))?.id;
    })();
    const second = await node.start({ sessionId });
    await committed();

    expect(next).toBe(second.id);
    await waiting;
    const last = node.next.wait(ADA, sessionId, 2, leave.signal);
    leave.abort();
    expect(await last).toBeUndefined();
    await node.ended(second);
  });

  it('is removed with its runs: what runs is ended first, and nothing waits any more', async () => {
    const node = newNode();
    const first = await node.start({ text: 'hang' });
    await hanging.promise;
    const second = await node.start({ sessionId: first.sessionId, text: 'never' });

    const waiting = node.next.wait(ADA, first.sessionId, 2, new AbortController().signal);
    await node.service.remove(ADA, first.sessionId);

    expect(await waiting).toBeUndefined();
    expect(model.connections).toBe(0);
    expect(model.requests).toHaveLength(1);
    expect(await bench.runs.list(ADA, first.sessionId)).toEqual([]);
    expect(await node.log.end(first.id)).toBeUndefined();
    expect(await node.log.end(second.id)).toBeUndefined();
    await expect(node.service.find(ADA, first.id)).rejects.toMatchObject({ code: 'not_found' });
  });
});
