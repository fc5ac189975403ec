import { AgentlineError } from './agentline-error.js';
import type { Connect, Heard } from './connection.js';
import type { HttpCalls } from './http-calls.js';
import type { FollowTarget, StreamEvent } from './wire.js';

/** The part of `WebSocket` (WHATWG) that is used; browsers and Node from 22 on have it. */
export interface SocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: never) => void): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike;

/** Times in a row that a socket is refused by who answers over HTTP, until that is taken for its last word. */
const REFUSALS = 5;
/** Codes of a closed socket after which coming back changes nothing. */
const SIGNED_OUT = 4401;

interface Frame {
  event: string;
  data: unknown;
  id?: string;
  ref?: string;
}

type Told = { frame: Frame } | { opened: true } | { closed: number; reason: string };

/** Frames of one socket, in order, for who takes them one by one. */
class Inbox {
  private readonly told: Told[] = [];
  private wake: () => void = () => undefined;

  constructor(socket: SocketLike) {
    socket.addEventListener('open', () => this.put({ opened: true }));
    socket.addEventListener('message', ({ data }: { data: unknown }) =>
      this.put({ frame: JSON.parse(String(data)) as Frame }),
    );
    // Says nothing that `close` does not say after it; in Node an error without listener would be thrown.
    socket.addEventListener('error', () => undefined);
    socket.addEventListener('close', ({ code, reason }: { code: number; reason: string }) =>
      this.put({ closed: code, reason }),
    );
  }

  /** @returns undefined when nothing came within that time. */
  async next(milliseconds: number, signal: AbortSignal): Promise<Told | undefined> {
    signal.throwIfAborted();
    if (this.told.length === 0) {
      await new Promise<void>((resolve) => {
        const go = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', go);
          resolve();
        };
        const timer = setTimeout(go, milliseconds);
        signal.addEventListener('abort', go, { once: true });
        this.wake = go;
      });
    }
    signal.throwIfAborted();
    return this.told.shift();
  }

  private put(told: Told): void {
    this.told.push(told);
    this.wake();
  }
}

/** The socket (wire contract §6), one for each connection: 1012 comes back, 4401 is final. */
export function connectBySocket(http: HttpCalls, Socket: SocketConstructor): Connect {
  let refusals = 0;
  return async function* (target, signal) {
    signal.throwIfAborted();
    const token = await http.token();
    const protocols = ['agent.v1', ...(token === undefined ? [] : [`bearer.${token}`])];
    const socket = new Socket(`${http.origin.replace(/^http/, 'ws')}/api/agent/ws`, protocols);
    const inbox = new Inbox(socket);
    try {
      if (!(await isOpened(inbox, http.idleMs, signal))) {
        // A refused upgrade looks like any lost connection: over HTTP the server says why.
        await http.once({ method: 'GET', path: '/api/auth/me', signal });
        refusals += 1;
        throw refusals < REFUSALS ? lost('The socket could not be opened.') : notOpened();
      }
      refusals = 0;
      socket.send(JSON.stringify({ event: 'subscribe', data: requestOf(target), ref: 'subscribe' }));
      yield { kind: 'open' };
      yield* read(socket, inbox, http.idleMs, signal);
    } finally {
      socket.close();
    }
  };
}

async function isOpened(inbox: Inbox, idleMs: number, signal: AbortSignal): Promise<boolean> {
  const first = await inbox.next(idleMs, signal);
  return first !== undefined && 'opened' in first;
}

async function* read(
  socket: SocketLike,
  inbox: Inbox,
  idleMs: number,
  signal: AbortSignal,
): AsyncGenerator<Heard, void> {
  let isAsked = false;
  for (;;) {
    const told = await inbox.next(idleMs / 2, signal);
    if (told === undefined) {
      // A page does not see the server's pings: it asks by itself whether anybody is there.
      if (isAsked) throw lost('The socket was silent for too long.');
      socket.send(JSON.stringify({ event: 'ping', data: {} }));
      isAsked = true;
      continue;
    }
    isAsked = false;
    if ('opened' in told) continue;
    if ('closed' in told) throw closedError(told.closed, told.reason);
    const heard = hear(told.frame);
    if (heard !== undefined) yield heard;
    if (heard?.kind === 'over') return;
  }
}

function hear({ event, data, id, ref }: Frame): Heard | undefined {
  if (event === 'rejected') throw rejection(data as { code: string; error: string });
  if (event !== 'ack') return { kind: 'event', event: { type: event, id: id ?? null, data } as StreamEvent };
  const isOver = ref === 'subscribe' && (data as { status?: string }).status === 'over';
  return isOver ? { kind: 'over' } : undefined;
}

function requestOf({ session_id, run_id, last_event_id, follow }: FollowTarget): FollowTarget {
  return {
    ...(session_id !== undefined && { session_id }),
    ...(run_id !== undefined && { run_id }),
    ...(last_event_id !== undefined && { last_event_id }),
    ...(follow === true && { follow }),
  };
}

/** Codes of the server's list that HTTP would answer with a status to come back after. */
const PASSING: Record<string, number> = {
  too_many_requests: 429,
  unavailable: 503,
  draining: 503,
  internal: 500,
};
const FINAL: Record<string, number> = { unauthenticated: 401, forbidden: 403, not_found: 404 };

function rejection({ code, error }: { code: string; error: string }): AgentlineError {
  return new AgentlineError(error, { status: PASSING[code] ?? FINAL[code] ?? 400, code });
}

function closedError(code: number, reason: string): AgentlineError {
  if (code !== SIGNED_OUT) return lost(`The socket was closed (${code}).`);
  return new AgentlineError(reason || 'Sign in again.', { status: 401, code: 'unauthenticated' });
}

function notOpened(): AgentlineError {
  const advice = 'do proxies let upgrades pass, and is the origin of this page one of ALLOWED_ORIGINS?';
  const parts = { status: 403, code: 'socket_refused' };
  return new AgentlineError(`The server answers, but no socket can be opened: ${advice}`, parts);
}

function lost(message: string): AgentlineError {
  return new AgentlineError(message, { status: 0, code: 'connection_lost' });
}
