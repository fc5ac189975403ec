import { setTimeout as delay } from 'node:timers/promises';
import type { Api } from '../support/api.js';
import type { ViewedEvent } from '../support/event-list.js';
import type { SseStream } from '../support/sse-client.js';
import type { AgentSocket } from '../support/ws-client.js';

/** What a viewer saw who came back after every cut, with nothing but the id of the last event. */
export interface Sighting {
  list: ViewedEvent[];
  /** Anything that a viewer must never meet: bad blocks, error answers, a reset that answers a cursor. */
  problems: string[];
  reconnects: number;
}

/** Watches a session's run by SSE until its `done`, coming back whenever the connection ends. */
export async function watchBySse(api: Api, sessionId: string): Promise<Sighting> {
  const seen: Sighting = { list: [], problems: [], reconnects: -1 };
  while (seen.list.at(-1)?.event !== 'done') {
    seen.reconnects += 1;
    const stream = await reach(() =>
      api.open({ session_id: sessionId }, { lastEventId: seen.list.at(-1)?.id }),
    );
    if (stream) await take(stream, seen);
    if (seen.problems.length > 0) return seen;
  }
  return seen;
}

async function take(stream: SseStream, seen: Sighting): Promise<void> {
  await stream.ended;
  if (stream.status !== 200) seen.problems.push(`status ${stream.status} ${stream.body}`);
  const own = stream.blocks.filter((block) => block.id === undefined);
  seen.problems.push(
    ...stream.parser.problems,
    ...own.map((block) => `${block.event} without an id: ${block.data}`),
  );
  seen.list.push(...stream.events);
}

/** The same over sockets. */
export async function watchBySocket(api: Api, runId: string): Promise<Sighting> {
  const seen: Sighting = { list: [], problems: [], reconnects: -1 };
  while (seen.list.at(-1)?.event !== 'done') {
    seen.reconnects += 1;
    const socket = await reach(() => api.socket());
    if (socket) await takeFrames(socket, runId, seen);
    if (seen.problems.length > 0) return seen;
  }
  return seen;
}

async function takeFrames(socket: AgentSocket, runId: string, seen: Sighting): Promise<void> {
  const last_event_id = seen.list.at(-1)?.id;
  socket.sendRaw(
    JSON.stringify({
      event: 'subscribe',
      data: { run_id: runId, ...(last_event_id ? { last_event_id } : {}) },
    }),
  );
  await Promise.race([
    socket.closed,
    socket.nextWhere(({ event }) => event === 'done', 120_000).catch(() => {}),
  ]);
  const refused = socket.frames.filter(
    (frame) => frame.event === 'rejected' || (frame.event === 'reset' && !frame.id),
  );
  seen.problems.push(...refused.map((frame) => JSON.stringify(frame)));
  seen.list.push(...socket.events);
  socket.socket.terminate();
}

/** The connection, or undefined when there is no server right now. */
async function reach<T>(open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ECONNREFUSED' && code !== 'ECONNRESET') throw error;
    await delay(20);
    return undefined;
  }
}
