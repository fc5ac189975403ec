import {
  type LanguageModel,
  ModelError,
  type ModelEvent,
  type ModelRequest,
  type ModelUsage,
  type TakeEvents,
} from '../model/language-model.js';
import { totalOf } from '../model/model-usage.js';
import { costMicroUsd, worstCaseMicroUsd } from '../model/prices.js';
import { estimateTokens } from '../model/estimate-tokens.js';
import type { CallKind, CallOutcome, LeftOver, ReservedCall, RunMeter } from './run-meter.js';
import { addCall, type CountedCall, estimateCall, type Spent } from './usage-sum.js';

/** A model whose calls are paid for: set aside before each, booked after it, however it ends. */
export class MeteredModel {
  constructor(
    private readonly model: LanguageModel,
    private readonly meter: RunMeter,
    private total: Spent,
  ) {}

  /** Of all calls so far, and what was spent before them. */
  get spent(): Spent {
    return this.total;
  }

  /** Counts what calls used that were made before, and that the run has not counted. */
  add({ calls, tokens, costMicroUsd: cost }: LeftOver): void {
    if (calls === 0 && Object.values(tokens).every((count) => count === 0)) return;
    const sum = addCall(this.total, { usage: tokens, estimated: true, costMicroUsd: cost });
    this.total = { ...sum, usage: { ...sum.usage, model_calls: this.total.usage.model_calls + calls } };
  }

  limits(model: string): ReturnType<LanguageModel['limits']> {
    return this.model.limits(model);
  }

  /**
   * Streams one answer, as `LanguageModel.stream` does; where a budget allows no more, a shorter one.
   * @throws AppError `budget_exceeded` before anything is sent.
   */
  async *stream(kind: CallKind, request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const call = await this.begin(kind, request, signal);
    try {
      for await (const event of this.model.stream(call.request, signal)) {
        call.account.take(event);
        yield event;
      }
    } catch (error) {
      call.account.fail(error);
      throw error;
    } finally {
      await this.book(call);
    }
  }

  /** As `stream`, but handed over as `LanguageModel.deliver` does. */
  async deliver(kind: CallKind, request: ModelRequest, signal: AbortSignal, take: TakeEvents): Promise<void> {
    const call = await this.begin(kind, request, signal);
    const { account } = call;
    try {
      await this.model.deliver(call.request, signal, (events) => {
        for (const event of events) account.take(event);
        return take(events);
      });
    } catch (error) {
      account.fail(error);
      throw error;
    } finally {
      await this.book(call);
    }
  }

  private async begin(kind: CallKind, request: ModelRequest, signal: AbortSignal): Promise<PaidCall> {
    const plan = {
      kind,
      model: request.model,
      inputTokens: estimateTokens(request),
      maxTokens: request.maxTokens,
      price: (input: number, output: number) => worstCaseMicroUsd(request.model, input, output),
    };
    const reserved = await this.meter.reserve(plan, signal);
    const { maxTokens } = reserved;
    const asked = maxTokens === request.maxTokens ? request : { ...request, maxTokens };
    return { request: asked, reserved, account: new CallAccount(request.model) };
  }

  private async book({ account, reserved }: PaidCall): Promise<void> {
    const counted = account.count();
    if (counted !== undefined) this.total = addCall(this.total, counted);
    await reserved.settle(account.outcome());
  }
}

interface PaidCall {
  /** What is asked for in the end. */
  request: ModelRequest;
  reserved: ReservedCall;
  account: CallAccount;
}

type Stop = Extract<ModelEvent, { type: 'stop' }>;

/** What one call has told of itself so far. */
class CallAccount {
  private told: ModelUsage | undefined;
  private final: Stop | undefined;
  private received = 0;
  /** Of calls of tools; measured only when the answer breaks off. */
  private readonly inputs: unknown[] = [];
  private ids: Pick<CallOutcome, 'requestId' | 'messageId'> = {};

  constructor(private readonly model: string) {}

  take(event: ModelEvent): void {
    if (event.type === 'start') {
      this.told = event.usage;
      this.ids = { requestId: event.requestId, messageId: event.messageId };
    } else if (event.type === 'usage') this.told = event.usage;
    else if (event.type === 'text' || event.type === 'thinking') this.received += event.text.length;
    else if (event.type === 'block') this.inputs.push(event.content['input']);
    else if (event.type === 'stop') this.final = event;
  }

  fail(error: unknown): void {
    if (error instanceof ModelError) this.ids.requestId ??= error.requestId;
  }

  /** Undefined: it was refused, and costs nothing. */
  count(): CountedCall | undefined {
    const usage = this.final?.usage ?? (this.told && estimateOf(this.told, this.characters));
    if (usage === undefined) return undefined;
    const estimated = this.final === undefined || this.final.estimated === true;
    const cost = this.isUnpaid ? 0 : costMicroUsd(this.model, usage);
    return { usage: totalOf(usage), estimated, costMicroUsd: cost };
  }

  private get characters(): number {
    const known = this.inputs.filter((input) => input !== undefined);
    return this.received + known.reduce<number>((sum, input) => sum + JSON.stringify(input).length, 0);
  }

  /** A refusal before any output is not billed. */
  private get isUnpaid(): boolean {
    return (
      this.final?.stopReason === 'refusal' && this.received === 0 && this.final.usage.output_tokens === 0
    );
  }

  outcome(): CallOutcome {
    const counted = this.count();
    if (counted === undefined) return { tokens: undefined, estimated: false, costMicroUsd: 0, ...this.ids };
    const { usage: tokens, estimated, costMicroUsd: cost } = counted;
    return { tokens, estimated, costMicroUsd: cost, ...this.ids };
  }
}

/** The counts beside iterations are not counted, so that what came beyond those goes to the last of them. */
function estimateOf(told: ModelUsage, characters: number): ModelUsage {
  const usage = estimateCall(told, characters);
  const missing = usage.output_tokens - totalOf(told).output_tokens;
  const last = told.iterations?.at(-1);
  if (last === undefined || missing <= 0) return usage;
  const iterations = [
    ...(told.iterations ?? []).slice(0, -1),
    { ...last, output_tokens: last.output_tokens + missing },
  ];
  return { ...usage, iterations };
}
