import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ModelRequest } from '../language-model.js';
import { AnthropicModel, type AnthropicModelOptions } from './anthropic-model.js';
import { PROFILES, type ProfileName } from './profiles.js';

const ANSWER = [
  '{"type":"message_start","message":{"content":[]}}',
  '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"call_0","name":"add"}}',
  '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\":9007199254740993}"}}',
  '{"type":"content_block_stop","index":0}',
  '{"type":"message_delta","delta":{"stop_reason":"tool_use"}}',
  '{"type":"message_stop"}',
]
  .map((data) => `data: ${data}\n\n`)
  .join('');

const REQUEST: ModelRequest = {
  model: 'claude-opus-5-5',
  system: null,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Add.' }] }],
  tools: [{ name: 'add', description: 'Adds.', input_schema: { type: 'object' } }],
  maxTokens: 100,
};

async function callTwice(model: AnthropicModel) {
  const ids: unknown[] = [];
  let usage: object = {};
  const messages = [...REQUEST.messages];
  for (let turn = 0; turn < 2; turn += 1) {
    for await (const event of model.stream({ ...REQUEST, messages }, new AbortController().signal)) {
      if (event.type === 'stop') ({ usage } = event);
      if (event.type !== 'block') continue;
      ids.push(event.content.id);
      messages.push({ role: 'assistant', content: [event.content] });
      messages.push({
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: event.content.id, content: '' }],
      });
    }
  }
  return { ids, usage };
}

describe('profiles on the wire', () => {
  const calls: { headers: Record<string, unknown>; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      calls.push({ headers: request.headers, body });
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(ANSWER);
    });
  });
  beforeEach(async () => {
    calls.length = 0;
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  function modelOf(profile: ProfileName, options: Partial<AnthropicModelOptions> = { apiKey: 'key' }) {
    const { port } = server.address() as AddressInfo;
    return new AnthropicModel({
      defaultModel: 'm',
      idleMs: 5000,
      baseUrl: `http://127.0.0.1:${port}`,
      profile,
      ...options,
    });
  }

  it.each<[ProfileName, string[]]>([
    ['anthropic', ['thinking', 'output_config', 'cache_control']],
    ['ollama', []],
    ['lm-studio', []],
    ['llama-cpp', []],
    ['vllm', []],
    ['old-gateway', []],
  ])('%s is sent beside the answer that is asked for: %j', async (profile, expected) => {
    await callTwice(modelOf(profile));

    const [{ body }] = calls as [(typeof calls)[number]];
    const extra = Object.keys(JSON.parse(body)).filter(
      (field) => !['model', 'max_tokens', 'messages', 'tools', 'stream'].includes(field),
    );
    expect(extra).toEqual(expected);
  });

  it.each<[ProfileName, Partial<AnthropicModelOptions>, object]>([
    ['anthropic', { apiKey: 'k' }, { authorization: 'Bearer k', version: '2026-10-21' }],
    ['vllm', { authToken: 't' }, { authorization: 'Bearer t', version: '2026-10-21' }],
    ['ollama', {}, { version: '2026-10-21' }],
    ['old-gateway', { apiKey: 'k' }, { key: 'k', version: '2023-06-01' }],
    ['old-gateway', { authToken: 't' }, { key: 't', version: '2023-06-01' }],
    ['old-gateway', {}, { version: '2023-06-01' }],
  ])('%s with %j is sent the credentials %j', async (profile, options, expected) => {
    await callTwice(modelOf(profile, options));

    const { authorization, 'x-api-key': key, 'anthropic-version': version } = calls[0]!.headers;
    expect({ authorization, key, version }).toEqual(expected);
  });

  it('lets calls of two answers that have the same id be two calls, in the history as well', async () => {
    const { ids } = await callTwice(modelOf('ollama'));

    expect(ids).toEqual(['call_0', 'call_0_2']);
    expect(calls[1]!.body).toContain('"tool_use_id":"call_0"');
  });

  it('estimates usage where it is not told', async () => {
    expect((await callTwice(modelOf('ollama'))).usage).toMatchObject({
      input_tokens: expect.any(Number),
      output_tokens: 6,
    });
    expect((await callTwice(modelOf('anthropic'))).usage).toMatchObject({
      input_tokens: 0,
      output_tokens: 0,
    });
  });

  it.each(Object.keys(PROFILES) as ProfileName[])(
    '%s gets back every digit that it sent',
    async (profile) => {
      await callTwice(modelOf(profile));

      expect(calls[1]!.body).toContain('"input":{"a":9007199254740993}}');
    },
  );

  it.each<[ProfileName, string]>([
    ['anthropic', "Anthropic's Messages API at "],
    ['ollama', 'Messages API (ollama) at '],
  ])('%s is called %s', (profile, words) => {
    expect(modelOf(profile).describe()).toMatch(words);
  });
});
