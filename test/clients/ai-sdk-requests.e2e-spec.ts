import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { Api, send, signIn } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { openSse, type SseStream } from '../support/sse-client.js';
import { upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import { openPage, textOf } from './ai-sdk-chat.js';

const CHAT = '/api/formats/ai-sdk/chat';
const WORDS = Array.from({ length: 40 }, (_, n) => `word${n} `);

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let made = 0;

beforeAll(async () => {
  upstream = await FakeUpstream.start(() => ({ sse: textReply(WORDS), paceMs: 5 }));
  app = await startApp(upstreamEnv(upstream.url));
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

const said = (text: string, id = `msg-${(made += 1)}`) => ({
  id,
  role: 'user',
  parts: [{ type: 'text', text }],
});
const request = (fields: object = {}) => ({
  id: `chat-${(made += 1)}`,
  trigger: 'submit-message',
  messages: [said('hello')],
  ...fields,
});
const post = (body: object, headers: Record<string, string> = {}): Promise<SseStream> =>
  openSse(app.url + CHAT, { body, headers: { ...ada.authorization, accept: '*/*', ...headers } });
const chunksOf = (stream: SseStream): unknown[] =>
  stream.blocks.map(({ data }) => (data === '[DONE]' ? data : (JSON.parse(data) as unknown)));

describe('a chat of the AI SDK on the wire', () => {
  it('is server-sent events of its protocol, and nothing else', async () => {
    const stream = await post(request());
    expect(await stream.ended).toBe('end');
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-vercel-ai-ui-message-stream': 'v1',
    });
    const chunks = chunksOf(stream) as { type?: string; messageId?: string }[];
    expect(chunks[0]).toEqual({ type: 'start', messageId: expect.stringMatching(/^run_/) });
    expect(chunks.slice(-3)).toEqual([
      { type: 'finish-step' },
      { type: 'finish', finishReason: 'stop' },
      '[DONE]',
    ]);
    const again = await openSse(`${app.url}${CHAT}/${request().id}/stream`, { headers: ada.authorization });
    expect([again.status, await again.ended]).toEqual([204, 'end']);
  });

  it('posted several times at once it is one session and one run', async () => {
    const body = request();
    const streams = await Promise.all(Array.from({ length: 5 }, () => post(body)));
    await Promise.all(streams.map(({ ended }) => ended));
    const first = streams.map((stream) => JSON.stringify(chunksOf(stream)[0]));
    expect(new Set(first).size).toBe(1);
  });

  it('an edited message is another one, and so is every wish for another answer', async () => {
    const body = request({ messages: [said('hello', 'u1')] });
    const idOf = async (fields: object) => {
      const stream = await post({ ...body, ...fields });
      await stream.ended;
      return (chunksOf(stream)[0] as { messageId: string }).messageId;
    };
    const first = await idOf({});
    const edited = await idOf({ messages: [said('hello, you', 'u1')], messageId: 'u1' });
    const anew = { messages: [said('hello, you', 'u1')], trigger: 'regenerate-message' };
    const second = await idOf({ ...anew, messageId: edited });
    expect(await idOf({ ...anew, messageId: edited })).toBe(second);
    const third = await idOf(anew);
    expect(new Set([first, edited, second, third]).size).toBe(4);
  });

  it.each([
    ['no messages', { messages: [] }],
    ['no id', { id: '' }],
    ['an id of 129 characters', { id: 'x'.repeat(129) }],
    ['a system message at the end', { messages: [{ id: 'x', role: 'system', parts: [] }] }],
    ['a message without parts', { messages: [{ id: 'x', role: 'user' }] }],
    ['an empty message', { messages: [said(' ')] }],
    ['an answer to nothing', { messages: [said('hi'), { id: 'x', role: 'assistant', parts: [] }] }],
    ['another trigger', { trigger: 'resume-stream' }],
    [
      'a file that the model does not read',
      {
        messages: [
          {
            id: 'x',
            role: 'user',
            parts: [{ type: 'file', mediaType: 'audio/mp3', url: 'data:audio/mp3;base64,AA==' }],
          },
        ],
      },
    ],
    [
      'an image that is none',
      {
        messages: [
          {
            id: 'x',
            role: 'user',
            parts: [{ type: 'file', mediaType: 'image/png', url: 'data:image/png;base64,AAAA' }],
          },
        ],
      },
    ],
    [
      'a file of this server',
      {
        messages: [
          {
            id: 'x',
            role: 'user',
            parts: [{ type: 'file', mediaType: 'image/png', url: 'http://127.0.0.1/x.png' }],
          },
        ],
      },
    ],
  ])('refuses %s', async (_what, fields) => {
    const { status, body } = await ada.call('POST', CHAT, request(fields));
    expect([status, body['code']]).toEqual([400, 'invalid_request']);
  });

  it('refuses a version that it does not know, and takes a whole one', async () => {
    const refused = await ada.call('POST', CHAT, request(), { 'x-ai-sdk-version': '4' });
    expect([refused.status, refused.body['code']]).toEqual([400, 'invalid_request']);
    const taken = await post(request(), { 'x-ai-sdk-version': '6.0.326' });
    expect(taken.status).toBe(200);
    await taken.ended;
    expect(
      chunksOf(taken).filter((chunk) => (chunk as { type?: string }).type === 'text-delta'),
    ).toHaveLength(1);
  });

  it('refuses who is nobody, who may only read, and pages of others', async () => {
    const answer = await send('POST', app.url + CHAT, request());
    expect(answer.status).toBe(401);
    const viewer = await Api.as(app.url, 'vera', { roles: ['viewer'] });
    expect((await viewer.call('POST', CHAT, request())).status).toBe(403);
    expect((await viewer.call('GET', `${CHAT}/nothing/stream`)).status).toBe(204);
    const cookie = await signIn(app.url);
    const as = (method: string, path: string, headers: object) =>
      send(method, app.url + path, method === 'POST' ? request() : undefined, { cookie, ...headers });
    expect((await as('POST', CHAT, {})).status).toBe(403);
    expect((await as('POST', CHAT, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await as('POST', CHAT, { origin: app.url })).status).toBe(200);
    expect((await as('GET', `${CHAT}/x/stream`, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await as('GET', `${CHAT}/x/stream`, { 'sec-fetch-site': 'same-origin' })).status).toBe(204);
  });

  it('a ticket, which is for one session, opens no chat', async () => {
    const sessionId = await ada.createSession();
    const { body } = await ada.call('POST', '/api/auth/tickets', { session_id: sessionId });
    const query = `session_id=${sessionId}&ticket=${String(body['ticket'])}`;
    expect((await send('GET', `${app.url}${CHAT}/other/stream?${query}`)).status).toBe(401);
  });

  it('is in the audit, with what was started', async () => {
    const admin = await Api.as(app.url, 'chief', { roles: ['admin'] });
    const stream = await post(request());
    await stream.ended;
    const { messageId } = chunksOf(stream)[0] as { messageId: string };
    const entry = await until('the entry', async () => {
      const { body } = await admin.call<{ data: Record<string, unknown>[] }>('GET', '/api/admin/audit');
      return body.data.find(({ target }) => target === messageId);
    });
    expect(entry).toMatchObject({ action: 'run.start', outcome: 'allowed' });
  });
});

describe('a server that goes away in the middle of an answer', () => {
  let dataDir: string;

  beforeAll(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'agentline-chats-'));
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it.each(['5', '6', '7'])('cuts it, and the next one has it all: version %s', async (version) => {
    const env = { ...upstreamEnv(upstream.url), DATA_DIR: dataDir, SHUTDOWN_GRACE_MS: '1' };
    const first = await startApp(env);
    const page = (url: string, messages: ReturnType<typeof said>[] = []) =>
      openPage(version, { id: `chat ${version}`, api: url + CHAT, headers: ada.authorization, messages });
    const chat = page(first.url);
    const sent = chat.sendMessage(said('hello', `u${version}`));
    await until('some text', () => textOf(chat).length > 20);
    await first.stop();
    await sent;
    expect(chat.status).toBe('error');
    const second = await startApp(env);
    try {
      const reloaded = page(second.url, [said('hello', `u${version}`)]);
      await reloaded.resumeStream();
      expect(reloaded.error).toBeUndefined();
      expect(textOf(reloaded)).toBe(WORDS.join(''));
      expect(reloaded.messages).toHaveLength(2);
    } finally {
      await second.stop();
    }
  });
});
