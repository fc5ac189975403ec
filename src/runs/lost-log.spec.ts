import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { openSqlite } from '../../test/support/databases.js';
import { over } from '../../test/support/over.js';
import { ADA, RunBench } from '../../test/support/runs/run-bench.js';
import { RunNode } from '../../test/support/runs/run-node.js';
import { type Beat, saying, ScriptedModel, toolUse } from '../../test/support/runs/scripted-model.js';
import { AppError } from '../errors/app-error.js';
import type { EventLog } from '../event-log/event-log.js';
import { LogLost } from '../event-log/log-lost.js';
import type { ModelRequest } from '../model/language-model.js';

let bench: RunBench;
let nodes: RunNode[];
let looking: PromiseWithResolvers<void>;
let look: PromiseWithResolvers<string>;

Logger.overrideLogger(false);

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  nodes = [];
  looking = Promise.withResolvers();
  look = Promise.withResolvers();
  bench.addTool('look', () => {
    looking.resolve();
    return look.promise;
  });
});
afterEach(async () => {
  for (const node of nodes) await node.dispatcher.drain(0);
  await bench.database.close();
});

function answer({ messages }: ModelRequest): Beat[] {
  return messages.length === 1
    ? saying(['Let me ', 'look.'], [toolUse('a', 'look', { at: 1 })])
    : saying(['Seen.']);
}

function newNode(changes: (log: EventLog) => Partial<EventLog> = () => ({})): RunNode {
  const node = new RunNode(bench, new ScriptedModel(answer), { log: changes });
  nodes.push(node);
  return node;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise(setImmediate);
}

const forget = (runId: string) => bench.loseLog(runId);

describe('a run whose log is lost while it works', () => {
  it('goes on in its next attempt, with a log that is begun anew from what is stored', async () => {
    const first = newNode();
    const run = await first.start();
    await looking.promise;
    const drained = first.dispatcher.drain(60_000);
    look.resolve('seen');
    await drained;
    await forget(run.id);

    const second = newNode();
    second.dispatcher.kick();
    expect(await second.ended(run)).toEqual([
      '2.1 run running',
      '2.2 token Let me look.',
      '2.3 tool_call a look {"at":1}',
      '2.4 tool_result a "seen"',
      '2.5 token Seen.',
      '2.6 done completed end_turn 20/14 in 2',
    ]);
    expect(bench.effects).toEqual(['look a']);
  });

  it('is given up by its owner when an append is refused for it, and taken anew at once', async () => {
    let isLost = false;
    const node = newNode((log) => ({
      writer: async (...args) => {
        const writer = await log.writer(...args);
        const refused = new AbortController();
        return over(writer, {
          get refused() {
            return AbortSignal.any([writer.refused, refused.signal]);
          },
          append: async (...events) => {
            if (!isLost || args[1] > 1) return writer.append(...events);
            refused.abort(new LogLost(args[0]));
            throw refused.signal.reason;
          },
        });
      },
    }));
    const run = await node.start();
    await looking.promise;
    await forget(run.id);
    isLost = true;
    look.resolve('seen');

    await until(async () => (await bench.find(run.id)).status === 'completed');
    const lines = await bench.lines(run);
    expect(lines[0]).toBe('2.1 run running');
    expect(lines.at(-1)).toBe('2.6 done completed end_turn 20/14 in 2');
    expect(bench.effects).toEqual(['look a']);
  });
});

describe('a run for whose events there is no space', () => {
  it('fails when there is, and says so; the session goes on', async () => {
    let isFull = false;
    let refusals = 0;
    const full = () => {
      refusals += 1;
      if (refusals === 2) isFull = false;
      return new AppError('storage_full', 'full');
    };
    const node = newNode((log) => ({
      writer: async (...args) => {
        const writer = await log.writer(...args);
        const refused = new AbortController();
        return over(writer, {
          get refused() {
            return AbortSignal.any([writer.refused, refused.signal]);
          },
          append: async (...events) => {
            if (!isFull) return writer.append(...events);
            refused.abort(full());
            throw refused.signal.reason;
          },
        });
      },
    }));
    const run = await node.start();
    await looking.promise;
    isFull = true;
    look.resolve('seen');

    expect((await node.ended(run)).slice(4)).toEqual([
      '1.5 tool_call a look {"at":1}',
      '1.6 tool_result a "seen"',
      '1.7 error storage_full, retryable',
      '1.8 done failed null 10/7 in 1',
    ]);
    expect(refusals).toBe(2);
    const next = await node.start({ sessionId: run.sessionId, text: 'again' });
    expect((await node.ended(next)).at(-1)).toMatch(/done completed/);
  });
});

describe('a run whose log cannot be reached from here', () => {
  it('is left to another process', async () => {
    const away = new AppError('unavailable', 'away');
    let isAway = false;
    const cutOff = newNode((log) => ({
      writer: async (...args) => {
        if (isAway) throw away;
        return log.writer(...args);
      },
    }));
    look.resolve('seen');
    const { id } = await bench.queue();
    isAway = true;
    await bench.leases.offerOwn(id);
    cutOff.dispatcher.kick();
    const other = newNode();
    await until(async () => (await bench.find(id)).leaseUntil === 0);
    other.dispatcher.kick();

    expect((await other.ended({ id })).at(-1)).toMatch(/done completed/);
    expect((await bench.runs.find(ADA, id))?.status).toBe('completed');
  });
});
