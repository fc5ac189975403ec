import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { Server } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { textReply } from '../../../test/support/anthropic/anthropic-sse.js';
import { Api } from '../../../test/support/api.js';
import { type RunningApp, startApp } from '../../../test/support/app.js';
import { FakeUpstream } from '../../../test/support/fake-upstream.js';
import type { SseStream } from '../../../test/support/sse-client.js';
import { upstreamEnv } from '../../../test/support/test-env.js';
import { until, within } from '../../../test/support/until.js';
import { openSocket, type UpgradeRefused } from '../../../test/support/ws-client.js';
import { EventLog, type LogPage } from '../../event-log/event-log.js';
import { Shutdown } from '../../telemetry/shutdown.js';
import { LostPeers } from './lost-peers.js';

/** What a test takes out of a running application. */
interface Inside {
  shutdown: Shutdown;
  log: EventLog;
  host: HttpAdapterHost;
  modules: ModuleRef;
}

let upstream: FakeUpstream;
let app: RunningApp;
let inside: Inside;
let ada: Api;
let session: string;

class Around {}

beforeEach(async () => {
  upstream = await FakeUpstream.start(() => ({ sse: textReply(['a', 'b', 'c']), stallAfterPieces: 4 }));
  app = await startApp({ ...upstreamEnv(upstream.url), SHUTDOWN_GRACE_MS: '0' }, (application: Type) => ({
    module: Around,
    imports: [application],
    providers: [
      {
        provide: 'inside',
        inject: [Shutdown, EventLog, HttpAdapterHost, ModuleRef],
        useFactory: (shutdown: Shutdown, log: EventLog, host: HttpAdapterHost, modules: ModuleRef) => {
          inside = { shutdown, log, host, modules };
        },
      },
    ],
  }));
  ada = await Api.as(app.url, 'ada');
  session = await ada.createSession();
});

afterEach(async () => {
  await app?.stop();
  await upstream?.stop();
});

function expectOnlyRetry({ status, blocks, parser }: SseStream): void {
  expect([status, blocks, parser.whole, parser.problems]).toEqual([200, [], true, []]);
  expect(parser.retries).toHaveLength(1);
  expect(parser.retries[0]).toBeGreaterThanOrEqual(1_000);
  expect(parser.retries[0]).toBeLessThanOrEqual(5_000);
}

describe('while the server drains', () => {
  it('open streams end after a whole event, and who comes now gets what is there, and when to come back', async () => {
    await ada.post(session, 'hello');
    const open = await ada.open({ session_id: session });
    await open.nextWhere(({ data }) => data === '{"text":"b"}');

    inside.shutdown.begin();

    expect(await within(2_000, 'the end of the stream', open.ended)).toBe('end');
    expect([open.parser.whole, open.parser.problems]).toEqual([true, []]);
    const late = await ada.read({ session_id: session }, {}, 2_000);
    expect([late.status, late.parser.whole, late.parser.problems]).toEqual([200, true, []]);
    expect(late.events).toEqual(open.events);
    expect(late.blocks[0]!.retry).toBeGreaterThanOrEqual(1_000);
    expect(late.blocks[0]!.retry).toBeLessThanOrEqual(5_000);
    const rest = await ada.read({ session_id: session }, { lastEventId: open.events[1]!.id }, 2_000);
    expect(rest.events).toEqual(open.events.slice(2));
    const none = await ada.read({ session_id: session }, { lastEventId: open.events.at(-1)!.id }, 2_000);
    expectOnlyRetry(none);
  });

  it('who waits for the first run of a session is told when to come back, and so is who comes now', async () => {
    const waiting = await ada.open({ session_id: session });

    inside.shutdown.begin();

    expect(await within(2_000, 'the end of the stream', waiting.ended)).toBe('end');
    expectOnlyRetry(waiting);
    expectOnlyRetry(await ada.read({ session_id: session, follow: 'true' }, {}, 2_000));
  });

  it('nothing is started, and every refusal says when to try again', async () => {
    inside.shutdown.begin();
    const refused = [
      await ada.call('POST', '/api/agent/stream', { content: 'x' }),
      await ada.call('POST', `/api/agent/sessions/${session}/messages`, { content: 'x' }),
    ];
    expect(refused.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual([
      [503, '5'],
      [503, '5'],
    ]);
    const upgrade = await openSocket(app.url, { headers: ada.authorization }).catch(
      (error: unknown) => error as UpgradeRefused,
    );
    expect(upgrade).toMatchObject({ status: 503 });
    expect(JSON.parse((upgrade as UpgradeRefused).body)).toMatchObject({ code: 'draining', status: 503 });
    expect(await ada.runsOf(session)).toEqual([]);
  });
});

describe('a log that fails', () => {
  it('breaks the stream, which looks like any other cut, and the rest is there with the cursor', async () => {
    const run = await ada.post(session, 'hello');
    await until('the words', async () => (await inside.log.end(run.id))?.seq === 4 || undefined);
    const { log } = inside;
    const follow = log.follow.bind(log);
    log.follow = async function* (runId: string): AsyncGenerator<LogPage[], void> {
      yield await log.read(runId, 0);
      await setTimeout(20);
      throw new Error('the database is away');
    };

    const broken = await ada.read({ session_id: session });
    log.follow = follow;

    expect(await broken.ended).toBe('broken');
    expect([broken.parser.whole, broken.parser.problems]).toEqual([true, []]);
    expect(broken.blocks.map(({ event }) => event)).not.toContain('error');
    const rest = await ada.open({ session_id: session }, { lastEventId: broken.events.at(-2)!.id });
    expect((await rest.next())?.id).toBe(broken.events.at(-1)!.id);
    rest.cut();
  });
});

it('the peer of a stream is watched while the stream is open', async () => {
  const watched = new Set<number | undefined>();
  const lostPeers = inside.modules.get(LostPeers, { strict: false });
  const watch = lostPeers.watch.bind(lostPeers);
  lostPeers.watch = (socket) => {
    const forget = watch(socket);
    watched.add(socket.remotePort);
    return () => {
      forget();
      watched.clear();
    };
  };

  const stream = await ada.open({ session_id: session, follow: 'true' });

  await until('the peer to be watched', () => watched.size === 1);
  expect([...watched][0]).toBeGreaterThan(0);
  stream.cut();
  await until('the peer to be forgotten', () => watched.size === 0);
});

it('who sends half a request is cut off within ten seconds', () => {
  const { headersTimeout, connectionsCheckingInterval } =
    inside.host.httpAdapter.getHttpServer() as Server & {
      connectionsCheckingInterval: number;
    };
  expect(headersTimeout + connectionsCheckingInterval).toBeLessThanOrEqual(10_000);
});
