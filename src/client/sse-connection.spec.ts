import { describe, expect, it } from '@jest/globals';
import type { Heard } from './connection.js';
import { HttpCalls } from './http-calls.js';
import { connectBySse } from './sse-connection.js';
import type { FollowTarget } from './wire.js';

const encoder = new TextEncoder();
const STREAM = { headers: { 'content-type': 'text/event-stream; charset=utf-8' } };

/** A body of these pieces; `open`: after them nothing comes, and the connection stays. */
function body(pieces: string[], open = false): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(encoder.encode(piece));
      if (!open) controller.close();
    },
  });
}

async function heardOf(
  answer: (url: string, init: RequestInit) => Response | Promise<Response>,
  target: FollowTarget = { session_id: 'ses_1' },
  { idleMs = 5_000, signal = new AbortController().signal } = {},
) {
  const asked: { url: string; init: RequestInit }[] = [];
  const fetch = async (url: unknown, init: RequestInit = {}) => {
    asked.push({ url: String(url), init });
    return answer(String(url), init);
  };
  const http = new HttpCalls({
    url: 'https://agent.example/console',
    token: async () => 'secret',
    fetch,
    idleMs,
  });
  const heard: Heard[] = [];
  let error: unknown;
  try {
    for await (const each of connectBySse(http)(target, signal)) heard.push(each);
  } catch (thrown) {
    error = thrown;
  }
  return { asked, heard, error };
}

const EVENT = 'event: token\ndata: {"text":"é"}\nid: r.1.1\n\n';

describe('a connection by server-sent events', () => {
  it('asks for the target with its cursor and credentials', async () => {
    const target = { session_id: 'ses_1', run_id: 'run_1', last_event_id: 'run_1.1.2', follow: true };
    const { asked } = await heardOf(() => new Response(body([]), STREAM), target);
    expect(asked.map(({ url }) => url)).toEqual([
      'https://agent.example/api/agent/stream?session_id=ses_1&run_id=run_1&follow=true',
    ]);
    expect(asked[0]?.init.headers).toEqual({
      Accept: 'text/event-stream',
      Authorization: 'Bearer secret',
      'Last-Event-ID': 'run_1.1.2',
    });
  });

  it('hands out events wherever they are cut into pieces, and passes over heartbeats', async () => {
    const bytes = encoder.encode(`retry: 1200\n${EVENT}: hb\n`);
    const { heard } = await heardOf(() => {
      const split = new ReadableStream({
        start(controller) {
          for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
          controller.close();
        },
      });
      return new Response(split, STREAM);
    });
    expect(heard).toEqual([
      { kind: 'open' },
      { kind: 'retry', milliseconds: 1200 },
      { kind: 'event', event: { type: 'token', id: 'r.1.1', data: { text: 'é' } } },
    ]);
  });

  it('drops a block that is cut off', async () => {
    const { heard, error } = await heardOf(
      () => new Response(body([EVENT, 'event: token\ndata: {"text":"b"}\nid: r.1.2\n']), STREAM),
    );
    expect(heard.filter(({ kind }) => kind === 'event')).toHaveLength(1);
    expect(error).toBeUndefined();
  });

  it('says that it is over at 204', async () => {
    const { heard } = await heardOf(() => new Response(null, { status: 204 }));
    expect(heard).toEqual([{ kind: 'over' }]);
  });

  it('refuses to read what is no stream, for good', async () => {
    const { error } = await heardOf(
      () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
    );
    expect(error).toMatchObject({ code: 'not_a_stream', isPassing: false });
  });

  it("says why it was refused, in the server's words", async () => {
    const problem = {
      code: 'not_found',
      detail: 'There is no such session.',
      title: 'There is no such thing',
    };
    const { error } = await heardOf(() => Response.json(problem, { status: 404 }));
    expect(error).toMatchObject({
      status: 404,
      code: 'not_found',
      message: 'There is no such session.',
      isPassing: false,
    });
  });

  it('is lost when no byte comes for too long', async () => {
    const { error, heard } = await heardOf(
      (_url, { signal }) => new Response(abortable(body([EVENT], true), signal), STREAM),
      { session_id: 'ses_1' },
      { idleMs: 30 },
    );
    expect(heard.filter(({ kind }) => kind === 'event')).toHaveLength(1);
    expect(error).toMatchObject({ status: 0, code: 'unreachable', isPassing: true });
  });

  it('is lost when nobody answers', async () => {
    const { error } = await heardOf(
      (_url, { signal }) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason as Error));
        }),
      { session_id: 'ses_1' },
      { idleMs: 30 },
    );
    expect(error).toMatchObject({ status: 0, isPassing: true });
  });

  it("throws the signal's reason when that ends it", async () => {
    const reason = new Error('closed');
    const { error } = await heardOf(() => new Response(body([EVENT]), STREAM), undefined, {
      signal: AbortSignal.abort(reason),
    });
    expect(error).toBe(reason);
  });
});

/** What `fetch` does to a body when its signal is aborted. */
function abortable(source: ReadableStream<Uint8Array>, signal: AbortSignal | null | undefined) {
  const reader = source.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const aborted = new Promise<'aborted'>((resolve) => {
        signal?.addEventListener('abort', () => resolve('aborted'), { once: true });
      });
      const read = await Promise.race([reader.read(), aborted]);
      if (read === 'aborted') controller.error(signal?.reason);
      else if (read.done) controller.close();
      else controller.enqueue(read.value);
    },
  });
}
