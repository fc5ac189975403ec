import { Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { formatEventId } from '../../event-log/event-id.js';
import { lastSeq } from '../../event-log/log-page.js';
import { Shutdown } from '../../telemetry/shutdown.js';
import { AgentService } from '../agent.service.js';
import type { SocketRequest } from '../requests.js';
import { RunViews } from '../run-views.service.js';
import { isViewerReset, type View, type ViewBatch } from '../view-plan.js';
import { viewReceipt } from '../views.js';
import type { AgentSocket, Subscription } from './agent-socket.js';
import { socketFrames } from './socket-frames.js';
import type { SocketReply } from './socket-inbox.js';

const MAX_SUBSCRIPTIONS = 100;

/** What a socket can do: the same service as SSE, with many views on one connection. */
@Injectable()
export class SocketViews {
  private readonly logger = new Logger('AgentGateway');

  constructor(
    private readonly agent: AgentService,
    private readonly runs: RunViews,
    private readonly shutdown: Shutdown,
  ) {}

  /** Starts a run and, unless the socket watches its session already, watches it. */
  async start(socket: AgentSocket, request: SocketRequest<'start'>): Promise<SocketReply> {
    const run = await this.runs.start(socket.principal, {
      sessionId: request.session_id,
      content: request.content,
      agent: request.agent,
      whenBusy: request.when_busy,
      idempotencyKey: request.idempotency_key,
    });
    const isWatched = [...socket.subscriptions.values()].some(
      ({ sessionId, follow, runId }) => sessionId === run.session_id && (follow || runId === undefined),
    );
    if (isWatched) return { data: { run } };
    const { afterwards } = await this.subscribe(socket, { run_id: run.id, follow: false });
    return { data: { run }, ...(afterwards === undefined ? {} : { afterwards }) };
  }

  /** Watches a run or a session from its cursor on. What the socket watches already goes on, from where it is. */
  async subscribe(socket: AgentSocket, request: SocketRequest<'subscribe'>): Promise<SocketReply> {
    if (socket.subscriptions.size >= MAX_SUBSCRIPTIONS) {
      throw new AppError(
        'too_many_requests',
        `A socket watches ${MAX_SUBSCRIPTIONS} runs or sessions at most.`,
      );
    }
    const sessionId =
      request.session_id ?? (await this.agent.find(socket.principal, request.run_id ?? '')).sessionId;
    const ask = { sessionId, runId: request.run_id, cursor: request.last_event_id, follow: request.follow };
    let view = await this.agent.follow(socket.principal, ask);
    const earlier = view === 'over' ? undefined : findLive(socket, view.plan.run?.id);
    earlier?.stop.abort();
    if (earlier?.lastEventId !== undefined && !ask.cursor) {
      view = await this.agent.follow(socket.principal, { ...ask, cursor: earlier.lastEventId });
    }
    const key = request.run_id ?? sessionId;
    if (view === 'over')
      return { data: { session_id: sessionId, run_id: request.run_id ?? null, status: 'over' } };
    const subscription = watch(socket, key, view);
    const data = { session_id: sessionId, run_id: view.plan.run?.id ?? null, status: 'subscribed' };
    return { data, afterwards: () => void this.pump(socket, subscription, view) };
  }

  unsubscribe(socket: AgentSocket, request: SocketRequest<'unsubscribe'>): SocketReply {
    for (const subscription of socket.subscriptions.values()) {
      const { key, sessionId, runId } = subscription;
      const isMeant =
        request.run_id === undefined
          ? sessionId === request.session_id
          : [key, runId].includes(request.run_id);
      if (!isMeant) continue;
      subscription.stop.abort();
      socket.subscriptions.delete(key);
    }
    return { data: {} };
  }

  async cancel(socket: AgentSocket, { run_id: runId }: SocketRequest<'cancel'>): Promise<SocketReply> {
    return { data: viewReceipt(await this.agent.cancel(socket.principal, runId)) };
  }

  /** The next batch is read when the last is handed to the network. */
  private async pump(
    socket: AgentSocket,
    subscription: Subscription,
    view: Exclude<View, 'over'>,
  ): Promise<void> {
    const signal = AbortSignal.any([subscription.stop.signal, socket.closed, this.shutdown.signal]);
    try {
      for await (const batch of view.batches(signal)) {
        if (signal.aborted) return;
        note(subscription, batch);
        await Promise.race([socket.sendAll(socketFrames(batch)), aborted(socket.closed)]);
      }
    } catch (error) {
      this.logger.error(
        { err: error },
        'A socket lost its view; it is closed, so that it comes back with its cursor',
      );
      socket.terminate();
    } finally {
      if (socket.subscriptions.get(subscription.key) === subscription)
        socket.subscriptions.delete(subscription.key);
    }
  }
}

function findLive(socket: AgentSocket, runId: string | undefined): Subscription | undefined {
  if (runId === undefined) return undefined;
  return [...socket.subscriptions.values()].find((subscription) => subscription.runId === runId);
}

function watch(socket: AgentSocket, key: string, { plan }: Exclude<View, 'over'>): Subscription {
  socket.subscriptions.get(key)?.stop.abort();
  const subscription: Subscription = {
    key,
    sessionId: plan.sessionId,
    follow: plan.follow,
    runId: plan.run?.id,
    lastEventId: undefined,
    stop: new AbortController(),
  };
  socket.subscriptions.set(key, subscription);
  return subscription;
}

function note(subscription: Subscription, batch: ViewBatch): void {
  const page = isViewerReset(batch) ? undefined : batch.at(-1);
  if (page === undefined) return;
  subscription.runId = page.runId;
  subscription.lastEventId = formatEventId({ runId: page.runId, attempt: page.attempt, seq: lastSeq(page) });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
