import type { CallPlan } from './run-meter.js';
import type { BudgetLimits, BudgetSettings } from './usage.config.js';

/** A run as far as its budgets go. */
export interface MeteredRun {
  id: string;
  /** The run of a person at the top of it; its own id when a person started it. */
  rootRunId: string;
  sessionId: string;
  userId: string;
  tenantId: string;
  attempt: number;
  /** Of its profile; they bound this run alone, whatever the others of the same root spend. */
  limits?: ProfileLimits | undefined;
}

export interface ProfileLimits {
  usd?: number | undefined;
  tokens?: number | undefined;
  modelCalls?: number | undefined;
  toolCalls?: number | undefined;
}

/** What a budget bounds. */
export type Measure = 'usd' | 'tokens' | 'turns' | 'tool_calls' | 'seconds';

/** Something that bounds what is spent: the key of its row, and how much it allows. */
export interface Budget {
  scope: string;
  /** Day (UTC) for which it counts; empty: for good. */
  period: string;
  /** For people: whose it is. */
  owner: string;
  limits: BudgetLimits;
}

/** What has been counted against a budget; `reserved` is held by calls that are under way. */
export interface BudgetState {
  microUsdSpent: number;
  microUsdReserved: number;
  tokensSpent: number;
  tokensReserved: number;
  modelCalls: number;
  toolCalls: number;
  busyMs: number;
}

export const NOTHING_SPENT: BudgetState = {
  microUsdSpent: 0,
  microUsdReserved: 0,
  tokensSpent: 0,
  tokensReserved: 0,
  modelCalls: 0,
  toolCalls: 0,
  busyMs: 0,
};

/** An answer of fewer tokens is not worth a call, where a longer one was asked for. */
const LEAST_ANSWER = 1_024;
/** A model call or the time for it does not fit at all. */
const NO_CALL = -1;

/**
 * The budgets that hold for a run on this day, always in the same order: who takes their locks in it waits for
 * nobody who waits for him.
 * @param sessionId of the root run: what sub-agents spend counts for the conversation that a person has.
 */
export function budgetsOf(
  run: MeteredRun,
  settings: BudgetSettings,
  sessionId: string,
  day: string,
): Budget[] {
  const all: [string, string, string, BudgetLimits | undefined][] = [
    [`run:${run.rootRunId}`, '', 'the run', settings.run],
    [`agent_run:${run.id}`, '', "the agent's run", run.limits && profileLimits(run.limits)],
    [`session:${sessionId}`, '', 'the session', settings.session],
    [`user:${JSON.stringify([run.tenantId, run.userId])}`, day, 'the user', settings.user],
    [`tenant:${run.tenantId}`, day, 'the tenant', settings.tenant],
  ];
  return all.flatMap(([scope, period, owner, limits = {}]) =>
    Object.values(limits).some((limit) => limit !== undefined) ? [{ scope, period, owner, limits }] : [],
  );
}

function profileLimits({ usd, tokens, modelCalls, toolCalls }: ProfileLimits): BudgetLimits {
  return { usd, tokens, turns: modelCalls, tool_calls: toolCalls };
}

export function toMicroUsd(usd: number): number {
  return Math.round(usd * 1_000_000);
}

/** Shortest answer for which a planned call is made. */
export function leastAnswer({ maxTokens }: CallPlan): number {
  return Math.min(LEAST_ANSWER, maxTokens);
}

/** How long the answer may be, in tokens, at most as long as planned; less than `leastAnswer`: it does not fit. */
export function fittingAnswer(plan: CallPlan, budgets: readonly Budget[], states: BudgetState[]): number {
  const answers = budgets.map(({ limits }, index) => answerWithin(plan, limits, states[index])[0]);
  return Math.min(plan.maxTokens, ...answers);
}

/** The budget of which what is spent alone leaves too little, whatever calls under way give back. */
export function exhausted(
  plan: CallPlan,
  budgets: readonly Budget[],
  states: BudgetState[],
): { budget: Budget; measure: Measure; state: BudgetState } | undefined {
  for (const [index, budget] of budgets.entries()) {
    const state = { ...(states[index] ?? NOTHING_SPENT), microUsdReserved: 0, tokensReserved: 0 };
    const [answer, measure] = answerWithin(plan, budget.limits, state);
    if (answer < leastAnswer(plan)) return { budget, measure, state };
  }
  return undefined;
}

/** The longest answer within one budget, and what bounds it. */
function answerWithin(
  plan: CallPlan,
  { usd, tokens, turns, seconds }: BudgetLimits,
  state: BudgetState = NOTHING_SPENT,
): [number, Measure] {
  if (turns !== undefined && state.modelCalls >= turns) return [NO_CALL, 'turns'];
  if (seconds !== undefined && state.busyMs >= seconds * 1_000) return [NO_CALL, 'seconds'];
  const byTokens =
    tokens === undefined ? Infinity : tokens - state.tokensSpent - state.tokensReserved - plan.inputTokens;
  const byUsd =
    usd === undefined
      ? Infinity
      : affordable(plan, toMicroUsd(usd) - state.microUsdSpent - state.microUsdReserved);
  return byTokens < byUsd ? [byTokens, 'tokens'] : [byUsd, 'usd'];
}

/** The longest answer for so much money: prices only grow with its length. */
function affordable({ inputTokens, maxTokens, price }: CallPlan, microUsd: number): number {
  const fits = (answer: number): boolean => (price(inputTokens, answer) ?? Infinity) <= microUsd;
  if (fits(maxTokens)) return maxTokens;
  let [longest, tooLong] = [NO_CALL, maxTokens];
  while (tooLong - longest > 1) {
    const middle = Math.floor((longest + tooLong) / 2);
    if (fits(middle)) longest = middle;
    else tooLong = middle;
  }
  return longest;
}
