import type { EventLog, LogWriter } from '../../event-log/event-log.js';
import { LogLost } from '../../event-log/log-lost.js';
import { AppError, hasCode } from '../../errors/app-error.js';
import type { LanguageModel, ModelRequest } from '../../model/language-model.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import type { SessionRepository } from '../../sessions/session.repository.js';
import type { ToolCaller } from '../../tools/tool-caller.js';
import type { ToolRegistry } from '../../tools/tool-registry.js';
import type { ToolSet } from '../../tools/tool-set.js';
import type { Spent } from '../../usage/usage-sum.js';
import { Conversation } from './conversation.js';
import type { MessageDraft } from './message-draft.js';
import { ModelTurn } from './model-turn.js';
import { nextStep, PAUSED, TRUNCATED } from './next-step.js';
import { introduction, type Run } from '../run.js';
import { RunEnding } from './run-ending.js';
import type { RunRepository } from '../run.repository.js';
import { RunStop, stopOf } from '../run-stop.js';
import type { SubAgents } from '../sub-agents.js';
import { nothingShown, readShown, type Shown } from './takeover.js';
import { rebuildEvents } from './rebuilt-events.js';
import type { RunInputRepository } from './run-input.repository.js';
import type { ToolLedgerRepository } from './tool-ledger.repository.js';
import { ToolStep, type ToolUse } from './tool-step.js';

export interface LoopDependencies {
  log: EventLog;
  model: LanguageModel;
  runs: RunRepository;
  sessions: SessionRepository;
  messages: MessageRepository;
  ledger: ToolLedgerRepository;
  inputs: RunInputRepository;
  registry: ToolRegistry;
  caller: ToolCaller;
  subAgents: SubAgents;
  limits: { maxTurns: number; maxTokens: number; toolTimeoutMs: number };
  delay(milliseconds: number, signal: AbortSignal): Promise<void>;
  random(): number;
  /** Something failed that nobody foresaw; for the operator. */
  onUnexpected(error: unknown, run: Run): void;
}

/**
 * `over`: `done` is written. `moved`: given up, so that the next attempt can begin at once. `lost`: nothing may be
 * written. `full`: the run has failed, but there is no space to say so.
 */
export type LoopResult = 'over' | 'moved' | 'lost' | 'full';

/** How often in a row an answer that the model has paused is continued. */
const MAX_CONTINUATIONS = 5;

/** One attempt of a run, from its claim to `done`, or to the point where another process goes on. */
export class AgentLoop {
  private spent: Spent;
  private readonly tools: ToolSet;
  private turns: number;
  private pauses = 0;
  private shown: Shown = nothingShown();
  private readonly ending: RunEnding;
  private readonly conversation: Conversation;

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
    this.spent = { usage: run.usage, cost: run.cost };
    this.tools = dependencies.registry.select('all');
    this.turns = run.turns;
    this.ending = new RunEnding(run, writer, dependencies);
    const { runs, messages, inputs } = dependencies;
    this.conversation = new Conversation(run, writer, { runs, messages, inputs });
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

  /** Ends the run instead of going on with it; half a turn that was shown stays. */
  async fail(error: AppError): Promise<LoopResult> {
    try {
      if (await this.ending.settleIfDone()) return 'over';
      this.shown = await readShown(this.dependencies.log, this.run);
    } catch (cause) {
      return this.stop(cause);
    }
    return this.stop(error);
  }

  private async announce(): Promise<void> {
    const isAnew = this.writer.lastSeq === 0 && this.run.checkpointSeq > 0;
    if (isAnew) await this.rebuildLog();
    else await this.takeOver();
  }

  /** The log was lost: what the run has said so far is said again. */
  private async rebuildLog(): Promise<void> {
    const { messages, ledger } = this.dependencies;
    await this.tellOwner();
    const said = rebuildEvents(await messages.listOfRun(this.run.id), await ledger.list(this.run.id));
    for (const event of said) await this.writer.append(event);
    await this.conversation.moveCheckpoint(this.progress);
  }

  /** Takes back half a turn of an earlier attempt and tells viewers who works now. */
  private async takeOver(): Promise<void> {
    this.shown = await readShown(this.dependencies.log, this.run);
    if (this.shown.resetAfter !== undefined) {
      const data = { after: this.shown.resetAfter, reason: 'taken_over' };
      await this.writer.append({ type: 'reset', data });
      // The call of the half turn was made too; what it used died with the process that made it.
      const { usage } = this.spent;
      this.spent.usage = { ...usage, model_calls: usage.model_calls + 1, estimated: true };
    }
    if (this.signal.aborted) throw stopOf(this.signal);
    await this.tellOwner();
  }

  private tellOwner(): Promise<void> {
    return this.writer.append(introduction({ ...this.run, status: 'running' }));
  }

  private async work(): Promise<void> {
    for (;;) {
      if (this.signal.aborted) throw stopOf(this.signal);
      if (this.isMoving()) throw new RunStop('shutdown');
      const step = nextStep(await this.conversation.last());
      switch (step.kind) {
        case 'model':
          await this.conversation.takeInputs(this.progress);
          await this.think();
          break;
        case 'tools':
          await this.useTools(step.calls, this.signal);
          break;
        case 'finish':
          await this.answerUnexecuted(step.unanswered);
          if (await this.hasMoreToAnswer()) break;
          if (this.signal.aborted) throw stopOf(this.signal);
          return this.finish(step.stopReason);
      }
    }
  }

  private async think(): Promise<void> {
    const { maxTurns } = this.dependencies.limits;
    if (this.turns >= maxTurns) {
      throw new AppError(
        'max_turns',
        `The run has used its ${maxTurns} turns: raise MAX_TURNS or ask for less.`,
      );
    }
    const { messages } = this.dependencies;
    const turn = new ModelTurn(await this.request(), this.spent, {
      ...this.dependencies,
      writer: this.writer,
      savePart: (id, place, position, text) => messages.savePart(id, place, position, text),
      signal: this.signal,
    });
    const { draft, stopReason, unfinished } = await turn.run().finally(() => {
      this.spent = turn.spentSoFar;
    });
    if (stopReason === null) return this.keepPartial(draft);
    this.turns += 1;
    const kept = unfinished ? TRUNCATED : this.counted(stopReason);
    await this.conversation.addAnswer(draft, draft.content(), kept, this.progress);
  }

  private counted(stopReason: string): string {
    this.pauses = stopReason === 'pause_turn' ? this.pauses + 1 : 0;
    return this.pauses > MAX_CONTINUATIONS ? PAUSED : stopReason;
  }

  private async request(): Promise<ModelRequest> {
    const { limits, sessions } = this.dependencies;
    const session = await sessions.find(this.run, this.run.sessionId);
    const messages = await this.conversation.whole();
    return {
      model: this.run.model,
      system: session?.system ?? null,
      // An empty answer happens; given back it would be refused.
      messages: messages
        .filter(({ content }) => content.length > 0)
        .map(({ role, content }) => ({ role, content })),
      tools: this.tools.specs(),
      maxTokens: limits.maxTokens,
    };
  }

  /** A stopped answer stays in the conversation as far as it was shown, unless another process repeats the turn. */
  private async keepPartial(draft: MessageDraft): Promise<void> {
    const stop = stopOf(this.signal);
    if (stop.kind === 'lost' || stop.kind === 'shutdown') throw stop;
    const content = draft.partialContent();
    const why = stop.kind === 'timeout' ? 'run_timeout' : 'cancelled';
    if (content.length > 0) await this.conversation.addAnswer(draft, content, why, this.progress);
    throw stop;
  }

  private async useTools(calls: ToolUse[], signal: AbortSignal): Promise<void> {
    const { limits, subAgents } = this.dependencies;
    const step = new ToolStep(this.run, {
      ...this.dependencies,
      writer: this.writer,
      signal,
      tools: this.tools,
      timeoutMs: limits.toolTimeoutMs,
      startAgent: (call, request) => subAgents.start(this.run, call.id, request, signal),
    });
    const results = await step.execute(calls, this.shown);
    this.shown = nothingShown();
    await this.conversation.addResults(results, this.progress);
  }

  /** Every call gets an answer, executed or not: a conversation with an open call is refused by the model for ever. */
  private async answerUnexecuted(calls: ToolUse[]): Promise<void> {
    if (calls.length === 0) return;
    await this.useTools(calls, AbortSignal.abort(new RunStop('cancel')));
  }

  /** A run ends only when it has taken in all that was sent to it; from then on nothing more can be sent. */
  private async hasMoreToAnswer(): Promise<boolean> {
    const hasMore = await this.conversation.takeInputs(this.progress);
    return hasMore || !(await this.conversation.closeInputs());
  }

  private get progress() {
    return { turns: this.turns, ...this.spent };
  }

  private finish(stopReason: string): Promise<void> {
    if (stopReason === TRUNCATED) {
      throw new AppError(
        'truncated',
        'The answer ended inside a tool call; nothing of that call was executed.',
      );
    }
    return this.ending.complete(stopReason, this.spent);
  }

  private async stop(error: unknown): Promise<LoopResult> {
    const stop = this.signal.aborted ? stopOf(this.signal) : error;
    try {
      if (stop instanceof RunStop && stop.kind === 'shutdown') return 'moved';
      if (this.writer.refused.aborted) throw this.writer.refused.reason;
      if (hasCode(stop, 'unavailable')) return 'moved';
      if (hasCode(stop, 'fenced') || (stop instanceof RunStop && stop.kind === 'lost')) return 'lost';
      await this.answerOpenCalls();
      await this.ending.stop(stop, this.spent);
      return 'over';
    } catch (cause) {
      if (hasCode(cause, 'fenced')) return 'lost';
      if (hasCode(cause, 'storage_full')) return 'full';
      if (cause instanceof LogLost || hasCode(cause, 'unavailable')) return 'moved';
      this.dependencies.onUnexpected(cause, this.run);
      return 'lost';
    }
  }

  private async answerOpenCalls(): Promise<void> {
    const step = nextStep(await this.conversation.last());
    if (step.kind === 'tools') await this.answerUnexecuted(step.calls);
    if (step.kind === 'finish') await this.answerUnexecuted(step.unanswered);
  }
}
