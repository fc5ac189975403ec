import { AppError } from '../errors/app-error.js';
import type { Budget, BudgetState, Measure } from './budget.js';

const UNITS: Record<Measure, string> = {
  usd: 'USD',
  tokens: 'tokens',
  turns: 'model calls',
  tool_calls: 'tool calls',
  seconds: 'seconds of model calls',
};

/** @param next what is not there any more: `the next model call`, for example. */
export function budgetExceeded(
  { owner, period, limits }: Budget,
  measure: Measure,
  state: BudgetState,
  next: string,
): AppError {
  const day = period === '' ? '' : ` for ${period} (UTC)`;
  const spent = spentOf(state)[measure];
  return new AppError(
    'budget_exceeded',
    `The budget of ${owner}${day} has no room for ${next}: limit ${limits[measure] ?? 0} ${UNITS[measure]}, spent ${spent}.`,
  );
}

/** Without a price nobody can say whether a budget in USD is kept. */
export function priceNotKnown({ owner }: Budget, model: string): AppError {
  return new AppError(
    'budget_exceeded',
    `The price of ${model} is not known, so that the USD budget of ${owner} cannot be held: take a model with a known price, or a budget in tokens.`,
  );
}

function spentOf({ microUsdSpent, tokensSpent, modelCalls, toolCalls, busyMs }: BudgetState) {
  return {
    usd: microUsdSpent / 1_000_000,
    tokens: tokensSpent,
    turns: modelCalls,
    tool_calls: toolCalls,
    seconds: busyMs / 1_000,
  } satisfies Record<Measure, number>;
}
