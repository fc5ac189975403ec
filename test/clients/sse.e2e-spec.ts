import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fetchEventSource, type FetchEventSourceInit } from '@microsoft/fetch-event-source';
import { EventSource } from 'eventsource';
import { createEventSource } from 'eventsource-client';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { Agent, type Dispatcher, EventSource as UndiciEventSource } from 'undici';
import { dataOf, faultsOf, type ViewedEvent } from '../support/event-list.js';
import { ROOT } from '../support/build.js';
import { Random } from '../support/random.js';
import { until, within } from '../support/until.js';
import { ClientStage, collect, heldBy, TEXT } from './stage.js';

/** Where a client finds a session's stream. */
interface Way {
  url: string;
  token: string;
}

type Client = (way: Way, session: string) => Promise<ViewedEvent[]>;

const run = promisify(execFile);
const RUN_MS = 50_000;
const SAME = {
  text: TEXT,
  tools: [
    { name: 'get_time', is_error: false },
    { name: 'get_time', is_error: false },
  ],
};

// @microsoft/fetch-event-source is written for a page.
Object.assign(globalThis, {
  window: { fetch, setTimeout, clearTimeout },
  document: { hidden: false, addEventListener: () => {}, removeEventListener: () => {} },
});

let stage: ClientStage;
const random = Random.printed('clients over SSE');

beforeAll(async () => {
  stage = await ClientStage.open();
});

afterAll(() => stage?.close());

const streamOf = (url: string, session: string) => `${url}/api/agent/stream?session_id=${session}`;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const eventsource: Client = ({ url, token }, session) => {
  const withToken: typeof fetch = (input, init) =>
    fetch(input, { ...init, headers: { ...(init?.headers as object), ...bearer(token) } });
  return collect(new EventSource(streamOf(url, session), { fetch: withToken }) as never);
};

const undici: Client = ({ url, token }, session) => {
  const withToken: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
    dispatch({ ...options, headers: { ...(options.headers as object), ...bearer(token) } }, handler);
  const dispatcher = new Agent().compose(withToken);
  return collect(new UndiciEventSource(streamOf(url, session), { node: { dispatcher } }) as never);
};

const nodes: Client = async ({ url, token }, session) => {
  const script = join(ROOT, 'test', 'clients', 'node-event-source.mjs');
  const args = ['--experimental-eventsource', '--no-warnings', script, streamOf(url, session), token];
  const { stdout } = await run(process.execPath, args);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ViewedEvent);
};

/**
 * Its promise is over at any clean end, so `onclose` says whether that was the end. And its own cursor may be of an
 * event that was cut off, so it is given that of the last event that came.
 */
async function fetched(url: string, init: FetchEventSourceInit): Promise<ViewedEvent[]> {
  const events: ViewedEvent[] = [];
  const stop = new AbortController();
  await fetchEventSource(url, {
    openWhenHidden: true,
    signal: stop.signal,
    ...init,
    fetch: (input, asked) => {
      const last = events.at(-1)?.id;
      const { 'last-event-id': _theirs, ...headers } = (asked?.headers ?? {}) as Record<string, string>;
      return fetch(input, { ...asked, headers: { ...headers, ...(last && { 'last-event-id': last }) } });
    },
    onmessage: ({ event, id, data }) => {
      events.push({ event, id, data });
      if (event === 'done') stop.abort();
    },
    onclose: () => {
      if (!stop.signal.aborted) throw new Error('come back');
    },
  });
  return events;
}

const fetchEventSourceFollow: Client = ({ url, token }, session) =>
  fetched(`${streamOf(url, session)}&follow=true`, { headers: bearer(token) });

const eventsourceClient: Client = async ({ url, token }, session) => {
  const source = createEventSource({ url: streamOf(url, session), headers: bearer(token) });
  const events: ViewedEvent[] = [];
  for await (const { event = 'message', id = '', data } of source) {
    events.push({ event, id, data });
    if (event === 'done') break;
  }
  source.close();
  return events;
};

/** What comes back by itself with the id of the last event, in ten lines. */
const parser: Client = async ({ url, token }, session) => {
  const events: ViewedEvent[] = [];
  while (events.at(-1)?.event !== 'done') {
    const cursor = events.at(-1)?.id;
    const headers = { ...bearer(token), ...(cursor && { 'last-event-id': cursor }) };
    try {
      const { body } = await fetch(streamOf(url, session), { headers });
      const stream = body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      for await (const { event = '', id = '', data } of stream) events.push({ event, id, data });
    } catch (error) {
      if ((error as Error).name !== 'TypeError') throw error;
      await delay(50);
    }
  }
  return events;
};

const curl: Client = async ({ url, token }, session) => {
  const events: ViewedEvent[] = [];
  while (events.at(-1)?.event !== 'done') {
    const cursor = events.at(-1)?.id;
    const headers = [`Authorization: Bearer ${token}`, ...(cursor ? [`Last-Event-ID: ${cursor}`] : [])];
    const args = ['-sN', ...headers.flatMap((header) => ['-H', header]), streamOf(url, session)];
    const { stdout } = await run('curl', args).catch((error: { stdout: string }) => error);
    // The last piece is what the cut left of a block.
    for (const block of stdout.split('\n\n').slice(0, -1)) {
      const [, event = ''] = /^event: (.*)$/m.exec(block) ?? [];
      const [, data = ''] = /^data: (.*)$/m.exec(block) ?? [];
      const [, id = ''] = /^id: (.*)$/m.exec(block) ?? [];
      if (event !== '') events.push({ event, id, data });
    }
  }
  return events;
};

const CLIENTS = {
  eventsource,
  undici,
  nodes,
  fetchEventSource: fetchEventSourceFollow,
  eventsourceClient,
  parser,
  curl,
} satisfies Record<string, Client>;

describe('a connection that breaks at random places', () => {
  const stories = new Map<string, Promise<{ seen: ViewedEvent[]; whole: ViewedEvent[]; cuts: number }>>();

  beforeAll(() => {
    for (const [name, client] of Object.entries(CLIENTS)) {
      const story = tell(client);
      story.catch(() => {});
      stories.set(name, story);
    }
  });

  /** Everybody has a run of their own, and a way of their own. */
  async function tell(client: Client) {
    const { url, proxy } = await stage.brokenWay(random);
    const session = await stage.ada.createSession();
    await stage.ada.post(session, 'please');
    const seen = await within(RUN_MS, 'done', client({ url, token: stage.ada.token }, session));
    return { seen, whole: await stage.whole(session), cuts: proxy.broken };
  }

  async function expectSame(name: keyof typeof CLIENTS): Promise<void> {
    const { seen, whole, cuts } = await stories.get(name)!;
    expect(cuts).toBeGreaterThan(1);
    expect(seen).toEqual(whole);
    expect(faultsOf(seen)).toEqual([]);
    expect(heldBy(seen)).toEqual(SAME);
  }

  it('eventsource 5 ends with the same text and tools', () => expectSame('eventsource'), RUN_MS);
  it('the EventSource of undici ends with the same text and tools', () => expectSame('undici'), RUN_MS);
  it('the EventSource of Node ends with the same text and tools', () => expectSame('nodes'), RUN_MS);
  it(
    'fetch-event-source that follows ends with the same text and tools',
    () => expectSame('fetchEventSource'),
    RUN_MS,
  );
  it('eventsource-client ends with the same text and tools', () => expectSame('eventsourceClient'), RUN_MS);
  it('eventsource-parser over fetch ends with the same text and tools', () => expectSame('parser'), RUN_MS);
  it('curl ends with the same text and tools', () => expectSame('curl'), RUN_MS);

  it(
    'fetch-event-source that starts a run with POST starts one, and ends with the same text and tools',
    async () => {
      const { url, proxy } = await stage.brokenWay(random);
      const headers = {
        ...bearer(stage.ada.token),
        'content-type': 'application/json',
        'idempotency-key': crypto.randomUUID(),
      };
      const body = JSON.stringify({ content: 'please' });
      const seen = await fetched(`${url}/api/agent/stream`, { method: 'POST', headers, body });
      const { session_id: session } = dataOf(seen[0]);
      expect(proxy.broken).toBeGreaterThan(1);
      expect(seen).toEqual(await stage.whole(session));
      expect(heldBy(seen)).toEqual(SAME);
      expect(await stage.ada.runsOf(session)).toHaveLength(1);
    },
    RUN_MS,
  );
});

describe('a server that goes in the middle of a run, and comes back', () => {
  it(
    'every client ends with the same text and tools as who came later',
    async () => {
      const { session, isHalfway } = await stage.startRunThatStalls();
      const watching = await Promise.all(
        Object.entries(CLIENTS).map(async ([name, client]) => {
          const { url } = await stage.way();
          return { name, seen: client({ url, token: stage.ada.token }, session) };
        }),
      );
      await until('half of the answer', isHalfway);
      await stage.restart();
      const lists = await Promise.all(
        watching.map(async ({ name, seen }) => ({ name, seen: await within(RUN_MS, name, seen) })),
      );
      const whole = await stage.whole(session);
      expect(whole.map(({ event }) => event)).toContain('reset');
      expect(heldBy(whole)).toEqual(SAME);
      expect(lists).toEqual(Object.keys(CLIENTS).map((name) => ({ name, seen: whole })));
    },
    RUN_MS,
  );
});

describe('what a client does by itself, and what it never does', () => {
  it('an EventSource stops for good where it may not come in', async () => {
    const source = new EventSource(streamOf(stage.url, await stage.ada.createSession()));
    await once(source, 'error');
    expect(source.readyState).toBe(2);
  });

  it('an EventSource stops after done when nobody closes it', async () => {
    const session = await stage.ada.createSession();
    await stage.ada.settled((await stage.ada.post(session, 'please')).id);
    const withToken: typeof fetch = (input, init) =>
      fetch(input, { ...init, headers: { ...(init?.headers as object), ...stage.ada.authorization } });
    const source = new EventSource(streamOf(stage.url, session), { fetch: withToken });
    const done: string[] = [];
    source.addEventListener('done', ({ lastEventId }) => done.push(lastEventId));
    await until('the end', () => source.readyState === 2);
    expect(done).toHaveLength(1);
  });

  it('fetch-event-source takes any clean end for the last one, unless onclose throws', async () => {
    const session = await stage.ada.createSession();
    await stage.ada.settled((await stage.ada.post(session, 'please')).id);
    const events: string[] = [];
    const cursor = (await stage.ada.runsOf(session))[0]!.id;
    await fetchEventSource(streamOf(stage.url, session), {
      openWhenHidden: true,
      headers: { ...stage.ada.authorization, 'last-event-id': `${cursor}.1.1` },
      onmessage: ({ event }) => void events.push(event),
    });
    expect(events.at(-1)).toBe('done');
  });

  it('fetch-event-source goes on asking at 204, unless onerror throws', async () => {
    const session = await stage.ada.createSession();
    const { last_event_id: cursor } = await stage.ada.settled((await stage.ada.post(session, 'please')).id);
    const over = fetchEventSource(streamOf(stage.url, session), {
      openWhenHidden: true,
      headers: { ...stage.ada.authorization, 'last-event-id': cursor! },
      onerror: (error: Error) => {
        throw error;
      },
    });
    await expect(over).rejects.toThrow('Expected content-type to be text/event-stream');
  });

  it('fetch-event-source takes the cursor of an event whose block was cut before its last byte', async () => {
    const cursors: unknown[] = [];
    const server = createServer(({ headers }, response) => {
      cursors.push(headers['last-event-id']);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (cursors.length > 1) response.end();
      else response.write('retry: 1\nevent: token\ndata: {}\nid: run_1.1.2\n', () => response.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const events: unknown[] = [];
    await fetchEventSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      openWhenHidden: true,
      onmessage: (event) => void events.push(event),
    });
    server.close();
    expect({ events, cursors }).toEqual({ events: [], cursors: [undefined, 'run_1.1.2'] });
  });

  it('eventsource-client stops at 204', async () => {
    const session = await stage.ada.createSession();
    const { last_event_id: cursor } = await stage.ada.settled((await stage.ada.post(session, 'please')).id);
    const left = Promise.withResolvers<void>();
    const source = createEventSource({
      url: streamOf(stage.url, session),
      headers: stage.ada.authorization,
      initialLastEventId: cursor!,
      onDisconnect: left.resolve,
    });
    await within(5_000, 'its end', left.promise);
    await until('its end', () => source.readyState === 'closed');
  });
});
