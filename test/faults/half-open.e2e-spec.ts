import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textBlock, messageEnd, messageStart, textReply } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api } from '../support/api.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { METRICS_ENV, streamsOpen } from '../support/faults/metrics.js';
import { ServerProcess } from '../support/server-process.js';
import { SlowViewer } from '../support/faults/slow-viewer.js';
import { TcpProxy } from '../support/faults/tcp-proxy.js';
import { upstreamEnv } from '../support/test-env.js';
import { until, within } from '../support/until.js';
import { openSocket } from '../support/ws-client.js';

/** The bar of 45 s with heartbeats of 15 s, scaled. */
const HEARTBEAT = 600;
const BAR = 3 * HEARTBEAT;
/** What a machine that does other things too may add. */
const SLACK = 5_000;
const PARTS = 16_000;
const KILOBYTE = 'x'.repeat(1_000);

let upstream: FakeUpstream;
let server: ServerProcess;
let proxy: TcpProxy;
let ada: Api;
let beside: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  const env = { ...upstreamEnv(upstream.url), ...METRICS_ENV, HEARTBEAT_MS: String(HEARTBEAT) };
  server = await ServerProcess.start({ env });
  ada = await Api.as(server.url, 'ada');
  proxy = await TcpProxy.to(server.port);
  beside = new Api(proxy.url, ada.token);
});

afterAll(async () => {
  await proxy?.close();
  await server?.stop();
  await upstream?.stop();
});

/** "much": more than all buffers on the way to a viewer hold. */
function answer(call: UpstreamCall): Reply {
  const asked = String(blocksOf(call.body.messages.at(-1)!)[0]?.['text']);
  if (asked !== 'much') return { sse: textReply(['short']) };
  const parts = Array<string>(PARTS).fill(KILOBYTE);
  return { sse: [messageStart(), ...textBlock(0, parts), ...messageEnd('end_turn')] };
}

async function muchSaid(): Promise<string> {
  const session = await ada.createSession();
  const run = await ada.post(session, 'much');
  expect((await ada.settled(run.id)).status).toBe('completed');
  return session;
}

/** Milliseconds until the server holds no stream of this kind any more. */
async function freed(transport: 'sse' | 'websocket'): Promise<number> {
  const from = performance.now();
  const gone = async () => (await streamsOpen(server.url))[transport] === 0;
  await until(`the ${transport} connections to be freed`, gone, 10 * BAR);
  return performance.now() - from;
}

describe('row 26: a viewer whose connection is lost without a word', () => {
  it('row 26: is let go within three heartbeats, by socket at rest or in the middle of much, by SSE in the middle of much', async () => {
    const session = await muchSaid();
    const quiet = await openSocket(beside.url, { headers: ada.authorization });
    const busy = await openSocket(beside.url, { headers: ada.authorization });
    await quiet.ask('subscribe', { session_id: await ada.createSession() });
    const stream = await beside.open({ session_id: session }, { stopped: true });
    busy.sendRaw(JSON.stringify({ event: 'subscribe', data: { session_id: session } }));
    await busy.nextWhere(({ event }) => event === 'run');
    proxy.freeze();
    expect(await streamsOpen(server.url)).toEqual({ sse: 1, websocket: 2 });

    const [sse, websocket] = await Promise.all([freed('sse'), freed('websocket')]);

    process.stdout.write(
      `half-open: with HEARTBEAT_MS ${HEARTBEAT} an SSE stream with bytes waiting was freed after ${Math.round(sse)} ms, ` +
        `sockets after ${Math.round(websocket)} ms (bar ${BAR})\n`,
    );
    for (const ms of [sse, websocket]) expect(ms).toBeLessThanOrEqual(BAR + SLACK);
    stream.cut();
    for (const socket of [quiet, busy]) socket.socket.terminate();
  });

  it('row 26: is not taken for one who reads slowly: that one gets all of it in one response', async () => {
    const session = await muchSaid();
    const from = performance.now();
    const slow = await SlowViewer.open(ada.streamUrl({ session_id: session }), ada.authorization, 5_000_000);

    await within(30_000, 'the slow viewer to have it all', slow.ended);

    const ms = performance.now() - from;
    process.stdout.write(`half-open: a slow reader was waited for over ${Math.round(ms)} ms\n`);
    expect(ms).toBeGreaterThan(BAR);
    expect([await slow.ended, slow.events.at(-1)?.event]).toEqual(['end', 'done']);
  });
});
