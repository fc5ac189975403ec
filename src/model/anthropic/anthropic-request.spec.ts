import { describe, expect, it } from '@jest/globals';
import type { ContentBlock, ModelMessage, ModelRequest } from '../language-model.js';
import { anthropicRequest } from './anthropic-request.js';
import { PROFILES, type ProfileName } from './profiles.js';

const ASKED: ModelMessage = { role: 'user', content: [{ type: 'text', text: 'Hello?' }] };
const TOOL = { name: 'now', description: 'Tells the time.', input_schema: { type: 'object' } };

function bodyOf(request: Partial<ModelRequest>, profile: ProfileName = 'anthropic', most = 128_000) {
  const whole = { model: 'claude-opus-5-5', system: null, messages: [ASKED], tools: [], maxTokens: 16_000 };
  const body = anthropicRequest({ ...whole, ...request }, PROFILES[profile], most);
  return JSON.parse(JSON.stringify(body)) as Record<string, unknown>;
}

const isAskedToThink = (messages: ModelMessage[]) =>
  bodyOf({ model: 'claude-haiku-4-5', messages }).thinking !== undefined;

describe('anthropicRequest', () => {
  it('asks for shown thinking, the effort in so many words, and caching', () => {
    expect(bodyOf({})).toEqual({
      model: 'claude-opus-5-5',
      max_tokens: 16_000,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello?' }] }],
      thinking: { type: 'adaptive', display: 'summarized' },
      output_config: { effort: 'medium' },
      cache_control: { type: 'ephemeral' },
      stream: true,
    });
  });

  it('asks a model that nobody knows for nothing but the answer', () => {
    expect(Object.keys(bodyOf({ model: 'llama', effort: 'max', thinking: 'off' }))).toEqual([
      'model',
      'max_tokens',
      'messages',
      'cache_control',
      'stream',
    ]);
  });

  it.each(['ollama', 'lm-studio', 'llama-cpp', 'vllm', 'old-gateway'] as const)(
    'sends %s nothing that it may not understand',
    (profile) => {
      expect(Object.keys(bodyOf({ effort: 'low' }, profile))).toEqual([
        'model',
        'max_tokens',
        'messages',
        'stream',
      ]);
    },
  );

  it.each([
    ['claude-fable-5-2', undefined, { type: 'adaptive', display: 'summarized' }],
    ['claude-opus-4-6', undefined, { type: 'adaptive', display: 'summarized' }],
    ['claude-haiku-4-5', undefined, { type: 'enabled', budget_tokens: 8000 }],
    ['claude-sonnet-4-6', undefined, undefined],
    ['claude-opus-5', 'off', { type: 'disabled' }],
    ['claude-sonnet-5', 'off', { type: 'disabled' }],
    ['claude-opus-5-5', 'off', undefined],
    ['claude-sonnet-5-5', 'off', undefined],
    ['claude-haiku-5-5', 'off', undefined],
    ['claude-haiku-4-5', 'off', undefined],
  ] as const)('lets %s (thinking %s) think as %j', (model, thinking, expected) => {
    expect(bodyOf({ model, thinking }).thinking).toEqual(expected);
  });

  it.each([
    [2047, undefined],
    [2048, 1024],
    [64_000, 16_384],
  ])('gives of %d tokens %s to thinking with a budget', (maxTokens, budget) => {
    const { thinking } = bodyOf({ model: 'claude-haiku-4-5', maxTokens });

    expect(thinking).toEqual(budget === undefined ? undefined : { type: 'enabled', budget_tokens: budget });
  });

  it('asks for no budget in the middle of a turn that began without thinking', () => {
    const turn = (...begun: ContentBlock[]): ModelMessage[] => [
      ASKED,
      { role: 'assistant', content: [...begun, { type: 'tool_use', id: 'a', name: 'now', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'noon' }] },
    ];

    expect(isAskedToThink(turn())).toBe(false);
    expect(isAskedToThink(turn({ type: 'thinking', thinking: '', signature: 's' }))).toBe(true);
    expect(
      isAskedToThink([...turn(), { role: 'assistant', content: [{ type: 'text', text: 'Noon' }] }, ASKED]),
    ).toBe(true);
  });

  it.each([
    ['claude-opus-5-5', 'low', undefined, 'low'],
    ['claude-opus-5', 'max', undefined, 'max'],
    ['claude-opus-5', 'max', 'off', 'high'],
    ['claude-sonnet-5-5', undefined, undefined, 'high'],
  ] as const)('sends %s with effort %s and thinking %s the effort %s', (model, effort, thinking, sent) => {
    expect(bodyOf({ model, effort, thinking }).output_config).toEqual({ effort: sent });
  });

  it('sends no effort to a model that has none', () => {
    expect(bodyOf({ model: 'claude-haiku-4-5', effort: 'max' })).not.toHaveProperty('output_config');
  });

  it('asks for no more tokens than the model can give', () => {
    expect(bodyOf({ maxTokens: 500_000 }).max_tokens).toBe(128_000);
  });

  it('forbids calls where there are tools to call', () => {
    expect(bodyOf({ tools: [TOOL], toolChoice: 'none' })).toMatchObject({
      tools: [TOOL],
      tool_choice: { type: 'none' },
    });
    expect(bodyOf({ toolChoice: 'none' })).not.toHaveProperty('tool_choice');
  });

  it('gives blocks back as they came: thinking without text, what nobody knows, and every digit', () => {
    const blocks = [
      { type: 'thinking', thinking: '', signature: 'sig==' },
      { type: 'redacted_thinking', data: 'x' },
      { type: 'hologram', depth: 3 },
    ];
    const call = { type: 'tool_use', id: 'a', name: 'find' };
    const request = anthropicRequest(
      {
        model: 'claude-opus-5-5',
        system: null,
        messages: [
          ASKED,
          {
            role: 'assistant',
            content: [
              ...blocks,
              { type: 'text', text: '' },
              { ...call, input: { id: '9007199254740993' }, exact_numbers: { '/id': '9007199254740993' } },
            ],
          },
        ],
        tools: [],
        maxTokens: 1,
      },
      PROFILES.anthropic,
      null,
    );

    expect(JSON.stringify(request.messages[1]!.content)).toBe(
      `[${blocks.map((block) => JSON.stringify(block)).join()},` +
        '{"type":"tool_use","id":"a","name":"find","input":{"id":9007199254740993}}]',
    );
  });
});
