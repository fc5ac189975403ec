import { registerAs, type ConfigType } from '@nestjs/config';
import { integer, milliseconds, readEnvironment } from '../errors/environment.js';

export const runsConfig = registerAs('runs', () =>
  readEnvironment(process.env, {
    LEASE_MS: milliseconds(100).default(10_000),
    RUN_TIMEOUT_MS: milliseconds(100).default(600_000),
    MAX_TURNS: integer(1, 10_000).default(50),
    TOOL_TIMEOUT_MS: milliseconds(10).default(60_000),
    SHUTDOWN_GRACE_MS: milliseconds(0).default(30_000),
    MAX_ACTIVE_RUNS: integer(1, 100_000).default(256),
  }),
);

export type RunsConfig = ConfigType<typeof runsConfig>;
