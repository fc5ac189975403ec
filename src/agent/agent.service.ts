import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { rolesWithin } from '../auth/permissions.js';
import type { Owner, Principal } from '../auth/principal.js';
import { isId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import { formatEventId, parseEventId } from '../event-log/event-id.js';
import { EventLog } from '../event-log/event-log.js';
import type { Run } from '../runs/run.js';
import { RunRepository } from '../runs/run.repository.js';
import { type CancelReceipt, RunsService } from '../runs/runs.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { Shutdown } from '../telemetry/shutdown.js';
import { type Content, textBytes } from './content.js';
import type { FollowRequest, View } from './view-plan.js';
import { whileShown } from './follow/while-shown.js';
import { ViewPlanner } from './follow/view-planner.js';
import { ViewReader } from './follow/view-reader.service.js';

/** Text of one message, in bytes of UTF-8, images and files aside. */
const MAX_TEXT = 1_000_000;
const RETRY_AFTER_S = 5;

export interface StartRequest {
  sessionId?: string | undefined;
  content: Content;
  /** Who works: the new session's agent, or, in a session that is there, this run's alone. */
  agent?: string | undefined;
  whenBusy?: 'queue' | 'reject' | 'interrupt' | 'steer';
  onDisconnect?: Run['onDisconnect'];
  /** Said again with the same request within 24 hours, it answers with the same run. */
  idempotencyKey?: string | undefined;
}

/**
 * The agent, for everybody who is not the agent: start a run, follow it, cancel it.
 *
 * SSE, WebSocket and any provider of an application use this one service. Whoever follows only reads the log:
 * following, leaving and coming back changes nothing about a run.
 */
@Injectable()
export class AgentService {
  constructor(
    private readonly sessions: SessionsService,
    private readonly runs: RunsService,
    private readonly records: RunRepository,
    private readonly log: EventLog,
    private readonly views: ViewReader,
    private readonly shutdown: Shutdown,
  ) {}

  /**
   * Starts a run, and a session for it when none is named. The run does not depend on who watches.
   * @throws AppError `not_found` and `forbidden` (session), `invalid_request` (agent), `session_busy`, `idempotency_mismatch`, `payload_too_large`,
   * `too_many_requests`, `draining`.
   */
  async start(principal: Principal, request: StartRequest): Promise<Run> {
    if (this.shutdown.begun) {
      throw new AppError('draining', 'The server is shutting down: try again in a moment.', {
        retryAfter: RETRY_AFTER_S,
      });
    }
    const whenBusy = request.whenBusy ?? 'queue';
    const content =
      typeof request.content === 'string'
        ? [{ type: 'text' as const, text: request.content }]
        : request.content;
    if (textBytes(content) >= MAX_TEXT) {
      throw new AppError('payload_too_large', `A message holds less than ${MAX_TEXT} bytes of text.`);
    }
    const { userId, tenantId, email } = principal;
    return this.runs.start({
      keyId: principal.keyId,
      principal: { userId, tenantId, email, roles: rolesWithin(principal) },
      sessionId: request.sessionId ?? null,
      content,
      whenBusy,
      onDisconnect: request.onDisconnect ?? 'continue',
      agent: request.agent,
      idempotency: fingerprint(request),
    });
  }

  /**
   * The events of a session's runs for one viewer: each once, in order, from its cursor on.
   * Nothing is read before the batches are asked for, one by one; aborting their signal ends them quietly.
   * @throws AppError `not_found` for a session or run that is not the caller's, nor shown to the caller; the batches
   * throw it when it is not shown any more.
   */
  async follow(owner: Owner, request: FollowRequest): Promise<View> {
    const { runId } = request;
    const find = (whose: Owner, id: string) => (isId('run', id) ? this.records.find(whose, id) : undefined);
    // Side by side, since thousands may come back at once. In a session that others show the run is its owner's.
    const [session, own] = await Promise.all([
      this.sessions.see(owner, request.sessionId),
      runId === undefined ? undefined : find(owner, runId),
    ]);
    const ofSession = (run: Run | undefined) => (run?.sessionId === session.id ? run : undefined);
    const wanted = runId === undefined ? undefined : ofSession(own ?? (await find(session, runId)));
    if (runId !== undefined && wanted === undefined) {
      throw new AppError('not_found', 'There is no such run.');
    }
    const planner = new ViewPlanner(this.log, {
      find: async (id) => ofSession(await find(session, id)),
      latest: () => this.records.findLatest(session, session.id),
      firstOpen: () => this.records.findNext(session, session.id, 0, 'open'),
    });
    const plan = await planner.plan(request, wanted);
    if (plan === undefined) return 'over';
    const read = (signal: AbortSignal) => this.views.read(session, plan, signal);
    if (session.userId === owner.userId) return { plan, batches: read };
    return { plan, batches: (signal) => whileShown(() => this.sessions.watch(owner, session), read, signal) };
  }

  /** All events of a run that its owner has just been handed: nothing of it is looked up again. */
  watch(run: Run): Exclude<View, 'over'> {
    const { sessionId } = run;
    const plan = { sessionId, run, afterNumber: 0, afterSeq: 0, isReset: false, follow: false };
    return { plan, batches: (signal) => this.views.read(run, plan, signal) };
  }

  /**
   * The session that a cursor belongs to, for who says a start again with a cursor: that starts nothing.
   * @throws AppError `not_found` when the cursor names no run of the caller's.
   */
  async sessionOf(owner: Owner, cursor: string): Promise<string> {
    return (await this.runs.find(owner, parseEventId(cursor)?.runId ?? '')).sessionId;
  }

  /** The caller's run that was started with this idempotency key; undefined: none that is remembered. */
  startedWith(owner: Owner, idempotencyKey: string): Promise<Run | undefined> {
    return this.runs.startedWith(owner, idempotencyKey);
  }

  /** @returns when nothing of the run can follow any more but what is in its log. @throws AppError `not_found`. */
  cancel(owner: Owner, runId: string): Promise<CancelReceipt> {
    return this.runs.cancel(owner, runId);
  }

  /** The run, also for whom its session is shown to. @throws AppError `not_found`. */
  see(owner: Owner, runId: string): Promise<Run> {
    return this.runs.see(owner, runId);
  }

  /** All runs of a session, newest first. */
  async list(owner: Owner, sessionId: string): Promise<Run[]> {
    const session = await this.sessions.see(owner, sessionId);
    return this.records.list(session, session.id);
  }

  /** The runs of a run's sub-agents, the first one first; each is followed like any other. */
  listSubAgents(owner: Owner, runId: string): Promise<Run[]> {
    return this.runs.listSubAgents(owner, runId);
  }

  /** Id of the last event of a run, for who wants to follow from now on. */
  async lastEventId(run: Run): Promise<string | null> {
    if (run.lastEventId !== null) return run.lastEventId;
    const end = await this.log.end(run.id);
    return end === undefined ? null : formatEventId({ runId: run.id, ...end });
  }

  /** Ends what runs in the session and deletes all of it. */
  async remove(owner: Owner, sessionId: string): Promise<void> {
    const session = await this.sessions.find(owner, sessionId);
    await this.runs.remove(owner, session.id);
  }
}

/** The request as it counts for its key: everything that would make it another one. */
function fingerprint(request: StartRequest): { key: string; fingerprint: string } | null {
  const { idempotencyKey, ...rest } = request;
  if (idempotencyKey === undefined) return null;
  return {
    key: idempotencyKey,
    fingerprint: createHash('sha256').update(JSON.stringify(rest)).digest('hex'),
  };
}
