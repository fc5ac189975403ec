import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { describeLanguageModel, type Scene, type ScriptedUpstream } from '../language-model.contract.js';
import type { ModelEvent, ModelRequest } from '../language-model.js';
import { AnthropicModel, type AnthropicModelOptions } from './anthropic-model.js';
import { TRANSPORTS } from './node-transport.js';

type Answer = (response: ServerResponse, request: IncomingMessage) => unknown;

interface Upstream extends ScriptedUpstream {
  model: AnthropicModel;
  requests: { url: string; headers: IncomingMessage['headers']; body: Record<string, unknown> }[];
}

const STREAM = { 'content-type': 'text/event-stream; charset=utf-8', 'request-id': 'req_1' };

async function startUpstream(
  answer: Answer,
  options: Partial<AnthropicModelOptions> = {},
): Promise<Upstream> {
  const closed = Promise.withResolvers<void>();
  const requests: Upstream['requests'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => (body += text));
    request.on('end', () => {
      requests.push({ url: request.url ?? '', headers: request.headers, body: JSON.parse(body) });
      answer(response, request);
    });
    request.socket.setMaxListeners(0).once('close', () => closed.resolve());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const model = new AnthropicModel({
    defaultModel: 'claude-opus-5-5',
    baseUrl: `http://127.0.0.1:${port}`,
    idleMs: 5000,
    ...options,
  });
  return {
    model,
    requests,
    closed: closed.promise,
    calls: () => requests.length,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

const sse = (...events: Record<string, unknown>[]) =>
  events.map((event) => `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`).join('');

const BEGIN = sse({
  type: 'message_start',
  message: {
    model: 'scripted-model',
    content: [],
    stop_reason: null,
    usage: { input_tokens: 10, output_tokens: 1 },
  },
});
const OPEN = sse({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
const text = (text: string) =>
  sse({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
const CLOSE = sse({ type: 'content_block_stop', index: 0 });
const end = (reason: string) =>
  sse(
    { type: 'message_delta', delta: { stop_reason: reason }, usage: { output_tokens: 2 } },
    { type: 'message_stop' },
  );

const WHOLE = `${BEGIN}${OPEN}${text('Hello')}${text(' world')}${CLOSE}${end('end_turn')}`;

const refuse =
  (status: number, error: Record<string, unknown>, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_1', ...headers })
      .end(JSON.stringify({ type: 'error', error, request_id: 'req_1' }));

const stream =
  (...parts: string[]): Answer =>
  (response) => {
    response.writeHead(200, STREAM);
    for (const part of parts) response.write(part);
    response.end();
  };

const json = (partial: string) =>
  sse({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: partial } });

const SCENES: Record<Scene, Answer> = {
  answer: stream(WHOLE),
  tool: stream(
    BEGIN,
    sse({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'tool_use', id: 'call_1', name: 'add', input: {} },
    }),
    json(''),
    json('{"a": 1,'),
    json(' "b": 2}'),
    CLOSE,
    end('tool_use'),
  ),
  cut: stream(BEGIN, OPEN, text('Hello')),
  breaks: stream(
    BEGIN,
    OPEN,
    text('Hello'),
    sse({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
  ),
  silent: (response) => response.writeHead(200, STREAM).flushHeaders(),
  busy: refuse(429, { type: 'rate_limit_error', message: 'Slow down' }, { 'retry-after': '2' }),
  refused: refuse(400, { type: 'invalid_request_error', message: 'max_tokens is too large' }),
  endless: (response) => {
    response.writeHead(200, STREAM);
    response.write(`${BEGIN}${OPEN}${text('Hello')}`);
    const more = () => {
      while (!response.destroyed && response.write(text(' again')));
    };
    response.on('drain', more);
    more();
  },
};

for (const transport of TRANSPORTS) {
  describeLanguageModel(`AnthropicModel over ${transport}`, (scene) =>
    startUpstream(SCENES[scene], { idleMs: scene === 'silent' ? 50 : 5000, transport }),
  );
}

const REQUEST: ModelRequest = {
  model: 'claude-x',
  system: null,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello?' }] }],
  tools: [],
  maxTokens: 100,
};

describe.each(TRANSPORTS)('AnthropicModel over %s', (transport) => {
  const upstreamThat = (answer: Answer, options?: Partial<AnthropicModelOptions>) =>
    startUpstream(answer, { transport, ...options });
  let upstream: Upstream;
  afterEach(() => upstream.stop());

  async function call(answer: Answer, options?: Partial<AnthropicModelOptions>, request = REQUEST) {
    upstream = await upstreamThat(answer, options);
    const events: ModelEvent[] = [];
    let error: unknown;
    try {
      for await (const event of upstream.model.stream(request, new AbortController().signal))
        events.push(event);
    } catch (thrown) {
      error = thrown;
    }
    return { events, error, text: events.map((event) => (event.type === 'text' ? event.text : '')).join('') };
  }

  async function read(signal = new AbortController().signal) {
    for await (const _ of upstream.model.stream(REQUEST, signal));
  }

  it('sends the model, the bound, the messages and nothing that was not asked for', async () => {
    await call(stream(WHOLE));

    expect(upstream.requests[0]!.url.split('?')[0]).toBe('/v1/messages');
    expect(upstream.requests[0]!.body).toEqual({
      model: 'claude-x',
      max_tokens: 100,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello?' }] }],
      cache_control: { type: 'ephemeral' },
      stream: true,
    });
    expect(upstream.requests[0]!.headers).not.toHaveProperty('anthropic-beta');
    expect(upstream.requests[0]!.headers).not.toHaveProperty('traceparent');
  });

  it('sends system and tools when there are some, and leaves empty text and empty messages out', async () => {
    const tool = { name: 'now', description: 'Tells the time.', input_schema: { type: 'object' } };
    await call(
      stream(WHOLE),
      {},
      {
        ...REQUEST,
        system: 'Be brief.',
        tools: [tool],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hello?' }] },
          { role: 'assistant', content: [] },
          { role: 'assistant', content: [{ type: 'text', text: '' }] },
          {
            role: 'user',
            content: [
              { type: 'text', text: '' },
              { type: 'text', text: 'There?' },
            ],
          },
        ],
      },
    );

    expect(upstream.requests[0]!.body).toMatchObject({
      system: 'Be brief.',
      tools: [tool],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Hello?' }] },
        { role: 'user', content: [{ type: 'text', text: 'There?' }] },
      ],
    });
  });

  it.each([
    [{ apiKey: 'key', authToken: 'token' }, 'Bearer key'],
    [{ authToken: 'token' }, 'Bearer token'],
    [{}, undefined],
  ])('with %j sends the credentials %s', async (options, authorization) => {
    await call(stream(WHOLE), options);

    expect(upstream.requests[0]!.headers.authorization).toBe(authorization);
    expect(upstream.requests[0]!.headers).not.toHaveProperty('x-api-key');
  });

  it('joins characters that the network cut in two', async () => {
    const bytes = Buffer.from(`${BEGIN}${OPEN}${text('Grüße 🌍 世界')}${CLOSE}${end('end_turn')}`);

    const { text: seen } = await call(async (response) => {
      response.writeHead(200, STREAM);
      for (const byte of bytes) await new Promise((sent) => response.write(Uint8Array.of(byte), sent));
      response.end();
    });

    expect(seen).toBe('Grüße 🌍 世界');
  });

  it.each<[string, Answer, object]>([
    [
      'a socket that dies',
      (response) => response.writeHead(200, STREAM).write(BEGIN, () => response.destroy()),
      { code: 'model_stream_truncated', retryable: true },
    ],
    [
      'a server that hangs up',
      (response) => response.destroy(),
      { code: 'model_unreachable', retryable: true },
    ],
    [
      'JSON where a stream was asked for',
      (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
      { code: 'model_protocol', retryable: true, retries: 1 },
    ],
    ['a stream of no events', stream(), { code: 'model_protocol', retryable: true, retries: 1 }],
    [
      '529',
      refuse(529, { type: 'overloaded_error', message: 'Overloaded' }),
      {
        code: 'overloaded_error',
        retryable: true,
        retryAfterMs: undefined,
        message: 'Overloaded (request req_1)',
      },
    ],
    [
      '503 of a proxy',
      (response) => response.writeHead(503).end('<html>'),
      { code: 'api_error', retryable: true, message: "The model's server answered 503." },
    ],
    [
      '401',
      refuse(401, { type: 'authentication_error', message: 'Bad key' }),
      { code: 'authentication_error', retryable: false },
    ],
    ['413', (response) => response.writeHead(413).end(), { code: 'request_too_large', retryable: false }],
    [
      '429 with a wait in milliseconds',
      refuse(
        429,
        { type: 'rate_limit_error', message: 'Slow' },
        { 'retry-after-ms': '150', 'retry-after': '9' },
      ),
      { code: 'rate_limit_error', retryable: true, retryAfterMs: 150 },
    ],
    [
      '429 of a spend limit',
      refuse(429, {
        type: 'rate_limit_error',
        message: 'Limit',
        details: { error_code: 'enforced_spend_limit_reached' },
      }),
      { code: 'rate_limit_error', retryable: false, retryAfterMs: undefined },
    ],
  ])('answers %s with an error that says what to do', async (_, answer, expected) => {
    const { error } = await call(answer);

    expect(error).toMatchObject({ name: 'ModelError', ...expected });
    expect(upstream.calls()).toBe(1);
  });

  it('gives up a server that does not even send headers', async () => {
    const { error } = await call(() => undefined, { idleMs: 50 });

    expect(error).toMatchObject({ code: 'model_idle', retryable: true });
    await upstream.closed;
  });

  it('takes pings for a sign of life', async () => {
    const { error, text: seen } = await call(
      (response) => {
        response.writeHead(200, STREAM);
        let pings = 0;
        const timer = setInterval(() => {
          if (++pings < 20) return response.write('event: ping\ndata: {"type": "ping"}\n\n');
          clearInterval(timer);
          return response.end(WHOLE);
        }, 40);
      },
      { idleMs: 400 },
    );

    expect(error).toBeUndefined();
    expect(seen).toBe('Hello world');
  });

  it('does not read ahead of a reader that waits', async () => {
    const delta = text('x'.repeat(1000));
    let written = 0;
    const full = Promise.withResolvers<void>();
    upstream = await upstreamThat((response) => {
      response.writeHead(200, STREAM);
      response.write(`${BEGIN}${OPEN}`);
      const fill = () => {
        while (written < 64_000_000 && response.write(delta)) written += delta.length;
        const before = written;
        setTimeout(() => (written === before ? full.resolve() : undefined), 200);
      };
      response.on('drain', fill);
      fill();
    });
    const reader = upstream.model.stream(REQUEST, new AbortController().signal);

    await reader.next();
    await full.promise;

    expect(written).toBeLessThan(16_000_000);
    await reader.return();
    await upstream.closed;
  });

  it('reads the last bytes of a body, so that its connection serves the next call', async () => {
    const ports = new Set<number | undefined>();
    let ended = Promise.resolve();
    const answer: Answer = (response, request) => {
      ports.add(request.socket.remotePort);
      ended = new Promise((done) => response.on('close', done));
      response.writeHead(200, STREAM).write(WHOLE, () => setTimeout(() => response.end(), 5));
    };

    await call(answer);
    for (let calls = 1; calls < 6; calls++) {
      await ended;
      for await (const _ of upstream.model.stream(REQUEST, new AbortController().signal));
    }

    expect(upstream.calls()).toBe(6);
    expect(ports.size).toBeLessThan(6);
  });

  it('ends with the answer even if the server leaves its connection open', async () => {
    const { error, text: seen } = await call((response) => response.writeHead(200, STREAM).write(WHOLE));

    expect(error).toBeUndefined();
    expect(seen).toBe('Hello world');
    await upstream.closed;
  });

  it('says who answers without saying the key', async () => {
    upstream = await upstreamThat(stream(WHOLE), { apiKey: 'sk-secret' });

    expect(upstream.model.describe()).toMatch(/^Anthropic's Messages API at http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('names the attempt and the answer at the start, and the attempt in what breaks later', async () => {
    const begin = BEGIN.replace('"message":{', '"message":{"id":"msg_1",');

    const { events, error } = await call(stream(begin, OPEN));

    expect(events[0]).toMatchObject({ type: 'start', messageId: 'msg_1', requestId: 'req_1' });
    expect(error).toMatchObject({ code: 'model_stream_truncated', requestId: 'req_1' });
  });

  it('names the attempt in a refusal', async () => {
    const { error } = await call(
      refuse(400, { type: 'invalid_request_error', message: 'prompt is too long' }),
    );

    expect(error).toMatchObject({ requestId: 'req_1', isContextOverflow: true, retryable: false });
  });

  describe('for all calls with one key', () => {
    it('lets the next call wait as the last one was told to, without taking the wait for silence', async () => {
      let calls = 0;
      const answer: Answer = (response, request) =>
        (calls++ === 0
          ? refuse(429, { type: 'rate_limit_error', message: 'Slow' }, { 'retry-after-ms': '300' })
          : stream(WHOLE))(response, request);
      await call(answer, { idleMs: 150 });
      const from = performance.now();

      await read();

      expect(performance.now() - from).toBeGreaterThanOrEqual(250);
      expect(upstream.calls()).toBe(2);
    });

    it('ends that wait at once when aborted', async () => {
      await call(refuse(429, { type: 'rate_limit_error', message: 'Slow' }, { 'retry-after': '50' }));
      const abort = new AbortController();
      const reason = new Error('cancelled by the user');

      const waiting = read(abort.signal);
      abort.abort(reason);

      await expect(waiting).rejects.toBe(reason);
      expect(upstream.calls()).toBe(1);
    });

    it('calls one at a time with credentials that were refused, and tells a person once', async () => {
      const alarms: string[] = [];
      upstream = await upstreamThat(refuse(401, { type: 'authentication_error', message: 'Bad key' }));
      upstream.model.observe({ alarm: ({ code }) => alarms.push(code) });

      await expect(read()).rejects.toMatchObject({ code: 'authentication_error', isCredentialBad: true });
      const together = await Promise.allSettled([read(), read(), read()]);

      expect(together.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      expect(upstream.calls()).toBe(2);
      expect(alarms).toEqual(['authentication_error']);
    });

    it('tells what is left of the limits', async () => {
      const told: unknown[] = [];
      const headers = { ...STREAM, 'anthropic-ratelimit-requests-remaining': '7' };
      upstream = await upstreamThat((response) => response.writeHead(200, headers).end(WHOLE));
      upstream.model.observe({ limits: (limits) => told.push(...limits) });

      await read();

      expect(told).toEqual([{ kind: 'requests', limit: null, remaining: 7, resetsAt: null }]);
    });

    it('takes calls that users end before the headers for no failure of the provider', async () => {
      let isDead = true;
      upstream = await upstreamThat((response, request) =>
        isDead ? undefined : stream(WHOLE)(response, request),
      );

      for (let time = 0; time < 25; time += 1) {
        await expect(read(AbortSignal.timeout(5))).rejects.toThrow();
      }
      isDead = false;

      await read();
    });

    it('leaves a server alone that fails again and again', async () => {
      upstream = await upstreamThat((response) => response.writeHead(503).end());

      for (let time = 0; time < 45; time += 1) {
        await expect(read()).rejects.toMatchObject({ code: 'api_error', retryable: true });
      }

      expect(upstream.calls()).toBe(40);
    });
  });
});
