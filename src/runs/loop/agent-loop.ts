import type { LogWriter } from '../../event-log/event-log.js';
import { LogLost } from '../../event-log/log-lost.js';
import { type AgentProfile, strictestRule } from '../../agents/agent-profile.js';
import { AppError, hasCode } from '../../errors/app-error.js';
import type { ToolSet } from '../../tools/tool-set.js';
import { MeteredModel } from '../../usage/metered-model.js';
import type { RunMeter } from '../../usage/run-meter.js';
import { Compactor } from '../../context/compactor.js';
import type { StoredFrame } from '../../context/frame.repository.js';
import type { Queryable } from '../../database/database.js';
import { Conversation } from './conversation.js';
import type { LoopDependencies } from './loop-dependencies.js';
import { ModelStep } from './model-step.js';
import { nextStep, TRUNCATED } from './next-step.js';
import { introduction, type Run } from '../run.js';
import { Prompt } from '../../context/prompt.js';
import { RunEnding } from './run-ending.js';
import { RunStop, stopOf } from '../run-stop.js';
import { nothingShown, readShown, type Shown } from './takeover.js';
import { rebuildEvents } from './rebuilt-events.js';
import { ToolStep, type ToolUse } from './tool-step.js';

/**
 * `over`: `done` is written. `parked`: it waits for a person, and no process holds it. `moved`: given up, so that the
 * next attempt can begin at once. `lost`: nothing may be written. `full`: the run has failed, but there is no space to
 * say so.
 */
export type LoopResult = 'over' | 'parked' | 'moved' | 'lost' | 'full';

/** One attempt of a run, from its claim to `done`, or to the point where another process goes on. */
export class AgentLoop {
  private shown: Shown = nothingShown();
  /** Whether it is known what earlier attempts have shown: without that nothing may be shown or ended. */
  private isShownKnown = false;
  private tools: ToolSet;
  private thinking: ModelStep | undefined;
  private readonly profile: AgentProfile | AppError;
  /** Its own profile, and those of the runs that it works for: what they ask a person for, it does too. */
  private profiles: AgentProfile[] = [];
  private readonly meter: RunMeter;
  private readonly model: MeteredModel;
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
    const { registry, runs, messages, inputs, model } = dependencies;
    this.tools = registry.select([]);
    this.profile = lookUp(dependencies.agents, run.agent);
    const limits = this.profile instanceof AppError ? undefined : this.profile.limits;
    this.meter = dependencies.openMeter(run, limits);
    this.model = new MeteredModel(model, this.meter, { usage: run.usage, cost: run.cost });
    this.ending = new RunEnding(run, writer, { ...dependencies, mayHaveCalls: () => this.mayHaveCalls });
    this.conversation = new Conversation(run, writer, { runs, messages, inputs });
  }

  async execute(): Promise<LoopResult> {
    try {
      if (await this.ending.settleIfDone()) return 'over';
      await this.announce();
      this.thinking = await this.prepare();
      return await this.work(this.thinking);
    } catch (error) {
      return this.stop(error);
    }
  }

  /** Ends the run instead of going on with it; half a turn that was shown stays. */
  async fail(error: AppError): Promise<LoopResult> {
    try {
      if (await this.ending.settleIfDone()) return 'over';
      this.shown = await readShown(this.dependencies.log, this.run);
      this.isShownKnown = true;
    } catch (cause) {
      return this.stop(cause);
    }
    return this.stop(error);
  }

  private async announce(): Promise<void> {
    const isAnew = this.writer.lastSeq === 0 && this.run.checkpointSeq > 0;
    this.isShownKnown = isAnew;
    if (isAnew) await this.rebuildLog();
    else await this.takeOver();
  }

  /** The log was lost: what the run has said so far is said again. */
  private async rebuildLog(): Promise<void> {
    const { messages, ledger } = this.dependencies;
    await this.tellOwner('running');
    const said = rebuildEvents(await messages.listOfRun(this.run, this.run.id), await ledger.list(this.run));
    for (const event of said) await this.writer.append(event);
    await this.countLeft(false);
    await this.conversation.moveCheckpoint(this.progress);
  }

  /** Takes back half a turn of an earlier attempt and tells viewers who works now. */
  private async takeOver(): Promise<void> {
    this.shown = await readShown(this.dependencies.log, this.run);
    this.isShownKnown = true;
    if (this.shown.resetAfter !== undefined) {
      const data = { after: this.shown.resetAfter, reason: 'taken_over' };
      await this.writer.append({ type: 'reset', data });
    }
    await this.countLeft(this.shown.resetAfter !== undefined);
    if (this.signal.aborted) throw stopOf(this.signal);
    await this.tellOwner('running');
  }

  /** What earlier attempts used is paid for, also by a call that died with the process that made it. */
  private async countLeft(wasShown: boolean): Promise<void> {
    if (this.run.attempt === 1) return;
    const left = await this.meter.settleLeft(this.model.spent);
    this.model.add(left.calls === 0 && wasShown ? { ...left, calls: 1 } : left);
  }

  private tellOwner(status: 'running' | 'waiting'): Promise<void> {
    return this.writer.append(introduction({ ...this.run, status }));
  }

  /** What the model is asked with stays the same for the whole run, whatever is changed meanwhile. */
  private async prepare(): Promise<ModelStep> {
    const { profile, run, conversation, model, writer, signal } = this;
    if (profile instanceof AppError) throw profile;
    const { registry, messages, frames, limits, delay, random } = this.dependencies;
    this.profiles = [profile, ...(await this.profilesAbove())];
    this.tools = registry.select(profile.tools ?? 'all');
    const frame = await this.frame(profile);
    const prompt = new Prompt({
      ...frame,
      model: run.model,
      maxTokens: Math.min(limits.maxTokens, profile.limits?.maxTokens ?? Infinity),
      effort: profile.effort,
    });
    const { compactAt, callTimeoutMs, maxRepeats } = limits;
    const compactor = new Compactor(model, prompt, { compactAt, callTimeoutMs, delay, random });
    const maxTurns = Math.min(limits.maxTurns, profile.limits?.maxTurns ?? Infinity);
    const saveFrame = (on: Queryable): Promise<void> => frames.save(run, on, run.id, frame);
    const dependencies = { conversation, prompt, compactor, messages, model, writer, signal, saveFrame };
    return new ModelStep(run.turns, { ...dependencies, maxTurns, maxRepeats, callTimeoutMs, delay, random });
  }

  /** An attempt that goes on with a run asks as those before it did: what the model signed holds for that alone. */
  private async frame(profile: AgentProfile): Promise<StoredFrame> {
    const { frames, sessions } = this.dependencies;
    const stored = this.run.attempt === 1 ? undefined : await frames.find(this.run, this.run.id);
    if (stored !== undefined) return stored;
    const session = await sessions.find(this.run, this.run.sessionId);
    return { system: session?.system ?? profile.system ?? null, tools: this.tools.specs() };
  }

  private async profilesAbove(): Promise<AgentProfile[]> {
    const { agents, subAgents } = this.dependencies;
    const profiles = (await subAgents.agentsAbove(this.run)).map((name) => lookUp(agents, name));
    return profiles.flatMap((profile) => (profile instanceof AppError ? [] : [profile]));
  }

  private async work(thinking: ModelStep): Promise<LoopResult> {
    for (;;) {
      if (this.signal.aborted) throw stopOf(this.signal);
      if (this.isMoving()) throw new RunStop('shutdown');
      const step = nextStep(await this.conversation.last());
      switch (step.kind) {
        case 'model':
          await this.conversation.takeInputs(this.progress);
          await thinking.execute();
          break;
        case 'tools':
          await this.countCalls(step.calls);
          if (await this.useTools(step.calls, this.signal)) break;
          return this.park();
        case 'finish':
          await this.answerUnexecuted(step.unanswered);
          if (await this.hasMoreToAnswer()) break;
          if (this.signal.aborted) throw stopOf(this.signal);
          if (await thinking.nudge()) break;
          await this.finish(step.stopReason);
          return 'over';
      }
    }
  }

  private countCalls(calls: ToolUse[]): Promise<void> {
    const made = calls.filter(({ id }) => !this.shown.called.has(id)).length;
    return made === 0 ? Promise.resolve() : this.meter.countToolCalls(made);
  }

  /** @returns false when calls wait for a decision. */
  private async useTools(calls: ToolUse[], signal: AbortSignal): Promise<boolean> {
    const { limits, subAgents } = this.dependencies;
    const step = new ToolStep(this.run, {
      ...this.dependencies,
      writer: this.writer,
      signal,
      tools: this.tools,
      timeoutMs: limits.toolTimeoutMs,
      approvalOf: (name) => strictestRule(this.profiles, name),
      startAgent: (call, request, own = signal) => subAgents.start(this.run, call.id, request, own),
    });
    const results = await step.execute(calls, this.shown);
    if (results === 'waiting') return false;
    this.shown = nothingShown();
    await this.conversation.addResults(results, this.progress);
    return true;
  }

  /** Nothing is held while a person decides: no process, no lease. */
  private async park(): Promise<LoopResult> {
    await this.tellOwner('waiting');
    await this.writer.flushed();
    await this.dependencies.ledger.park(this.run);
    return 'parked';
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
    return { turns: this.thinking?.turns ?? this.run.turns, ...this.model.spent };
  }

  private async finish(stopReason: string): Promise<void> {
    if (stopReason === TRUNCATED) {
      throw new AppError(
        'truncated',
        'The answer ended inside a tool call; nothing of that call was executed.',
      );
    }
    await this.endSubAgents();
    return this.ending.complete(stopReason, this.model.spent, this.thinking?.details);
  }

  /** Whether an answer with calls of tools may be stored: without one there is neither a sub-agent nor a frame. */
  private get mayHaveCalls(): boolean {
    const { attempt, checkpointSeq } = this.run;
    return attempt > 1 || checkpointSeq > 0 || this.thinking?.hasCalls === true;
  }

  private async endSubAgents(): Promise<void> {
    if (this.mayHaveCalls) await this.dependencies.subAgents.endAll(this.run);
  }

  private async stop(error: unknown): Promise<LoopResult> {
    const stop = this.signal.aborted ? stopOf(this.signal) : error;
    const isBlind = !this.isShownKnown && hasCode(error, 'unavailable');
    try {
      if (stop instanceof RunStop && stop.kind === 'shutdown') return 'moved';
      if (this.writer.refused.aborted) throw this.writer.refused.reason;
      if (hasCode(stop, 'fenced') || (stop instanceof RunStop && stop.kind === 'lost')) return 'lost';
      if (isBlind || hasCode(stop, 'unavailable')) return 'moved';
      await this.endSubAgents();
      await this.answerOpenCalls();
      await this.ending.stop(stop, this.model.spent);
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

function lookUp(agents: LoopDependencies['agents'], name: string | null): AgentProfile | AppError {
  try {
    return agents.find(name);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}
