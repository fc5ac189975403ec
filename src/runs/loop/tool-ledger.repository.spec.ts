import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import { RunBench } from '../../../test/support/runs/run-bench.js';

const ROUNDS = 50;

const call = (toolCallId: string) => ({
  toolCallId,
  name: 'pay',
  argsHash: 'hash',
  idempotencyKey: `key ${toolCallId}`,
});

onEachDatabase('the tool ledger', (open) => {
  let bench: RunBench;

  beforeEach(async () => {
    bench = new RunBench(await open());
  });
  afterEach(() => bench.database.close());

  const paid = {
    state: 'finished' as const,
    result: { eur: [1, null, 'é'] },
    isError: false,
    durationMs: 12,
  };

  it('has a row from before the effect, and its outcome after it', async () => {
    const run = await bench.begin();

    await bench.ledger.start(run, call('a'));
    expect(await bench.ledger.list(run)).toEqual([
      { toolCallId: 'a', name: 'pay', state: 'started', result: null, isError: false, durationMs: 0 },
    ]);

    await bench.ledger.finish(run, 'a', paid);
    expect(await bench.ledger.list(run)).toEqual([{ toolCallId: 'a', name: 'pay', ...paid }]);
  });

  it('keeps each call of a run once, and the calls of other runs apart', async () => {
    const run = await bench.begin();
    const other = await bench.begin();
    await bench.ledger.start(run, call('a'));

    // Said again, because the answer was lost.
    await bench.ledger.start(run, call('a'));
    await bench.ledger.start(other, call('a'));
    await bench.ledger.finish(other, 'a', { ...paid, state: 'cancelled', isError: true, result: 'no' });

    expect((await bench.ledger.list(run)).map(({ state }) => state)).toEqual(['started']);
    expect(await bench.ledger.list(other)).toMatchObject([
      { state: 'cancelled', isError: true, result: 'no' },
    ]);
  });

  it('keeps a result of nothing as null, and one of 100 KiB whole', async () => {
    const run = await bench.begin();
    await bench.ledger.start(run, call('a'));
    await bench.ledger.finish(run, 'a', { ...paid, result: undefined });
    await bench.ledger.start(run, call('b'));
    const long = 'x\u0000'.repeat(51_200);
    await bench.ledger.finish(run, 'b', { ...paid, result: long });

    const results = new Map(
      (await bench.ledger.list(run)).map(({ toolCallId, result }) => [toolCallId, result]),
    );
    expect(results.get('a')).toBeNull();
    expect(results.get('b') === long).toBe(true);
  });

  it('takes nothing from an attempt that is over', async () => {
    const stale = await bench.begin();
    await bench.ledger.start(stale, call('a'));
    await bench.takeOver(stale);

    await expect(bench.ledger.start(stale, call('b'))).rejects.toMatchObject({ code: 'fenced' });
    await expect(bench.ledger.finish(stale, 'a', paid)).rejects.toMatchObject({ code: 'fenced' });

    expect((await bench.ledger.list(stale)).map(({ toolCallId, state }) => [toolCallId, state])).toEqual([
      ['a', 'started'],
    ]);
  });

  it('has every start that went through when the next owner looks, and takes none after that', async () => {
    let run = await bench.begin();
    for (let round = 1; round <= ROUNDS; round += 1) {
      const id = `call ${round}`;
      await bench.expire(run.id);
      const [[start], taken] = await Promise.all([
        Promise.allSettled([bench.ledger.start(run, call(id))]),
        bench.claim().then(async (taker) => ({ taker, seen: await bench.ledger.list(taker) })),
      ]);

      const isSeen = taken.seen.some(({ toolCallId }) => toolCallId === id);
      expect(isSeen).toBe(start.status === 'fulfilled');
      run = taken.taker;
    }
  });

  it('takes nothing for a run that does not exist', async () => {
    const run = await bench.begin();

    await expect(bench.ledger.start({ ...run, id: 'run_none' }, call('a'))).rejects.toMatchObject({
      code: 'fenced',
    });
    await expect(bench.ledger.finish(run, 'never started', paid)).rejects.toMatchObject({ code: 'fenced' });
  });
});
