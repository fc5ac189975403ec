import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { constants, createGunzip } from 'node:zlib';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { Api, send, signIn } from '../support/api.js';
import { blocksOfPage } from '../documents/pages/page-blocks.js';
import { quantile } from '../support/cluster/figures.js';
import { faultsOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { Nginx, WITHOUT_NGINX } from '../support/faults/nginx.js';
import { ServerProcess } from '../support/server-process.js';
import type { SseStream } from '../support/sse-client.js';
import { TcpProxy } from '../support/faults/tcp-proxy.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { within } from '../support/until.js';
import { SseParser } from '../support/wire/sse-parser.js';
import { openSocket, type AgentSocket } from '../support/ws-client.js';

const WORDS = Array.from({ length: 120 }, (_, n) => `word ${n} `);
const PACE = 10;
/** Heartbeats of 15 s, a proxy that cuts at 60 s, and ten minutes of silence, all scaled by 100. */
const HEARTBEAT = 300;
const IDLE = 4 * HEARTBEAT;
const SILENCE = 4 * IDLE;

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;
let impatient: TcpProxy;
let silent: { from: number; session: string; stream: SseStream; socket: AgentSocket };

beforeAll(async () => {
  upstream = await FakeUpstream.start(() => ({ sse: textReply(WORDS), paceMs: PACE }));
  server = await ServerProcess.start({
    env: { ...upstreamEnv(upstream.url), HEARTBEAT_MS: String(HEARTBEAT) },
  });
  ada = await Api.as(server.url, 'ada');
  impatient = await TcpProxy.to(server.port, { idleMs: IDLE });
  // Their silence lasts as long as the other tests.
  const beyond = new Api(impatient.url, ada.token);
  const session = await ada.createSession();
  const stream = await beyond.open({ session_id: session });
  const socket = await openSocket(impatient.url, { headers: ada.authorization });
  await socket.ask('subscribe', { session_id: session });
  silent = { from: performance.now(), session, stream, socket };
});

afterAll(async () => {
  await impatient?.close();
  await server?.stop();
  await upstream?.stop();
});

interface Seen {
  list: ViewedEvent[];
  /** When each event was there, by its id. */
  times: Map<string, number>;
  /** Events that came in one piece with others before them. */
  together: number;
  encoding: string | undefined;
}

/** Reads a session's run to its end as a browser would, which takes gzip. */
async function watch(url: string, session: string): Promise<Seen> {
  const headers = { ...ada.authorization, accept: 'text/event-stream', 'accept-encoding': 'gzip' };
  const path = `${url}/api/agent/stream?session_id=${session}`;
  const call = request(path, { headers, agent: false }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const encoding = response.headers['content-encoding'];
  const body =
    encoding === 'gzip' ? response.pipe(createGunzip({ flush: constants.Z_SYNC_FLUSH })) : response;
  const seen: Seen = { list: [], times: new Map(), together: 0, encoding };
  const parser = new SseParser(({ event, id, data }) => {
    if (id === undefined) return;
    seen.list.push({ event, id, data });
    seen.times.set(id, performance.now());
  });
  for await (const bytes of body) {
    const before = seen.list.length;
    parser.push(bytes as Buffer);
    seen.together += Math.max(0, seen.list.length - before - 1);
  }
  expect([response.statusCode, parser.problems]).toEqual([200, []]);
  return seen;
}

async function compare(
  opened: Promise<Nginx>,
  more: (nginx: Nginx) => Promise<void> = async () => {},
): Promise<{ lags: number[]; direct: Seen; proxied: Seen }> {
  const nginx = await opened;
  try {
    await more(nginx);
    const session = await ada.createSession();
    await ada.post(session, 'go');
    const [direct, proxied] = await Promise.all([watch(server.url, session), watch(nginx.url, session)]);
    const lags = direct.list.map(({ id }) => proxied.times.get(id)! - direct.times.get(id)!);
    return { lags, direct, proxied };
  } finally {
    await nginx.stop();
  }
}

describe('row 29: nginx with buffering and gzip before the server', () => {
  if (WITHOUT_NGINX !== undefined && !process.env['CI']) {
    it.skip(`row 29: ${WITHOUT_NGINX}`, () => undefined);
    return;
  }

  it.each([
    ['as it is, with gzip on', ['gzip on;'], undefined],
    [
      'with gzip for streams, too',
      [
        'gzip on;',
        'gzip_types text/event-stream;',
        'gzip_min_length 0;',
        'gzip_proxied any;',
        'gzip_http_version 1.0;',
      ],
      'gzip',
    ],
  ])('row 29: %s, hands each event on as it comes', async (name, http, encoding) => {
    expect(WITHOUT_NGINX).toBeUndefined();
    const { lags, direct, proxied } = await compare(Nginx.before(server.port, http));
    const p99 = quantile(lags, 0.99);
    process.stdout.write(
      `nginx ${name}: added lag p50 ${quantile(lags, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ` +
        `${proxied.together} of ${proxied.list.length} events not by themselves (${direct.together} without it)\n`,
    );
    expect(faultsOf(proxied.list)).toEqual([]);
    expect([proxied.list, proxied.encoding]).toEqual([direct.list, encoding]);
    expect(p99).toBeLessThanOrEqual(250);
    expect(proxied.together).toBeLessThan(WORDS.length / 4);
  });
});

/** The nginx of docs/operate.md as it stands there, but for where it listens, TLS, and where the server is. */
function asWritten(own: number): string[] {
  const [block] = blocksOfPage('operate').filter(({ language }) => language === 'nginx');
  return block!.text
    .replace(/^ +listen .*;$/m, `listen 127.0.0.1:${own};`)
    .replaceAll(/^ +ssl_.*;\n/gm, '')
    .replace('127.0.0.1:3000', `127.0.0.1:${server.port}`)
    .split('\n');
}

describe('the nginx of docs/operate.md', () => {
  if (WITHOUT_NGINX !== undefined && !process.env['CI']) {
    it.skip(`the nginx of docs/operate.md: ${WITHOUT_NGINX}`, () => undefined);
    return;
  }

  it('hands on sign-in by cookie, sockets, large bodies, and each event as it comes', async () => {
    const { lags, direct, proxied } = await compare(Nginx.with(asWritten), async ({ url }) => {
      const { ADMIN_EMAIL, ADMIN_PASSWORD } = TEST_ENV;
      const headers = { cookie: await signIn(url, ADMIN_EMAIL, ADMIN_PASSWORD), origin: url };
      const made = await send('POST', `${url}/api/agent/sessions`, { title: 'by cookie' }, headers);
      expect(made.status).toBe(201);
      const socket = await openSocket(url, { headers });
      expect(await socket.ask('ping', {})).toMatchObject({ event: 'ack' });
      socket.socket.terminate();
      const data = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(2_000_000)]);
      const source = { type: 'base64', media_type: 'image/png', data: data.toString('base64') };
      const large = { content: [{ type: 'image', source }] };
      const path = `${url}/api/agent/sessions/${String(made.body['id'])}/messages`;
      expect((await send('POST', path, large, headers)).status).toBe(202);
    });
    expect([proxied.list, faultsOf(proxied.list)]).toEqual([direct.list, []]);
    // Row 29 measures; a proxy that collects the whole answer would be late by half of it, some 600 ms.
    expect(quantile(lags, 0.5)).toBeLessThanOrEqual(250);
  });
});

describe('row 30: a proxy that cuts what is silent', () => {
  it('row 30: never finds a stream or a socket silent for as long as that', async () => {
    await delay(Math.max(0, SILENCE - (performance.now() - silent.from)));
    const ms = performance.now() - silent.from;
    process.stdout.write(
      `idle proxy: ${impatient.cuts} cuts in ${Math.round(ms)} ms of silence, it cuts after ${IDLE} ms, HEARTBEAT_MS ${HEARTBEAT}\n`,
    );
    expect(impatient.cuts).toBe(0);
    const { session, stream, socket } = silent;
    expect(stream.blocks).toEqual([]);
    await ada.post(session, 'and now?');
    await within(20_000, 'the stream that was silent', stream.ended);
    await socket.nextWhere(({ event }) => event === 'done');
    expect(faultsOf(stream.events)).toEqual([]);
    expect(socket.events).toEqual(stream.events);
    socket.socket.terminate();
  });

  it('row 30: is one that cuts: a connection that gets no heartbeats is gone', async () => {
    const before = impatient.cuts;
    const mute = connect(Number(new URL(impatient.url).port), '127.0.0.1');
    await within(10_000, 'the cut', once(mute, 'close'));
    expect(impatient.cuts).toBe(before + 1);
  });
});
