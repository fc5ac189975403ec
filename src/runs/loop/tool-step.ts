import { createHash } from 'node:crypto';
import PQueue from 'p-queue';
import type { ContentBlock } from '../../model/language-model.js';
import type { LogWriter } from '../../event-log/event-log.js';
import type { ToolOutcome } from '../../tools/tool-caller.js';
import type { ToolContext } from '../../tools/tool.js';
import type { Run } from '../run.js';
import { stopOf } from '../run-stop.js';
import { type ApprovalDependencies, ToolApprovals } from './tool-approvals.js';
import type { LedgerEntry, LedgerOutcome, LedgerStart } from './tool-ledger.repository.js';

/** Calls of one answer that run at the same time. */
const PARALLEL = 8;

export interface ToolUse {
  id: string;
  name: string;
  args: unknown;
}

/** Ids of calls of which the log has the events already; what a step shows is added. */
export interface ShownCalls {
  called: Set<string>;
  answered: Set<string>;
  /** Requests for a decision, by `approvalKey`. */
  asked: Set<string>;
}

export interface ToolStepDependencies extends ApprovalDependencies {
  startAgent(
    call: ToolUse,
    ...request: Parameters<ToolContext['startAgent']>
  ): ReturnType<ToolContext['startAgent']>;
}

const CANCELLED = refusal('cancelled', 'Not executed: the run was stopped.');
const EXPIRED = refusal('expired', 'Not executed: nobody decided in time whether it may be.');
const UNKNOWN = refusal(
  'outcome_unknown',
  'Outcome unknown: the server stopped during this call. It may or may not have taken effect; it was not repeated.',
);

/** The tool calls of one answer: each is executed at most once, shown once, and answered exactly once. */
export class ToolStep {
  private readonly approvals: ToolApprovals;
  private readonly queue = new PQueue({ concurrency: PARALLEL });

  constructor(
    private readonly run: Run,
    private readonly dependencies: ToolStepDependencies,
  ) {
    this.approvals = new ToolApprovals(run, dependencies);
  }

  /**
   * @returns one `tool_result` block a call, in call order: what goes back to the model. Calls with one id are one.
   * `waiting` when all has ended that can go on without a person's decision.
   * When the run was cancelled the rest is answered as cancelled. Throws `RunStop` when the run is lost or moves,
   * but not before every call has ended: nothing of them may follow what is written next.
   */
  async execute(calls: readonly ToolUse[], shown: ShownCalls): Promise<ContentBlock[] | 'waiting'> {
    const distinct = calls.filter(({ id }, index) => calls.findIndex((call) => call.id === id) === index);
    for (const call of distinct) {
      if (shown.called.has(call.id)) continue;
      shown.called.add(call.id);
      await this.show({ type: 'tool_call', data: call });
    }
    for (;;) {
      const answers = await this.answerAll(distinct, shown);
      const blocks = answers.filter((answer) => answer !== 'waiting');
      if (blocks.length === answers.length) return blocks;
      // What was decided while others ran goes on at once; what stopped the run meanwhile ends the wait.
      const goesOn = this.dependencies.signal.aborted || (await this.dependencies.ledger.isDecided(this.run));
      if (!goesOn) return 'waiting';
    }
  }

  private async answerAll(
    calls: readonly ToolUse[],
    shown: ShownCalls,
  ): Promise<(ContentBlock | 'waiting')[]> {
    const entries = await this.dependencies.ledger.list(this.run);
    const known = new Map(entries.map((entry) => [entry.toolCallId, entry]));
    const answers = await Promise.allSettled(
      calls.map((call) => this.answer(call, known.get(call.id), shown)),
    );
    return answers.map((answer) => {
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value;
    });
  }

  private async answer(
    call: ToolUse,
    known: LedgerEntry | undefined,
    shown: ShownCalls,
  ): Promise<ContentBlock | 'waiting'> {
    const outcome = await this.settle(call, known, shown);
    if (outcome === 'waiting') return outcome;
    if (!shown.answered.has(call.id)) {
      shown.answered.add(call.id);
      await this.show({
        type: 'tool_result',
        data: {
          id: call.id,
          name: call.name,
          result: outcome.result,
          is_error: outcome.isError,
          duration_ms: outcome.durationMs,
        },
      });
    }
    return toBlock(call, outcome);
  }

  private async settle(
    call: ToolUse,
    known: LedgerEntry | undefined,
    shown: ShownCalls,
  ): Promise<LedgerOutcome | 'waiting'> {
    if (known?.state === 'waiting') return this.settleWaiting(call, known.approval, shown);
    if (known?.state === 'started') return this.inTurn(call, () => this.repeat(call));
    if (known !== undefined) return known;
    if (!this.isStopped && (await this.approvals.isNeeded(call)) && !this.isStopped)
      return this.ask(call, shown);
    return this.inTurn(call, async () => {
      await this.dependencies.ledger.start(this.run, this.entryOf(call));
      return this.perform(call);
    });
  }

  /** Only what a person has allowed is executed, and only with the very arguments that the person has seen. */
  private async settleWaiting(
    call: ToolUse,
    approval: LedgerEntry['approval'],
    shown: ShownCalls,
  ): Promise<LedgerOutcome | 'waiting'> {
    const { ledger } = this.dependencies;
    const entry = this.entryOf(call);
    if (this.isStopped) return this.finish(call, this.stopped());
    if (approval === undefined || approval.argsHash !== entry.argsHash) return this.ask(call, shown);
    if (approval.decision === 'deny') return this.finish(call, deniedFor(approval.reason));
    if (approval.decision === 'approve') {
      return this.inTurn(call, async () => {
        if (this.isStopped) return this.stopped();
        await ledger.startApproved(this.run, entry);
        return this.perform(call);
      });
    }
    if (!approval.isExpired) return this.ask(call, shown);
    await ledger.expire(this.run, call.id, EXPIRED);
    return 'waiting';
  }

  private async ask(call: ToolUse, shown: ShownCalls): Promise<'waiting'> {
    await this.approvals.ask(call, this.entryOf(call), shown.asked);
    return 'waiting';
  }

  private inTurn(call: ToolUse, work: () => Promise<LedgerOutcome>): Promise<LedgerOutcome> {
    return this.queue.add(async () => this.finish(call, await work()));
  }

  private async finish(call: ToolUse, outcome: LedgerOutcome): Promise<LedgerOutcome> {
    await this.dependencies.ledger.finish(this.run, call.id, outcome);
    return outcome;
  }

  /** What an earlier attempt has begun may have taken effect. */
  private async repeat(call: ToolUse): Promise<LedgerOutcome> {
    if (this.isStopped) {
      this.stopped();
      return UNKNOWN;
    }
    const mayRepeat = this.dependencies.tools.find(call.name)?.options.idempotent === true;
    return mayRepeat ? this.perform(call) : UNKNOWN;
  }

  private async perform(call: ToolUse): Promise<LedgerOutcome> {
    const { caller, tools, signal, timeoutMs } = this.dependencies;
    if (this.isStopped) return this.stopped();
    const began = performance.now();
    const outcome: ToolOutcome = await caller.call(
      tools,
      call.name,
      call.args,
      {
        principal: this.run.principal,
        sessionId: this.run.sessionId,
        runId: this.run.id,
        toolCallId: call.id,
        idempotencyKey: this.idempotencyKey(call),
        signal,
        startAgent: (...request) => this.dependencies.startAgent(call, ...request),
      },
      { timeoutMs },
    );
    const durationMs = Math.round(performance.now() - began);
    return { state: this.stateAfter(outcome), result: outcome.result, isError: outcome.isError, durationMs };
  }

  private stateAfter({ isError, unknown }: ToolOutcome): LedgerOutcome['state'] {
    if (this.isStopped && isError) return this.stopped().state;
    return unknown === true ? 'outcome_unknown' : 'finished';
  }

  private get isStopped(): boolean {
    return this.dependencies.signal.aborted;
  }

  /** A cancelled run answers its calls; a lost or moving one leaves them to whoever goes on. */
  private stopped(): LedgerOutcome {
    const stop = stopOf(this.dependencies.signal);
    if (stop.kind === 'lost' || stop.kind === 'shutdown') throw stop;
    return CANCELLED;
  }

  private show(event: Parameters<LogWriter['append']>[0]): Promise<void> {
    return this.dependencies.writer.append(event);
  }

  private entryOf(call: ToolUse): LedgerStart {
    return {
      toolCallId: call.id,
      name: call.name,
      argsHash: createHash('sha256').update(JSON.stringify(call.args)).digest('hex'),
      idempotencyKey: this.idempotencyKey(call),
    };
  }

  private idempotencyKey(call: ToolUse): string {
    return `${this.run.id}.${call.id}`;
  }
}

/** The outcome of a call that was not made, or not made again. */
function refusal(state: LedgerOutcome['state'], result: string): LedgerOutcome {
  return { state, result, isError: true, durationMs: 0 };
}

function deniedFor(reason: string | null): LedgerOutcome {
  return refusal('denied', reason?.trim() ? `Denied by the user: ${reason}` : 'Denied by the user.');
}

function toBlock(call: ToolUse, outcome: LedgerOutcome): ContentBlock {
  const content = typeof outcome.result === 'string' ? outcome.result : JSON.stringify(outcome.result);
  return {
    type: 'tool_result',
    tool_use_id: call.id,
    content,
    ...(outcome.isError ? { is_error: true } : {}),
  };
}
