import { createHash } from 'node:crypto';
import PQueue from 'p-queue';
import type { LogWriter } from '../../event-log/event-log.js';
import type { ContentBlock } from '../../model/language-model.js';
import type { ToolCaller, ToolOutcome } from '../../tools/tool-caller.js';
import type { ToolContext } from '../../tools/tool.js';
import type { ToolSet } from '../../tools/tool-set.js';
import type { Run } from '../run.js';
import { stopOf } from '../run-stop.js';
import type {
  LedgerEntry,
  LedgerOutcome,
  ToolCallState,
  ToolLedgerRepository,
} from './tool-ledger.repository.js';

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
}

export interface ToolStepDependencies {
  tools: ToolSet;
  caller: ToolCaller;
  ledger: ToolLedgerRepository;
  writer: LogWriter;
  signal: AbortSignal;
  timeoutMs: number;
  startAgent(
    call: ToolUse,
    ...request: Parameters<ToolContext['startAgent']>
  ): ReturnType<ToolContext['startAgent']>;
}

const CANCELLED: LedgerOutcome = {
  state: 'cancelled',
  result: 'Not executed: the run was stopped.',
  isError: true,
  durationMs: 0,
};
const UNKNOWN: LedgerOutcome = {
  state: 'outcome_unknown',
  result:
    'Outcome unknown: the server stopped during this call. It may or may not have taken effect; it was not repeated.',
  isError: true,
  durationMs: 0,
};

/** The tool calls of one answer: each is executed at most once, shown once, and answered exactly once. */
export class ToolStep {
  constructor(
    private readonly run: Run,
    private readonly dependencies: ToolStepDependencies,
  ) {}

  /**
   * @returns one `tool_result` block a call, in call order: what goes back to the model. Calls with one id are one.
   * When the run was cancelled the rest is answered as cancelled. Throws `RunStop` when the run is lost or moves,
   * but not before every call has ended: nothing of them may follow what is written next.
   */
  async execute(calls: readonly ToolUse[], shown: ShownCalls): Promise<ContentBlock[]> {
    const known = new Map(
      (await this.dependencies.ledger.list(this.run.id)).map((entry) => [entry.toolCallId, entry]),
    );
    const distinct = calls.filter(({ id }, index) => calls.findIndex((call) => call.id === id) === index);
    for (const call of distinct) {
      if (shown.called.has(call.id)) continue;
      shown.called.add(call.id);
      await this.show({ type: 'tool_call', data: call });
    }
    const queue = new PQueue({ concurrency: PARALLEL });
    const answers = await Promise.allSettled(
      distinct.map((call) => queue.add(() => this.answer(call, known.get(call.id), shown))),
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
  ): Promise<ContentBlock> {
    const outcome = await this.settle(call, known);
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

  private async settle(call: ToolUse, known: LedgerEntry | undefined): Promise<LedgerOutcome> {
    if (known !== undefined && known.state !== 'started') return known;
    if (known === undefined) await this.begin(call);
    const outcome = known === undefined ? await this.perform(call) : await this.repeat(call);
    await this.dependencies.ledger.finish(this.run, call.id, outcome);
    return outcome;
  }

  /** What an earlier attempt has begun may have taken effect. */
  private async repeat(call: ToolUse): Promise<LedgerOutcome> {
    if (this.dependencies.signal.aborted) {
      this.stopped();
      return UNKNOWN;
    }
    const mayRepeat = this.dependencies.tools.find(call.name)?.options.idempotent === true;
    return mayRepeat ? this.perform(call) : UNKNOWN;
  }

  private begin(call: ToolUse): Promise<void> {
    return this.dependencies.ledger.start(this.run, {
      toolCallId: call.id,
      name: call.name,
      argsHash: createHash('sha256').update(JSON.stringify(call.args)).digest('hex'),
      idempotencyKey: this.idempotencyKey(call),
    });
  }

  private async perform(call: ToolUse): Promise<LedgerOutcome> {
    const { caller, tools, signal, timeoutMs } = this.dependencies;
    if (signal.aborted) return this.stopped();
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
        startAgent: (request) => this.dependencies.startAgent(call, request),
      },
      { timeoutMs },
    );
    const durationMs = Math.round(performance.now() - began);
    const state: ToolCallState = signal.aborted && outcome.isError ? this.stopped().state : 'finished';
    return { state, result: outcome.result, isError: outcome.isError, durationMs };
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

  private idempotencyKey(call: ToolUse): string {
    return `${this.run.id}.${call.id}`;
  }
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
