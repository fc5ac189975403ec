import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  messageEnd,
  messageStart,
  textBlock,
  textReply,
  thinkingBlock,
  toolUseBlock,
} from './anthropic-sse.js';
import { sentAnswer } from './sent-blocks.js';
import type { StrictAnswer } from './strict-answer.js';
import type { WireBlock, WireMessage } from './strict-anthropic.js';
import { StrictUpstream } from './strict-upstream.js';

let upstream: StrictUpstream;

beforeAll(async () => {
  upstream = await StrictUpstream.start();
});
beforeEach(() => {
  upstream.forget();
  upstream.answer({ sse: textReply(['Hello']) });
});
afterAll(() => upstream.stop());

const HEADERS = { authorization: 'Bearer k', 'anthropic-version': '2026-10-21' };
const ASK: WireMessage = { role: 'user', content: 'go' };
const TOOL = { name: 'read', input_schema: { type: 'object' } };
const text = (text: string): WireBlock => ({ type: 'text', text });
const call = (id: string, name = 'read'): WireBlock => ({ type: 'tool_use', id, name, input: {} });
const result = (id: string): WireBlock => ({ type: 'tool_result', tool_use_id: id, content: 'ok' });
const said = (...content: WireBlock[]): WireMessage => ({ role: 'assistant', content });
const user = (...content: WireBlock[]): WireMessage => ({ role: 'user', content });

async function post(fields: Record<string, unknown>, headers: Record<string, string> = HEADERS) {
  const body = { model: 'claude-opus-5-5', max_tokens: 100, stream: true, messages: [ASK], ...fields };
  const response = await fetch(`${upstream.url}/v1/messages?beta=true`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  return { status: response.status, id: response.headers.get('request-id'), text: await response.text() };
}

const complaintOf = async (fields: Record<string, unknown>, headers?: Record<string, string>) => {
  const { status, text } = await post(fields, headers);
  return status === 200 ? 'taken' : (JSON.parse(text) as { error: { message: string } }).error.message;
};

describe('the strict upstream refuses', () => {
  const rules: [rule: string, fields: Record<string, unknown>, complaint: string][] = [
    ['a call without a result', { messages: [ASK, said(call('a')), ASK] }, 'without `tool_result`'],
    [
      'one of two calls without a result',
      { messages: [ASK, said(call('a'), call('b')), user(result('a'))] },
      'b',
    ],
    [
      'a result one message late',
      { messages: [ASK, said(call('a')), ASK, user(result('a'))] },
      'immediately after',
    ],
    ['a last call without a result', { messages: [ASK, said(call('a'))] }, 'prefill'],
    [
      'text before results',
      { messages: [ASK, said(call('a')), user(text('so'), result('a'))] },
      'come first',
    ],
    [
      'a result of no call',
      { messages: [ASK, said(text('hm')), user(result('x'))] },
      'unexpected `tool_use_id`',
    ],
    [
      'a result twice',
      { messages: [ASK, said(call('a')), user(result('a'), result('a'))] },
      'a single result',
    ],
    [
      'two calls of one id',
      { messages: [ASK, said(call('a'), call('a')), user(result('a'))] },
      'ids must be unique',
    ],
    ['prefill', { messages: [ASK, said(text('Sure,'))] }, 'prefill'],
    ['temperature', { temperature: 1 }, 'temperature: this parameter is not supported'],
    ['top_p', { top_p: 1 }, 'top_p: this parameter is not supported'],
    ['top_k', { top_k: 1 }, 'top_k: this parameter is not supported'],
    ['a field that nobody knows', { max_token: 1 }, 'max_token: Extra inputs are not permitted'],
    ['no max_tokens', { max_tokens: undefined }, 'max_tokens'],
    ['no messages', { messages: [] }, 'at least one message'],
    ['an empty text', { messages: [user(text(''))] }, 'must be non-empty'],
    ['a text of blanks', { messages: [user(text(' \n'))] }, 'non-whitespace'],
    ['empty content', { messages: [{ role: 'user', content: [] }] }, 'non-empty content'],
    ['an assistant first', { messages: [said(text('Hi')), ASK] }, 'must use the "user" role'],
    [
      'a system message first',
      { messages: [{ role: 'system', content: 'x' }, ASK] },
      'must use the "user" role',
    ],
    [
      'a system message before a user',
      { messages: [ASK, { role: 'system', content: 'x' }, ASK] },
      'not allowed here',
    ],
    [
      'a system message after text',
      { messages: [ASK, said(text('Hi')), { role: 'system', content: 'x' }] },
      'not allowed',
    ],
    [
      'a picture in a system message',
      { messages: [ASK, { role: 'system', content: [{ type: 'image' }] }] },
      'text only',
    ],
    ['two tools of one name', { tools: [TOOL, TOOL] }, 'must be unique'],
    [
      'a forced tool on this model',
      { tools: [TOOL], tool_choice: { type: 'any' } },
      'not supported by this model',
    ],
    [
      'thinking switched off on this model',
      { thinking: { type: 'disabled' } },
      'not supported by this model',
    ],
    [
      'arguments that are a list',
      { messages: [ASK, said({ ...call('a'), input: [] }), user(result('a'))] },
      'valid dictionary',
    ],
    [
      'an answer that ends in thinking',
      { messages: [ASK, said({ type: 'thinking', thinking: 'a', signature: 'b' }), ASK] },
      'The final block',
    ],
    [
      'an error without a word',
      { messages: [ASK, said(call('a')), user({ ...result('a'), content: ' ', is_error: true })] },
      'content cannot be empty',
    ],
    [
      'thinking of nobody',
      { messages: [ASK, said({ type: 'thinking', thinking: '', signature: 'x' }, text('a')), ASK] },
      'Invalid `signature`',
    ],
  ];

  it.each(rules)('%s', async (_, fields, complaint) => {
    const answer = await post(fields);

    expect(answer.status).toBe(400);
    const { type, error, request_id } = JSON.parse(answer.text) as Record<string, never>;
    expect({ type, error, request_id }).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message: expect.stringContaining(complaint) },
      request_id: answer.id,
    });
    expect(upstream.refusals).toHaveLength(1);
  });

  it('a beta that is not known, and a request without a version', async () => {
    expect(
      await complaintOf({}, { ...HEADERS, 'anthropic-beta': 'compact-2026-09-04, magic-2026' }),
    ).toContain('`magic-2026`');
    expect(await complaintOf({}, { ...HEADERS, 'anthropic-beta': 'compact-2026-09-04' })).toBe('taken');
    expect(await complaintOf({}, { authorization: 'Bearer k' })).toContain('anthropic-version');
  });
});

describe('the strict upstream takes', () => {
  it.each<[string, Record<string, unknown>]>([
    ['two user messages in a row', { messages: [ASK, ASK] }],
    ['results before text', { messages: [ASK, said(call('a')), user(result('a'), text('go on'))] }],
    [
      'a system message after what the user said',
      { messages: [ASK, { role: 'system', content: 'be kind' }] },
    ],
  ])('%s', async (_, fields) => {
    expect(await complaintOf(fields)).toBe('taken');
    expect(upstream.refusals).toEqual([]);
  });

  it('a paused answer as it came, and not one that was changed', async () => {
    upstream.answer({ sse: [messageStart(), ...textBlock(0, ['Half']), ...messageEnd('pause_turn')] });
    await post({});

    expect(await complaintOf({ messages: [ASK, said(text('Half'))] })).toBe('taken');
    expect(await complaintOf({ messages: [ASK, said(text('Half a'))] })).toContain('prefill');
  });
});

describe('thinking of a tool turn', () => {
  const thought: WireBlock = { type: 'thinking', thinking: 'so', signature: 'sig_1' };
  const turn = (...blocks: WireBlock[]) => [ASK, said(...blocks, call('t1')), user(result('t1'))];
  const asked = { system: 'Be brief.', tools: [TOOL] };

  beforeEach(async () => {
    const read = toolUseBlock(1, { id: 't1', name: 'read', input: {} });
    upstream.answer(
      { sse: [messageStart(), ...thinkingBlock(0, 'so', 'sig_1'), ...read, ...messageEnd('tool_use')] },
      { sse: textReply(['Done']) },
    );
    await post(asked);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['is taken as it came', { messages: turn(thought) }, 'taken'],
    [
      'is taken when a mark of the cache moves',
      { messages: turn(thought), system: [{ ...text('Be brief.'), cache_control: { type: 'ephemeral' } }] },
      'taken',
    ],
    ['is missed when it was dropped', { messages: turn() }, 'must be passed back'],
    [
      'is refused when it was changed',
      { messages: turn({ ...thought, thinking: 's' }) },
      'cannot be modified',
    ],
    [
      'is refused under another system',
      { messages: turn(thought), system: 'Be long.' },
      'system has changed',
    ],
    [
      'is refused under a tool more',
      { messages: turn(thought), tools: [TOOL, { ...TOOL, name: 'w' }] },
      'tools has changed',
    ],
    [
      'is refused under a changed tool',
      { messages: turn(thought), tools: [{ ...TOOL, description: 'r' }] },
      'tools.0 has changed',
    ],
    [
      'is refused after other words',
      { messages: [user(text('come')), ...turn(thought).slice(1)] },
      'messages.0 has changed',
    ],
    [
      'is refused after a message more',
      { messages: [ASK, ...turn(thought)] },
      'the number of messages has changed',
    ],
  ])('%s', async (_, fields, verdict) => {
    expect(await complaintOf({ ...asked, ...fields })).toContain(verdict);
  });
});

/** The bytes that came, and how the connection ended. */
function raw(answer: StrictAnswer): Promise<{ bytes: string; end: string }> {
  upstream.answer(answer);
  const body = JSON.stringify({ model: 'm', max_tokens: 1, stream: true, messages: [ASK] });
  return new Promise((resolve) => {
    const call = httpRequest(`${upstream.url}/v1/messages`, {
      method: 'POST',
      headers: HEADERS,
      agent: false,
    });
    call.on('error', (error: NodeJS.ErrnoException) => resolve({ bytes: '', end: String(error.code) }));
    call.end(body);
    call.on('response', (response) => {
      let bytes = '';
      const finish = (end: string) => {
        resolve({ bytes, end });
        call.destroy();
      };
      response.setEncoding('latin1');
      response.on('data', (piece: string) => {
        bytes += piece;
        if (answer.fault?.kind === 'stall' && bytes.length === answer.fault.at) finish('still open');
      });
      response.on('end', () => finish('end'));
      response.on('error', (error: NodeJS.ErrnoException) => finish(String(error.code)));
    });
  });
}

describe('an answer that the script breaks', () => {
  const whole = textReply(['Hello ', 'world']).join('');

  it.each<[StrictAnswer['fault'], string, string]>([
    [{ kind: 'cut', at: 100 }, whole.slice(0, 100), 'end'],
    [{ kind: 'stall', at: 100 }, whole.slice(0, 100), 'still open'],
    [{ kind: 'garbage', at: 0 }, '\xff\xfe\x00\n\n\xc3(\n\n', 'end'],
  ])('with %j has these bytes and this end', async (fault, bytes, end) => {
    expect(await raw({ sse: whole, fault })).toEqual({ bytes, end });
  });

  it('with a reset is cut off; what was sent last may be lost', async () => {
    const { bytes, end } = await raw({ sse: whole, fault: { kind: 'reset', at: 100 } });

    expect(whole.slice(0, 100).startsWith(bytes)).toBe(true);
    expect(end).toBe('ECONNRESET');
  });

  it('with an error or a second start has it after a whole event', async () => {
    const first = whole.slice(0, whole.indexOf('\n\n') + 2);

    const failed = await raw({ sse: whole, fault: { kind: 'error', at: 1, type: 'overloaded_error' } });
    const twice = await raw({ sse: whole, fault: { kind: 'second-start', at: 1 } });

    const error = '{"type":"error","error":{"type":"overloaded_error","message":"scripted"}}';
    expect(failed.bytes).toBe(`${first}event: error\ndata: ${error}\n\n`);
    expect(twice.bytes).toBe(first + whole);
  });

  it('with pings and in drops is the same answer', async () => {
    const { bytes } = await raw({ sse: whole, pings: true, drip: { bytes: 100, ms: 0 } });

    expect(bytes.split('event: ping').length).toBe(whole.split('\n\n').length);
    expect(sentAnswer(bytes)).toEqual({ blocks: [text('Hello world')], stopReason: 'end_turn', whole: true });
  });

  it('with a status has the body and the headers of an error', async () => {
    upstream.answer({
      status: 529,
      headers: { 'retry-after': '3' },
      error: { type: 'overloaded_error', message: 'Overloaded' },
    });

    const { status, text, id } = await post({});

    expect(status).toBe(529);
    expect(JSON.parse(text)).toEqual({
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
      request_id: id,
    });
  });

  it('is held until the test lets it go, and tells when its reader has left', async () => {
    upstream.answer({ sse: whole, hold: { at: 100, until: new Promise(() => undefined) } });
    const leaving = new AbortController();
    const response = await fetch(`${upstream.url}/v1/messages`, {
      method: 'POST',
      headers: HEADERS,
      body: JSON.stringify({ model: 'm', max_tokens: 1, stream: true, messages: [ASK] }),
      signal: leaving.signal,
    });
    const { value } = await response.body!.getReader().read();
    leaving.abort();

    expect(value).toHaveLength(100);
    expect(await upstream.calls[0]!.closed).toMatchObject({ whole: false });
  });
});
