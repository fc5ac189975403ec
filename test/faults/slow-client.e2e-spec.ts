import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { Api } from '../support/api.js';
import { quantile } from '../support/cluster/figures.js';
import { faultsOf, placeOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { SlowViewer } from '../support/faults/slow-viewer.js';
import { upstreamEnv } from '../support/test-env.js';
import { until, within } from '../support/until.js';
import { SseParser } from '../support/wire/sse-parser.js';

const OTHERS = 99;
const SLOW_BYTES_PER_SECOND = 1_024;
/** Kilobytes that the answer says before it is paced: more than all buffers on the way to a viewer hold. */
const BURST = 12_000;
const KILOBYTE = 'x'.repeat(1_000);
const PACE = 20;
const WINDOW_MS = 500;
const FEWEST_WINDOWS = 4;
const MOST_WINDOWS = 16;
const MIB = 1024 * 1024;

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;
const answer = { isPaced: false, isEnough: false };

beforeAll(async () => {
  upstream = await FakeUpstream.start(() => ({
    sse: said(),
    get paceMs() {
      return answer.isPaced ? PACE : 0;
    },
  }));
  server = await ServerProcess.start({ env: upstreamEnv(upstream.url) });
  ada = await Api.as(server.url, 'ada');
});

afterAll(async () => {
  answer.isEnough = true;
  await server?.stop();
  await upstream?.stop();
});

/** A burst, then the time, again and again. */
function* said(): Iterable<string> {
  const [start, open, word, ...end] = textReply(['?']);
  yield start! + open!;
  for (let n = 0; n < BURST; n += 1) yield word!.replace('?', KILOBYTE);
  answer.isPaced = true;
  while (!answer.isEnough) yield word!.replace('?', `${performance.now()}`);
  yield end.join('');
}

/** A viewer that notes how late each event is. */
async function watchFrom(
  url: string,
  lastEventId: string,
  onLag: (ms: number) => void,
): Promise<ViewedEvent[]> {
  const headers = { ...ada.authorization, accept: 'text/event-stream', 'last-event-id': lastEventId };
  const call = request(url, { headers, agent: false }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const seen: ViewedEvent[] = [];
  const parser = new SseParser(({ event, id = '', data }) => {
    seen.push({ event, id, data });
    const saidAt = Number(/^\{"text":"([\d.]+)"\}$/.exec(data)?.[1]);
    if (saidAt > 0) onLag(performance.now() - saidAt);
  });
  response.on('data', (bytes: Buffer) => parser.push(bytes));
  return seen;
}

interface Window {
  lags: number[];
  rss: number;
}

describe(`row 25: a viewer that reads 1 KB a second, beside ${OTHERS} others`, () => {
  it('row 25: slows nobody, costs no more than its buffers, and has everything when it comes back with its cursor', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'go');
    await until('the burst to be over', () => answer.isPaced, 30_000);
    const cursor = await until('its last event', async () => {
      const { last_event_id: id } = await ada.run(run.id);
      return id !== null && placeOf(id).seq > BURST ? id : undefined;
    });
    const url = ada.streamUrl({ session_id: session });
    let window: Window = { lags: [], rss: 0 };
    const lists = await Promise.all(
      Array.from({ length: OTHERS }, () => watchFrom(url, cursor, (ms) => window.lags.push(ms))),
    );
    await delay(500);

    const measure = async (): Promise<Window> => {
      window = { lags: [], rss: 0 };
      const { lags } = window;
      await delay(WINDOW_MS);
      window = { lags: [], rss: 0 };
      return { lags, rss: server.rssBytes() };
    };
    const without: Window[] = [];
    const beside: Window[] = [];
    let slow: SlowViewer | undefined;
    const figures = () => ({ without: ofAll(without), beside: ofAll(beside) });
    while (beside.length < MOST_WINDOWS) {
      slow?.cut();
      await delay(100);
      without.push(await measure());
      slow = await SlowViewer.open(url, ada.authorization, SLOW_BYTES_PER_SECOND);
      await delay(300);
      beside.push(await measure());
      // Other work of the machine is as likely in either; what the slow one does to the others would stay.
      if (beside.length >= FEWEST_WINDOWS && isWithinBar(figures())) break;
    }
    const first = slow!;
    const seen = first.events;
    first.cut();
    answer.isEnough = true;
    expect((await ada.settled(run.id)).status).toBe('completed');
    const whole = (await ada.read({ session_id: session })).events;
    await until('the others to see the end', () => lists.every((list) => list.at(-1)?.event === 'done'));

    const { without: alone, beside: together } = figures();
    process.stdout.write(
      `slow client: p99 of ${OTHERS} others ${together.p99.toFixed(1)} ms beside it, ${alone.p99.toFixed(1)} ms without; ` +
        `RSS ${(together.rss - alone.rss).toFixed(1)} MiB more; it had read ${first.bytes} bytes\n`,
    );
    // Were the others held up by it, it would be by seconds; what is within that is the machine's own noise.
    expect(together.p99).toBeLessThan(alone.p99 * 2 + 100);
    expect(together.rss - alone.rss).toBeLessThanOrEqual(16);
    const rest = await within(
      30_000,
      'the rest',
      ada.read({ session_id: session }, { lastEventId: seen.at(-1)?.id }),
    );
    expect(faultsOf(whole)).toEqual([]);
    expect(idsOf([...seen, ...rest.events])).toEqual(idsOf(whole));
    for (const list of lists) expect(idsOf(list)).toEqual(idsOf(whole.slice(placeOf(cursor).seq)));
  });
});

interface Figures {
  p99: number;
  rss: number;
}

function ofAll(windows: Window[]): Figures {
  const rss = quantile(
    windows.map((each) => each.rss / MIB),
    0.5,
  );
  return {
    p99: quantile(
      windows.flatMap(({ lags }) => lags),
      0.99,
    ),
    rss,
  };
}

/** A tenth more, and five milliseconds for the clock and the collector. */
function isWithinBar({ without, beside }: { without: Figures; beside: Figures }): boolean {
  return beside.p99 <= without.p99 * 1.1 + 5;
}

function idsOf(list: ViewedEvent[]): string {
  return list.map(({ event, id }) => `${event} ${id}`).join('\n');
}
