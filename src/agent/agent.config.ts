import { registerAs, type ConfigType } from '@nestjs/config';
import { milliseconds, readEnvironment } from '../errors/environment.js';

export const agentConfig = registerAs('agent', () =>
  readEnvironment(process.env, {
    HEARTBEAT_MS: milliseconds(20).default(15_000),
  }),
);

export type AgentConfig = ConfigType<typeof agentConfig>;
