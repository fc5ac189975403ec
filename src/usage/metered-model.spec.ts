import { describe, expect, it } from '@jest/globals';
import { FreeMeter } from '../../test/support/runs/free-meter.js';
import {
  type Beat,
  block,
  saying,
  ScriptedModel,
  started,
  stopped,
  text,
  toolUse,
} from '../../test/support/runs/scripted-model.js';
import { ModelError, type ModelRequest, type ModelUsage } from '../model/language-model.js';
import { NO_COST } from './cost.js';
import { MeteredModel } from './metered-model.js';
import { NO_USAGE } from './usage-sum.js';

const request: ModelRequest = {
  model: 'claude-opus-5-5',
  system: null,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  maxTokens: 100,
};

const counts = (output_tokens: number) => ({
  input_tokens: 10,
  output_tokens,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
});
const told = (output: number, more: Partial<ModelUsage> = {}): Beat => ({
  type: 'usage',
  usage: { ...counts(output), ...more },
});
const part = (type: string, output: number) => ({ ...counts(output), input_tokens: 1, type, model: null });

async function call(answer: Beat[]) {
  const meter = new FreeMeter();
  const model = new MeteredModel(new ScriptedModel(() => answer), meter, { usage: NO_USAGE, cost: NO_COST });
  let failure: unknown;
  try {
    for await (const event of model.stream('turn', request, new AbortController().signal)) void event;
  } catch (error) {
    failure = error;
  }
  return { meter, spent: model.spent, failure };
}

describe('a metered model', () => {
  it('books what a call tells at its end, with its cost', async () => {
    const { meter, spent } = await call(saying(['Hello.']));

    expect(meter.settled).toEqual([
      {
        tokens: {
          input_tokens: 10,
          output_tokens: 7,
          cache_read_input_tokens: 3,
          cache_creation_input_tokens: 2,
        },
        estimated: false,
        costMicroUsd: 191,
        requestId: undefined,
        messageId: undefined,
      },
    ]);
    expect(spent).toMatchObject({ usage: { model_calls: 1 }, cost: { microUsd: 191, isKnown: true } });
  });

  it('books what it delivers as what it streams, up to the stop', async () => {
    const answer = saying(['Hello.']);
    const meter = new FreeMeter();
    const scripted = new ScriptedModel(() => [...answer, text('after the end')]);
    const model = new MeteredModel(scripted, meter, { usage: NO_USAGE, cost: NO_COST });
    const types: string[] = [];

    await model.deliver('turn', request, new AbortController().signal, (events) => {
      types.push(...events.map(({ type }) => type));
      return undefined;
    });

    expect(types.at(-1)).toBe('stop');
    const streamed = await call(answer);
    expect(meter.settled).toEqual(streamed.meter.settled);
    expect(model.spent).toEqual(streamed.spent);
  });

  it('books a call as broken off when who takes what it delivers throws', async () => {
    const meter = new FreeMeter();
    const scripted = new ScriptedModel(() => saying(['Hello.']));
    const model = new MeteredModel(scripted, meter, { usage: NO_USAGE, cost: NO_COST });

    const delivering = model.deliver('turn', request, new AbortController().signal, (events) => {
      if (events.some(({ type }) => type === 'text')) throw new Error('no more');
      return undefined;
    });

    await expect(delivering).rejects.toThrow('no more');
    expect(meter.settled).toMatchObject([{ estimated: true }]);
    expect(model.spent.usage).toMatchObject({ model_calls: 1, estimated: true });
  });

  it('books a call that broke off as a guess', async () => {
    const { meter, spent, failure } = await call([started, text('12345678'), new Error('cut')]);

    expect(failure).toEqual(new Error('cut'));
    expect(meter.settled).toMatchObject([
      { tokens: { input_tokens: 10, output_tokens: 2 }, estimated: true },
    ]);
    expect(spent.usage.estimated).toBe(true);
  });

  it('takes what it wrote as arguments of tools into the guess', async () => {
    const long = toolUse('a', 'write', { text: 'x'.repeat(4_000) });
    const { meter } = await call([started, text('12345678'), block(1, long), new Error('cut')]);

    expect(meter.settled).toMatchObject([{ tokens: { output_tokens: 1_005 }, estimated: true }]);
  });

  it('books what a call that broke off has told last, where that is more than what came', async () => {
    const { meter, spent } = await call([started, text('12345678'), told(900), new Error('cut')]);

    expect(meter.settled).toMatchObject([
      { tokens: { input_tokens: 10, output_tokens: 900 }, estimated: true, costMicroUsd: 18_040 },
    ]);
    expect(spent.usage).toMatchObject({ output_tokens: 900, estimated: true });
  });

  it('books what came, where a call that broke off has told less', async () => {
    const { meter } = await call([started, told(3), text('x'.repeat(400)), new Error('cut')]);

    expect(meter.settled).toMatchObject([{ tokens: { output_tokens: 100 }, estimated: true }]);
  });

  it('books what came also where a call that broke off has told its usage in parts', async () => {
    const parts = { iterations: [part('compaction', 5), part('message', 3)] };
    const { meter } = await call([started, told(3, parts), text('x'.repeat(400)), new Error('cut')]);

    expect(meter.settled).toMatchObject([
      { tokens: { input_tokens: 2, output_tokens: 100 }, estimated: true },
    ]);
  });

  it('takes what is told at the end for the whole, whatever was told before', async () => {
    const { meter } = await call([started, text('12345678'), told(900), stopped('end_turn')]);

    expect(meter.settled).toMatchObject([{ tokens: { output_tokens: 7 }, estimated: false }]);
  });

  it('books nothing for a call that was refused, but keeps its id', async () => {
    const refused = new ModelError('overloaded_error', 'no', { retryable: true, requestId: 'req_1' });
    const { meter, spent } = await call([refused]);

    expect(meter.settled).toEqual([
      { tokens: undefined, estimated: false, costMicroUsd: 0, requestId: 'req_1' },
    ]);
    expect(spent).toEqual({ usage: NO_USAGE, cost: NO_COST });
  });

  it('takes nothing for a refusal before any output', async () => {
    const stop = stopped('refusal');
    const none = { ...stop, usage: { ...(stop as { usage: object }).usage, output_tokens: 0 } } as Beat;
    const { spent } = await call([started, none]);

    expect(spent).toMatchObject({ usage: { model_calls: 1 }, cost: { microUsd: 0, isKnown: true } });
  });

  it('has a cost that is not known when the model is not', async () => {
    const meter = new FreeMeter();
    const model = new MeteredModel(ScriptedModel.saying(saying(['x'])), meter, {
      usage: NO_USAGE,
      cost: NO_COST,
    });
    const unknown = { ...request, model: 'llama' };
    for await (const event of model.stream('turn', unknown, new AbortController().signal)) void event;

    expect(model.spent.cost.isKnown).toBe(false);
  });
});
