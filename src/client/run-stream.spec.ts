import { describe, expect, it } from '@jest/globals';
import { AgentlineError } from './agentline-error.js';
import type { Heard } from './connection.js';
import { RunStream, type WireHappening } from './run-stream.js';
import type { FollowTarget, StreamEvent } from './wire.js';

type Scene = (Heard | Error)[];

const event = (id: string | null, type = 'token', data: unknown = { text: 'x' }): Heard => ({
  kind: 'event',
  event: { id, type, data } as unknown as StreamEvent,
});
const DONE = { status: 'completed' };
const lost = new AgentlineError('lost', { status: 0, code: 'connection_lost' });
const refused = (status: number, code = 'unknown') => new AgentlineError('no', { status, code });

/** Connections that go as they are told, one after the other. */
function follow(target: FollowTarget, scenes: Scene[], signal?: AbortSignal) {
  const asked: FollowTarget[] = [];
  const waits: number[] = [];
  const states: string[] = [];
  const wire: WireHappening[] = [];
  let left = 0;
  const stream = new RunStream(
    target,
    {
      connect: async function* (next) {
        asked.push(next);
        const scene = scenes.shift();
        if (scene === undefined) throw new Error('asked once more than expected');
        try {
          yield { kind: 'open' };
          for (const step of scene) {
            if (step instanceof Error) throw step;
            yield step;
          }
        } finally {
          left += 1;
        }
      },
      locate: async (where) => ({ session_id: 'ses_found', ...where }),
      pauses: { pause: async (milliseconds) => void waits.push(milliseconds), random: () => 0.5 },
    },
    {
      signal,
      onConnection: (state, error) => states.push(error ? `${state}: ${error.message}` : state),
      onWire: (happening) => wire.push(happening),
    },
  );
  return { stream, asked, waits, states, wire, left: () => left };
}

async function idsOf(stream: AsyncIterable<StreamEvent>): Promise<(string | null)[]> {
  const ids: (string | null)[] = [];
  for await (const { id } of stream) ids.push(id);
  return ids;
}

describe('a followed run', () => {
  it('goes on after its last event, whether the connection breaks or ends, until done', async () => {
    const { stream, asked, waits, states } = follow({ session_id: 'ses_1' }, [
      [{ kind: 'retry', milliseconds: 1500 }, event('r.1.1'), event('r.1.2'), lost],
      [],
      [event('r.1.3'), event('r.1.4', 'done', DONE)],
    ]);

    expect(await idsOf(stream)).toEqual(['r.1.1', 'r.1.2', 'r.1.3', 'r.1.4']);
    expect(asked.map(({ last_event_id: cursor }) => cursor)).toEqual([undefined, 'r.1.2', 'r.1.2']);
    expect(waits).toEqual([1500, 2250]);
    expect(states).toEqual(['open', 'lost: lost', 'open', 'lost', 'open']);
    expect(stream.view.status).toBe('completed');
    expect(await idsOf(stream)).toEqual([]);
  });

  it('hands out each event once, also when it is sent twice', async () => {
    const { stream } = follow({ session_id: 'ses_1' }, [
      [event('r.1.1'), event('r.1.2'), lost],
      [event('r.1.1'), event('r.1.2'), event('r.1.3'), event('r.1.4', 'done', DONE)],
    ]);
    expect(await idsOf(stream)).toEqual(['r.1.1', 'r.1.2', 'r.1.3', 'r.1.4']);
  });

  it('begins anew when the server cannot honour its place', async () => {
    const { stream, asked } = follow({ session_id: 'ses_1', last_event_id: 'r.1.9' }, [
      [event(null, 'reset', { after: null }), event('r.2.1'), lost],
      [event(null, 'reset', { after: null }), event('r.3.1'), event('r.3.2', 'done', DONE)],
    ]);
    expect(await idsOf(stream)).toEqual([null, 'r.2.1', null, 'r.3.1', 'r.3.2']);
    expect(asked.map(({ last_event_id: cursor }) => cursor)).toEqual(['r.1.9', 'r.2.1']);
  });

  it('tells what happened on the wire: after which event it asked, what broke, when it comes back', async () => {
    const { stream, wire } = follow({ session_id: 'ses_1' }, [
      [{ kind: 'retry', milliseconds: 1500 }, event('r.1.1'), lost],
      [refused(503)],
      [event('r.1.2')],
      [{ kind: 'over' }],
    ]);
    await idsOf(stream);
    expect(wire).toEqual([
      { kind: 'asked', last_event_id: null },
      { kind: 'open' },
      { kind: 'lost', error: lost, retry_ms: 1500 },
      { kind: 'asked', last_event_id: 'r.1.1' },
      { kind: 'open' },
      { kind: 'lost', error: expect.objectContaining({ status: 503 }), retry_ms: 2250 },
      { kind: 'asked', last_event_id: 'r.1.1' },
      { kind: 'open' },
      { kind: 'lost', error: null, retry_ms: 1500 },
      { kind: 'asked', last_event_id: 'r.1.2' },
      { kind: 'open' },
      { kind: 'over' },
    ]);
  });

  it('is over without an event when there is nothing after its place', async () => {
    const { stream, waits } = follow({ session_id: 'ses_1', last_event_id: 'r.1.9' }, [[{ kind: 'over' }]]);
    expect(await idsOf(stream)).toEqual([]);
    expect(waits).toEqual([]);
  });

  it.each([401, 403, 404, 400])('ends with what the server says for good (%d)', async (status) => {
    const { stream, asked } = follow({ session_id: 'ses_1' }, [[event('r.1.1'), refused(status)]]);
    await expect(idsOf(stream)).rejects.toMatchObject({ status });
    expect(asked).toHaveLength(1);
  });

  it('comes back after what may pass, and waits longer each time, as long as the server asks for', async () => {
    const busy = new AgentlineError('busy', { status: 429, code: 'too_many_requests', retryAfterMs: 9_000 });
    const { stream, waits } = follow({ session_id: 'ses_1' }, [
      [refused(503)],
      [refused(502)],
      [refused(500)],
      [busy],
      [event('r.1.1'), lost],
      [event('r.1.2', 'done', DONE)],
    ]);
    expect(await idsOf(stream)).toEqual(['r.1.1', 'r.1.2']);
    expect(waits).toEqual([1000, 1500, 3000, 9000, 1000]);
  });

  it('stays over runs where that is asked for, and then does not hold on to the first', async () => {
    const { stream, asked } = follow({ session_id: 'ses_1', run_id: 'r', follow: true }, [
      [event('r.1.1', 'done', DONE), lost],
      [event('q.1.1'), event('q.1.2', 'done', DONE), refused(404)],
    ]);
    const ids: (string | null)[] = [];
    await expect(
      (async () => {
        for await (const { id } of stream) ids.push(id);
      })(),
    ).rejects.toMatchObject({ status: 404 });
    expect(ids).toEqual(['r.1.1', 'q.1.1', 'q.1.2']);
    expect(asked).toEqual([
      { session_id: 'ses_1', run_id: 'r', follow: true, last_event_id: undefined },
      { session_id: 'ses_1', follow: true, last_event_id: 'r.1.1' },
    ]);
  });

  it('leaves the connection with the loop, and goes on in the next', async () => {
    const { stream, asked, left } = follow({ run_id: 'r' }, [
      [event('r.1.1'), event('r.1.2')],
      [event('r.1.2'), event('r.1.3', 'done', DONE)],
    ]);
    for await (const { id } of stream) if (id === 'r.1.1') break;
    expect(left()).toBe(1);
    expect(await idsOf(stream)).toEqual(['r.1.2', 'r.1.3']);
    expect(asked[1]).toEqual({ session_id: 'ses_found', run_id: 'r', last_event_id: 'r.1.1' });
  });

  it('throws the reason of its signal, and asks nothing any more', async () => {
    const reason = new Error('closed');
    const { stream, asked } = follow({ session_id: 'ses_1' }, [], AbortSignal.abort(reason));
    await expect(idsOf(stream)).rejects.toBe(reason);
    expect(asked).toEqual([]);
  });

  it('can be read to its end at once', async () => {
    const { stream } = follow({ session_id: 'ses_1' }, [
      [event('r.1.1', 'token', { text: 'Hel' }), lost],
      [event('r.1.2', 'token', { text: 'lo' }), event('r.1.3', 'done', DONE)],
    ]);
    expect((await stream.settled()).text).toBe('Hello');
  });
});
