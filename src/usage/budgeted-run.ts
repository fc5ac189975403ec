import { newId } from '../database/ids.js';
import {
  type Budget,
  budgetsOf,
  type BudgetState,
  exhausted,
  fittingAnswer,
  leastAnswer,
  type MeteredRun,
  NOTHING_SPENT,
} from './budget.js';
import { budgetExceeded, priceNotKnown } from './budget-exceeded.js';
import type { BudgetRepository } from './budget.repository.js';
import type { LeftCall, LeftCallRepository } from './left-call.repository.js';
import type { ModelCallRepository, NewCall, WorstCase } from './model-call.repository.js';
import type { RefundBell } from './refund-bell.js';
import type {
  CallKind,
  CallOutcome,
  CallPlan,
  CallTokens,
  LeftOver,
  ReservedCall,
  RunMeter,
} from './run-meter.js';
import type { BudgetSettings } from './usage.config.js';
import { beyond, type Spent } from './usage-sum.js';

/** A look at a budget that others hold, in milliseconds: at least, and at most so much more. */
const LOOK_MS = 50;
const LOOK_JITTER_MS = 200;

/** A call that is over, as it was booked; for measures. */
export interface SettledCall {
  kind: CallKind;
  model: string;
  tokens: CallTokens;
  estimated: boolean;
  /** Null: the price is not known. */
  costMicroUsd: number | null;
  /** Null: not known, because the process that made the call died. */
  durationMs: number | null;
}

export interface MeterDependencies {
  settings: BudgetSettings;
  calls: ModelCallRepository;
  leftCalls: LeftCallRepository;
  budgets: BudgetRepository;
  bell: RefundBell;
  onSettled: (call: SettledCall) => void;
  /** Milliseconds since 1970 UTC: tells the day. */
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
}

/** What one attempt of a run spends, held against its budgets. Where none holds, calls are only written down. */
export class BudgetedRun implements RunMeter {
  private session: string | undefined;

  constructor(
    private readonly run: MeteredRun,
    private readonly dependencies: MeterDependencies,
  ) {}

  async reserve(plan: CallPlan, signal: AbortSignal): Promise<ReservedCall> {
    signal.throwIfAborted();
    const budgets = await this.budgets();
    const { kind, model } = plan;
    const call = { id: newId('call'), run: this.run, kind, model };
    if (budgets.length === 0) return this.begin(call, plan.maxTokens, budgets);
    const paying = budgets.find(({ limits }) => limits.usd !== undefined);
    if (paying !== undefined && plan.price(plan.inputTokens, plan.maxTokens) === null)
      throw priceNotKnown(paying, model);
    return this.begin(call, await this.setAside(call, plan, budgets, signal), budgets);
  }

  /** @returns how long the answer may be. */
  private async setAside(
    call: NewCall,
    plan: CallPlan,
    budgets: readonly Budget[],
    signal: AbortSignal,
  ): Promise<number> {
    const { calls, bell, random } = this.dependencies;
    const least = leastAnswer(plan);
    const scopes = budgets.map(({ scope }) => scope);
    // Tried before it is looked: there is room most of the time.
    let states: BudgetState[] = budgets.map(() => NOTHING_SPENT);
    for (let looks = 0; ; looks += 1) {
      const maxTokens = fittingAnswer(plan, budgets, states);
      if (maxTokens >= least) {
        if (await calls.reserve(call, worstOf(plan, maxTokens), budgets)) return maxTokens;
      } else if (looks > 0) {
        const used = exhausted(plan, budgets, states);
        if (used) throw budgetExceeded(used.budget, used.measure, used.state, 'the next model call');
        await bell.wait(scopes, LOOK_MS + random() * LOOK_JITTER_MS, signal);
      }
      signal.throwIfAborted();
      states = await this.dependencies.budgets.read(budgets);
    }
  }

  private begin(call: NewCall, maxTokens: number, budgets: readonly Budget[]): ReservedCall {
    const { calls, bell, onSettled } = this.dependencies;
    const started = performance.now();
    const settle = async (outcome: CallOutcome): Promise<void> => {
      const durationMs = Math.round(performance.now() - started);
      const isNew =
        budgets.length === 0
          ? await calls.record(call, outcome, durationMs)
          : await calls.settle(call.id, outcome, durationMs);
      bell.ring(budgets.map(({ scope }) => scope));
      const { tokens, estimated, costMicroUsd } = outcome;
      if (!isNew || tokens === undefined) return;
      onSettled({ kind: call.kind, model: call.model, tokens, estimated, costMicroUsd, durationMs });
    };
    return { maxTokens, settle };
  }

  async countToolCalls(calls: number): Promise<void> {
    const budgets = (await this.budgets()).filter(({ limits }) => limits.tool_calls !== undefined);
    if (budgets.length === 0 || calls === 0) return;
    const isWithin = ({ limits }: Budget, counted: number): boolean =>
      counted + calls <= (limits.tool_calls ?? Infinity);
    const store = this.dependencies.budgets;
    if (budgets.every((budget) => isWithin(budget, 0)) && (await store.countToolCalls(budgets, calls)))
      return;
    const states = await store.read(budgets);
    const [budget = budgets[0], state = NOTHING_SPENT] =
      budgets
        .map((one, index) => [one, states[index] ?? NOTHING_SPENT] as const)
        .find(([one, { toolCalls }]) => !isWithin(one, toolCalls)) ?? [];
    if (budget === undefined) return;
    throw budgetExceeded(budget, 'tool_calls', state, `${calls} more tool ${calls === 1 ? 'call' : 'calls'}`);
  }

  async settleLeft(counted: Spent): Promise<LeftOver> {
    const { leftCalls } = this.dependencies;
    await giveUpAll(await leftCalls.listLeft(this.run), this.dependencies);
    return beyond(await leftCalls.listMade(this.run), counted);
  }

  private async budgets(): Promise<Budget[]> {
    const { settings, now } = this.dependencies;
    const session = settings.session === undefined ? this.run.sessionId : await this.personsSession();
    return budgetsOf(this.run, settings, session, new Date(now()).toISOString().slice(0, 10));
  }

  /** Sub-agents have sessions of their own, but they spend for the one of the person. */
  private async personsSession(): Promise<string> {
    const { id, rootRunId, sessionId } = this.run;
    if (rootRunId === id) return sessionId;
    this.session ??= (await this.dependencies.calls.sessionOf(rootRunId)) ?? sessionId;
    return this.session;
  }
}

/** Books calls whose process died with their worst case. */
export async function giveUpAll(
  ids: readonly string[],
  { leftCalls, bell, onSettled }: Pick<MeterDependencies, 'leftCalls' | 'bell' | 'onSettled'>,
): Promise<LeftCall[]> {
  const left: LeftCall[] = [];
  for (const id of ids) {
    const call = await leftCalls.giveUp(id);
    if (call === undefined) continue;
    left.push(call);
    bell.ring(call.scopes);
    const { kind, model, tokens, costMicroUsd } = call;
    onSettled({ kind, model, tokens, estimated: true, costMicroUsd, durationMs: null });
  }
  return left;
}

function worstOf({ inputTokens, price }: CallPlan, maxTokens: number): WorstCase {
  return { inputTokens, outputTokens: maxTokens, microUsd: price(inputTokens, maxTokens) };
}
