import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../test/support/databases.js';
import { RunBench } from '../../test/support/runs/run-bench.js';
import { saying, ScriptedModel } from '../../test/support/runs/scripted-model.js';
import { ModelError } from '../model/language-model.js';
import { Compactions, CompactionStores } from './compactions.service.js';

let bench: RunBench;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
});
afterEach(() => bench.database.close());

function compactions(model: ScriptedModel): Compactions {
  const { database, sessions, messages, runs, agents, registry, meters } = bench;
  const stores = new CompactionStores(database, sessions, messages, runs);
  return new Compactions(stores, model, agents, registry, meters, { MAX_TOKENS: 1000 });
}

async function finished() {
  const run = await bench.begin({ content: [{ type: 'text', text: 'How high is the Rhine?' }] });
  await bench.attempt(run, ScriptedModel.saying(saying(['Four metres.'])));
  return run;
}

describe('a compaction that was asked for', () => {
  it('puts a summary in the place of all that was said; the messages stay', async () => {
    const run = await finished();
    const model = ScriptedModel.saying(saying(['Rhine: 4 m.']));
    await compactions(model).compact(run, run.sessionId);
    const next = await bench.begin({
      sessionId: run.sessionId,
      content: [{ type: 'text', text: 'And the Main?' }],
    });
    const later = ScriptedModel.saying(saying(['Two.']));
    await bench.attempt(next, later);

    expect(later.requests[0]?.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: expect.stringContaining('Rhine: 4 m.') },
          { type: 'text', text: 'And the Main?' },
        ],
      },
    ]);
    expect(await bench.history(run.sessionId)).toHaveLength(4);
  });

  it('is refused while a run is open, also when it began meanwhile', async () => {
    const run = await finished();
    const model = new ScriptedModel(() => [
      () => bench.begin({ sessionId: run.sessionId }),
      ...saying(['Too late.']),
    ]);

    await expect(compactions(model).compact(run, run.sessionId)).rejects.toMatchObject({
      code: 'session_busy',
    });
    await expect(compactions(ScriptedModel.saying()).compact(run, run.sessionId)).rejects.toMatchObject({
      code: 'session_busy',
    });
    expect(await bench.messages.findCompaction(run, run.sessionId)).toBeUndefined();
  });

  it('that the model fails is told as its failure, in the words of its provider', async () => {
    const run = await finished();
    const refused = new ModelError('billing_error', 'Your credit is too low.', { retryable: false });

    await expect(
      compactions(ScriptedModel.saying([refused])).compact(run, run.sessionId),
    ).rejects.toMatchObject({ code: 'model_failed', message: 'Your credit is too low.' });
    expect(await bench.messages.findCompaction(run, run.sessionId)).toBeUndefined();
  });

  it('is refused when nothing was said since the last', async () => {
    const run = await finished();
    await compactions(ScriptedModel.saying(saying(['Short.']))).compact(run, run.sessionId);

    await expect(compactions(ScriptedModel.saying()).compact(run, run.sessionId)).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it("of somebody else's session is answered as for one that does not exist", async () => {
    const run = await finished();
    const stranger = { userId: 'usr_eve', tenantId: 'default' };

    await expect(compactions(ScriptedModel.saying()).compact(stranger, run.sessionId)).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});
