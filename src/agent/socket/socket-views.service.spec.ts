import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '../../auth/principal.js';
import { newId } from '../../database/ids.js';
import type { Run } from '../../runs/run.js';
import type { AgentService } from '../agent.service.js';
import type { RunViews } from '../run-views.service.js';
import type { FollowRequest, View, ViewBatch, ViewPlan } from '../view-plan.js';
import { AgentSocket } from './agent-socket.js';
import { SocketViews } from './socket-views.service.js';

Logger.overrideLogger(false);

const MEGABYTE = 1_048_576;
const ADA = { userId: 'usr_ada', tenantId: 'default' } as Principal;

/** Runs of one session, each of which says what `batches` gives. */
class ScriptedAgent implements Pick<AgentService, 'see' | 'follow'> {
  readonly sessionId = newId('ses');
  readonly asked: FollowRequest[] = [];
  batches: (signal: AbortSignal) => AsyncGenerator<ViewBatch, void> = async function* () {};

  async see(_owner: unknown, id: string): Promise<Run> {
    return this.run(id);
  }

  async follow(_owner: unknown, request: FollowRequest): Promise<View> {
    this.asked.push(request);
    const plan: ViewPlan = {
      sessionId: request.sessionId,
      run: this.run(request.runId ?? 'run_latest'),
      afterNumber: 0,
      afterSeq: 0,
      isReset: false,
      follow: request.follow,
    };
    return { plan, batches: (signal) => this.batches(signal) };
  }

  private run(id: string): Run {
    return { id, sessionId: this.sessionId, number: 1, status: 'running' } as Run;
  }
}

let server: WebSocketServer;
let client: WebSocket;
let socket: AgentSocket;
let agent: ScriptedAgent;
let started: unknown[];
let views: SocketViews;

beforeEach(async () => {
  server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    WebSocket: AgentSocket,
    perMessageDeflate: false,
  });
  await once(server, 'listening');
  client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [opened, request] = (await once(server, 'connection')) as [AgentSocket, IncomingMessage];
  socket = opened;
  socket.belongTo(ADA, request.socket);
  await once(client, 'open');
  agent = new ScriptedAgent();
  started = [];
  const runs = {
    start: async (_principal: unknown, request: unknown) => {
      started.push(request);
      return { id: newId('run'), session_id: agent.sessionId };
    },
  };
  views = new SocketViews(agent as unknown as AgentService, runs as unknown as RunViews);
});

afterEach(() => {
  client.terminate();
  server.close();
});

/** Batches as fast as they are taken. */
function endless(bytes: number) {
  const taken = { batches: 0, ended: false };
  const runId = 'run_latest';
  agent.batches = async function* () {
    try {
      for (;;) {
        taken.batches += 1;
        const entries = [{ type: 'token' as const, data: JSON.stringify({ text: 'x'.repeat(bytes) }) }];
        yield [{ runId, attempt: 1, firstSeq: taken.batches, entries }];
      }
    } finally {
      taken.ended = true;
    }
  };
  return taken;
}

async function standstill(taken: { batches: number }): Promise<void> {
  let before = -1;
  for (let quiet = 0; quiet < 500; quiet += 1) {
    if (taken.batches !== before) quiet = 0;
    before = taken.batches;
    await turn();
  }
}

async function subscribe(): Promise<void> {
  const { afterwards } = await views.subscribe(socket, { session_id: agent.sessionId, follow: false });
  afterwards?.();
}

describe('a socket that does not read', () => {
  it.each([
    ['two kilobytes', 2_000],
    ['sixty kilobytes', 60_000],
  ])('is given no more than it holds, by batches of %s', async (_name, bytes) => {
    client.pause();
    const taken = endless(bytes);
    await subscribe();

    await standstill(taken);

    expect(taken.batches * bytes).toBeLessThan(12 * MEGABYTE);
    expect(socket.bufferedAmount).toBeLessThan(MEGABYTE);

    client.terminate();
    await once(socket, 'close');
    await standstill(taken);
    expect(taken.ended).toBe(true);
    expect(socket.subscriptions.size).toBe(0);
  });
});

const page = (attempt: number, firstSeq: number, ...texts: string[]) => ({
  runId: 'run_latest',
  attempt,
  firstSeq,
  entries: texts.map((text) => ({ type: 'token' as const, data: JSON.stringify({ text }) })),
});

describe('a view on a socket', () => {
  it('costs no more for a million batches than for one', async () => {
    const taken = endless(10);
    const listeners = new Set<unknown>();
    const { closed } = socket;
    const add = closed.addEventListener.bind(closed);
    closed.addEventListener = (...args: Parameters<typeof add>) => {
      listeners.add(args[1]);
      add(...args);
    };
    await subscribe();
    const received: unknown[] = [];
    client.on('message', (data) => received.push(data));
    while (received.length < 500) await turn();
    expect(taken.batches).toBeGreaterThan(499);
    expect(listeners.size).toBeLessThan(5);
  });

  it('ends when it is given up', async () => {
    const taken = endless(10);
    await subscribe();
    await turn();
    views.unsubscribe(socket, { session_id: agent.sessionId });
    await standstill(taken);
    expect(taken.ended).toBe(true);
    expect(socket.subscriptions.size).toBe(0);
  });

  it('whose log was lost shows the whole log that was begun anew, from its first event on', async () => {
    agent.batches = async function* () {
      yield [page(1, 1, 'a', 'b', 'c')];
      yield { reset: { after: null, reason: 'log_lost' } };
      yield [page(2, 1, 'A'), page(2, 2, 'B')];
    };
    const seen: string[] = [];
    client.on('message', (data: Buffer) => {
      const { event, id, data: body } = JSON.parse(data.toString()) as Record<string, unknown>;
      seen.push(`${String(id ?? event)} ${JSON.stringify(body)}`);
    });
    await subscribe();
    while (seen.length < 6) await turn();

    expect(seen.slice(3)).toEqual([
      'reset {"after":null,"reason":"log_lost"}',
      'run_latest.2.1 {"text":"A"}',
      'run_latest.2.2 {"text":"B"}',
    ]);
  });

  it('that the log fails is closed, so that the client comes back with its cursor', async () => {
    agent.batches = async function* () {
      yield [];
      throw new Error('the log is gone');
    };
    await subscribe();
    expect((await once(client, 'close'))[0]).toBe(1006);
  });
});

describe('a socket that watches a hundred things', () => {
  beforeEach(async () => {
    for (let count = 0; count < 100; count += 1) {
      await views.subscribe(socket, { run_id: `run_${count}`, follow: false });
    }
  });

  it('is refused one more, and a start before it starts anything', async () => {
    const refused = { code: 'too_many_requests' };
    await expect(views.subscribe(socket, { run_id: 'run_100', follow: false })).rejects.toMatchObject(
      refused,
    );
    const start = { content: 'hello', when_busy: 'queue' } as const;
    await expect(views.start(socket, start)).rejects.toMatchObject(refused);
    expect(started).toEqual([]);
  });

  it('may say again what it watches, and watch another thing in its place', async () => {
    await views.subscribe(socket, { run_id: 'run_7', follow: false });
    await views.subscribe(socket, { run_id: 'run_7', follow: false, last_event_id: 'x' });
    expect(socket.subscriptions.size).toBe(100);
    views.unsubscribe(socket, { run_id: 'run_7' });
    await views.subscribe(socket, { run_id: 'run_100', follow: false });
    expect(socket.subscriptions.size).toBe(100);
  });
});
