import { afterEach, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { Api, type RunBody } from '../support/api.js';
import { faultsOf, textOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { ServerProcess, type ServerOptions } from '../support/server-process.js';
import type { SseStream } from '../support/sse-client.js';
import { upstreamEnv } from '../support/test-env.js';
import { until, within } from '../support/until.js';
import type { AgentSocket } from '../support/ws-client.js';

const GRACE = 8_000;
const WORDS = Array.from({ length: 100 }, (_, n) => `w${n} `);
const LAST = 'And the end.';

interface Watched {
  session: string;
  run: RunBody;
  streams: SseStream[];
  sockets: AgentSocket[];
}

let server: ServerProcess | undefined;
let upstream: FakeUpstream | undefined;

afterEach(async () => {
  await server?.stop();
  await upstream?.stop();
});

/** Two seconds of words and a tool call, then the end. */
function answer(call: UpstreamCall) {
  if (call.body.messages.length > 1) return { sse: textReply([LAST]) };
  return { sse: toolReply(WORDS, [{ id: `toolu_${call.number}`, name: 'get_time', input: {} }]), paceMs: 20 };
}

describe.each<[string, ServerOptions['command']]>([
  ['the server', undefined],
  ['npm run start:prod', ['npm', 'run', 'start:prod']],
])('SIGTERM to %s under 20 open streams and 5 runs', (_name, command) => {
  it('ends every stream after a whole event, exits with 0, and loses nothing', async () => {
    upstream = await FakeUpstream.start(answer);
    const env = { ...upstreamEnv(upstream.url), SHUTDOWN_GRACE_MS: String(GRACE) };
    server = await ServerProcess.start({ env, ...(command ? { command } : {}) });
    const ada = await Api.as(server.url, 'ada');
    const watched = await Promise.all(Array.from({ length: 5 }, () => watch(ada)));
    const ended = endings(watched);

    const signalled = performance.now();
    server.kill('SIGTERM');
    const unready = await until('/health/ready to say 503', () => notReady(server!), 1_000).then(() =>
      performance.now(),
    );
    await expectNewWorkRefused(ada, watched[0]!.session);
    const { code, signal } = await within(GRACE + 2_000, 'the server to exit', server.exited);
    const took = performance.now() - signalled;

    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expectCleanEnds(watched, await within(1_000, 'all streams to be closed', ended));
    await server.restart();
    for (const each of watched) await expectWhole(ada, each);
    expect(upstream.complaints).toEqual([]);
    process.stdout.write(
      `shutdown: not ready after ${Math.round(unready - signalled)} ms, exit after ${Math.round(took)} ms\n`,
    );
  });
});

/** A run with two viewers by SSE and two by socket, each of which has seen some of it. */
async function watch(ada: Api): Promise<Watched> {
  const session = await ada.createSession();
  const run = await ada.post(session, 'please');
  const streams = await Promise.all([1, 2].map(() => ada.open({ session_id: session })));
  const sockets = await Promise.all([1, 2].map(() => ada.socket()));
  await Promise.all(sockets.map((socket) => socket.ask('subscribe', { run_id: run.id })));
  await until('every viewer to see words', () =>
    [...streams, ...sockets].every(({ events }) => events.length > 4),
  );
  return { session, run, streams, sockets };
}

async function endings(watched: Watched[]) {
  const streams = await Promise.all(watched.flatMap((each) => each.streams.map((stream) => stream.ended)));
  const sockets = await Promise.all(watched.flatMap((each) => each.sockets.map((socket) => socket.closed)));
  return { streams, sockets };
}

async function notReady(running: ServerProcess): Promise<boolean> {
  return (await fetch(`${running.url}/health/ready`)).status === 503;
}

async function expectNewWorkRefused(ada: Api, session: string): Promise<void> {
  const path = `/api/agent/sessions/${session}/messages`;
  for (const refused of [
    await ada.call('POST', path, { content: 'more' }),
    await ada.call('POST', '/api/agent/stream', { content: 'more' }, { accept: 'text/event-stream' }),
  ]) {
    expect([refused.status, refused.body['code']]).toEqual([503, 'draining']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  const viewer = await ada.read({ session_id: session });
  expect(viewer.status).toBe(200);
  expect(viewer.parser.whole).toBe(true);
}

function expectCleanEnds(watched: Watched[], ends: Awaited<ReturnType<typeof endings>>): void {
  expect(ends.streams).toEqual(Array<string>(10).fill('end'));
  expect(ends.sockets.map(({ code }) => code)).toEqual(Array<number>(10).fill(1012));
  for (const { parser } of watched.flatMap(({ streams }) => streams)) {
    expect([parser.whole, parser.problems]).toEqual([true, []]);
    expect(parser.retries.at(-1)).toBeGreaterThanOrEqual(1_000);
    expect(parser.retries.at(-1)).toBeLessThanOrEqual(5_000);
  }
}

/** Every viewer comes back with its cursor and has the whole, same list in the end. */
async function expectWhole(ada: Api, { session, run, streams, sockets }: Watched): Promise<void> {
  expect((await ada.settled(run.id)).status).toBe('completed');
  const whole = (await ada.read({ session_id: session })).events;
  expect(faultsOf(whole)).toEqual([]);
  expect(textOf(whole)).toBe(WORDS.join('') + LAST);
  for (const { events } of [...streams, ...sockets]) {
    const rest = await ada.read({ session_id: session }, { lastEventId: events.at(-1)!.id });
    expect(rest.blocks.every((block) => block.id !== undefined)).toBe(true);
    const list: ViewedEvent[] = [...events, ...rest.events];
    expect(list).toEqual(whole);
  }
}
