import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AgentService } from '../../agent/agent.service.js';
import type { View } from '../../agent/view-plan.js';
import type { Principal } from '../../auth/principal.js';
import { AppError, hasCode } from '../../errors/app-error.js';
import { type EventPlace, parseEventId } from '../../event-log/event-id.js';
import type { Run } from '../../runs/run.js';
import type { CancelReceipt } from '../../runs/runs.service.js';
import { SessionsService } from '../../sessions/sessions.service.js';
import { AuditedDecisions } from '../audited-decisions.service.js';
import { Threads } from '../threads.service.js';
import { historyOf, saidNow, storedHistory } from './client-history.js';
import { readResume, type ResumeEntry, type SaidDecision } from './interrupts.js';
import { type ClientPlace, readRun } from './read-run.js';
import type { CancelInput, RunAgentInput } from './requests.js';
import { type ClientRun, RunMapping } from './run-mapping.js';

/** A run that a client is told of. */
export interface BegunRun {
  run: Run;
  place: ClientPlace;
  mapping: RunMapping;
  view: Exclude<View, 'over'>;
}

/** What the protocol has told as RUN_ERROR: a request that does not go with the interrupts of its thread. */
export class RefusedInput extends Error {
  constructor(override readonly cause: AppError) {
    super(cause.message);
  }
}

/** Runs as AG-UI clients ask for them. The client's own ids are all that binds its requests together. */
@Injectable()
export class AgUiRuns {
  constructor(
    private readonly agent: AgentService,
    private readonly threads: Threads,
    private readonly sessions: SessionsService,
    private readonly decisions: AuditedDecisions,
  ) {}

  /**
   * The run that the request means: what it begins, what it goes on with, or what was begun by it before.
   * @throws RefusedInput where the protocol asks for a RUN_ERROR; AppError as `AgentService.start` and `follow` do.
   */
  async begin(principal: Principal, input: RunAgentInput, request: Request): Promise<BegunRun> {
    if (input.resume !== undefined && input.resume.length > 0) {
      return this.resume(principal, input, input.resume, request);
    }
    const said = saidNow(input.messages);
    if (said === undefined) return this.attach(principal, input);
    const { agent, on_disconnect: onDisconnect, when_busy: whenBusy } = input.forwardedProps?.agentline ?? {};
    const sessionId = await this.threads.open(principal, threadOf(input));
    const idempotencyKey = keyOf(sessionId, input.runId);
    const known = await this.agent.startedWith(principal, idempotencyKey);
    if (known === undefined && whenBusy !== 'interrupt') await this.requireNothingAsked(principal, sessionId);
    // Also when it is known: another message under the same id is a mistake.
    const start = { sessionId, content: said, agent, whenBusy, onDisconnect, idempotencyKey };
    const run = await this.agent.start(principal, start);
    return this.open(principal, input, run, known === undefined ? undefined : await this.endOf(run));
  }

  /** Ends the run that began under the client's id, or what is open in the thread. */
  async cancel(principal: Principal, input: CancelInput): Promise<CancelReceipt> {
    const sessionId = await this.requireSession(principal, input.threadId);
    const started =
      input.runId === undefined
        ? undefined
        : await this.agent.startedWith(principal, keyOf(sessionId, input.runId));
    const run = started ?? (await this.planned(principal, sessionId, true));
    if (run === undefined) throw new AppError('not_found', 'Nothing is open in this thread.');
    return this.agent.cancel(principal, run.id);
  }

  /** Nothing new is said: the client comes back for the run that it asked for, or for the thread's latest one. */
  private async attach(principal: Principal, input: RunAgentInput): Promise<BegunRun> {
    const sessionId = await this.requireSession(principal, input.threadId);
    const known = await this.agent.startedWith(principal, keyOf(sessionId, input.runId));
    const run = known ?? (await this.planned(principal, sessionId, false));
    if (run === undefined) {
      throw new AppError(
        'invalid_request',
        'Nothing was said in this thread yet: end `messages` with one of the user.',
      );
    }
    return this.open(principal, input, run, await this.endOf(run));
  }

  private async resume(
    principal: Principal,
    input: RunAgentInput,
    entries: ResumeEntry[],
    request: Request,
  ): Promise<BegunRun> {
    const sessionId = await this.requireSession(principal, input.threadId);
    const { runId, decisions } = asRefusal(() => readResume(entries));
    const run = await this.ownRun(principal, sessionId, runId);
    const upTo = await this.endOf(run);
    const { asked, waiting } = await this.interruptsOf(principal, run, upTo);
    asRefusal(() => requireAnswers(asked, waiting, decisions));
    for (const decision of decisions) await this.decide(principal, run, decision, request);
    return this.open(principal, input, run, upTo, new Set(decisions.map(({ toolCallId }) => toolCallId)));
  }

  /** What was decided before stands: the stream tells what came of it. */
  private async decide(principal: Principal, run: Run, said: SaidDecision, request: Request): Promise<void> {
    try {
      await this.decisions.decide(principal, request, run, said);
    } catch (error) {
      if (hasCode(error, 'conflict') || (said.isGivenUp && hasCode(error, 'approval_expired'))) return;
      throw hasCode(error, 'approval_expired') ? new RefusedInput(error) : error;
    }
  }

  private async interruptsOf(
    principal: Principal,
    run: Run,
    upTo: EventPlace | undefined,
  ): Promise<RunMapping> {
    const mapping = new RunMapping({ threadId: '', runId: '', state: {}, history: [] });
    const view = await this.view(principal, run);
    const enough = new AbortController();
    const place = { upTo, decided: new Set<string>() };
    if (upTo !== undefined) for await (const _ of readRun(mapping, view.batches(enough.signal), place)) break;
    enough.abort();
    return mapping;
  }

  /** The protocol lets nothing new be said while something is asked. */
  private async requireNothingAsked(principal: Principal, sessionId: string): Promise<void> {
    const open = await this.planned(principal, sessionId, true);
    if (open?.status !== 'waiting') return;
    throw new RefusedInput(
      new AppError('session_busy', 'The thread has open interrupts: answer them with `resume` first.'),
    );
  }

  private async open(
    principal: Principal,
    input: RunAgentInput,
    run: Run,
    upTo: EventPlace | undefined,
    decided: ReadonlySet<string> = new Set(),
  ): Promise<BegunRun> {
    const { threadId, runId, state } = input;
    const history = historyOf(input.messages) ?? storedHistory(await this.storedOf(principal, run), run);
    const client: ClientRun = { threadId, runId, state, history };
    const view = await this.view(principal, run);
    return { run, place: { upTo, decided }, mapping: new RunMapping(client), view };
  }

  private storedOf(principal: Principal, run: Run) {
    return this.sessions.listMessages(principal, run.sessionId);
  }

  private async ownRun(principal: Principal, sessionId: string, runId: string): Promise<Run> {
    const run = await this.agent.see(principal, runId).catch((error: unknown) => {
      if (hasCode(error, 'not_found')) return undefined;
      throw error;
    });
    if (run?.sessionId === sessionId) return run;
    throw new RefusedInput(new AppError('not_found', 'The thread has no such interrupt.'));
  }

  private async requireSession(principal: Principal, threadId: string): Promise<string> {
    const sessionId = await this.threads.find(principal, { kind: 'ag-ui', clientId: threadId });
    if (sessionId === undefined) throw new AppError('not_found', 'There is no such thread.');
    return sessionId;
  }

  /** The session's first open run, or its latest one. */
  private async planned(principal: Principal, sessionId: string, isOpen: boolean): Promise<Run | undefined> {
    const view = await this.agent.follow(principal, { sessionId, follow: isOpen });
    return view === 'over' ? undefined : view.plan.run;
  }

  private async view(principal: Principal, run: Run): Promise<Exclude<View, 'over'>> {
    const view = await this.agent.follow(principal, {
      sessionId: run.sessionId,
      runId: run.id,
      follow: false,
    });
    // Without a cursor there is always something to see.
    if (view === 'over') throw new AppError('internal', 'The run cannot be shown.');
    return view;
  }

  private async endOf(run: Run): Promise<EventPlace | undefined> {
    const id = await this.agent.lastEventId(run);
    return id === null ? undefined : parseEventId(id);
  }
}

function threadOf({ threadId }: RunAgentInput) {
  return { kind: 'ag-ui' as const, clientId: threadId };
}

/** Only within its thread is a client's id of a run one of its own. */
function keyOf(sessionId: string, runId: string): string {
  return `ag-ui ${sessionId} ${runId}`;
}

/** All that waits is answered at once (AG-UI 1.0, interrupts); what is answered again was answered before. */
function requireAnswers(
  asked: ReadonlySet<string>,
  waiting: readonly string[],
  said: readonly SaidDecision[],
): void {
  const answered = new Set(said.map(({ toolCallId }) => toolCallId));
  const unknown = [...answered].filter((id) => !asked.has(id));
  if (unknown.length > 0) throw new AppError('invalid_request', 'The thread has no such interrupt.');
  const missing = waiting.filter((id) => !answered.has(id));
  if (missing.length === 0 || missing.length === waiting.length) return;
  throw new AppError('invalid_request', 'A resume answers all open interrupts of its thread at once.');
}

function asRefusal<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof AppError ? new RefusedInput(error) : error;
  }
}
