import { describe, expect, it } from '@jest/globals';
import { planOf } from '../../test/support/usage-bench.js';
import { type Budget, budgetsOf, exhausted, fittingAnswer, NOTHING_SPENT } from './budget.js';
import type { BudgetLimits } from './usage.config.js';

const RUN = { id: 'run_2', rootRunId: 'run_1', sessionId: 'ses_2', userId: 'a"b', tenantId: 't', attempt: 1 };
const DAY = '2026-11-25';

const within = (limits: BudgetLimits): Budget[] => [{ scope: 'run:1', period: '', owner: 'the run', limits }];

describe('budgets', () => {
  it('hold for the root run, its session, the user and the tenant of a day, always in this order', () => {
    const limits = { usd: 1 };
    const all = { tenant: limits, user: limits, session: limits, run: limits };
    const run = { ...RUN, limits: { usd: 2, modelCalls: 3, toolCalls: 4 } };

    expect(budgetsOf(run, all, 'ses_1', DAY)).toMatchObject([
      { scope: 'run:run_1', period: '', limits },
      { scope: 'agent_run:run_2', period: '', limits: { usd: 2, turns: 3, tool_calls: 4 } },
      { scope: 'session:ses_1', period: '', limits },
      { scope: 'user:["t","a\\"b"]', period: DAY, limits },
      { scope: 'tenant:t', period: DAY, limits },
    ]);
  });

  it('do not hold where nothing is bounded', () => {
    expect(budgetsOf({ ...RUN, limits: {} }, { run: {}, user: { turns: 1 } }, 'ses_1', DAY)).toMatchObject([
      { scope: 'user:["t","a\\"b"]' },
    ]);
  });

  it('leave room for an answer after what is spent, set aside, and the prompt', () => {
    const state = { ...NOTHING_SPENT, tokensSpent: 1_000, tokensReserved: 2_000 };
    expect(fittingAnswer(planOf(500, 9_000), within({ tokens: 10_000 }), [state])).toBe(6_500);
    expect(fittingAnswer(planOf(500, 9_000), within({ tokens: 20_000 }), [state])).toBe(9_000);
  });

  it('leave room for the longest answer that the money pays, to the last token', () => {
    const state = { ...NOTHING_SPENT, microUsdSpent: 10_000, microUsdReserved: 20_000 };
    // 50,000 - 30,000 - 4 * 1,000 = 16,000 are 800 tokens at 20.
    const fits = (usd: number) => fittingAnswer(planOf(1_000, 9_000), within({ usd }), [state]);
    expect(fits(0.05)).toBe(800);
    expect(fits(0.049_999)).toBe(799);
    expect(fits(0.034)).toBe(0);
    expect(fits(0.033_999)).toBe(-1);
    expect(fits(1)).toBe(9_000);
  });

  it('are exhausted when what is spent leaves too little, not when others hold it', () => {
    const plan = planOf(0, 4_000);
    const held = { ...NOTHING_SPENT, tokensSpent: 8_976, tokensReserved: 1_024 };
    expect(exhausted(plan, within({ tokens: 10_000 }), [held])).toBeUndefined();
    expect(exhausted(plan, within({ tokens: 10_000 }), [{ ...held, tokensSpent: 8_977 }])).toMatchObject({
      measure: 'tokens',
      budget: { owner: 'the run' },
    });
  });
});
