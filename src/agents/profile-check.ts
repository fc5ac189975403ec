import { z } from 'zod';
import type { AgentProfile } from './agent-profile.js';

const count = z.int().positive();

const profile = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,63}$/, 'takes 1 to 64 lower-case letters, digits and "-", a letter first'),
  description: z.string().refine((text) => text.trim() !== '', 'must say what it is for'),
  model: z.string().min(1).optional(),
  system: z.string().min(1).optional(),
  effort: z.enum(['low', 'medium', 'high', 'max']).optional(),
  tools: z
    .array(
      z
        .string()
        .regex(/^[a-zA-Z0-9_-]{0,64}\*?$/, 'must be a name, or a beginning and "*"')
        .min(1),
    )
    .optional(),
  limits: z
    .strictObject({
      maxTurns: count.optional(),
      maxToolCalls: z.int().nonnegative().optional(),
      maxTokens: count.optional(),
      usd: z.number().positive().optional(),
      tokens: count.optional(),
    })
    .optional(),
  approval: z
    .record(
      z.string(),
      z.custom((rule) => ['always', 'never'].includes(rule as string) || typeof rule === 'function'),
    )
    .optional(),
});

/** What is wrong with a profile, for people; undefined: nothing. */
export function problemOf(candidate: AgentProfile): string | undefined {
  const { error } = profile.safeParse(candidate);
  return error?.issues
    .map(({ path, message }) => `${path.join('.') || 'the profile'}: ${message}`)
    .join('; ');
}
