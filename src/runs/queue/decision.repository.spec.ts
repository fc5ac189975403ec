import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import { ADA, RunBench } from '../../../test/support/runs/run-bench.js';
import type { Run } from '../run.js';
import { type Decision, DecisionRepository, type StoredDecision } from './decision.repository.js';

const ROUNDS = 20;
const HOUR = 3_600_000;
const APPROVE: Decision = { decision: 'approve', reason: null };
const DENY: Decision = { decision: 'deny', reason: 'too dear' };
const call = (toolCallId: string) => ({ toolCallId, name: 'pay', argsHash: 'hash', idempotencyKey: 'key' });
const EVE = { ...ADA, userId: 'usr_eve' };

onEachDatabase('decisions', (open) => {
  let bench: RunBench;
  let decisions: DecisionRepository;
  let run: Run;

  beforeEach(async () => {
    bench = new RunBench(await open());
    decisions = new DecisionRepository(bench.database);
    run = await bench.begin();
  });
  afterEach(() => bench.database.close());

  const ask = (id: string, forMs = HOUR) => bench.ledger.ask(run, call(id), forMs);
  const decide = (id: string, said: Decision): Promise<StoredDecision> =>
    decisions.decide(ADA, run.id, id, said);
  const stateOf = async (id: string) => {
    const entry = (await bench.ledger.list(run)).find(({ toolCallId }) => toolCallId === id);
    return [entry?.state, entry?.approval?.decision, entry?.approval?.reason];
  };
  const refused = { state: 'expired' as const, result: 'late', isError: true, durationMs: 0 };

  it('stand from the first on: the same one again is answered alike, another one is refused', async () => {
    await ask('a');

    const first = await decide('a', { decision: 'deny', reason: 'too dear' });

    expect(first).toEqual({
      tool: 'pay',
      decision: 'deny',
      reason: 'too dear',
      decidedAt: expect.any(Number),
    });
    expect(await decide('a', { decision: 'deny', reason: 'said again' })).toEqual(first);
    await expect(decide('a', APPROVE)).rejects.toMatchObject({ code: 'conflict' });
    expect(await stateOf('a')).toEqual(['waiting', 'deny', 'too dear']);
  });

  it('are asked for as long as a call waits for one', async () => {
    expect(await decisions.isAsked(ADA, run.id)).toBe(false);
    await ask('a');
    await ask('b');
    await decide('a', APPROVE);
    expect(await decisions.isAsked(ADA, run.id)).toBe(true);
    expect(await decisions.isAsked({ ...ADA, tenantId: 'globex' }, run.id)).toBe(false);
    await decide('b', DENY);
    expect(await decisions.isAsked(ADA, run.id)).toBe(false);
  });

  it('of an approval and a refusal at the same moment exactly one stands, every time', async () => {
    const won = { approve: 0, deny: 0 };
    for (let round = 0; round < ROUNDS; round += 1) {
      await ask(`c${round}`);
      const both = round % 2 === 0 ? [APPROVE, DENY] : [DENY, APPROVE];

      const answers = await Promise.allSettled(both.map((said) => decide(`c${round}`, said)));

      const stored = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
      const refusals = answers.flatMap((answer) =>
        answer.status === 'rejected' ? [(answer.reason as { code: string }).code] : [],
      );
      expect([stored.length, refusals]).toEqual([1, ['conflict']]);
      const { decision } = stored[0]!;
      won[decision] += 1;
      expect((await stateOf(`c${round}`))[1]).toBe(decision);
    }
    expect(won.approve + won.deny).toBe(ROUNDS);
  });

  it('are not taken when the time is over, whether that was noticed or not', async () => {
    await ask('a', 0);
    await expect(decide('a', APPROVE)).rejects.toMatchObject({ code: 'approval_expired' });

    await bench.ledger.expire(run, 'a', refused);

    expect(await stateOf('a')).toEqual(['expired', null, null]);
    await expect(decide('a', APPROVE)).rejects.toMatchObject({ code: 'approval_expired' });
  });

  it('keep a call from expiring', async () => {
    await ask('a', HOUR);
    await decide('a', APPROVE);
    const expiry = bench.database.of(run).updateTable('tool_calls').set({ expires_at: 0 });
    await expiry.where('run_id', '=', run.id).execute();

    await bench.ledger.expire(run, 'a', refused);

    expect(await stateOf('a')).toEqual(['waiting', 'approve', null]);
    await expect(decide('a', APPROVE)).resolves.toMatchObject({ decision: 'approve' });
  });

  it('are only taken for calls that wait for one', async () => {
    await bench.ledger.start(run, call('started'));
    await ask('cancelled');
    await bench.ledger.finish(run, 'cancelled', { ...refused, state: 'cancelled' });

    for (const id of ['started', 'cancelled'])
      await expect(decide(id, APPROVE)).rejects.toMatchObject({ code: 'conflict' });
    expect(await stateOf('cancelled')).toEqual(['cancelled', null, null]);
  });

  it('of another user, or on what is not there, find nothing', async () => {
    await ask('a');
    const attempts: [typeof ADA, string, string][] = [
      [EVE, run.id, 'a'],
      [{ ...ADA, tenantId: 'other' }, run.id, 'a'],
      [ADA, run.id, 'b'],
      [ADA, 'run_00000000000000000000000000', 'a'],
    ];

    for (const [owner, runId, id] of attempts)
      await expect(decisions.decide(owner, runId, id, APPROVE)).rejects.toMatchObject({ code: 'not_found' });
    await expect(decisions.decide(EVE, run.id, 'a', APPROVE)).rejects.toThrow('There is no such run.');
    expect(await stateOf('a')).toEqual(['waiting', null, null]);
  });

  it('hold for the arguments that were shown: with others the call is asked for anew', async () => {
    await ask('a');
    await decide('a', APPROVE);
    await expect(bench.ledger.startApproved(run, { ...call('a'), argsHash: 'other' })).rejects.toMatchObject({
      code: 'fenced',
    });

    await bench.ledger.ask(run, { ...call('a'), argsHash: 'other' }, HOUR);

    expect(await stateOf('a')).toEqual(['waiting', null, null]);
    await decide('a', DENY);
    await expect(bench.ledger.startApproved(run, { ...call('a'), argsHash: 'other' })).rejects.toMatchObject({
      code: 'fenced',
    });
  });

  it('allow one start, also when that is said twice; a request that is said again changes nothing', async () => {
    const expiresAt = await ask('a');
    expect(await ask('a', 2 * HOUR)).toBe(expiresAt);
    await decide('a', APPROVE);

    await bench.ledger.startApproved(run, call('a'));
    await bench.ledger.startApproved(run, call('a'));

    expect(await stateOf('a')).toEqual(['started', 'approve', null]);
    await expect(decide('a', DENY)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('start nothing for an attempt that is over', async () => {
    await ask('a');
    await decide('a', APPROVE);
    const old = run;
    await bench.takeOver(run);

    for (const write of [
      bench.ledger.startApproved(old, call('a')),
      bench.ledger.ask(old, call('b'), HOUR),
      bench.ledger.park(old),
    ])
      await expect(write).rejects.toMatchObject({ code: 'fenced' });
    expect(await stateOf('a')).toEqual(['waiting', 'approve', null]);
    expect(await stateOf('b')).toEqual([undefined, undefined, undefined]);
  });
});
