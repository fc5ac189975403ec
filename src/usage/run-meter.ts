import type { Usage } from '../event-log/run-event.js';
import type { Spent } from './usage-sum.js';

/** What a model is called for. */
export type CallKind = 'turn' | 'compaction' | 'title';

/** Tokens of one call, as the provider told them at its end, or at its start when it ended early. */
export type CallTokens = Omit<Usage, 'model_calls' | 'estimated'>;

export interface CallPlan {
  kind: CallKind;
  model: string;
  /** Estimate of the whole prompt, in tokens; rather too high. */
  inputTokens: number;
  /** Upper bound of the answer, in tokens. */
  maxTokens: number;
  /** Worst price of so many tokens of this model in millionths of a USD; null: not known. */
  price: (inputTokens: number, outputTokens: number) => number | null;
}

export interface CallOutcome {
  /** Undefined: the call was refused before it began, and costs nothing. */
  tokens: CallTokens | undefined;
  /** Whether `tokens` are a guess, because the call ended early. */
  estimated: boolean;
  /** In millionths of a USD; null: the price is not known. */
  costMicroUsd: number | null;
  requestId?: string | undefined;
  messageId?: string | undefined;
}

/** A call that may be made: its worst case is set aside in every budget that it counts for. */
export interface ReservedCall {
  /** As planned, or less, where a budget allows only that. */
  readonly maxTokens: number;
  /** Gives back what was not used. Every reserved call is settled once, however it ended. */
  settle(outcome: CallOutcome): Promise<void>;
}

/** What calls of a run used that it has not counted. */
export interface LeftOver {
  calls: number;
  tokens: CallTokens;
  /** Null: not known. */
  costMicroUsd: number | null;
}

/** What one run spends, as its loop sees it. */
export interface RunMeter {
  /**
   * Sets aside what a call costs at worst. Waits while other calls hold what this one needs and may give it back.
   * @throws AppError `budget_exceeded` when a budget cannot hold it; the reason of the signal when aborted.
   */
  reserve(plan: CallPlan, signal: AbortSignal): Promise<ReservedCall>;
  /** Counts tool calls before they are made. @throws AppError `budget_exceeded`; nothing is counted then. */
  countToolCalls(calls: number): Promise<void>;
  /**
   * Settles calls that earlier attempts of the run left open when their process died.
   * @param counted what the run has counted of its earlier attempts.
   * @returns what these used and cost beyond that: calls left open, and others that ended after the last checkpoint.
   */
  settleLeft(counted: Spent): Promise<LeftOver>;
}
