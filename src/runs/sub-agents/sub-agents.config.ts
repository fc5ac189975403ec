import { registerAs, type ConfigType } from '@nestjs/config';
import { integer, readEnvironment } from '../../errors/environment.js';

export const subAgentsConfig = registerAs('sub-agents', () =>
  readEnvironment(process.env, {
    MAX_AGENT_DEPTH: integer(0, 10).default(2),
    MAX_SUB_AGENTS: integer(1, 10_000).default(100),
  }),
);

export type SubAgentsConfig = ConfigType<typeof subAgentsConfig>;
