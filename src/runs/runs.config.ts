import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { integer, milliseconds, readEnvironment } from '../errors/environment.js';

/** Names of tools, or their beginnings with `*`. */
const toolNames = z
  .string()
  .transform((list) => list.split(',').map((name) => name.trim()))
  .pipe(z.array(z.string().regex(/^([\w-]{1,64}|[\w-]{0,64}\*)$/)))
  .describe('names of tools with commas between them; one that ends in * stands for all that begin like it');

export const runsConfig = registerAs('runs', () =>
  readEnvironment(process.env, {
    LEASE_MS: milliseconds(100).default(10_000),
    RUN_TIMEOUT_MS: milliseconds(100).default(600_000),
    MAX_TURNS: integer(1, 10_000).default(50),
    MAX_REPEATED_CALLS: integer(2, 10_000).default(20),
    TOOL_TIMEOUT_MS: milliseconds(10).default(60_000),
    MODEL_CALL_TIMEOUT_MS: milliseconds(10).default(600_000),
    COMPACT_AT_TOKENS: integer(1_000, 100_000_000).optional(),
    APPROVAL_TIMEOUT_MS: milliseconds(10, 2_592_000_000).default(3_600_000),
    APPROVAL_TOOLS: toolNames.optional(),
    SHUTDOWN_GRACE_MS: milliseconds(0).default(30_000),
    MAX_ACTIVE_RUNS: integer(1, 100_000).default(256),
  }),
);

export type RunsConfig = ConfigType<typeof runsConfig>;
