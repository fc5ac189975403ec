import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { complaintAbout } from '../../../test/support/anthropic/strict-anthropic.js';
import { openSqlite } from '../../../test/support/databases.js';
import { eventsOf } from '../../../test/support/runs/event-lines.js';
import { type Manner, Mortal } from '../../../test/support/runs/mortal.js';
import { RunBench } from '../../../test/support/runs/run-bench.js';
import {
  type Beat,
  block,
  saying,
  ScriptedModel,
  started,
  stopped,
  text,
  toolUse,
} from '../../../test/support/runs/scripted-model.js';
import type { PlacedRunEvent } from '../../event-log/run-event.js';
import { ModelError, type ModelRequest } from '../../model/language-model.js';
import type { Run } from '../run.js';
import { RunStop } from '../run-stop.js';

const ANSWER = 'Let me look. Both are done.';
const EFFECTS: Record<string, string> = { a: 'read a', b: 'pay b' };
const MANNERS: Manner[] = ['throws', 'hangs'];

let bench: RunBench;

beforeAll(async () => {
  bench = new RunBench(await openSqlite());
  bench.addTool('read', () => ({ read: true }), { idempotent: true });
  bench.addTool('pay', () => 'paid');
});
afterAll(() => bench.database.close());

/** Says the same to the same conversation, whoever asks. */
function answer({ messages }: ModelRequest): Beat[] {
  const calls = [toolUse('a', 'read', { q: 1 }), toolUse('b', 'pay')];
  if (messages.length === 1) return saying(['Let me ', 'look. '], calls);
  return [
    started,
    { type: 'thinking', text: 'so' },
    block(0, { type: 'thinking', thinking: 'so', signature: 's' }),
    text('Both are ', 1),
    text('done.', 1),
    block(1, { type: 'text', text: '' }),
    stopped('end_turn'),
  ];
}

/** Whether what a dead process had handed to the database still arrives there before somebody else takes its run. */
type Rest = 'arrives' | 'is late';

/** One attempt in a process that dies; it is gone when this returns. */
async function liveAndDie(run: Run, mortal: Mortal, rest: Rest = 'arrives'): Promise<void> {
  const attempt = bench.attempt(run, new ScriptedModel(answer), { between: mortal.between });
  await Promise.race([attempt, mortal.died]);
  if (rest === 'is late') return;
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
}

/** How many writes a run takes when nobody dies. */
async function countWrites(): Promise<number> {
  const mortal = new Mortal(Infinity);
  const run = await bench.begin();
  await bench.attempt(run, new ScriptedModel(answer), { between: mortal.between });
  bench.effects.length = 0;
  return mortal.writes;
}

interface Story {
  run: Run;
  /** The model of the last attempt. */
  model: ScriptedModel;
  /** For calls whose outcome an earlier attempt had stored: how they stood, and how often the tool had run by then. */
  finished: Map<string, { state: string; times: number }>;
}

const timesOf = (effect: string): number => bench.effects.filter((each) => each === effect).length;

/** The run after deaths at these writes of its first attempts, and one attempt to the end. */
async function afterDeaths(lasts: number[], manner: Manner, rest: Rest): Promise<Story> {
  bench.effects.length = 0;
  let run = await bench.begin();
  const finished: Story['finished'] = new Map();
  for (const last of lasts) {
    const mortal = new Mortal(last, manner);
    await liveAndDie(run, mortal, rest);
    for (const [id, state] of mortal.finished) finished.set(id, { state, times: timesOf(EFFECTS[id]!) });
    if ((await bench.find(run.id)).status !== 'running') break;
    run = await bench.takeOver(run);
  }
  const model = new ScriptedModel(answer);
  if ((await bench.find(run.id)).status === 'running') expect(await bench.attempt(run, model)).toBe('over');
  bench.unexpected.length = 0;
  return { run: await bench.find(run.id), model, finished };
}

function shownOf(events: PlacedRunEvent[]): PlacedRunEvent[] {
  let shown: PlacedRunEvent[] = [];
  for (const event of events) {
    if (event.type !== 'reset') shown.push(event);
    else {
      const { after } = event.data;
      const last = after === null ? 0 : events.find(({ id }) => id === after)!.seq;
      shown = shown.filter(({ seq }) => seq <= last);
    }
  }
  return shown;
}

const idsOf = (events: PlacedRunEvent[], wanted: 'tool_call' | 'tool_result'): string[] =>
  events.flatMap((event) => (event.type === wanted ? [(event.data as { id: string }).id] : [])).toSorted();

/** The list of events is whole: dense, in order, one `done`, and no call without its one result. */
async function expectWholeList(run: Run): Promise<PlacedRunEvent[]> {
  const events = await eventsOf(bench.log, run.id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const attempts = events.map(({ attempt }) => attempt);
  expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
  expect(events.filter(({ type }) => type === 'done')).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ type: 'done', id: run.lastEventId });
  const shown = shownOf(events);
  const calls = idsOf(shown, 'tool_call');
  expect(idsOf(shown, 'tool_result')).toEqual(calls);
  expect(new Set(calls).size).toBe(calls.length);
  return shown;
}

/** What is stored can be sent to the model with the next message. */
async function expectValidHistory(run: Run): Promise<void> {
  const history = await bench.history(run.sessionId);
  const messages = history.map(({ role, content }) => ({ role, content }));
  const next = { role: 'user', content: [{ type: 'text', text: 'and now?' }] };
  const body = { model: 'm', max_tokens: 1, stream: true, messages: [...messages, next] };
  expect(complaintAbout(body, false)).toBeUndefined();
}

async function expectUnharmed({ run, model, finished }: Story): Promise<void> {
  const shown = await expectWholeList(run);
  const said = shown.map((event) => (event.type === 'token' ? event.data.text : '')).join('');
  expect(said).toBe(ANSWER);
  expect(idsOf(shown, 'tool_call')).toEqual(['a', 'b']);
  await expectValidHistory(run);
  expect(model.complaints).toEqual([]);
  expect((await bench.history(run.sessionId)).map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'user',
    'assistant',
  ]);
  expect(run).toMatchObject({
    status: 'completed',
    stopReason: 'end_turn',
    turns: 2,
    usage: { input_tokens: 20, output_tokens: 14 },
  });
  // Each half turn that is taken back was a call too, of which nobody knows what it used.
  expect(run.usage.model_calls).toBeGreaterThanOrEqual(2);
  expect(run.usage.estimated).toBe(run.usage.model_calls > 2);
  expect(shown.at(-1)?.data).toMatchObject({ usage: run.usage });
  await expectFewEffects(run, finished);
}

async function expectFewEffects(run: Run, finished: Story['finished']): Promise<void> {
  const states = new Map((await bench.ledger.list(run)).map(({ toolCallId, state }) => [toolCallId, state]));
  const paid = timesOf('pay b');
  expect(paid).toBeLessThanOrEqual(1);
  expect(states.get('a')).toBe('finished');
  expect(['finished', 'outcome_unknown']).toContain(states.get('b'));
  if (states.get('b') === 'finished') expect(paid).toBe(1);
  // What had an outcome keeps it, and is not done again.
  for (const [id, { state, times }] of finished) {
    expect([id, states.get(id), timesOf(EFFECTS[id]!)]).toEqual([id, state, times]);
  }
}

describe('a run whose process dies', () => {
  it.each([
    ['throws', 'arrives'],
    ['throws', 'is late'],
    ['hangs', 'arrives'],
    ['hangs', 'is late'],
  ] as const)(
    'after any of its writes (it %s, the rest %s) is finished by the next, nothing lost, nothing twice',
    async (manner, rest) => {
      const writes = await countWrites();
      expect(writes).toBe(19);
      const unknown: number[] = [];
      for (let last = 0; last <= writes; last += 1) {
        const story = await afterDeaths([last], manner, rest);
        await expectUnharmed(story);
        const entries = await bench.ledger.list(story.run);
        if (entries.some(({ state }) => state === 'outcome_unknown')) unknown.push(last);
      }
      expect(unknown).not.toEqual([]);
    },
  );

  it('twice, after any two of its writes, is finished by the third', async () => {
    const writes = await countWrites();
    for (let first = 0; first <= writes; first += 1) {
      for (let second = 0; second <= writes; second += first % 2 === 0 ? 1 : 3) {
        const manner = second % 2 === 0 ? 'throws' : 'hangs';
        await expectUnharmed(await afterDeaths([first, second], manner, 'arrives'));
      }
    }
  });

  it('between its error and its end is tried again, with the error taken back', async () => {
    const refused = new ModelError('permission_error', 'No', { retryable: false });
    const run = await bench.begin();
    const mortal = new Mortal(3);
    await bench.attempt(run, ScriptedModel.saying([started, text('Half'), refused]), {
      between: mortal.between,
    });
    bench.unexpected.length = 0;
    await bench.attempt(await bench.takeOver(run), ScriptedModel.saying(saying(['Whole'])));

    expect(await bench.lines(run)).toEqual([
      '1.1 run running',
      '1.2 token Half',
      '1.3 error permission_error',
      '2.4 reset after 1.1: taken_over',
      '2.5 run running',
      '2.6 token Whole',
      '2.7 done completed end_turn 10/7 in 2 estimated',
    ]);
  });

  it('between its end and its final state is only settled, with the code of its error', async () => {
    const refused = new ModelError('permission_error', 'No', { retryable: false });
    const run = await bench.begin();
    const mortal = new Mortal(3);
    await bench.attempt(run, ScriptedModel.saying([refused]), { between: mortal.between });
    bench.unexpected.length = 0;
    expect(await bench.attempt(await bench.takeOver(run), ScriptedModel.saying())).toBe('over');

    expect((await bench.lines(run)).slice(1)).toEqual([
      '1.2 error permission_error',
      '1.3 done failed null 0/0 in 0',
    ]);
    expect(await bench.find(run.id)).toMatchObject({
      status: 'failed',
      errorCode: 'permission_error',
      lastEventId: `${run.id}.1.3`,
    });
  });

  it('between an error without any text and its end is tried again too', async () => {
    const refused = new ModelError('permission_error', 'No', { retryable: false });
    const run = await bench.begin();
    const mortal = new Mortal(2);
    await bench.attempt(run, ScriptedModel.saying([refused]), { between: mortal.between });
    bench.unexpected.length = 0;
    await bench.attempt(await bench.takeOver(run), ScriptedModel.saying(saying(['Whole'])));

    expect((await bench.lines(run)).slice(1, 4)).toEqual([
      '1.2 error permission_error',
      '2.3 reset after 1.1: taken_over',
      '2.4 run running',
    ]);
  });

  it.each(MANNERS)(
    'after any of its writes (%s), and is cancelled then, ends with every call answered',
    async (manner) => {
      const writes = await countWrites();
      const endings = new Set<string>();
      for (let last = 0; last <= writes; last += 1) {
        bench.effects.length = 0;
        const begun = await bench.begin();
        await liveAndDie(begun, new Mortal(last, manner));
        await bench.expire(begun.id);
        const taken = await bench.leases.claimToEnd(begun.id);
        if (taken !== undefined) {
          const signal = AbortSignal.abort(new RunStop('cancel'));
          expect(await bench.attempt(taken, new ScriptedModel(answer), { signal })).toBe('over');
        }
        const run = await bench.find(begun.id);
        await expectWholeList(run);
        await expectValidHistory(run);
        expect(timesOf('pay b')).toBeLessThanOrEqual(1);
        endings.add(run.status);
      }
      expect(endings).toEqual(new Set(['cancelled', 'completed']));
      bench.unexpected.length = 0;
    },
  );

  it('in a long answer that is stored in parts leaves no part of the first try in the answer', async () => {
    const piece = 'x'.repeat(50_000);
    const long = (): Beat[] => [
      started,
      ...Array.from({ length: 12 }, (_, n) => text(`${n}${piece}`)),
      block(0, { type: 'text', text: '' }),
      stopped('end_turn'),
    ];
    const run = await bench.begin();
    const mortal = new Mortal(10);
    await bench.attempt(run, new ScriptedModel(long), { between: mortal.between });
    await bench.attempt(await bench.takeOver(run), new ScriptedModel(long));
    bench.unexpected.length = 0;

    const stored = (await bench.history(run.sessionId)).at(-1)?.content[0]?.['text'];
    expect(stored === Array.from({ length: 12 }, (_, n) => `${n}${piece}`).join('')).toBe(true);
    await expectWholeList(await bench.find(run.id));
  });
});
