import { createParser } from 'eventsource-parser';
import { AgentlineError } from './agentline-error.js';
import type { Connect, Heard } from './connection.js';
import { type HttpCalls, unreachable } from './http-calls.js';
import type { FollowTarget, StreamEvent } from './wire.js';

/** Server-sent events by `fetch` (wire contract §5). */
export function connectBySse(http: HttpCalls): Connect {
  return async function* (target, signal) {
    const left = new AbortController();
    const either = AbortSignal.any([signal, left.signal]);
    try {
      const response = await http.send({ method: 'GET', ...requestOf(target), signal: either });
      if (response.status === 204) {
        yield { kind: 'over' };
        return;
      }
      yield { kind: 'open' };
      yield* readStream(response, { signal, leave: () => left.abort(), idleMs: http.idleMs });
    } catch (error) {
      if (error instanceof AgentlineError) throw error;
      throw unreachable(error, http.origin, signal);
    } finally {
      left.abort();
    }
  };
}

function requestOf({ session_id: sessionId, run_id: runId, last_event_id: cursor, follow }: FollowTarget) {
  const query = new URLSearchParams({ session_id: sessionId ?? '' });
  if (runId !== undefined) query.set('run_id', runId);
  if (follow === true) query.set('follow', 'true');
  const headers: Record<string, string> = { Accept: 'text/event-stream' };
  if (cursor !== undefined) headers['Last-Event-ID'] = cursor;
  return { path: `/api/agent/stream?${query.toString()}`, headers };
}

interface Reading {
  signal: AbortSignal | undefined;
  /** Ends the connection. */
  leave: () => void;
  idleMs: number;
}

/** The events of a response. A block that is cut off is none, and its id is not taken over. */
export async function* readStream(response: Response, reading: Reading): AsyncGenerator<Heard, void> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
    throw new AgentlineError('What answers is no event stream: is this the address of an Agentline server?', {
      status: response.status,
      code: 'not_a_stream',
    });
  }
  const heard: Heard[] = [];
  const parser = createParser({
    onRetry: (milliseconds) => heard.push({ kind: 'retry', milliseconds }),
    onEvent: ({ event, id, data }) =>
      heard.push({
        kind: 'event',
        event: { type: event, id: id ?? null, data: JSON.parse(data) as unknown } as StreamEvent,
      }),
  });
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  for (;;) {
    // Runs only while we wait for bytes: heartbeats come more often than that.
    const timer = setTimeout(reading.leave, reading.idleMs);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    parser.feed(decoder.decode(value as Uint8Array, { stream: true }));
    yield* heard.splice(0);
  }
}
