import type { EventLog, LogWriter } from '../../event-log/event-log.js';
import type { Usage } from '../../event-log/run-event.js';
import { AppError } from '../../errors/app-error.js';
import { newId } from '../../database/ids.js';
import type { LanguageModel } from '../../model/language-model.js';
import type { Block, Message } from '../../sessions/message.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import type { SessionRepository } from '../../sessions/session.repository.js';
import type { ToolCaller } from '../../tools/tool-caller.js';
import type { ToolRegistry } from '../../tools/tool-registry.js';
import type { MessageDraft } from './message-draft.js';
import { ModelTurn } from './model-turn.js';
import { nextStep, TRUNCATED } from './next-step.js';
import type { Run } from '../run.js';
import { RunEnding } from './run-ending.js';
import type { RunRepository } from '../run.repository.js';
import { RunStop, stopOf } from '../run-stop.js';
import { readShown, type Shown } from './takeover.js';
import type { ToolLedgerRepository } from './tool-ledger.repository.js';
import { ToolStep, type ToolUse } from './tool-step.js';

export interface LoopDependencies {
  log: EventLog;
  model: LanguageModel;
  runs: RunRepository;
  sessions: SessionRepository;
  messages: MessageRepository;
  ledger: ToolLedgerRepository;
  registry: ToolRegistry;
  caller: ToolCaller;
  limits: { maxTurns: number; maxTokens: number; toolTimeoutMs: number };
  delay(milliseconds: number, signal: AbortSignal): Promise<void>;
  random(): number;
  /** Something failed that nobody foresaw; for the operator. */
  onUnexpected(error: unknown, run: Run): void;
}

/** `over`: `done` is written. `moved`: given up at a checkpoint for another process. `lost`: nothing may be written. */
export type LoopResult = 'over' | 'moved' | 'lost';

const NOTHING_SHOWN: Shown = { called: new Set(), answered: new Set() };

/** One attempt of a run, from its claim to `done`, or to the point where another process goes on. */
export class AgentLoop {
  private usage: Usage;
  private turns: number;
  private shown: Shown = NOTHING_SHOWN;
  private readonly ending: RunEnding;

  /**
   * @param signal stops the run; its reason is a `RunStop`.
   * @param isMoving true when the run shall be given up at its next checkpoint.
   */
  constructor(
    private readonly run: Run,
    private readonly writer: LogWriter,
    private readonly signal: AbortSignal,
    private readonly isMoving: () => boolean,
    private readonly dependencies: LoopDependencies,
  ) {
    this.usage = run.usage;
    this.turns = run.turns;
    this.ending = new RunEnding(run, writer, dependencies);
  }

  async execute(): Promise<LoopResult> {
    try {
      if (await this.ending.settleIfDone()) return 'over';
      await this.announce();
      await this.work();
      return 'over';
    } catch (error) {
      return this.stop(error);
    }
  }

  /** Takes back half a turn of an earlier attempt and tells viewers who works now. */
  private async announce(): Promise<void> {
    this.shown = await readShown(this.dependencies.log, this.run);
    if (this.shown.resetAfter !== undefined) {
      const data = { after: this.shown.resetAfter, reason: 'taken_over' };
      await this.writer.append({ type: 'reset', data });
    }
    if (this.signal.aborted) throw stopOf(this.signal);
    const { id, sessionId, attempt, model } = this.run;
    await this.writer.append({
      type: 'run',
      data: { run_id: id, session_id: sessionId, status: 'running', attempt, model },
    });
  }

  private async work(): Promise<void> {
    for (;;) {
      if (this.signal.aborted) throw stopOf(this.signal);
      if (this.isMoving()) throw new RunStop('shutdown');
      const history = await this.history();
      const step = nextStep(history);
      switch (step.kind) {
        case 'model':
          await this.think(history);
          break;
        case 'tools':
          await this.useTools(step.calls, history, this.signal);
          break;
        case 'finish':
          await this.answerUnexecuted(step.unanswered, history);
          return this.finish(step.stopReason);
      }
    }
  }

  private async think(history: readonly Message[]): Promise<void> {
    const { limits, sessions, registry } = this.dependencies;
    if (this.turns >= limits.maxTurns) {
      throw new AppError(
        'max_turns',
        `The run has used its ${limits.maxTurns} turns: raise MAX_TURNS or ask for less.`,
      );
    }
    const session = await sessions.find(this.run, this.run.sessionId);
    const request = {
      model: this.run.model,
      system: session?.system ?? null,
      messages: history
        .map(({ role, content }) => ({ role, content }))
        .filter(({ content }) => content.length > 0),
      tools: registry.specs(),
      maxTokens: limits.maxTokens,
    };
    const turn = new ModelTurn(request, this.usage, {
      ...this.dependencies,
      ...this.pen(),
      signal: this.signal,
    });
    try {
      const { draft, usage, stopReason, unfinished } = await turn.run();
      this.usage = usage;
      if (stopReason === null) return await this.keepPartial(draft, history);
      this.turns += 1;
      await this.store(history, draft.content(), unfinished ? TRUNCATED : stopReason, draft);
    } finally {
      this.usage = turn.usageSoFar;
    }
  }

  /** A stopped answer stays in the conversation as far as it was shown, unless another process repeats the turn. */
  private async keepPartial(draft: MessageDraft, history: readonly Message[]): Promise<void> {
    const stop = stopOf(this.signal);
    if (stop.kind === 'lost' || stop.kind === 'shutdown') throw stop;
    const content = draft.partialContent();
    if (content.length > 0) await this.store(history, content, 'cancelled', draft);
    throw stop;
  }

  private async useTools(calls: ToolUse[], history: readonly Message[], signal: AbortSignal): Promise<void> {
    const { limits } = this.dependencies;
    const step = new ToolStep(this.run, {
      ...this.dependencies,
      writer: this.writer,
      signal,
      timeoutMs: limits.toolTimeoutMs,
    });
    const results = await step.execute(calls, this.shown);
    this.shown = NOTHING_SHOWN;
    await this.store(history, results, null);
  }

  /** Every call gets an answer, executed or not: a conversation with an open call is refused by the model for ever. */
  private async answerUnexecuted(calls: ToolUse[], history: readonly Message[]): Promise<void> {
    if (calls.length === 0) return;
    await this.useTools(calls, history, AbortSignal.abort(new RunStop('cancel')));
  }

  /** A checkpoint: what was shown so far belongs to stored messages from here on. */
  private async store(
    history: readonly Message[],
    content: Block[],
    stopReason: string | null,
    draft?: MessageDraft,
  ): Promise<void> {
    await this.writer.flushed();
    const { id, sessionId, number } = this.run;
    const position = history.filter((message) => message.runId === id).length;
    const progress = { seq: this.writer.lastSeq, turns: this.turns, usage: this.usage };
    await this.dependencies.runs.checkpoint(this.run, progress, (on) =>
      this.dependencies.messages.append(on, {
        id: draft?.id ?? newId('msg'),
        sessionId,
        runId: id,
        runNumber: number,
        position,
        role: draft === undefined ? 'user' : 'assistant',
        content,
        hasParts: draft?.hasParts ?? false,
        stopReason,
      }),
    );
  }

  private finish(stopReason: string): Promise<void> {
    if (stopReason === TRUNCATED) {
      throw new AppError(
        'truncated',
        'The answer ended inside a tool call; nothing of that call was executed.',
      );
    }
    return this.ending.complete(stopReason, this.usage);
  }

  private async stop(error: unknown): Promise<LoopResult> {
    const stop = this.signal.aborted ? stopOf(this.signal) : error;
    try {
      if (stop instanceof RunStop && stop.kind === 'lost') return 'lost';
      if (stop instanceof RunStop && stop.kind === 'shutdown') return 'moved';
      if (isFenced(stop) || this.writer.refused.aborted) return 'lost';
      await this.answerOpenCalls();
      await this.ending.stop(stop, this.usage);
      return 'over';
    } catch (cause) {
      if (!isFenced(cause)) this.dependencies.onUnexpected(cause, this.run);
      return 'lost';
    }
  }

  private async answerOpenCalls(): Promise<void> {
    const history = await this.history();
    const step = nextStep(history);
    if (step.kind === 'tools') await this.answerUnexecuted(step.calls, history);
  }

  private history(): Promise<Message[]> {
    return this.dependencies.messages.list(this.run.sessionId, this.run.number);
  }

  private pen() {
    const { messages } = this.dependencies;
    return {
      writer: this.writer,
      savePart: (id: string, block: number, position: number, text: string) =>
        messages.savePart(id, block, position, text),
    };
  }
}

function isFenced(error: unknown): boolean {
  return error instanceof AppError && error.code === 'fenced';
}
