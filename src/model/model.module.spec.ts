import { afterEach, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { LanguageModel, type ModelEvent, type ModelRequest } from './language-model.js';
import { modelConfig, type ModelConfig } from './model.config.js';
import { ModelModule } from './model.module.js';

const OFFLINE: ModelConfig = {
  ANTHROPIC_TRANSPORT: 'node' as const,
  MODEL: 'claude-opus-5-5',
  MODEL_PROFILE: 'anthropic',
  MODEL_IDLE_MS: 5000,
  MAX_TOKENS: 16_000,
  OFFLINE_MODEL_DELAY_MS: 0,
};

const TIME = {
  name: 'get_time',
  description: 'Tells the time.',
  input_schema: { type: 'object', properties: {} },
};

const asking = (text: string): ModelRequest => ({
  model: 'agentline-offline',
  system: 'Be brief.',
  messages: [{ role: 'user', content: [{ type: 'text', text }] }],
  tools: [TIME],
  maxTokens: 16_000,
});

const quiet = () => undefined;

async function eventsOf(model: LanguageModel, request: ModelRequest): Promise<ModelEvent[]> {
  const events: ModelEvent[] = [];
  for await (const event of model.stream(request, new AbortController().signal)) events.push(event);
  return events;
}

describe('ModelModule', () => {
  let app: TestingModule;
  let warnings: string[];
  afterEach(() => app.close());

  async function modelWith(config: Partial<ModelConfig>): Promise<LanguageModel> {
    warnings = [];
    app = await Test.createTestingModule({ imports: [ModelModule] })
      .overrideProvider(modelConfig.KEY)
      .useValue({ ...OFFLINE, ...config })
      .setLogger({ log: quiet, error: quiet, warn: (message: string) => warnings.push(message) })
      .compile();
    return app.get(LanguageModel);
  }

  it('without any setting lets the stand-in answer over the real wire, and says so', async () => {
    const model = await modelWith({});

    const events = await eventsOf(model, asking('count to 3'));

    expect(model.defaultModel).toBe('agentline-offline');
    expect(model.describe()).toMatch(/^Offline stand-in \(not a model\) at http:\/\/127\.0\.0\.1:\d+$/);
    expect(warnings).toEqual([expect.stringMatching(/^No ANTHROPIC_API_KEY.* It is not a model\.$/)]);
    expect(events.at(0)).toMatchObject({ type: 'start', model: 'agentline-offline' });
    expect(events.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(
      "I am Agentline's offline stand-in, not a model. 1 2 3",
    );
    expect(events.at(-1)).toEqual({
      type: 'stop',
      stopReason: 'end_turn',
      usage: {
        input_tokens: 9,
        output_tokens: 11,
        cache_read_input_tokens: 0,
        cache_creation_input_tokens: 0,
      },
      unfinished: false,
    });
  });

  it('lets the stand-in ask for a tool and use its result', async () => {
    const model = await modelWith({});
    const question = asking('What time is it?');

    const events = await eventsOf(model, question);
    const call = events.find((event) => event.type === 'block' && event.content.type === 'tool_use');
    if (call?.type !== 'block') throw new Error('no call');
    const answer = await eventsOf(model, {
      ...question,
      messages: [
        ...question.messages,
        { role: 'assistant', content: [call.content] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.content.id, content: 'noon' }] },
      ],
    });

    expect(call.content).toMatchObject({ name: 'get_time', input: {} });
    expect(answer.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(
      'get_time answered: noon',
    );
  });

  it('tells a wrong history as the real API would', async () => {
    const model = await modelWith({});
    const request = asking('Hi');
    request.messages.push({ role: 'assistant', content: [{ type: 'text', text: 'Hi' }] });

    await expect(eventsOf(model, request)).rejects.toMatchObject({
      code: 'invalid_request_error',
      retryable: false,
    });
  });

  it('stops the stand-in in mid-sentence when aborted', async () => {
    const model = await modelWith({ OFFLINE_MODEL_DELAY_MS: 1 });
    const abort = new AbortController();
    const seen: string[] = [];

    const reading = (async () => {
      for await (const event of model.stream(asking('count to 10000'), abort.signal)) {
        if (event.type === 'text') seen.push(event.text);
        if (seen.length === 10) abort.abort(new Error('stop'));
      }
    })();

    await expect(reading).rejects.toThrow('stop');
    expect(seen.join('')).toBe("I am Agentline's offline stand-in, not a model. 1 2 ");
  });

  it('ends the stand-in with the application, even in mid-answer', async () => {
    const model = await modelWith({ OFFLINE_MODEL_DELAY_MS: 1 });
    const stream = model.stream(asking('count to 10000'), new AbortController().signal);
    const answer = stream[Symbol.asyncIterator]();
    await answer.next();

    await app.close();

    await expect(
      (async () => {
        while (!(await answer.next()).done);
      })(),
    ).rejects.toMatchObject({ code: 'model_stream_truncated' });
  });

  it.each([
    [{ ANTHROPIC_API_KEY: 'k' }, 'https://api.anthropic.com'],
    [{ ANTHROPIC_AUTH_TOKEN: 't' }, 'https://api.anthropic.com'],
    [{ ANTHROPIC_BASE_URL: 'http://127.0.0.1:9/gateway/' }, 'http://127.0.0.1:9'],
  ])('with %j calls %s', async (config, origin) => {
    const model = await modelWith(config);

    expect(model.describe()).toBe(`Anthropic's Messages API at ${origin}`);
    expect(model.defaultModel).toBe('claude-opus-5-5');
    expect(warnings).toEqual([]);
  });
});
