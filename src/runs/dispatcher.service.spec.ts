import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { openSqlite } from '../../test/support/databases.js';
import { over } from '../../test/support/over.js';
import { RunBench } from '../../test/support/runs/run-bench.js';
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
import { AppError } from '../errors/app-error.js';
import type { LanguageModel, ModelRequest } from '../model/language-model.js';

let bench: RunBench;
let nodes: RunNode[];

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => Logger.overrideLogger(['log', 'error', 'warn']));
beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  nodes = [];
});
afterEach(async () => {
  for (const node of nodes) await node.dispatcher.drain(0);
  await bench.database.close();
});

function newNode(model: LanguageModel, options?: NodeOptions): RunNode {
  const node = new RunNode(bench, model, options);
  nodes.push(node);
  return node;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What was handed to the log by now is durable after this. */
async function committed(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await turn();
}

/** Runs that wait, with nobody to begin them. */
async function queued(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const { id } = await bench.queue();
    await bench.leases.offerOwn(id);
    ids.push(id);
  }
  return ids;
}

/** Answers that take a while; how many there are at one time is counted. */
class Crowd {
  now = 0;
  most = 0;
  readonly model = new ScriptedModel(() => [
    async () => {
      this.now += 1;
      this.most = Math.max(this.most, this.now);
      for (let n = 0; n < 5; n += 1) await turn();
      this.now -= 1;
    },
    ...saying(['ok']),
  ]);
}

describe('the dispatcher', () => {
  it('works on no more runs at a time than it has room for, however they come', async () => {
    const crowd = new Crowd();
    const real = bench.newLeases();
    const leases = over(real, {
      beginOwn: async (id: string) => {
        await turn();
        return real.beginOwn(id);
      },
    });
    const node = newNode(crowd.model, { config: { MAX_ACTIVE_RUNS: 3 }, leases });
    const runs = await Promise.all(Array.from({ length: 10 }, () => node.start()));
    const left = await queued(5);
    node.dispatcher.kick();
    for (const id of [...runs.map(({ id }) => id), ...left]) await node.ended({ id });

    expect(crowd.most).toBe(3);
  });

  it('takes up what was left behind when it starts, and what ends frees room for the next', async () => {
    const ids = await queued(4);
    const dead = await bench.begin();
    await bench.expire(dead.id);
    const node = newNode(new ScriptedModel(() => saying(['ok'])), { config: { MAX_ACTIVE_RUNS: 1 } });
    await node.dispatcher.onApplicationBootstrap();
    for (const id of [...ids, dead.id]) expect((await node.ended({ id })).at(-1)).toMatch(/done completed/);

    expect(node.attached).toEqual([...ids.map((id) => `${id}.1`), `${dead.id}.2`]);
  });

  it('where nobody else makes runs asks for the next at an end only while one may be in the queue', async () => {
    const asked: string[] = [];
    const bob = bench.newLeases();
    const leases = over(bob, {
      claimNext: async (held?: string[]) => {
        const run = await bob.claimNext(held);
        asked.push(run?.id ?? 'none');
        return run;
      },
    });
    const node = newNode(new ScriptedModel(() => saying(['ok'])), { leases });
    const first = await node.start();
    await node.dispatcher.workOn(first.id);
    await committed();
    expect(asked).toEqual(['none']);
    const second = await node.start();
    await node.dispatcher.workOn(second.id);
    await committed();
    expect(asked).toEqual(['none']);

    const third = await node.start();
    const behind = await node.start({ sessionId: third.sessionId });
    await node.ended(behind);
    expect(asked).toContain(behind.id);
  });

  it('where no other process can be alive takes runs of the dead before their leases end', async () => {
    const dead = await bench.begin();
    const node = newNode(new ScriptedModel(() => saying(['ok'])));
    await node.dispatcher.onApplicationBootstrap();

    expect(await node.ended(dead)).toEqual([
      '2.1 run running',
      '2.2 token ok',
      '2.3 done completed end_turn 10/7 in 1',
    ]);
  });

  it('starts on a full disk, and takes runs of the dead once there is space', async () => {
    const dead = await bench.begin();
    const real = bench.newLeases();
    let isFull = true;
    const leases = over(real, {
      releaseDead: () =>
        isFull ? Promise.reject(new AppError('storage_full', 'Full.')) : real.releaseDead(),
    });
    const node = newNode(new ScriptedModel(() => saying(['ok'])), { leases });
    await node.dispatcher.onApplicationBootstrap();
    await committed();
    expect(node.attached).toEqual([]);
    isFull = false;
    node.dispatcher.kick();

    expect((await node.ended(dead)).at(-1)).toMatch(/done completed/);
  });

  it.each(Array.from({ length: 12 }, (_, n) => n))(
    'looks again when it is called while it stops looking, %i microtasks later',
    async (microtasks) => {
      let looks = 0;
      let second: Promise<void> | undefined;
      const late = async () => {
        for (let n = 0; n < microtasks; n += 1) await Promise.resolve();
        node.dispatcher.kick();
      };
      const leases = over(bench.newLeases(), {
        claimNext: async () => {
          looks += 1;
          if (looks === 1) second = late();
          return undefined;
        },
      });
      const node = newNode(new ScriptedModel(() => []), { leases });
      node.dispatcher.kick();
      await turn();
      await second;
      await turn();

      expect(looks).toBe(2);
    },
  );

  it('that cannot reach the database for a moment goes on when it is called again', async () => {
    const [id] = await queued(1);
    const real = bench.newLeases();
    let isAway = true;
    const leases = over(real, {
      claimNext: async () => {
        if (!isAway) return real.claimNext();
        throw new Error('no database');
      },
    });
    const node = newNode(new ScriptedModel(() => saying(['ok'])), { leases });
    node.dispatcher.kick();
    await turn();
    isAway = false;
    node.dispatcher.kick();

    expect(await node.ended({ id: id! })).toHaveLength(3);
  });

  it('ends a run whose time was used up by earlier attempts, without a call of the model', async () => {
    const model = new ScriptedModel(() => saying(['ok']));
    const run = await bench.begin();
    const hour = 3_600_000;
    await bench.database
      .acrossTenants()
      .updateTable('runs')
      .set({ started_at: run.startedAt! - hour, lease_until: 0 })
      .where('id', '=', run.id)
      .execute();
    const node = newNode(model, { config: { RUN_TIMEOUT_MS: hour } });
    node.dispatcher.kick();

    expect(await node.ended(run)).toEqual([
      '2.1 run running',
      '2.2 error run_timeout, retryable',
      '2.3 done failed null 0/0 in 0',
    ]);
    expect(model.requests).toEqual([]);
  });

  it('ends a run that takes too long', async () => {
    const node = newNode(new ScriptedModel(() => [started, text('so far'), untilAborted]), {
      config: { RUN_TIMEOUT_MS: 30 },
    });
    const run = await node.start();

    const [error, done] = (await node.ended(run)).slice(-2);
    expect(error).toMatch(/^1\.\d error run_timeout, retryable$/);
    expect(done).toMatch(/^1\.\d done failed null /);
  });

  it('never takes a run from itself, however late its lease is', async () => {
    const holds = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const model = new ScriptedModel(() => [
      started,
      text('slow'),
      () => holds.resolve(),
      async () => ended.promise,
      ...saying([]).slice(1),
    ]);
    const node = newNode(model);
    const run = await node.start();
    await holds.promise;
    await bench.expire(run.id);
    node.dispatcher.kick();
    await committed();

    expect(model.connections).toBe(1);
    ended.resolve();
    expect((await node.ended(run)).slice(1)).toEqual([
      '1.2 run running',
      '1.3 token slow',
      '1.4 done completed end_turn 10/7 in 1',
    ]);
  });
});

/** Asks for a tool, and answers after its result. */
const twoTurns = ({ messages }: ModelRequest): Beat[] =>
  messages.length === 1 ? saying(['First. '], [toolUse('a', 'look')]) : saying(['Second.']);

describe('a drain', () => {
  it('lets runs come to their next checkpoint and gives them back, so that another process goes on at once', async () => {
    const looking = Promise.withResolvers<void>();
    const look = Promise.withResolvers<string>();
    bench.addTool('look', () => {
      looking.resolve();
      return look.promise;
    });
    const node = newNode(new ScriptedModel(twoTurns));
    const run = await node.start();
    await looking.promise;
    const drained = node.dispatcher.drain(60_000);
    look.resolve('seen');
    await drained;
    expect(node.dispatcher.activeRuns).toBe(0);

    const other = newNode(new ScriptedModel(twoTurns));
    other.dispatcher.kick();

    expect(await other.ended(run)).toEqual([
      '1.1 run queued',
      '1.2 run running',
      '1.3 token First. ',
      '1.4 tool_call a look {}',
      '1.5 tool_result a "seen"',
      '2.6 run running',
      '2.7 token Second.',
      '2.8 done completed end_turn 20/14 in 2',
    ]);
    expect(bench.effects).toEqual(['look a']);
  });

  it('stops what has not come to a checkpoint when the grace is over; the other process takes half a turn back', async () => {
    const hanging = Promise.withResolvers<void>();
    const first = new ScriptedModel(() => [started, text('half'), () => hanging.resolve(), untilAborted]);
    const node = newNode(first);
    const run = await node.start();
    await hanging.promise;
    await committed();
    await node.dispatcher.drain(0);
    expect(first.connections).toBe(0);

    const other = newNode(new ScriptedModel(() => saying(['whole'])));
    other.dispatcher.kick();

    expect((await other.ended(run)).slice(2)).toEqual([
      '1.3 token half',
      '2.4 reset after 1.2: taken_over',
      '2.5 run running',
      '2.6 token whole',
      '2.7 done completed end_turn 20/8 in 2 estimated',
    ]);
  });

  it('takes nothing new; what is started meanwhile waits for another process', async () => {
    const node = newNode(new ScriptedModel(() => saying(['ok'])));
    await node.dispatcher.drain(0);
    const run = await node.start();
    expect(run.status).toBe('queued');

    const other = newNode(new ScriptedModel(() => saying(['ok'])));
    other.dispatcher.kick();

    expect((await other.ended(run)).slice(0, 2)).toEqual(['1.1 run queued', '1.2 run running']);
  });

  it('that begins while a run is being begun waits for it or gives it back', async () => {
    const real = bench.newLeases();
    const beginning = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const leases = over(real, {
      beginOwn: async (id: string) => {
        const run = await real.beginOwn(id);
        beginning.resolve();
        await begun.promise;
        return run;
      },
    });
    const node = newNode(new ScriptedModel(() => saying(['ok'])), { leases });
    const starting = node.start();
    await beginning.promise;
    const drained = node.dispatcher.drain(60_000);
    begun.resolve();
    const run = await starting;
    await drained;
    expect(node.dispatcher.activeRuns).toBe(0);

    const other = newNode(new ScriptedModel(() => saying(['ok'])));
    other.dispatcher.kick();

    expect((await other.ended(run)).at(-1)).toMatch(/done completed/);
  });
});
