import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '../../auth/principal.js';
import { AppError } from '../../errors/app-error.js';
import { AgentSocket } from './agent-socket.js';
import { textFrames } from './socket-frames.js';

let server: WebSocketServer;
let client: WebSocket;
let socket: AgentSocket;
let received: unknown[];

beforeEach(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0, WebSocket: AgentSocket });
  await once(server, 'listening');
  client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  received = [];
  client.on('message', (data: Buffer) => received.push(JSON.parse(data.toString())));
  const [opened, request] = (await once(server, 'connection')) as [AgentSocket, IncomingMessage];
  socket = opened;
  socket.belongTo({ userId: 'usr_ada' } as Principal, request.socket);
  await once(client, 'open');
});

afterEach(() => {
  client.terminate();
  server.close();
});

function framesOf(...texts: string[]): Buffer[] {
  return [textFrames(texts)];
}

describe('frames', () => {
  it('are all sent, in order, before who sends them goes on', async () => {
    await socket.sendFrames(framesOf('"a"', '"b"'));
    await socket.sendFrames(framesOf());
    await socket.sendFrames(framesOf('"c"'));
    while (received.length < 3) await once(client, 'message');
    expect(received).toEqual(['a', 'b', 'c']);
  });

  it('to a peer that has stopped reading let who sends them go when the socket closes', async () => {
    client.pause();
    const big = JSON.stringify('x'.repeat(1_000_000));
    const sending = socket.sendFrames(framesOf(...Array<string>(20).fill(big)));
    socket.terminate();
    await sending;
  });

  it('to a socket that closes are dropped', async () => {
    socket.close(1012);
    await socket.sendFrames(framesOf('"a"'));
    await once(client, 'close');
    expect(received).toEqual([]);
  });
});

describe('requests', () => {
  it('are done one after the other, whatever each takes', async () => {
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const last = Promise.withResolvers<void>();
    socket.enqueue(async () => {
      order.push('first begins');
      await first.promise;
      order.push('first ends');
    });
    socket.enqueue(async () => {
      order.push('second');
      last.resolve();
    });
    first.resolve();
    await last.promise;
    expect(order).toEqual(['first begins', 'first ends', 'second']);
  });

  it('are done, too, when the client has gone in the meantime', async () => {
    const gone = once(socket, 'close');
    const first = Promise.withResolvers<void>();
    const last = Promise.withResolvers<void>();
    socket.enqueue(() => first.promise);
    socket.enqueue(async () => last.resolve());
    client.close();
    await gone;
    first.resolve();
    await last.promise;
  });

  it('that wait are dropped when the client is dismissed before their turn', async () => {
    const first = Promise.withResolvers<void>();
    let done = 0;
    socket.enqueue(() => first.promise);
    socket.enqueue(async () => void (done += 1));
    await Promise.resolve();
    socket.dismiss(4401, 'sign in again');
    first.resolve();
    await once(client, 'close');
    expect(done).toBe(0);
  });

  it('whose failure nobody has caught end the socket, and only that', async () => {
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    socket.enqueue(async () => {
      throw new Error('unexpected');
    });
    expect((await once(client, 'close'))[0]).toBe(1006);
    expect(errors).toEqual([new Error('unexpected')]);
  });
});

it('answers bring the ref back, or none', async () => {
  socket.acknowledge('r1', { ok: true });
  socket.acknowledge(undefined, {});
  socket.reject(2, new AppError('not_found', 'There is no such run.'));
  socket.reject('r3', new AppError('invalid_request', 'No.', { errors: [{ path: 'a', message: 'b' }] }));
  while (received.length < 4) await once(client, 'message');
  expect(received).toEqual([
    { event: 'ack', ref: 'r1', data: { ok: true } },
    { event: 'ack', data: {} },
    { event: 'rejected', ref: 2, data: { code: 'not_found', error: 'There is no such run.' } },
    {
      event: 'rejected',
      ref: 'r3',
      data: { code: 'invalid_request', error: 'No.', errors: [{ path: 'a', message: 'b' }] },
    },
  ]);
});

/** Turns of the event loop until nothing more is taken. */
async function standstill(pump: { sent: number }): Promise<void> {
  let before = -1;
  for (let quiet = 0; quiet < 50; quiet += 1) {
    if (pump.sent !== before) quiet = 0;
    before = pump.sent;
    await nextTurn();
  }
}

describe('a beat', () => {
  it('pings, and ends a peer that has not been heard since the last', async () => {
    const beating = { beat: () => {}, touch: () => {}, due: 0, isRemoved: false, remove: () => {} };
    let removed = 0;
    const own = { ...beating, remove: () => void (removed += 1) } as unknown as Parameters<
      AgentSocket['beat']
    >[0];
    socket.beat(own);
    await once(client, 'ping');
    socket.heard();
    socket.beat(own);
    await once(client, 'ping');
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.beat(own);
    expect((await once(client, 'close'))[0]).toBe(1006);
    expect(removed).toBe(1);
  });

  it('waits for a peer that has more to read than it has read', async () => {
    const own = { remove: () => {} } as unknown as Parameters<AgentSocket['beat']>[0];
    client.pause();
    const sending = socket.sendFrames(
      framesOf(...Array<string>(20).fill(JSON.stringify('x'.repeat(1_000_000)))),
    );
    for (let count = 0; count < 2; count += 1) socket.beat(own);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    client.resume();
    await sending;
    while (received.length < 20) await once(client, 'message');
  });

  it('waits for as long as the peer takes something between beats', async () => {
    const own = { remove: () => {} } as unknown as Parameters<AgentSocket['beat']>[0];
    const pump = { sent: 0, beats: 0 };
    const sending = (async () => {
      for (; pump.sent < 800; pump.sent += 1)
        await socket.sendFrames(framesOf(JSON.stringify('x'.repeat(100_000))));
    })();
    client.pause();
    while (pump.sent < 780) {
      await standstill(pump);
      socket.beat(own);
      pump.beats += 1;
      const enough = pump.sent + 10;
      client.resume();
      while (pump.sent < enough) await nextTurn();
      client.pause();
    }
    expect(pump.beats).toBeGreaterThan(5);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    client.resume();
    await sending;
  });

  it('ends a peer that takes nothing of what waits for it and says nothing, at the third beat', async () => {
    let removed = 0;
    const own = { remove: () => void (removed += 1) } as unknown as Parameters<AgentSocket['beat']>[0];
    client.pause();
    const sending = socket.sendFrames(
      framesOf(...Array<string>(20).fill(JSON.stringify('x'.repeat(1_000_000)))),
    );
    socket.beat(own);
    socket.beat(own);
    socket.heard();
    for (let count = 0; count < 2; count += 1) socket.beat(own);
    expect([socket.readyState, removed]).toEqual([WebSocket.OPEN, 0]);
    const closed = once(socket, 'close');
    socket.beat(own);
    expect(removed).toBe(1);
    await Promise.all([closed, sending]);
  });
});

it('is closed for who asks before and after its end', async () => {
  const before = socket.closed;
  expect(before.aborted).toBe(false);
  client.terminate();
  await once(socket, 'close');
  expect([before.aborted, socket.closed.aborted]).toEqual([true, true]);
});

it('has nobody as its principal before its handshake is over', () => {
  const fresh = new AgentSocket(null as unknown as string, undefined, {});
  expect(() => fresh.principal).toThrow('before its handshake was over');
});
