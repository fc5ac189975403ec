import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Anthropic } from '@anthropic-ai/sdk';
import { AnthropicModel } from './anthropic-model.js';
import { lookUpModels } from './model-list.js';

const NOW = Date.parse('2026-11-25T00:00:00Z');
const MODEL = {
  type: 'model',
  id: 'claude-opus-5-5',
  lifecycle: 'active',
  retires_at: null,
  max_input_tokens: 900_000,
  max_tokens: 100_000,
};

type Answer = (path: string, request: IncomingMessage, response: ServerResponse) => unknown;

let stop: () => Promise<void>;

const json = (response: ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** A list of these, and by itself whatever `found` says. */
const listing =
  (models: object[], found?: object): Answer =>
  (path, _, response) => {
    if (path === '/v1/models') return json(response, 200, { data: models, has_more: false });
    return found === undefined
      ? json(response, 404, { type: 'error', error: { type: 'not_found_error', message: 'No' } })
      : json(response, 200, found);
  };

describe('the models of the provider', () => {
  let paths: string[] = [];
  afterEach(() => stop());

  async function serve(answer: Answer): Promise<string> {
    paths = [];
    const server = createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      paths.push(path);
      answer(path, request, response);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    stop = async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    };
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function lookUp(answer: Answer, signal = new AbortController().signal) {
    const client = new Anthropic({ apiKey: 'k', baseURL: await serve(answer), maxRetries: 0 });
    const { notices, limits } = await lookUpModels(client, 'claude-opus-5-5', signal, NOW);
    return { codes: notices.map(({ code }) => code), notices, limits: limits.get('claude-opus-5-5') };
  }

  it('tell what a model can take and give, and nothing more where all is well', async () => {
    expect(await lookUp(listing([{ ...MODEL, id: 'claude-x' }, MODEL]))).toMatchObject({
      codes: [],
      limits: { contextTokens: 900_000, maxOutputTokens: 100_000 },
    });
    expect(paths).toEqual(['/v1/models']);
  });

  it('are looked through page by page', async () => {
    const { codes, limits } = await lookUp((_, { url }, response) => {
      const isSecond = url?.includes('after_id=claude-x');
      json(response, 200, {
        data: [isSecond ? MODEL : { ...MODEL, id: 'claude-x' }],
        has_more: !isSecond,
        last_id: 'claude-x',
      });
    });

    expect([codes, limits?.contextTokens]).toEqual([[], 900_000]);
    expect(paths).toEqual(['/v1/models', '/v1/models']);
  });

  it('include one that has another name in the list', async () => {
    const { codes, limits } = await lookUp(listing([{ ...MODEL, id: 'claude-opus-5-5-20261001' }], MODEL));

    expect([codes, limits?.maxOutputTokens]).toEqual([[], 100_000]);
  });

  it.each([
    [{ lifecycle: 'deprecated' }, ['model_deprecated']],
    [{ lifecycle: 'deprecated', retires_at: '2027-01-23T00:00:00Z' }, ['model_retires']],
    [{ lifecycle: 'active', retires_at: '2026-11-30T00:00:00Z' }, ['model_retires']],
    [{ lifecycle: 'active', retires_at: '2027-01-24T00:00:00Z' }, []],
    [{ lifecycle: 'retired', retires_at: '2026-11-01T00:00:00Z' }, ['model_retired']],
    [{ lifecycle: 'from_the_future', retires_at: 'soon', max_tokens: null }, []],
  ])('of which one is %j give the notices %j', async (fields, codes) => {
    expect((await lookUp(listing([{ ...MODEL, ...fields }]))).codes).toEqual(codes);
  });

  it('say on which day a model retires', async () => {
    const { notices } = await lookUp(listing([{ ...MODEL, retires_at: '2026-11-30T00:00:00Z' }]));

    expect(notices[0]?.message).toBe('claude-opus-5-5 retires on 2026-11-30: choose another MODEL before.');
  });

  it('are not guessed: one that is neither listed nor found is not there', async () => {
    expect((await lookUp(listing([{ ...MODEL, id: 'claude-x' }]))).notices).toEqual([
      {
        code: 'model_not_listed',
        message:
          "The model's provider does not know claude-opus-5-5: check MODEL. Its ids are those of GET /v1/models.",
      },
    ]);
  });

  it.each([401, 403])('are refused to bad credentials (%d), which is told', async (status) => {
    expect((await lookUp((_, __, response) => json(response, status, {}))).codes).toEqual([
      'model_credentials_refused',
    ]);
  });

  it.each<[string, Answer]>([
    ['has no such route', (_, __, response) => json(response, 404, {})],
    ['lists them in the way of another wire', listing([{ object: 'model', id: 'llama' }])],
    ['lists nothing', listing([])],
    ['answers with something else', (_, __, response) => response.end('<html>')],
    ['fails', (_, __, response) => json(response, 500, {})],
    ['hangs up', (_, __, response) => response.destroy()],
  ])('are not known where the server %s, and nothing is said', async (_, answer) => {
    expect((await lookUp(answer)).codes).toEqual([]);
  });

  it('are not waited for when the application ends', async () => {
    const abort = new AbortController();

    const looking = lookUp(() => abort.abort(), abort.signal);

    expect((await looking).codes).toEqual([]);
  });

  async function modelAt(answer: Answer, options = {}) {
    const baseUrl = await serve(answer);
    return new AnthropicModel({ defaultModel: 'claude-opus-5-5', baseUrl, idleMs: 5000, ...options });
  }

  describe('as a language model sees them', () => {
    const { signal } = new AbortController();

    it('overrule what is known of a model', async () => {
      const anthropic = await modelAt(listing([{ ...MODEL, max_tokens: null }]));
      expect(anthropic.limits('claude-opus-5-5').contextTokens).toBe(1_000_000);

      expect(await anthropic.check(signal)).toEqual([]);

      expect(anthropic.limits('claude-opus-5-5')).toEqual({
        contextTokens: 900_000,
        maxOutputTokens: 128_000,
      });
      expect(anthropic.limits('llama')).toEqual({ contextTokens: null, maxOutputTokens: null });
    });

    it.each([{ profile: 'ollama' }, { profile: 'old-gateway' }, { isOnlyModel: true }])(
      'are not asked for with %j',
      async (options) => {
        expect(await (await modelAt(listing([MODEL]), options)).check(signal)).toEqual([]);

        expect(paths).toEqual([]);
      },
    );
  });
});
