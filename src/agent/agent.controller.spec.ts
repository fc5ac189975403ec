import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { textReply } from '../../test/support/anthropic/anthropic-sse.js';
import { Api, send, signIn } from '../../test/support/api.js';
import { type RunningApp, startApp } from '../../test/support/app.js';
import { faultsOf, placeOf, textOf } from '../../test/support/event-list.js';
import { FakeUpstream, type UpstreamCall } from '../../test/support/fake-upstream.js';
import { openSse, readSse } from '../../test/support/sse-client.js';
import { upstreamEnv } from '../../test/support/test-env.js';
import { until, within } from '../../test/support/until.js';

const STREAM = '/api/agent/stream';
const NOBODYS = 'ses_01h455vb4pex5vsknk084sn02q';

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let eve: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  app = await startApp({
    ...upstreamEnv(upstream.url),
    HEARTBEAT_MS: '100',
    SHUTDOWN_GRACE_MS: '0',
    METRICS_TOKEN: 'metrics',
  });
  ada = await Api.as(app.url, 'ada');
  eve = await Api.as(app.url, 'eve');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

/** Ten words; to "wait" one word, and then nothing for ever. */
function answer(call: UpstreamCall) {
  const waits = JSON.stringify(call.body.messages.at(-1)).includes('wait');
  const words = textReply(Array.from({ length: 10 }, (_, n) => `word ${n} `));
  return waits ? { sse: words, stallAfterPieces: 3 } : { sse: words };
}

const start = (body: unknown, headers: Record<string, string> = {}, query = '') =>
  readSse(`${app.url}${STREAM}${query}`, { body, headers: { ...ada.authorization, ...headers } });

describe('POST and GET of a stream', () => {
  it('give the same list of events, with the same headers', async () => {
    const posted = await start({ content: 'hello' });
    const { runId } = placeOf(posted.events[0]!.id);
    const { session_id } = JSON.parse(posted.events[0]!.data) as { session_id: string };
    const read = await ada.read({ session_id, run_id: runId });

    expect(faultsOf(posted.events)).toEqual([]);
    expect(read.events).toEqual(posted.events);
    for (const { status, headers, parser } of [posted, read]) {
      expect([status, parser.problems, parser.whole]).toEqual([200, [], true]);
      expect(headers).toMatchObject({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-store, no-transform',
        'x-accel-buffering': 'no',
      });
      for (const name of ['x-powered-by', 'pragma', 'expires', 'content-length', 'content-encoding'])
        expect(headers).not.toHaveProperty(name);
    }
  });

  it('send their headers at once, before there is any event', async () => {
    const stream = await openSse(ada.streamUrl({ session_id: await ada.createSession() }), {
      headers: ada.authorization,
    });
    expect([stream.status, stream.blocks]).toEqual([200, []]);
    stream.cut();
  });

  it('send a comment after silence, which completes no block', async () => {
    const stream = await ada.open({ session_id: await ada.createSession() });
    await within(5_000, 'a heartbeat', enough(stream, 15));
    expect(stream.parser.comments.slice(0, 2)).toEqual([': hb', ': hb']);
    expect([stream.blocks, stream.parser.problems]).toEqual([[], []]);
    stream.cut();
  });

  it('begin with their first event: a blank line before it is an empty message to some clients', async () => {
    const answered = await ada.call('POST', STREAM, { content: 'hello' });
    expect(answered.text).toMatch(/^retry: \d+\nevent: run\n/);
  });

  it('end the response after done', async () => {
    const stream = await start({ content: 'hello' });
    expect(await stream.ended).toBe('end');
    expect(stream.events.at(-1)?.event).toBe('done');
  });
});

function enough(stream: { bytes: number }, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => (stream.bytes >= bytes ? resolve() : setTimeout(look, 5));
    look();
  });
}

describe('before the first byte', () => {
  it.each([
    ['no session_id', ''],
    ['an empty session_id', '?session_id='],
    ['session_id twice', `?session_id=${NOBODYS}&session_id=${NOBODYS}`],
    ['a follow that is neither true nor false', `?session_id=${NOBODYS}&follow=maybe`],
    ['an empty run_id', `?session_id=${NOBODYS}&run_id=`],
  ])('%s is 400', async (_name, query) => {
    const answered = await ada.call('GET', STREAM + query);
    expect([answered.status, answered.body['code']]).toEqual([400, 'invalid_request']);
    expect(answered.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  it('an unknown credential is 401, and says how', async () => {
    for (const headers of [{}, { authorization: 'Bearer x' }] as Record<string, string>[]) {
      const answered = await send('GET', `${app.url}${STREAM}?session_id=${NOBODYS}`, undefined, headers);
      expect([answered.status, answered.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    }
  });

  it('another site is 403', async () => {
    const cookie = await signIn(app.url);
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://evil.test' },
    ];
    for (const from of foreign) {
      const url = `${app.url}${STREAM}?session_id=${NOBODYS}`;
      expect((await send('GET', url, undefined, { cookie, ...from })).status).toBe(403);
    }
  });

  it('a session or run that is not there, or not the own, is 404', async () => {
    const session = await ada.createSession();
    const other = await ada.createSession();
    const run = await ada.post(other, 'hello');
    const refused = [
      await ada.call('GET', `${STREAM}?session_id=${NOBODYS}`),
      await eve.call('GET', `${STREAM}?session_id=${session}`),
      await ada.call('GET', `${STREAM}?session_id=${session}&run_id=${run.id}`),
      await ada.call('GET', `${STREAM}?session_id=${session}&run_id=run_%00`),
      await ada.call('GET', `${STREAM}?session_id=${session}%00`),
      await eve.call('POST', STREAM, { session_id: session, content: 'x' }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404]);
    expect(await ada.runsOf(session)).toEqual([]);
  });

  it('a client that takes no event stream is 406, and starts nothing', async () => {
    const session = await ada.createSession();
    for (const accept of ['application/json', 'text/html, image/*', 'text/event-stream;q=0']) {
      expect((await ada.call('GET', `${STREAM}?session_id=${session}`, undefined, { accept })).status).toBe(
        406,
      );
      expect((await ada.call('POST', STREAM, { session_id: session, content: 'x' }, { accept })).status).toBe(
        406,
      );
    }
    expect(await ada.runsOf(session)).toEqual([]);
  });

  it.each(['*/*', 'text/*', 'application/json, text/event-stream;q=0.1', 'text/event-stream'])(
    'a client that accepts %s is answered',
    async (accept) => {
      expect((await start({ content: 'x' }, { accept })).status).toBe(200);
    },
  );

  it('HEAD has the headers of the stream and ends at once', async () => {
    const session = await ada.createSession();
    const call = httpRequest(`${app.url}${STREAM}?session_id=${session}`, {
      method: 'HEAD',
      headers: ada.authorization,
    }).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.resume();
    await within(2_000, 'the end of a HEAD', once(response, 'end'));
    expect([response.statusCode, response.headers['content-type']]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
  });
});

describe('a cursor in a POST', () => {
  it('starts nothing: it goes on after the event, in the session of the body or of the cursor', async () => {
    const { events } = await start({ content: 'hello' });
    const { session_id } = JSON.parse(events[0]!.data) as { session_id: string };
    const cursor = events[3]!.id;

    for (const again of [
      await start({ content: 'hello' }, { 'last-event-id': cursor }),
      await start({ content: 'hello', session_id }, { 'last-event-id': cursor }),
      await start({ content: 'hello' }, {}, `?last_event_id=${cursor}`),
    ]) {
      expect([again.status, again.parser.problems]).toEqual([200, []]);
      expect(again.events).toEqual(events.slice(4));
    }
    expect(await ada.runsOf(session_id)).toHaveLength(1);
  });

  it('that is a done is 204, and that cannot be honoured gets a reset and the latest run', async () => {
    const { events } = await start({ content: 'hello' });
    const { session_id } = JSON.parse(events[0]!.data) as { session_id: string };

    const over = await start({ content: 'hello' }, { 'last-event-id': events.at(-1)!.id });
    const wrong = await start({ content: 'hello', session_id }, { 'last-event-id': 'nonsense' });
    const twice = await start({ content: 'x', session_id }, {}, '?last_event_id=a&last_event_id=b');

    expect([over.status, over.body]).toEqual([204, '']);
    for (const { blocks, events: shown } of [wrong, twice]) {
      expect([blocks[0]!.event, blocks[0]!.id]).toEqual(['reset', undefined]);
      expect(shown).toEqual(events);
    }
    expect(await ada.runsOf(session_id)).toHaveLength(1);
  });

  it('of nobody, without a session, is 404 and starts nothing', async () => {
    const { events } = await start({ content: 'hello' });
    for (const who of [eve, ada]) {
      const cursor = who === eve ? events[0]!.id : 'nonsense';
      const before = (await who.call('GET', '/api/agent/sessions')).text;
      const refused = await who.call('POST', STREAM, { content: 'x' }, { 'last-event-id': cursor });
      expect([refused.status, refused.body['code']]).toEqual([404, 'not_found']);
      expect((await who.call('GET', '/api/agent/sessions')).text).toBe(before);
    }
  });
});

describe('a cursor in a GET', () => {
  it.each([
    ['said twice', 'last_event_id=a&last_event_id=b'],
    ['in brackets', 'last_event_id[]=a&last_event_id=b'],
    ['of 8 KB', `last_event_id=${'a'.repeat(8_000)}`],
    ['of NUL and an emoji', 'last_event_id=%00%F0%9F%98%80'],
  ])('that is %s is no error', async (_name, query) => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'hello');
    await ada.settled(run.id);
    const stream = await readSse(`${app.url}${STREAM}?session_id=${session}&${query}`, {
      headers: ada.authorization,
    });
    expect([stream.status, stream.blocks[0]!.event]).toEqual([200, 'reset']);
    expect(faultsOf(stream.events)).toEqual([]);
  });

  it('said twice as a header is none of any event', async () => {
    const session = await ada.createSession();
    await ada.settled((await ada.post(session, 'hello')).id);
    const { events } = await ada.read({ session_id: session });
    const stream = await readSse(ada.streamUrl({ session_id: session }), {
      headers: { ...ada.authorization, 'last-event-id': [events[0]!.id, events[1]!.id] },
    });
    expect(stream.blocks[0]!.event).toBe('reset');
    expect(stream.events).toEqual(events);
  });
});

async function measure(name: string): Promise<number> {
  const answered = await fetch(`${app.url}/metrics`, { headers: { authorization: 'Bearer metrics' } });
  return Number((await answered.text()).split(`\n${name} `)[1]?.split('\n')[0]);
}

describe('viewers that come and go', () => {
  it('are counted, as are the heartbeats that they got', async () => {
    expect(await measure('agentline_streams_open{transport="sse"}')).toBe(0);
    const before = await measure('agentline_heartbeats_total');
    const stream = await ada.open({ session_id: await ada.createSession() });
    expect(await measure('agentline_streams_open{transport="sse"}')).toBe(1);
    await within(5_000, 'a heartbeat', enough(stream, 5));
    expect(await measure('agentline_heartbeats_total')).toBeGreaterThan(before);
    stream.cut();
    await until(
      'the stream to be gone',
      async () => (await measure('agentline_streams_open{transport="sse"}')) === 0,
    );
  });

  it('stop nothing', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'wait');
    const streams = await Promise.all(Array.from({ length: 20 }, () => ada.open({ session_id: session })));
    for (const stream of streams) {
      await stream.nextWhere(({ event }) => event === 'token');
      stream.cut();
    }
    expect((await ada.run(run.id)).status).toBe('running');
    await ada.cancel(run.id);
    expect(textOf((await ada.read({ session_id: session })).events)).toBe('word 0 ');
  });
});

describe('a stream whose credentials end', () => {
  it('ends after a whole event within five seconds, and its cookie is 401', async () => {
    const cookie = await signIn(app.url);
    const headers = { cookie, origin: app.url, 'sec-fetch-site': 'same-origin' };
    const session = (await send<{ id: string }>('POST', `${app.url}/api/agent/sessions`, {}, headers)).body
      .id;
    await send('POST', `${app.url}/api/agent/sessions/${session}/messages`, { content: 'wait' }, headers);
    const url = `${app.url}${STREAM}?session_id=${session}`;
    const stream = await openSse(url, { headers });
    await stream.nextWhere(({ event }) => event === 'token');

    expect((await send('POST', `${app.url}/api/auth/logout`, undefined, headers)).status).toBe(204);

    expect(await within(5_000, 'the end of the stream', stream.ended)).toBe('end');
    expect(stream.parser.whole).toBe(true);
    expect((await send('GET', url, undefined, headers)).status).toBe(401);
  });
});
