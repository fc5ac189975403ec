import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { readEnvironment } from '../errors/environment.js';

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
    BUDGETS: z.string().transform(readBudgets).optional(),
  }),
);

export type UsageConfig = ConfigType<typeof usageConfig>;

function readBudgets(text: string, context: z.RefinementCtx): BudgetSettings {
  const parsed = budgets.safeParse(readJson(text));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trimStart());
  context.addIssue({ code: 'custom', message: `${EXAMPLE}: ${faults.join('; ')}` });
  return z.NEVER;
}

/** What is no JSON is no object either, and that is what is told. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function objectError({ code, keys }: { code?: string; keys?: string[] }): string {
  return code === 'unrecognized_keys' ? `has no ${keys?.join(', ')}` : 'must be an object';
}
