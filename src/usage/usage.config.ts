import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { jsonVariable, objectError, readEnvironment } from '../errors/environment.js';

const EXAMPLE = 'JSON like {"run":{"usd":1,"turns":40},"user":{"usd":5}}';

const amount = z.number('must be a number above 0').positive('must be a number above 0').max(1e9);
const count = z.int('must be a whole number above 0').positive('must be a whole number above 0');

const budgetLimits = z.strictObject(
  {
    /** Of model calls, in USD. */
    usd: amount.optional(),
    /** Of model calls: input, also from and into the cache, and output. */
    tokens: count.optional(),
    /** Model calls. */
    turns: count.optional(),
    tool_calls: count.optional(),
    /** Sum of the durations of model calls. */
    seconds: amount.optional(),
  },
  { error: objectError },
);

const budgets = z.strictObject(
  {
    /** A person's run with all its sub-agents. */
    run: budgetLimits.optional(),
    session: budgetLimits.optional(),
    /** Of a day, in UTC. */
    user: budgetLimits.optional(),
    tenant: budgetLimits.optional(),
  },
  { error: objectError },
);

export type BudgetLimits = z.output<typeof budgetLimits>;
export type BudgetSettings = z.output<typeof budgets>;

export const usageConfig = registerAs('usage', () =>
  readEnvironment(process.env, {
    BUDGETS: jsonVariable(budgets, EXAMPLE).optional(),
  }),
);

export type UsageConfig = ConfigType<typeof usageConfig>;
