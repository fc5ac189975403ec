import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { openSqlite } from '../../../test/support/databases.js';
import { type Manner, Mortal } from '../../../test/support/runs/mortal.js';
import { ADA, RunBench } from '../../../test/support/runs/run-bench.js';
import { saying, ScriptedModel, toolUse } from '../../../test/support/runs/scripted-model.js';
import type { ModelRequest } from '../../model/language-model.js';
import { DecisionRepository } from '../queue/decision.repository.js';
import type { Run } from '../run.js';
import { RunStop } from '../run-stop.js';

const MANNERS: Manner[] = ['throws', 'hangs'];
const PAY = toolUse('a', 'pay', { eur: 5 });

let bench: RunBench;
let decisions: DecisionRepository;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  decisions = new DecisionRepository(bench.database);
});
afterEach(() => bench.database.close());

/** Calls first, then says that it is done: the same to the same conversation, whoever asks. */
function calling(...calls: ReturnType<typeof toolUse>[]): ScriptedModel {
  return new ScriptedModel(({ messages }: ModelRequest) =>
    messages.some(({ role }) => role === 'assistant') ? saying(['Done.']) : saying([], calls),
  );
}

const decide = (run: Run, id: string, decision: 'approve' | 'deny', reason: string | null = null) =>
  decisions.decide(ADA, run.id, id, { decision, reason });

async function statesOf(run: Run): Promise<string[]> {
  return (await bench.ledger.list(run)).map(({ toolCallId, state }) => `${toolCallId} ${state}`);
}

const never = () => new Promise<never>(() => undefined);

/** What the model was told of its calls. */
function toldOf(model: ScriptedModel): unknown {
  return model.requests.at(-1)?.messages.at(-1)?.content;
}

describe('a call that a person has to allow', () => {
  beforeEach(() => {
    bench.addTool('pay', () => 'paid', { approval: 'always' });
    bench.addTool('read', () => 'read');
  });

  it('waits, without a process, and is made once when it is approved', async () => {
    const run = await bench.begin();
    expect(await bench.attempt(run, calling(PAY))).toBe('parked');
    expect(bench.effects).toEqual([]);
    expect(await statesOf(run)).toEqual(['a waiting']);
    await decide(run, 'a', 'approve');

    expect(await bench.attempt(await bench.claim(), calling(PAY))).toBe('over');

    expect(bench.effects).toEqual(['pay a']);
    expect(await statesOf(run)).toEqual(['a finished']);
    expect(await bench.lines(run)).toEqual([
      '1.1 run running',
      '1.2 tool_call a pay {"eur":5}',
      '1.3 approval a pay {"eur":5}',
      '1.4 run waiting',
      '2.5 run running',
      '2.6 tool_result a "paid"',
      '2.7 token Done.',
      expect.stringMatching(/^2\.8 done completed end_turn /),
    ]);
  });

  it.each([
    ['too dear', 'Denied by the user: too dear'],
    [null, 'Denied by the user.'],
  ])('is not made when it is denied, and the model is told why (%j)', async (reason, told) => {
    const run = await bench.begin();
    await bench.attempt(run, calling(PAY));
    await decide(run, 'a', 'deny', reason);

    const model = calling(PAY);
    expect(await bench.attempt(await bench.claim(), model)).toBe('over');

    expect(bench.effects).toEqual([]);
    expect(await statesOf(run)).toEqual(['a denied']);
    expect(toldOf(model)).toEqual([{ type: 'tool_result', tool_use_id: 'a', content: told, is_error: true }]);
    expect(await bench.lines(run)).toContain(`2.6 tool_result a error ${JSON.stringify(told)}`);
    expect(model.complaints).toEqual([]);
  });

  it('is not made when nobody decides in time', async () => {
    const run = await bench.begin();
    const model = calling(PAY);

    expect(await bench.attempt(run, model, { approvals: { timeoutMs: 0 } })).toBe('over');

    expect(bench.effects).toEqual([]);
    expect(await statesOf(run)).toEqual(['a expired']);
    expect((await bench.lines(run)).slice(0, 4)).toEqual([
      '1.1 run running',
      '1.2 tool_call a pay {"eur":5}',
      '1.3 approval a pay {"eur":5}',
      '1.4 tool_result a error "Not executed: nobody decided in time whether it may be."',
    ]);
  });

  it('does not hold up those beside it, and all are answered in order', async () => {
    const calls = [PAY, toolUse('b', 'read'), toolUse('c', 'pay')];
    const run = await bench.begin();
    expect(await bench.attempt(run, calling(...calls))).toBe('parked');
    expect(bench.effects).toEqual(['read b']);
    await decide(run, 'c', 'approve');
    expect(await bench.leases.claimNext()).toBeUndefined();
    await decide(run, 'a', 'deny', 'no');

    const model = calling(...calls);
    expect(await bench.attempt(await bench.claim(), model)).toBe('over');

    expect(bench.effects).toEqual(['read b', 'pay c']);
    expect(toldOf(model)).toEqual([
      { type: 'tool_result', tool_use_id: 'a', content: 'Denied by the user: no', is_error: true },
      { type: 'tool_result', tool_use_id: 'b', content: 'read' },
      { type: 'tool_result', tool_use_id: 'c', content: 'paid' },
    ]);
    const lines = await bench.lines(run);
    expect(lines.filter((line) => line.includes('approval'))).toHaveLength(2);
    expect(lines.findIndex((line) => line.includes('tool_result b'))).toBeLessThan(
      lines.indexOf(lines.find((line) => line.endsWith('run waiting'))!),
    );
  });

  it('that is decided while others run goes on with them, and the run does not come to wait', async () => {
    const run = await bench.begin();
    bench.addTool('slow', async () => {
      while (!(await statesOf(run)).includes('a waiting'));
      await decide(run, 'a', 'approve');
    });

    expect(await bench.attempt(run, calling(PAY, toolUse('b', 'slow')))).toBe('over');

    expect(bench.effects).toEqual(['slow b', 'pay a']);
    expect((await bench.lines(run)).filter((line) => line.includes(' run '))).toEqual(['1.1 run running']);
  });

  it('is answered as cancelled when the run is', async () => {
    const run = await bench.begin();
    await bench.attempt(run, calling(PAY));
    await bench.runs.requestCancel(run);
    const taken = await bench.newLeases().claimToEnd(run.id);

    const signal = AbortSignal.abort(new RunStop('cancel'));
    expect(await bench.attempt(taken!, calling(PAY), { signal })).toBe('over');

    expect(await statesOf(run)).toEqual(['a cancelled']);
    expect((await bench.lines(run)).slice(3)).toEqual([
      '1.4 run waiting',
      '2.5 tool_result a error "Not executed: the run was stopped."',
      expect.stringMatching(/^2\.6 done cancelled null /),
    ]);
    await expect(decide(run, 'a', 'approve')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is not asked for again after a death in the middle of it: its outcome is unknown', async () => {
    const run = await bench.begin();
    await bench.attempt(run, calling(PAY));
    await decide(run, 'a', 'approve');
    const second = await bench.claim();
    const [entry] = await bench.ledger.list(run);
    await bench.ledger.startApproved(second, {
      toolCallId: 'a',
      name: 'pay',
      argsHash: entry!.approval!.argsHash,
      idempotencyKey: 'key',
    });

    expect(await bench.attempt(await bench.takeOver(second), calling(PAY))).toBe('over');

    expect(bench.effects).toEqual([]);
    expect(await statesOf(run)).toEqual(['a outcome_unknown']);
    const lines = await bench.lines(run);
    expect(lines.filter((line) => line.includes('approval'))).toHaveLength(1);
    expect(lines.find((line) => line.includes('tool_result'))).toMatch(/error "Outcome unknown/);
  });

  it('with other arguments than were shown is another call: it is asked for anew', async () => {
    const run = await bench.begin();
    await bench.attempt(run, calling(PAY));
    await decide(run, 'a', 'approve');
    await sql`update messages set content_json = replace(content_json, '"eur":5', '"eur":500')`.execute(
      bench.database.kysely,
    );

    const second = await bench.claim();
    expect(await bench.attempt(second, calling(PAY))).toBe('parked');

    expect(bench.effects).toEqual([]);
    expect((await bench.lines(run)).slice(4)).toEqual([
      '2.5 run running',
      '2.6 approval a pay {"eur":500}',
      '2.7 run waiting',
    ]);
    await decide(run, 'a', 'approve');
    expect(await bench.attempt(await bench.claim(), calling(PAY))).toBe('over');
    expect(bench.effects).toEqual(['pay a']);
  });

  it('is told anew when the log was lost', async () => {
    const run = await bench.begin();
    await bench.attempt(run, calling(PAY));
    await bench.log.remove(run.id);
    await bench.database
      .acrossTenants()
      .updateTable('runs')
      .set({ wake_at: 0 })
      .where('id', '=', run.id)
      .execute();

    expect(await bench.attempt(await bench.claim(), calling(PAY))).toBe('parked');

    expect(await bench.lines(run)).toEqual([
      '2.1 run running',
      '2.2 tool_call a pay {"eur":5}',
      '2.3 approval a pay {"eur":5}',
      '2.4 run waiting',
    ]);
  });
});

/** Lives until `last` writes are stored; whoever follows goes on, and a person approves when asked. */
async function afterDeath(last: number, manner: Manner): Promise<{ run: Run; writes: number }> {
  bench.effects.length = 0;
  const begun = await bench.begin();
  const mortal = new Mortal(last, manner);
  let run: Run | undefined = begun;
  let between: typeof mortal.between | undefined = mortal.between;
  for (let attempts = 0; attempts < 6; attempts += 1) {
    const attempt = bench.attempt(run, calling(PAY, toolUse('b', 'read')), {
      ...(between && { between }),
    });
    await Promise.race([attempt, mortal.writes >= last ? attempt : mortal.died]);
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    if (mortal.writes >= last) between = undefined;
    const { status } = await bench.find(begun.id);
    if (status === 'completed') break;
    if (status === 'waiting') await decide(begun, 'a', 'approve');
    else await bench.expire(begun.id);
    run = await bench.claim();
  }
  return { run: await bench.find(begun.id), writes: mortal.writes };
}

describe('a process that dies at any write of a run that waits', () => {
  it.each(MANNERS)('repeats no effect, and asks for each call once (%s)', async (manner) => {
    bench.addTool('pay', () => 'paid', { approval: 'always' });
    bench.addTool('read', () => 'read', { idempotent: true });
    const { writes } = await afterDeath(Infinity, 'throws');
    expect(writes).toBeGreaterThan(12);
    for (let last = 1; last < writes; last += 1) {
      const { run } = await afterDeath(last, manner);
      const lines = await bench.lines(run);
      const count = (what: string) => lines.filter((line) => line.includes(` ${what}`)).length;
      expect([last, run.status]).toEqual([last, 'completed']);
      expect([last, bench.effects.filter((effect) => effect === 'pay a').length <= 1]).toEqual([last, true]);
      expect([last, count('approval a'), count('tool_call a'), count('tool_result a')]).toEqual([
        last,
        1,
        1,
        1,
      ]);
      expect(lines.map((line) => line.slice(2, line.indexOf(' ')))).toEqual(lines.map((_, n) => `${n + 1}`));
    }
  });
});

describe('whether a call must be allowed', () => {
  it.each<[string, Parameters<RunBench['addTool']>[2], boolean]>([
    ['never', { approval: 'never' }, false],
    ['nothing', {}, false],
    ['always', { approval: 'always' }, true],
    ['a function that says true', { approval: () => true }, true],
    ['a function that says false', { approval: () => false }, false],
    ['a function that says always', { approval: () => 'always' }, true],
    ['a function that says never', { approval: () => 'never' }, false],
    ['a function that says never later', { approval: () => Promise.resolve('never') }, false],
    ['a function that says true later', { approval: () => Promise.resolve(true) }, true],
    ['a function that says something else', { approval: () => undefined as unknown as boolean }, true],
    ['a function that says nothing in time', { approval: never }, true],
    [
      'a function that throws',
      {
        approval: () => {
          throw new Error('no');
        },
      },
      true,
    ],
    ['a function that rejects', { approval: () => Promise.reject(new Error('no')) }, true],
  ])('is said by the tool: %s', async (_name, options, isAsked) => {
    bench.addTool('pay', () => 'paid', options);
    const run = await bench.begin();

    const result = await bench.attempt(run, calling(PAY), { limits: { toolTimeoutMs: 100 } });

    expect(result).toBe(isAsked ? 'parked' : 'over');
    expect(bench.effects).toEqual(isAsked ? [] : ['pay a']);
  });

  it.each([
    [['pay'], 'parked'],
    [['other', 'p*'], 'parked'],
    [['*'], 'parked'],
    [['pa'], 'over'],
    [['payment*'], 'over'],
  ])('is said by the operator, whatever the tool says: %j', async (tools, result) => {
    bench.addTool('pay', () => 'paid', { approval: 'never' });

    expect(await bench.attempt(await bench.begin(), calling(PAY), { approvals: { tools } })).toBe(result);
  });

  it('is not asked for a call that cannot be made', async () => {
    bench.addTool('pay', () => 'paid', { approval: 'always' });
    const calls = [
      toolUse('a', 'nothing'),
      toolUse('b', 'pay', { INVALID_JSON: '{"eur":' }),
      toolUse('c', 'pay', 'text'),
    ];
    const run = await bench.begin();

    expect(await bench.attempt(run, calling(...calls), { approvals: { tools: ['*'] } })).toBe('over');

    const lines = await bench.lines(run);
    expect(lines.filter((line) => line.includes('approval'))).toEqual([]);
    expect(lines.filter((line) => line.includes('tool_result')).length).toBe(3);
    expect(lines.filter((line) => line.includes(' error ')).length).toBe(3);
    expect(bench.effects).toEqual([]);
  });

  it('is decided by the arguments and the person, and nothing that a rule does to them is executed', async () => {
    const asked: unknown[] = [];
    const got: unknown[] = [];
    bench.addTool('pay', (args) => got.push(args), {
      approval: (args, principal) => {
        asked.push([structuredClone(args), principal.userId]);
        args['eur'] = 1;
        return false;
      },
    });

    await bench.attempt(await bench.begin(), calling(PAY));

    expect(asked).toEqual([[{ eur: 5 }, ADA.userId]]);
    expect(got).toEqual([{ eur: 5 }]);
  });
});
