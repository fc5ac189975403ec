import { describe, expect, it } from '@jest/globals';
import type { Heard } from './connection.js';
import { HttpCalls } from './http-calls.js';
import { connectBySocket, type SocketConstructor } from './socket-connection.js';
import type { FollowTarget } from './wire.js';

type Step = { open: true } | { frame: unknown } | { close: number; reason?: string };

/** A socket whose other side goes as it is told; each step comes when the client has taken the one before. */
function socketOf(steps: Step[]) {
  const seen = { url: '', protocols: [] as string[], sent: [] as unknown[], closed: 0 };
  class SocketDouble extends EventTarget {
    constructor(url: string, protocols: string[]) {
      super();
      Object.assign(seen, { url, protocols });
      setImmediate(() => this.play());
    }
    play(): void {
      for (const step of steps) {
        if ('open' in step) this.dispatchEvent(new Event('open'));
        else if ('frame' in step)
          this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(step.frame) }));
        else
          this.dispatchEvent(
            Object.assign(new Event('close'), { code: step.close, reason: step.reason ?? '' }),
          );
      }
    }
    send(text: string): void {
      seen.sent.push(JSON.parse(text));
    }
    close(): void {
      seen.closed += 1;
    }
  }
  return { seen, Socket: SocketDouble as unknown as SocketConstructor };
}

async function heardOf(
  steps: Step[],
  target: FollowTarget = { run_id: 'run_1' },
  me = 200,
  idleMs = 5_000,
  leave = new AbortController(),
) {
  const { seen, Socket } = socketOf(steps);
  const http = new HttpCalls({
    url: 'https://agent.example',
    token: 'secret',
    fetch: async () => Response.json({}, { status: me }),
    idleMs,
  });
  const heard: Heard[] = [];
  let error: unknown;
  try {
    for await (const each of connectBySocket(http, Socket)(target, leave.signal)) {
      heard.push(each);
      if (each.kind === 'event' && each.event.type === 'done') leave.abort(new Error('seen enough'));
    }
  } catch (thrown) {
    error = thrown;
  }
  return { seen, heard, error };
}

const EVENT = { event: 'token', id: 'run_1.1.3', data: { text: 'a' } };
const ACK = { event: 'ack', ref: 'subscribe', data: { status: 'subscribed' } };

describe('a connection by socket', () => {
  it('subscribes with its cursor, and hands out the events', async () => {
    const target = { session_id: 'ses_1', last_event_id: 'run_1.1.2', follow: true };
    const { seen, heard } = await heardOf(
      [{ open: true }, { frame: ACK }, { frame: EVENT }, { close: 1006 }],
      target,
    );
    expect(seen.url).toBe('wss://agent.example/api/agent/ws');
    expect(seen.protocols).toEqual(['agent.v1', 'bearer.secret']);
    expect(seen.sent).toEqual([{ event: 'subscribe', data: target, ref: 'subscribe' }]);
    expect(heard).toEqual([
      { kind: 'open' },
      { kind: 'event', event: { type: 'token', id: 'run_1.1.3', data: { text: 'a' } } },
    ]);
    expect(seen.closed).toBe(1);
  });

  it('tells a reset of its own by the missing id', async () => {
    const reset = { event: 'reset', data: { after: null, reason: 'cursor_not_found' } };
    const { heard } = await heardOf([{ open: true }, { frame: reset }, { close: 1012 }]);
    expect(heard.at(-1)).toEqual({ kind: 'event', event: { type: 'reset', id: null, data: reset.data } });
  });

  it('is over when there is nothing to come', async () => {
    const over = { ...ACK, data: { status: 'over' } };
    const { heard, error } = await heardOf([{ open: true }, { frame: over }]);
    expect([heard.at(-1), error]).toEqual([{ kind: 'over' }, undefined]);
  });

  it.each([
    [1012, 0, true],
    [1006, 0, true],
    [1008, 0, true],
    [4401, 401, false],
  ])('closed with %d it is status %d, and passing: %s', async (close, status, isPassing) => {
    const { error } = await heardOf([{ open: true }, { frame: EVENT }, { close }]);
    expect(error).toMatchObject({ status, isPassing });
  });

  it.each([
    ['not_found', false],
    ['forbidden', false],
    ['unauthenticated', false],
    ['invalid_request', false],
    ['too_many_requests', true],
    ['unavailable', true],
  ])('rejected with %s it is passing: %s', async (code, isPassing) => {
    const rejected = { event: 'rejected', ref: 'subscribe', data: { code, error: 'No.' } };
    const { error } = await heardOf([{ open: true }, { frame: rejected }]);
    expect(error).toMatchObject({ code, message: 'No.', isPassing });
  });

  it('asks over HTTP why it could not be opened', async () => {
    expect((await heardOf([{ close: 1006 }], undefined, 401)).error).toMatchObject({ status: 401 });
    expect((await heardOf([{ close: 1006 }])).error).toMatchObject({ status: 0, isPassing: true });
  });

  it('takes it for refused when it can never be opened though the server answers', async () => {
    const { Socket } = socketOf([{ close: 1006 }]);
    const http = new HttpCalls({ url: 'https://agent.example', fetch: async () => Response.json({}) });
    const connect = connectBySocket(http, Socket);
    const codes: unknown[] = [];
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      await connect({ run_id: 'run_1' }, new AbortController().signal)
        .next()
        .catch((error: unknown) => codes.push(Reflect.get(error as object, 'code')));
    }
    expect(codes).toEqual([...Array.from({ length: 4 }, () => 'connection_lost'), 'socket_refused']);
  });

  it("throws the signal's reason, also when it was aborted between two events", async () => {
    const done = { event: 'done', id: 'run_1.1.4', data: {} };
    const { error, seen } = await heardOf([{ open: true }, { frame: done }]);
    expect(error).toEqual(new Error('seen enough'));
    expect(seen.closed).toBe(1);
  });

  it('asks whether anybody is there when nothing comes, and is lost when nobody is', async () => {
    const { seen, error } = await heardOf([{ open: true }], undefined, 200, 40);
    expect(seen.sent.slice(1)).toEqual([{ event: 'ping', data: {} }]);
    expect(error).toMatchObject({ code: 'connection_lost', isPassing: true });
  });
});
