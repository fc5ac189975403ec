import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventsNamed, LoopStage } from '../support/anthropic/loop-stage.js';

/**
 * An upstream that nobody here wrote, for what goes well. It sends no pings and no usage, has no request ids, takes
 * histories that the service refuses, and has only OpenAI's list of models: all else is the strict upstream's.
 */
const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent' });
let stage: LoopStage;

beforeAll(async () => {
  await mock.start();
  stage = await LoopStage.open({ baseUrl: mock.url });
  stage.bench.addTool('weather', ({ city }) => `sun in ${String(city)}`);
});
beforeEach(() => {
  mock.reset();
  stage.forget();
});
afterAll(async () => {
  await stage.close();
  await mock.stop();
});

const asked = (): Record<string, unknown>[] =>
  mock.getRequests().map(({ body }) => body as unknown as Record<string, unknown>);

const call = (id: string, city: string) => ({ id, name: 'weather', arguments: JSON.stringify({ city }) });

describe('with the independent mock as its upstream, the executor', () => {
  it('shows a text as it was sent', async () => {
    mock.onMessage('hello', { content: 'Hi there, 世界! '.repeat(20) });

    const { text, done, faults } = await stage.say('hello');

    expect(text).toBe('Hi there, 世界! '.repeat(20));
    expect(done).toMatchObject({ status: 'completed', stop_reason: 'end_turn' });
    expect(faults).toEqual([]);
  });

  it('makes parallel calls and goes on with their results', async () => {
    mock.on(
      { userMessage: 'weather', hasToolResult: false },
      { content: 'Let me see. ', toolCalls: [call('toolu_1', 'Rome'), call('toolu_2', 'Oslo')] },
    );
    mock.on({ userMessage: 'weather', hasToolResult: true }, { content: 'Sun everywhere.' });

    const { text, events, faults } = await stage.say('weather');

    expect(text).toBe('Let me see. Sun everywhere.');
    expect(stage.bench.effects.toSorted()).toEqual(['weather toolu_1', 'weather toolu_2']);
    const results = eventsNamed(events, 'tool_result').map(({ id, result }) => `${id}: ${String(result)}`);
    expect(results.toSorted()).toEqual(['toolu_1: sun in Rome', 'toolu_2: sun in Oslo']);
    expect(faults).toEqual([]);
  });

  it('shows thinking, and gives it back with its signature, which the mock checks', async () => {
    const thinking = { reasoning: 'The user wants Rome.', reasoningSignature: 'c2lnbmF0dXJl' };
    const toolCalls = [{ id: 'toolu_3', name: 'weather', arguments: '{"city":"Rome"}' }];
    mock.on({ userMessage: 'think', hasToolResult: false }, { toolCalls, ...thinking });
    mock.on({ userMessage: 'think', hasToolResult: true }, { content: 'Sun.' });

    const { text, events, run } = await stage.say('think');

    expect(text).toBe('Sun.');
    const shown = eventsNamed(events, 'thinking').map((event) => event.text);
    expect(shown.join('')).toBe('The user wants Rome.');
    const answer = (await stage.bench.history(run.sessionId)).find(({ role }) => role === 'assistant');
    expect(answer?.content[0]).toEqual({
      type: 'thinking',
      thinking: 'The user wants Rome.',
      signature: 'c2lnbmF0dXJl',
    });
    expect(asked()).toHaveLength(2);
  });

  it.each([
    [429, 'rate_limit_error'],
    [529, 'overloaded_error'],
  ])('comes through one %d', async (status, type) => {
    mock.onMessage('again', { content: 'Here.' });
    mock.nextRequestError(status, { type, message: 'Not now' });

    const { text, events } = await stage.say('again');

    expect(text).toBe('Here.');
    expect(events.map(({ event }) => event)).not.toContain('reset');
    expect(asked()).toHaveLength(2);
  });

  it.each([
    ['stop', 'end_turn', 'completed'],
    ['length', 'max_tokens', 'completed'],
    ['refusal', 'refusal', 'completed'],
    ['stop_sequence', 'stop_sequence', 'completed'],
  ])('ends with the reason that the mock calls %s', async (finishReason, stopReason, status) => {
    mock.onMessage('finish', { content: 'So be it.', finishReason });

    const { done, text } = await stage.say('finish');

    expect(done).toMatchObject({ status, stop_reason: stopReason });
    expect(text).toBe('So be it.');
  });
});
