import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../test/support/databases.js';
import { RunBench } from '../../test/support/runs/run-bench.js';
import { saying, ScriptedModel } from '../../test/support/runs/scripted-model.js';
import type { Run } from '../runs/run.js';
import { NO_USAGE } from '../usage/usage-sum.js';
import { Titles, TitleStores } from './titles.service.js';

const DONE = { status: 'completed', stop_reason: 'end_turn', usage: NO_USAGE, cost_usd: 0 } as const;

let bench: RunBench;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
});
afterEach(() => bench.database.close());

async function finished(): Promise<Run> {
  const run = await bench.begin({ content: [{ type: 'text', text: 'How high is the Rhine?' }] });
  await bench.attempt(run, ScriptedModel.saying(saying(['Four metres.'])));
  return run;
}

async function hear(
  run: Run,
  model: ScriptedModel,
  data: Parameters<Titles['hear']>[0]['data'] = DONE,
): Promise<void> {
  const stores = new TitleStores(bench.sessions, bench.messages, bench.runs);
  await new Titles(stores, model, bench.meters, { TITLE_MODEL: 'small' }).hear({ data }, run);
}

const titleOf = async (run: Run) => (await bench.sessions.find(run, run.sessionId))?.title;

describe('an untitled session', () => {
  it('gets a title by the cheap model, from what was said, without tools', async () => {
    bench.addTool('look');
    const run = await finished();
    const model = ScriptedModel.saying(saying(['"Height of\n the Rhine" ']));
    await hear(run, model);

    expect(await titleOf(run)).toBe('Height of the Rhine');
    expect(model.requests).toEqual([
      expect.objectContaining({
        model: 'small',
        tools: [],
        messages: [
          {
            role: 'user',
            content: [{ type: 'text', text: 'user: How high is the Rhine?\n\nassistant: Four metres.' }],
          },
        ],
      }),
    ]);
  });

  it('has the call counted, but not in the run that is over', async () => {
    const run = await finished();
    await hear(run, ScriptedModel.saying(saying(['Rhine'])));
    const calls = await bench.database
      .acrossTenants()
      .selectFrom('model_calls')
      .select(['kind', 'model', 'state'])
      .execute();

    expect(calls).toEqual([{ kind: 'title', model: 'small', state: 'spent' }]);
    expect((await bench.find(run.id)).usage.model_calls).toBe(1);
  });

  it('keeps a title that it has been given meanwhile', async () => {
    const run = await finished();
    const model = new ScriptedModel(() => [
      () => bench.sessions.save(run, run.sessionId, { title: 'Mine' }),
      ...saying(['Theirs']),
    ]);
    await hear(run, model);

    expect(await titleOf(run)).toBe('Mine');
  });

  it('stays without one when the model fails, says nothing, or the run did not complete', async () => {
    const run = await finished();
    await hear(run, ScriptedModel.saying([new Error('away')]));
    await hear(run, ScriptedModel.saying(saying(['  '])));
    const unused = ScriptedModel.saying();
    await hear(run, unused, { ...DONE, status: 'failed' });

    expect(await titleOf(run)).toBeNull();
    expect(unused.requests).toEqual([]);
  });

  it('is not asked about when it has a title', async () => {
    const run = await finished();
    await bench.sessions.save(run, run.sessionId, { title: 'Mine' });
    const unused = ScriptedModel.saying();
    await hear(run, unused);

    expect(unused.requests).toEqual([]);
  });
});
