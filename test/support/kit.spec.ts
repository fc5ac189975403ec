import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocketServer } from 'ws';
import {
  messageStart,
  textBlock,
  textReply,
  thinkingBlock,
  messageEnd,
  toolReply,
} from './anthropic/anthropic-sse.js';
import { recordings } from './anthropic/recordings.js';
import { complaintAbout, type WireBody, type WireMessage } from './anthropic/strict-anthropic.js';
import { faultsOf, shownBy, textOf, toolFaultsOf, type ViewedEvent } from './event-list.js';
import { FakeUpstream } from './fake-upstream.js';
import { Random } from './random.js';
import { rawHttp, rawRequest } from './wire/raw-http.js';
import { openSse, readSse } from './sse-client.js';
import { SseParser } from './wire/sse-parser.js';
import { until } from './until.js';
import { openSocket, UpgradeRefused } from './ws-client.js';

const RUN = 'run_01h455vb4pex5vsknk084sn02q';

function event(seq: number, type: string, data: unknown, attempt = 1): ViewedEvent {
  return { event: type, id: `${RUN}.${attempt}.${seq}`, data: JSON.stringify(data) };
}

const GOOD = [event(1, 'run', {}), event(2, 'token', { text: 'a' }), event(3, 'done', {})];

describe('the list checker', () => {
  it('finds nothing wrong with a dense list that begins with run and ends with its one done', () => {
    expect(faultsOf(GOOD)).toEqual([]);
  });

  it('names a lost event, a doubled one, a missing done and a falling attempt', () => {
    expect(faultsOf([GOOD[0]!, GOOD[2]!])).toEqual([`${RUN}.1.3 at place 2`]);
    expect(faultsOf([GOOD[0]!, GOOD[0]!, ...GOOD.slice(1)])).toHaveLength(3);
    expect(faultsOf(GOOD.slice(0, 2))).toEqual(['0 done events', 'ends with token']);
    expect(faultsOf([event(1, 'run', {}, 2), event(2, 'done', {}, 1)])).toEqual([
      `${RUN}.1.2 after attempt 2`,
    ]);
  });

  it('drops what a reset takes back, and nothing before it', () => {
    const events = [
      event(1, 'run', {}),
      event(2, 'token', { text: 'kept ' }),
      event(3, 'token', { text: 'half' }),
      event(4, 'reset', { after: `${RUN}.1.2`, reason: 'r' }, 2),
      event(5, 'token', { text: 'whole' }, 2),
    ];
    expect(textOf(events)).toBe('kept whole');
    expect(shownBy([...events, event(6, 'reset', { after: null, reason: 'r' }, 2)])).toEqual([]);
  });

  it('names a call that is shown without its result', () => {
    expect(toolFaultsOf([event(1, 'tool_call', { id: 'toolu_1' })])).toHaveLength(1);
    expect(toolFaultsOf([event(1, 'tool_call', { id: 'a' }), event(2, 'tool_result', { id: 'a' })])).toEqual(
      [],
    );
  });
});

function problemsOf(text: string): string[] {
  const parser = new SseParser();
  parser.push(Buffer.from(text));
  return parser.problems;
}

describe('the stream parser', () => {
  const stream =
    'retry: 1000\nevent: run\ndata: {"x":"é"}\nid: r.1.1\n\n: hb\nevent: done\ndata: {}\nid: r.1.2\n\n';

  it('reads the same blocks wherever the bytes are cut', () => {
    const bytes = Buffer.from(stream);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const parser = new SseParser();
      parser.push(bytes.subarray(0, cut));
      parser.push(bytes.subarray(cut));
      expect(parser.problems).toEqual([]);
      expect(parser.blocks.map((b) => [b.event, b.id, b.data, b.retry])).toEqual([
        ['run', 'r.1.1', '{"x":"é"}', 1000],
        ['done', 'r.1.2', '{}', undefined],
      ]);
      expect(parser.comments).toEqual([': hb']);
    }
  });

  it('lists what the contract does not allow', () => {
    expect(problemsOf('retry: 1\nevent: run\ndata: {}\r\nid: 1\n\n')).toContain('a CR in the stream');
    expect(problemsOf('retry: 1\ndata: 1\ndata: 2\n\n')).toContain('block 1 (message) has 2 data lines');
    expect(problemsOf('retry: 1\nid: 1\ndata: {}\n\n')).toEqual(['block 1 (message): id is not last']);
    expect(problemsOf('event: run\ndata: {}\nid: 1\n\n')).toEqual([
      'block 1 (run): no retry in the first block',
    ]);
    expect(problemsOf('retry: 1\n\n')).toContain('block 1 (message) has 0 data lines');
  });

  it('knows whether the bytes end after a whole block', () => {
    const parser = new SseParser();
    parser.push(Buffer.from('retry: 1\ndata: {}\n\n: hb\n'));
    expect(parser.whole).toBe(true);
    parser.push(Buffer.from('event: token\n'));
    expect(parser.whole).toBe(false);
  });
});

describe('the stream client', () => {
  let stop: (() => void) | undefined;
  afterEach(() => stop?.());

  async function serve(blocks: string[], end: 'end' | 'break' | 'open'): Promise<string> {
    const server = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const after = Number(String(request.headers['last-event-id']).split('.')[2] ?? 0);
      for (const block of blocks.slice(after)) response.write(block);
      if (end === 'end') response.end();
      if (end === 'break') response.write(' ', () => response.destroy());
    }).listen(0, '127.0.0.1');
    stop = () => {
      server.closeAllConnections();
      server.close();
    };
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  const BLOCKS = [1, 2, 3].map((n) => `retry: 1000\nevent: token\ndata: {"n":${n}}\nid: r.1.${n}\n\n`);

  it('tells a whole response from a broken one and from its own cut', async () => {
    expect(await (await readSse(await serve(BLOCKS, 'end'))).ended).toBe('end');
    stop!();
    expect(await (await readSse(await serve(BLOCKS, 'break'))).ended).toBe('broken');
    stop!();
    const cut = await readSse(await serve(BLOCKS, 'open'), { cutAfterBlocks: 2 });
    expect(await cut.ended).toBe('cut');
    expect(cut.events.map((e) => e.id)).toEqual(['r.1.1', 'r.1.2']);
  });

  it('adopts nothing of a block that was cut in the middle, and resumes after the last whole one', async () => {
    const url = await serve(BLOCKS, 'end');
    const first = await readSse(url, { cutAfterBytes: BLOCKS[0]!.length + 20 });
    expect(first.events.map((e) => e.id)).toEqual(['r.1.1']);
    const second = await readSse(url, { lastEventId: 'r.1.1' });
    expect(second.events.map((e) => e.id)).toEqual(['r.1.2', 'r.1.3']);
  });

  it('reads nothing while it is stopped', async () => {
    const stream = await openSse(await serve(BLOCKS, 'end'), { stopped: true });
    expect(stream.bytes).toBe(0);
    stream.read();
    await stream.ended;
    expect(stream.events).toHaveLength(3);
  });
});

describe('the socket client', () => {
  it('pairs answers by ref and reports a refused upgrade with its status', async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'agent.v1' });
    server.on('upgrade', (request, socket, head) => {
      if (request.url !== '/api/agent/ws')
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
      else {
        sockets.handleUpgrade(request, socket, head, (ws) => {
          ws.on('message', (data: Buffer) => {
            const { ref } = JSON.parse(data.toString()) as { ref: string };
            ws.send('{"event":"token","id":"r.1.1","data":{"text":"a"}}');
            ws.send(JSON.stringify({ event: 'ack', ref, data: {} }));
          });
        });
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = await openSocket(url);
    expect((await client.ask('ping', {})).event).toBe('ack');
    expect(client.events).toEqual([{ event: 'token', id: 'r.1.1', data: '{"text":"a"}' }]);
    await client.close();
    const refused = await openSocket(url, { path: '/other' }).catch(
      (error: unknown) => error as UpgradeRefused,
    );
    expect(refused).toMatchObject({ status: 403, body: 'no' });
    server.close();
  });
});

const HEADERS = {
  'anthropic-version': '2026-10-21',
  authorization: 'Bearer k',
  'content-type': 'application/json',
};
const user = (text: string): WireMessage => ({ role: 'user', content: text });
const call = (id: string): WireMessage => ({
  role: 'assistant',
  content: [{ type: 'tool_use', id, name: 't', input: {} }],
});
const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: 'ok' });
const text = (value: string) => ({ type: 'text', text: value });
const body = (messages: WireMessage[], fields: Record<string, unknown> = {}): WireBody => ({
  model: 'claude-opus-5-5',
  max_tokens: 100,
  stream: true,
  messages,
  ...fields,
});

describe('the strict upstream', () => {
  let fake: FakeUpstream | undefined;
  afterEach(async () => fake?.stop());

  const post = (messages: WireMessage[], fields?: Record<string, unknown>) =>
    fetch(`${fake!.url}/v1/messages?beta=true`, {
      method: 'POST',
      headers: HEADERS,
      body: JSON.stringify(body(messages, fields)),
    });

  it.each<[string, WireMessage[], RegExp | undefined]>([
    ['a first question', [user('q')], undefined],
    ['a tool loop', [user('q'), call('a'), { role: 'user', content: [result('a')] }], undefined],
    ['two user messages in a row', [user('q'), user('q')], undefined],
    ['a call without result', [user('q'), call('a'), user('and?')], /without `tool_result` blocks/],
    ['a call at the end', [user('q'), call('a')], /tool_use without|prefill/],
    [
      'text before results',
      [user('q'), call('a'), { role: 'user', content: [text('t'), result('a')] }],
      /must come first/,
    ],
    ['a foreign result', [user('q'), { role: 'user', content: [result('a')] }], /unexpected/],
    [
      'two results',
      [user('q'), call('a'), { role: 'user', content: [result('a'), result('a')] }],
      /single result/,
    ],
    ['prefill', [user('q'), { role: 'assistant', content: 'Once' }], /prefill/],
    ['empty content', [{ role: 'user', content: [] }], /non-empty content/],
    ['empty text', [{ role: 'user', content: [text('')] }], /must be non-empty/],
    ['blank text', [{ role: 'user', content: ' ' }], /non-whitespace/],
    ['an assistant first', [call('a')], /first message/],
  ])('judges %s as the service does', (_name, messages, complaint) => {
    const said = complaintAbout(body(messages), false);
    if (complaint) expect(said).toMatch(complaint);
    else expect(said).toBeUndefined();
  });

  it.each([
    ['temperature', { temperature: 1 }],
    ['an unknown field', { colour: 'red' }],
    ['disabled thinking', { thinking: { type: 'disabled' } }],
    ['a forced tool', { tool_choice: { type: 'any' } }],
    ['two tools of one name', { tools: [1, 2].map(() => ({ name: 'a', input_schema: { type: 'object' } })) }],
  ])('refuses %s', (_name, fields) => {
    expect(complaintAbout(body([user('q')], fields), false)).toBeDefined();
  });

  it('answers a bad request with the error shape of the service and records why', async () => {
    fake = await FakeUpstream.start();
    const answer = await post([user('q')], { temperature: 0 });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    expect(fake.complaints).toEqual(['call 1: temperature: this parameter is not supported']);
  });

  it('plays replies in order and repeats the last', async () => {
    fake = await FakeUpstream.start();
    fake.answer([{ status: 529, json: {} }, { sse: textReply(['hi']) }]);
    expect((await post([user('q')])).status).toBe(529);
    expect(await (await post([user('q')])).text()).toContain('"text":"hi"');
    expect((await post([user('q')])).status).toBe(200);
  });

  it('cuts after so many bytes, stalls, breaks off with an error event, and writes odd chunks', async () => {
    const sse = toolReply(['héllo'], [{ id: 'toolu_1', name: 't', input: { a: 'é' } }]);
    fake = await FakeUpstream.start(() => ({ sse, cutAfterBytes: 100 }));
    const cut = await post([user('q')]);
    await expect(cut.text()).rejects.toThrow();
    fake.answer(() => ({ sse, errorAfter: { pieces: 2, type: 'overloaded_error' } }));
    expect(await (await post([user('q')])).text()).toMatch(/event: error\ndata: .*overloaded_error.*\n\n$/);
    fake.answer(() => ({ sse, chunkBytes: 1 }));
    expect(await (await post([user('q')])).text()).toBe(sse.join(''));
    fake.answer(() => ({ sse, stallAfterPieces: 1 }));
    const stalled = await post([user('q')]);
    await stalled.body!.getReader().read();
    expect(fake.calls.at(-1)).toMatchObject({ finished: false, closedAt: undefined });
  });

  it('sees when its client closes the connection', async () => {
    fake = await FakeUpstream.start(() => ({ sse: textReply(['a', 'b', 'c']), paceMs: 50 }));
    const controller = new AbortController();
    const init = {
      method: 'POST',
      headers: HEADERS,
      body: JSON.stringify(body([user('q')])),
      signal: controller.signal,
    };
    await fetch(`${fake.url}/v1/messages`, init);
    controller.abort();
    await until('the close to be seen', () => fake!.calls[0]!.closedAt !== undefined);
    expect(fake.calls[0]!.finished).toBe(false);
  });

  it('refuses a thinking block whose prefix has changed', async () => {
    const reply = [
      messageStart(),
      ...thinkingBlock(0, 'hm', 'sig-1'),
      ...textBlock(1, ['a']),
      ...messageEnd('end_turn'),
    ];
    fake = await FakeUpstream.start(() => ({ sse: reply }));
    await (await post([user('q')], { system: 'one' })).text();
    const answered: WireMessage = {
      role: 'assistant',
      content: [{ type: 'thinking', thinking: 'hm', signature: 'sig-1' }, text('a')],
    };
    expect((await post([user('q'), answered, user('q2')], { system: 'one' })).status).toBe(200);
    expect((await post([user('q'), answered, user('q2')], { system: 'two' })).status).toBe(400);
  });
});

describe('raw requests', () => {
  it('reads status, headers and body of what the server answers to the bytes', async () => {
    const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await rawHttp(url, rawRequest(url, 'GET / HTTP/1.1'))).toMatchObject({ status: 200 });
    expect(await rawHttp(url, 'nonsense\r\n\r\n')).toMatchObject({ status: 400 });
    server.close();
  });
});

function draw(seed: number): number[] {
  const random = new Random(seed);
  return Array.from({ length: 200 }, () => random.between(3, 9));
}

describe('seeded numbers', () => {
  it('come back with the same seed and stay within their bounds', () => {
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(new Set(draw(7))).toEqual(new Set([3, 4, 5, 6, 7, 8, 9]));
  });
});

const recorded = recordings();
if (recorded.length > 0) {
  describe('the recordings', () => {
    it('are read as their description says', () => {
      const named = (part: string) => recorded.find((r) => r.file.includes(part))!;
      expect(recorded).toHaveLength(51);
      expect(recorded.filter((r) => r.broken)).toHaveLength(2);
      expect(named('pptx-skill').usage.input_tokens).toBe(320_032);
      expect(named('compaction.1').usage.input_tokens).toBe(612);
      expect(named('message-delta-input-tokens').usage.input_tokens).toBe(61);
      expect(named('tool-calling.1.turn02')).toMatchObject({ stopReason: 'tool_use', text: '' });
      expect(named('tool-calling.1.turn02').toolUses).toHaveLength(1);
    });
  });
}
