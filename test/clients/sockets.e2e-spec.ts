import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import PartySocket from 'partysocket/ws';
import ReconnectingWebSocket from 'reconnecting-websocket';
import { SignJWT } from 'jose';
import { faultsOf, type ViewedEvent } from '../support/event-list.js';
import { Random } from '../support/random.js';
import { TEST_ENV } from '../support/test-env.js';
import { until, within } from '../support/until.js';
import { ClientStage, heldBy, TEXT } from './stage.js';

const RUN_MS = 50_000;
const SAME = {
  text: TEXT,
  tools: [
    { name: 'get_time', is_error: false },
    { name: 'get_time', is_error: false },
  ],
};

/** What both packages have, and nothing else of them is used. */
interface Socket {
  addEventListener(type: 'open' | 'close' | 'error', listener: (event: { code: number }) => void): void;
  addEventListener(type: 'message', listener: (event: { data: string }) => void): void;
  send(text: string): void;
  close(): void;
}

interface Frame {
  event: string;
  id?: string;
  data: unknown;
}

type Open = (url: string, protocols: string[]) => Socket;

/** The constructor of a package that is CommonJS, as a module sees it. */
const Reconnecting = ReconnectingWebSocket as unknown as typeof ReconnectingWebSocket.default;
const QUICK = { minReconnectionDelay: 50, maxReconnectionDelay: 200 };

const PACKAGES = {
  reconnectingWebSocket: (url, protocols) => new Reconnecting(url, protocols, QUICK),
  partySocket: (url, protocols) => new PartySocket(url, protocols, QUICK),
} satisfies Record<string, Open>;

let stage: ClientStage;
const random = Random.printed('clients over sockets');

beforeAll(async () => {
  stage = await ClientStage.open();
});

afterAll(() => stage?.close());

const addressOf = (url: string) => `${url.replace(/^http/, 'ws')}/api/agent/ws`;
const protocolsOf = (token: string) => ['agent.v1', `bearer.${token}`];

/** Asks for the session anew whenever the socket opens, with the last id that it has. */
function watch(socket: Socket, session_id: string): Promise<ViewedEvent[]> {
  return new Promise((resolve) => {
    const events: ViewedEvent[] = [];
    socket.addEventListener('open', () => {
      const last_event_id = events.at(-1)?.id;
      socket.send(JSON.stringify({ event: 'subscribe', data: { session_id, last_event_id } }));
    });
    socket.addEventListener('message', ({ data: text }) => {
      const { event, id, data } = JSON.parse(text) as Frame;
      if (id === undefined) return;
      events.push({ event, id, data: JSON.stringify(data) });
      if (event !== 'done') return;
      socket.close();
      resolve(events);
    });
  });
}

describe('a socket that breaks at random places', () => {
  async function expectSame(open: Open): Promise<void> {
    const { url, proxy } = await stage.brokenWay(random);
    const session = await stage.ada.createSession();
    await stage.ada.post(session, 'please');
    const socket = open(addressOf(url), protocolsOf(stage.ada.token));
    const seen = await within(RUN_MS, 'done', watch(socket, session));
    expect(proxy.broken).toBeGreaterThan(1);
    expect(seen).toEqual(await stage.whole(session));
    expect(faultsOf(seen)).toEqual([]);
    expect(heldBy(seen)).toEqual(SAME);
  }

  it(
    'reconnecting-websocket ends with the same text and tools',
    () => expectSame(PACKAGES.reconnectingWebSocket),
    RUN_MS,
  );
  it('partysocket ends with the same text and tools', () => expectSame(PACKAGES.partySocket), RUN_MS);
});

describe('a server that goes in the middle of a run, and comes back', () => {
  it(
    'every socket ends with the same text and tools as who came later',
    async () => {
      const { session, isHalfway } = await stage.startRunThatStalls();
      const watching = await Promise.all(
        Object.values(PACKAGES).map(async (open) => {
          const { url } = await stage.way();
          return { seen: watch(open(addressOf(url), protocolsOf(stage.ada.token)), session) };
        }),
      );
      await until('half of the answer', isHalfway);
      await stage.restart();
      const lists = await within(RUN_MS, 'done', Promise.all(watching.map(({ seen }) => seen)));
      const whole = await stage.whole(session);
      expect(whole.map(({ event }) => event)).toContain('reset');
      expect(heldBy(whole)).toEqual(SAME);
      expect(lists).toEqual([whole, whole]);
    },
    RUN_MS,
  );
});

/** An access token that lives for a second or two. */
const shortToken = () =>
  new SignJWT({})
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .setSubject('ada')
    .setIssuedAt()
    .setExpirationTime('2 s')
    .sign(new TextEncoder().encode(TEST_ENV.JWT_SECRET));

/** Codes of the closes that came, the first of them 4401. */
async function closesOf(socket: Socket, enough: number): Promise<number[]> {
  const codes: number[] = [];
  socket.addEventListener('close', ({ code }) => codes.push(code));
  await until('the closes', () => codes.length >= enough, 20_000);
  return codes;
}

const shouldReconnectOnClose = ({ code }: { code: number }) => code !== 4401;

/** That one stays away shows when another, that does not, has come back. */
describe('a socket whose credentials have ended', () => {
  it('reconnecting-websocket comes back for ever, until it is closed', async () => {
    const socket = PACKAGES.reconnectingWebSocket(addressOf(stage.url), protocolsOf(await shortToken()));
    const codes = await closesOf(socket, 3);
    socket.close();
    expect(codes[0]).toBe(4401);
    expect(codes.length).toBeGreaterThan(2);
  });

  it('reconnecting-websocket stops where its listener closes it at 4401', async () => {
    const protocols = protocolsOf(await shortToken());
    const socket = PACKAGES.reconnectingWebSocket(addressOf(stage.url), protocols);
    const other = PACKAGES.reconnectingWebSocket(addressOf(stage.url), protocols);
    socket.addEventListener('close', ({ code }) => {
      if (code === 4401) socket.close();
    });
    const codes = await closesOf(socket, 1);
    await closesOf(other, 3);
    other.close();
    expect(codes).toEqual([4401]);
  });

  it('partysocket stops where shouldReconnectOnClose says so', async () => {
    const protocols = protocolsOf(await shortToken());
    const party = new PartySocket(addressOf(stage.url), protocols, { ...QUICK, shouldReconnectOnClose });
    const other = PACKAGES.partySocket(addressOf(stage.url), protocols);
    const codes = await closesOf(party, 1);
    await closesOf(other, 3);
    other.close();
    expect(codes).toEqual([4401]);
  });

  it('the WebSocket of Node is told 4401', async () => {
    const socket = new WebSocket(addressOf(stage.url), protocolsOf(await shortToken()));
    const [close] = (await once(socket, 'close')) as [CloseEvent];
    expect(close.code).toBe(4401);
  });
});
