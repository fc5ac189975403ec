import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { openSqlite } from '../../test/support/databases.js';
import { over } from '../../test/support/over.js';
import { RunBench } from '../../test/support/runs/run-bench.js';
import { RunNode } from '../../test/support/runs/run-node.js';
import { type Beat, saying, ScriptedModel, toolUse } from '../../test/support/runs/scripted-model.js';
import { until } from '../../test/support/until.js';
import { AppError } from '../errors/app-error.js';
import type { ModelRequest } from '../model/language-model.js';
import { LogRestorer } from './log-restorer.service.js';
import type { Run } from './run.js';

let bench: RunBench;
let node: RunNode;

Logger.overrideLogger(false);

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  bench.addTool('look', () => ({ seen: true }));
  node = new RunNode(bench, new ScriptedModel(answer));
});
afterEach(async () => {
  await node.dispatcher.drain(0);
  await bench.database.close();
});

function answer({ messages }: ModelRequest): Beat[] {
  return messages.length === 1
    ? saying(['Let me ', 'look. '], [toolUse('a', 'look', { at: 1 })])
    : saying(['It is ', 'there.']);
}

const newRestorer = () => new LogRestorer(node.log, bench.runs, bench.messages, bench.ledger);

async function overAndForgotten(): Promise<Run> {
  const run = await node.start();
  await node.ended(run);
  await node.log.remove(run.id);
  return node.find(run);
}

async function waitingRun(): Promise<Run> {
  const asking = new RunNode(bench, new ScriptedModel(answer), { config: { APPROVAL_TOOLS: ['look'] } });
  const { id } = await asking.start();
  await until('the run to wait', async () => (await bench.find(id)).status === 'waiting');
  await asking.dispatcher.drain(0);
  return bench.find(id);
}

describe('a run that waits for a decision', () => {
  it('and whose events are gone goes on, to say all of it again', async () => {
    const run = await waitingRun();
    await node.log.remove(run.id);

    await newRestorer().ensure(run);

    expect(await bench.leases.claimNext()).toMatchObject({ id: run.id, attempt: 2 });
  });

  it('is left alone when nothing is missing, or the log cannot be reached', async () => {
    const run = await waitingRun();
    await newRestorer().ensure(run);
    await node.log.remove(run.id);
    const away = over(node.log, {
      end: () => Promise.reject(new AppError('unavailable', 'The log is away.')),
    });

    expect(await new LogRestorer(away, bench.runs, bench.messages, bench.ledger).ensure(run)).toBe(run);

    expect(await bench.leases.claimNext()).toBeUndefined();
  });
});

describe('a run that is over and whose events are gone', () => {
  it('gets them again from its messages, whole texts at once, under a new attempt', async () => {
    const run = await overAndForgotten();

    const restored = await newRestorer().ensure(run);

    expect(await bench.lines(run)).toEqual([
      '2.1 run completed',
      '2.2 token Let me look. ',
      '2.3 tool_call a look {"at":1}',
      '2.4 tool_result a {"seen":true}',
      '2.5 token It is there.',
      '2.6 done completed end_turn 20/14 in 2',
    ]);
    expect(restored).toMatchObject({ attempt: 2, lastEventId: `${run.id}.2.6`, status: 'completed' });
    expect(await node.find(run)).toMatchObject({ attempt: 2, lastEventId: `${run.id}.2.6` });
    expect(await node.log.has(run.id, 1, 3)).toBe(false);
  });

  it('gets them once, however many processes want to read', async () => {
    const run = await overAndForgotten();
    const restorers = [newRestorer(), newRestorer(), newRestorer()];

    await Promise.all(restorers.flatMap((restorer) => [restorer.ensure(run), restorer.ensure(run)]));

    expect(await bench.lines(run)).toHaveLength(6);
    expect((await node.find(run)).attempt).toBe(2);
  });

  it('is left alone by a process that saw it before another had restored it', async () => {
    const run = await overAndForgotten();
    await newRestorer().ensure(run);
    const late = over(node.log, { end: async () => undefined });

    await new LogRestorer(late, bench.runs, bench.messages, bench.ledger).ensure(run);

    expect((await node.find(run)).attempt).toBe(2);
    expect((await bench.lines(run))[0]).toBe('2.1 run completed');
  });

  it('is known by its new last event also when the process that restored it has died right after that', async () => {
    const run = await overAndForgotten();
    const dying = over(bench.runs, { saveLogEnd: () => Promise.reject(new Error('dead')) });
    await new LogRestorer(node.log, dying, bench.messages, bench.ledger).ensure(run).catch(() => undefined);
    const found = await node.find(run);
    expect(found).toMatchObject({ attempt: 2, lastEventId: run.lastEventId });

    await newRestorer().ensure(found);

    expect(await node.find(run)).toMatchObject({ attempt: 2, lastEventId: `${run.id}.2.6` });
  });

  it('is left as it is when nothing is missing', async () => {
    const run = await node.start();
    const before = await node.ended(run);
    const stored = await node.find(run);

    expect(await newRestorer().ensure(stored)).toBe(stored);
    expect(await bench.lines(run)).toEqual(before);
  });

  it('is begun anew when the process that restored it has died half-way', async () => {
    const run = await overAndForgotten();
    const reopened = (await bench.runs.reopenLog(run, 10_000))!;
    const half = await node.log.writer(run.id, 2);
    await half.append({ type: 'token', data: { text: 'half' } });
    half.close();

    await newRestorer().ensure(reopened);
    expect(await bench.lines(run)).toEqual(['2.1 token half']);
    await bench.expire(run.id);
    await newRestorer().ensure(reopened);

    const lines = await bench.lines(run);
    expect(lines).toHaveLength(6);
    expect(lines[0]).toBe('3.1 run completed');
  });
});
