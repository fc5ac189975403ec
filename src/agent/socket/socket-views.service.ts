import { Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { AgentService } from '../agent.service.js';
import type { SocketRequest } from '../requests.js';
import { RunViews } from '../run-views.service.js';
import { isViewerReset, type View } from '../view-plan.js';
import { type SubscriptionView, viewReceipt } from '../views.js';
import type { AgentSocket } from './agent-socket.js';
import { socketFrames } from './socket-frames.js';
import type { SocketReply } from './socket-inbox.js';
import type { Subscription } from './subscriptions.js';

const MAX_SUBSCRIPTIONS = 100;

/** What a socket can do: the same service as SSE, with many views on one connection. */
@Injectable()
export class SocketViews {
  private readonly logger = new Logger('AgentGateway');

  constructor(
    private readonly agent: AgentService,
    private readonly runs: RunViews,
  ) {}

  /** Starts a run and watches it, unless the socket stays with its session anyway. */
  async start(socket: AgentSocket, request: SocketRequest<'start'>): Promise<SocketReply> {
    const { session_id: sessionId } = request;
    const isFollowed = sessionId !== undefined && socket.subscriptions.follower(sessionId) !== undefined;
    if (!isFollowed) requireRoom(socket);
    const run = await this.runs.start(socket.principal, {
      sessionId,
      content: request.content,
      agent: request.agent,
      whenBusy: request.when_busy,
      idempotencyKey: request.idempotency_key,
    });
    if (isFollowed) return { data: { run } };
    const { afterwards } = await this.subscribe(socket, { run_id: run.id, follow: false });
    return { data: { run }, ...(afterwards === undefined ? {} : { afterwards }) };
  }

  /** Watches a run or a session from its cursor on. What the socket watches already goes on, from where it is. */
  async subscribe(socket: AgentSocket, request: SocketRequest<'subscribe'>): Promise<SocketReply> {
    const { run_id: runId, last_event_id: cursor, follow } = request;
    const sessionId = request.session_id ?? (await this.agent.see(socket.principal, runId ?? '')).sessionId;
    const ask = { sessionId, runId, cursor, follow };
    const view = await this.agent.follow(socket.principal, ask);
    if (view === 'over') return told(ask, 'over');
    const key = runId ?? sessionId;
    const earlier = socket.subscriptions.showing(view.plan);
    if (earlier === undefined) return this.watch(socket, key, view);
    if (!cursor && isCovered(earlier, key, follow))
      return told({ ...ask, runId: earlier.runId }, 'subscribed');
    // Who watched the session goes on to do so, also where the client now names one of its runs.
    const goesOn = earlier.follow && earlier.key !== key;
    socket.subscriptions.drop(earlier);
    const later = { ...ask, follow: follow || goesOn, cursor: cursor || earlier.sent?.id };
    const rest = await this.agent.follow(socket.principal, later);
    if (rest === 'over') return told(ask, 'over');
    return this.watch(socket, goesOn ? earlier.key : key, rest, cursor ? undefined : earlier.sent);
  }

  unsubscribe(socket: AgentSocket, request: SocketRequest<'unsubscribe'>): SocketReply {
    for (const subscription of socket.subscriptions.meantBy(request)) socket.subscriptions.drop(subscription);
    return { data: {} };
  }

  async cancel(socket: AgentSocket, { run_id: runId }: SocketRequest<'cancel'>): Promise<SocketReply> {
    return { data: viewReceipt(await this.agent.cancel(socket.principal, runId)) };
  }

  async decide(socket: AgentSocket, request: SocketRequest<'decide'>): Promise<SocketReply> {
    const { run_id: runId, tool_call_id: toolCallId, ...said } = request;
    return { data: await this.runs.decide(socket.principal, runId, toolCallId, said) };
  }

  private watch(
    socket: AgentSocket,
    key: string,
    view: Exclude<View, 'over'>,
    sent?: Subscription['sent'],
  ): SocketReply {
    requireRoom(socket);
    const subscription = socket.subscriptions.add(key, view.plan, sent);
    const reply = told({ sessionId: view.plan.sessionId, runId: view.plan.run?.id }, 'subscribed');
    return { ...reply, afterwards: () => void this.pump(socket, subscription, view) };
  }

  /** The next batch is read when the last is handed to the network. */
  private async pump(
    socket: AgentSocket,
    subscription: Subscription,
    view: Exclude<View, 'over'>,
  ): Promise<void> {
    const signal = AbortSignal.any([subscription.stop.signal, socket.closed]);
    try {
      for await (const batch of view.batches(signal)) {
        if (signal.aborted || socket.readyState !== socket.OPEN) return;
        if (isViewerReset(batch)) subscription.sent = undefined;
        const news = isViewerReset(batch) ? batch : socket.subscriptions.advance(subscription, batch);
        const room = socket.sendFrames(socketFrames(news));
        if (room !== undefined) await room;
      }
    } catch (error) {
      // Not shown any more: the socket has others that go on.
      if (error instanceof AppError && error.code === 'not_found') return socket.reject(undefined, error);
      this.logger.error(
        { err: error },
        'A socket lost its view; it is closed, so that it comes back with its cursor',
      );
      socket.terminate();
    } finally {
      socket.subscriptions.drop(subscription);
    }
  }
}

function requireRoom(socket: AgentSocket): void {
  if (socket.subscriptions.size < MAX_SUBSCRIPTIONS) return;
  throw new AppError('too_many_requests', `A socket watches ${MAX_SUBSCRIPTIONS} runs or sessions at most.`);
}

/** Whether the earlier request shows all that the new one asks for. */
function isCovered(earlier: Subscription, key: string, follow: boolean): boolean {
  return earlier.key === key ? earlier.follow === follow : earlier.follow || !follow;
}

function told(
  of: { sessionId: string; runId?: string | undefined },
  status: SubscriptionView['status'],
): SocketReply {
  const data: SubscriptionView = { session_id: of.sessionId, run_id: of.runId ?? null, status };
  return { data };
}
